/** The Turso Platform API: one object that holds the resources. */
import { ProtocolError } from '../errors.ts'
import type { Fetch } from '../http/fetch.ts'
import { parseBody } from '../http/json.ts'
import { createRetrier, type RetryOptions } from '../http/retry.ts'
import { send } from '../http/send.ts'
import { createTokenSource, type AuthToken } from '../http/token.ts'
import { DEFAULT_TIMEOUT_MS } from '../limits.ts'
import { isSegment } from '../path.ts'
import { parseHttpUrl } from '../url.ts'
import { apiTokens, type ApiTokens } from './api-tokens.ts'
import { auditLogs, type AuditLogs } from './audit-logs.ts'
import { explain, type Method, type PlatformCall } from './call.ts'
import { createCreation } from './create.ts'
import { databases, databasesById, type Databases, type DatabasesById } from './databases.ts'
import { bind, type Answer, type Endpoints } from './endpoint.ts'
import { groups, groupsById, type Groups, type GroupsById } from './groups.ts'
import { keySets, keySetTemplate, type KeySets } from './key-sets.ts'
import { locations, type Locations } from './locations.ts'
import { invites, members, type Invites, type Members } from './members.ts'
import { organizations, type Organizations } from './organizations.ts'
import { requireNames } from './options.ts'
import { user, type Users } from './user.ts'
import type { CallOptions } from '../http/watch.ts'

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

export interface RequestOptions extends CallOptions {
  /** Sent as JSON. */
  body?: unknown
  query?: Readonly<Record<string, string>> | undefined
  /** Whether sending it twice does no more than sending it once. Default: of a GET. */
  isRepeatable?: boolean | undefined
}

export interface Platform {
  databases: Databases
  groups: Groups
  locations: Locations
  organizations: Organizations
  members: Members
  invites: Invites
  apiTokens: ApiTokens
  auditLogs: AuditLogs
  /** Key sets (JWKS) of other issuers of tokens. */
  jwks: KeySets
  user: Users
  /** Databases by id. */
  databasesById: DatabasesById
  /** Groups by id. */
  groupsById: GroupsById
  /**
   * Any route of the API, such as one that this client does not know yet. Resolves with the JSON of the answer as sent,
   * `undefined` when it was empty.
   *
   * @param path from its first slash on; made by the tag of that name, so that no name in it can leave its place
   * @throws {TypeError} for a path without a slash at its beginning or with a `#`, and for a GET with a body
   * @example
   * await turso.request('GET', path`/v1/organizations/${organization}/databases`, { query: { limit: '10' } })
   */
  request(method: Method, path: string, options?: RequestOptions): Promise<unknown>
}

/**
 * A client of the Turso Platform API. Does no I/O until it is used.
 *
 * Its calls throw {@link HttpError} (by `code`: `unauthorized`, `forbidden`, `not_found`, `plan_limit`, `rate_limited`,
 * `unavailable`, …; its message has the method, the path, the server's words and, for a token of the wrong kind or
 * without the scope, a hint), {@link NetworkError}, {@link TimeoutError}, {@link ProtocolError}, `TypeError` for malformed
 * arguments, `RangeError` for a malformed `timeoutMs`, and the reason of an aborted `signal`. All of them reject; only the
 * arguments of this function throw at once.
 *
 * @throws {TypeError} for a missing token or organization, or a malformed `baseUrl`
 * @throws {RangeError} for a malformed `retry`
 * @see https://docs.turso.tech/api-reference
 */
export function createPlatform(options: PlatformOptions): Platform {
  requireNames('The options', options, 'token organization baseUrl regionUrl timeoutMs retry fetch')
  const { organization, fetch, timeoutMs = DEFAULT_TIMEOUT_MS, retry } = options
  if (!options.token) throw new TypeError('"token" is missing: a Turso Platform API token')
  if (!organization) throw new TypeError('"organization" is missing: the slug of the Turso organization')
  const baseUrl = readUrl(options.baseUrl ?? 'https://api.turso.tech', 'baseUrl')
  const regionUrl = readUrl(options.regionUrl ?? 'https://region.turso.io', 'regionUrl')

  const platformToken = createTokenSource(options.token)
  const noToken = createTokenSource(undefined)
  const retrier = createRetrier(retry)
  const never = createRetrier(false)
  const call: PlatformCall = async ({ method, url, body, options: callOptions, isRepeatable, scope }) => {
    const isOwn = url[0] === '/'
    try {
      const text = await send({
        method,
        url: isOwn ? baseUrl + url : url,
        token: isOwn ? platformToken : noToken,
        headers: {},
        body,
        secret: (body as Answer | undefined)?.['remote_encryption']?.encryption_key,
        fetch,
        timeoutMs: callOptions?.timeoutMs ?? timeoutMs,
        signal: callOptions?.signal,
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
  const resource = <Resource>(endpoints: Endpoints<Resource>): Resource =>
    bind(endpoints, {
      call,
      organization,
      async findOrganizationId({ organization: slug = organization, signal, timeoutMs: ms }) {
        const callOptions = { organization: slug, signal, timeoutMs: ms }
        const id = ids.get(slug) ?? (await found.organizations.retrieve(callOptions)).id
        if (!isSegment(id))
          throw new ProtocolError('The Platform API answered without the id of the organization')
        ids.set(slug, id)
        return id
      },
    })

  const simple = resource(databases)
  const groupsFound = resource(groups)
  const found: Platform = {
    databases: {
      ...simple,
      ...createCreation({
        databases: simple,
        groups: groupsFound,
        retrier,
        timeoutMs,
      }),
    },
    groups: groupsFound,
    locations: {
      ...resource(locations),
      ...resource<Pick<Locations, 'closest'>>({
        closest: { route: `GET ${regionUrl}`, answer: '', fields: 'server' },
      }),
    },
    organizations: resource(organizations),
    members: resource(members),
    invites: resource(invites),
    apiTokens: resource(apiTokens),
    auditLogs: resource(auditLogs),
    jwks: { ...resource(keySets), template: keySetTemplate },
    user: resource(user),
    databasesById: resource(databasesById),
    groupsById: resource(groupsById),
    async request(method, path, options = {}) {
      requireNames('The options', options, 'query body isRepeatable signal timeoutMs')
      const { query, body, isRepeatable, ...callOptions } = options
      // Else it could be the rest of another host's name, which would be sent the token.
      if (path[0] !== '/') throw new TypeError('"path" must begin with a slash')
      if (path.includes('#')) throw new TypeError('"path" must not have a "#": what follows it is not sent')
      if (method === 'GET' && body !== undefined) throw new TypeError('"body" is not for GET')
      const search = `${new URLSearchParams(query)}`
      return call({
        method,
        url: search ? `${path}${path.includes('?') ? '&' : '?'}${search}` : path,
        body,
        options: callOptions,
        isRepeatable: isRepeatable ?? (method === 'GET' || undefined),
      })
    },
  }
  return found
}

function readUrl(text: string, option: string): string {
  return parseHttpUrl(text, option).href.replace(/\/+$/, '')
}
