/** The Turso Platform API: one object that holds the resources. */
import type { Fetch } from '../http/fetch.ts'
import { parseBody } from '../http/json.ts'
import { createRetrier } from '../http/retry.ts'
import { send } from '../http/send.ts'
import { createTokenSource } from '../http/token.ts'
import { DEFAULT_TIMEOUT_MS } from '../limits.ts'
import { parseHttpUrl } from '../url.ts'
import { createDatabases, type Databases } from './databases.ts'
import { createGroups, type Groups } from './groups.ts'
import type { PlatformCall } from './call.ts'

export interface PlatformOptions {
  /** A Platform API token (not a database token). */
  token: string
  /** The organization's slug; of a personal account the username. */
  organization: string
  /** Default `https://api.turso.tech`. */
  baseUrl?: string | undefined
  /** Milliseconds that a call may take. Default 30,000. */
  timeoutMs?: number | undefined
  /** Stands in for the global `fetch`. */
  fetch?: Fetch | undefined
}

export interface Platform {
  databases: Databases
  groups: Groups
}

/**
 * A client of the Turso Platform API. Does no I/O until it is used.
 *
 * Its calls throw {@link HttpError} (by `code`: `not_found`, `already_exists`, `unauthorized`, …),
 * {@link NetworkError}, {@link TimeoutError}, {@link ProtocolError}, `TypeError` for malformed arguments, and the
 * reason of an aborted `signal`. Nothing is retried.
 *
 * @throws {TypeError} for a missing token or organization, or a malformed `baseUrl`
 * @see https://docs.turso.tech/api-reference
 */
export function createPlatform(options: PlatformOptions): Platform {
  const { token, organization, fetch, timeoutMs } = options
  if (!token) throw new TypeError('"token" is missing: a Turso Platform API token')
  if (!organization) throw new TypeError('"organization" is missing: the slug of the Turso organization')
  const baseUrl = parseHttpUrl(options.baseUrl ?? 'https://api.turso.tech', 'baseUrl').href.replace(
    /\/+$/,
    '',
  )

  const tokens = createTokenSource(token)
  const retrier = createRetrier(false)
  const call: PlatformCall = async (method, path, { query, body, options: callOptions }) => {
    const text = await send({
      method,
      url: baseUrl + path + encodeQuery(query),
      token: tokens,
      headers: {},
      body,
      fetch,
      timeoutMs: callOptions?.timeoutMs ?? timeoutMs ?? DEFAULT_TIMEOUT_MS,
      signal: callOptions?.signal,
      retrier,
      isRepeatable: false,
    })
    // Several successes have an empty body.
    return text.trim() === '' ? {} : parseBody(text, `${method} ${path}`)
  }
  const groups = createGroups(call, organization)
  return { databases: createDatabases(call, organization, groups), groups }
}

function encodeQuery(query: Record<string, string | undefined> | undefined): string {
  const given = Object.entries(query ?? {}).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}
