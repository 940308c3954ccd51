/** What the resources of a client share: how it sends, for whom, and how often again. */
import { ProtocolError } from '../errors.ts'
import type { Fetch } from '../http/fetch.ts'
import { parseBody } from '../http/json.ts'
import { createRetrier, type Retrier, type RetryOptions } from '../http/retry.ts'
import { send } from '../http/send.ts'
import { createTokenSource, type AuthToken } from '../http/token.ts'
import { DEFAULT_TIMEOUT_MS } from '../limits.ts'
import { isSegment } from '../path.ts'
import { parseHttpUrl } from '../url.ts'
import { explain, type PlatformCall } from './call.ts'
import { bind, type Answer, type EndpointContext } from './endpoint.ts'
import { requireNames } from './options.ts'
import { retrieveOrganization, type Organizations } from './organizations.ts'

export interface PlatformOptions {
  /** A Platform API token (not a database token), or what returns one: asked for again once after a 401. */
  token: AuthToken
  /** The organization's slug; of a personal account the username. */
  organization: string
  /** Default `https://api.turso.tech`. */
  baseUrl?: string | undefined
  /** Who tells the closest location. Default `https://region.turso.io`; of a local Turso it is `{baseUrl}/region`. */
  regionUrl?: string | undefined
  /** Milliseconds that a call may take, retries included. Default 30,000. */
  timeoutMs?: number | undefined
  /**
   * What is sent again after 429, 5xx and a connection that failed: reads, `createToken`, `ensure`; anything else only if
   * the server cannot have acted on it, `create` after a look, `invalidateTokens` never. `false`: nothing.
   */
  retry?: RetryOptions | false | undefined
  /** Stands in for the global `fetch`. */
  fetch?: Fetch | undefined
}

/** Made once for all resources of a client. */
export interface Connection extends EndpointContext {
  retrier: Retrier
  /** Of a call that has none of its own. */
  timeoutMs: number
}

/**
 * @throws {TypeError} for a missing token or organization, a malformed `baseUrl`, and options that do not exist
 * @throws {RangeError} for a malformed `retry`
 */
export function createConnection(options: PlatformOptions): Connection {
  requireNames('The options', options, 'token organization baseUrl regionUrl timeoutMs retry fetch')
  const { organization, fetch, timeoutMs = DEFAULT_TIMEOUT_MS, retry } = options
  if (!options.token) throw new TypeError('"token" is missing: a Turso Platform API token')
  if (!organization) throw new TypeError('"organization" is missing: the slug of the Turso organization')
  const baseUrl = readUrl(options.baseUrl ?? 'https://api.turso.tech', 'baseUrl')
  const regionUrl = readUrl(options.regionUrl ?? 'https://region.turso.io', 'regionUrl')

  const platformToken = createTokenSource(options.token)
  const retrier = createRetrier(retry)
  const never = createRetrier(false)
  const call: PlatformCall = async (request) => {
    const { method, url, body, isRepeatable = method === 'GET' || undefined, scope } = request
    // The rest is other hosts, which the token is not for.
    const isOwn = url[0] === '/'
    try {
      const text = await send({
        method,
        url: isOwn ? baseUrl + url : url,
        token: isOwn ? platformToken : () => undefined,
        headers: {},
        body,
        secret: (body as Answer | undefined)?.['remote_encryption']?.encryption_key,
        fetch,
        timeoutMs: request.timeoutMs ?? timeoutMs,
        signal: request.signal,
        retrier: isRepeatable === false ? never : retrier,
        isRepeatable: isRepeatable === true,
      })
      // Several successes have an empty body.
      return text.trim() === '' ? undefined : parseBody(text, `${method} ${url.replace(/\?.*/, '')}`)
    } catch (error) {
      throw explain(error, scope)
    }
  }

  // Ids of organizations never change. The answer is kept, not the promise of it: on Workers one request must not await
  // for another.
  const ids = new Map<string, string>()
  const connection: Connection = {
    call,
    organization,
    regionUrl,
    retrier,
    timeoutMs,
    async findOrganizationId({ organization: slug = organization, signal, timeoutMs: ms }) {
      const known = ids.get(slug)
      if (known !== undefined) return known
      const { id } = await organizations.retrieve({ organization: slug, signal, timeoutMs: ms })
      if (!isSegment(id))
        throw new ProtocolError('The Platform API answered without the id of the organization')
      ids.set(slug, id)
      return id
    },
  }
  const organizations = bind<Pick<Organizations, 'retrieve'>>({ retrieve: retrieveOrganization }, connection)
  return connection
}

function readUrl(text: string, option: string): string {
  return parseHttpUrl(text, option).href.replace(/\/+$/, '')
}
