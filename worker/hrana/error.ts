/**
 * Errors of the gateway in the form that Hrana clients read: `application/json` with `message` and `code`. The other
 * routes answer in problem+json, which `@libsql/client` would report as a bare status.
 */

import { DEFAULT_RETRY_AFTER_MS, MAX_ANSWER_BYTES } from '../limits.ts'

export type HranaErrorCode =
  | 'BATON_INVALID'
  | 'BATON_REUSED'
  /** The stream was closed for its client's absence, and nothing of its transaction remains. */
  | 'STREAM_EXPIRED'
  /** The stream is gone. Whether what was last sent on it took effect is unknown. */
  | 'STREAM_LOST'
  /** An operator has closed the session. */
  | 'SESSION_KILLED'
  /** Too many requests wait for one stream, or have waited too long; this one did not run. */
  | 'QUEUE_FULL'
  | 'QUEUE_TIMEOUT'
  /** The tenant has as many sessions as it may have, or an operator lets none begin; this request did not run. */
  | 'SESSION_LIMIT'
  | 'SESSIONS_DRAINED'
  /** The database serves nobody, for a quota or by its owner's will. */
  | 'BLOCKED'
  | 'AUTH_HEADER_NOT_FOUND'
  | 'TENANT_NOT_FOUND'
  | 'TENANT_SUSPENDED'
  | 'INVALID_REQUEST'
  | 'REQUEST_TIMEOUT'
  | 'PAYLOAD_TOO_LARGE'
  | 'UNSUPPORTED_ENCODING'
  | 'RESPONSE_TOO_LARGE'
  | 'METHOD_NOT_ALLOWED'
  | 'NOT_FOUND'
  /** No answer came from the database, or not a whole one. Whether the request took effect is unknown. */
  | 'NO_ANSWER'
  | 'UPSTREAM_REFUSED'
  | 'OVERLOADED'
  | 'INTERNAL'
  /** Of sockets. */
  | 'SQL_NOT_STORED'
  | 'SQL_STORE_TOO_MANY'
  | 'SQL_STORE_TOO_LARGE'
  | 'STREAM_NOT_OPEN'
  | 'TOO_MANY_STREAMS'
  | 'CURSOR_NOT_OPEN'
  | 'CURSOR_EXPIRED'
  /** The cursor is gone with the instance that read it. */
  | 'CURSOR_LOST'
  /** The database has refused the token. */
  | 'AUTH_REJECTED'
  | 'UPGRADE_REQUIRED'
  | 'TOO_MANY_REQUESTS'
  | 'SUBPROTOCOL_UNSUPPORTED'

/** A refusal as a value, so that it can cross RPC. */
export interface HranaError {
  status: number
  code: HranaErrorCode
  message: string
  /** What is known about the effect: of a transaction that was open on a stream, or of the request itself. */
  outcome?: 'rolled_back' | 'unknown'
  /** When to come back, told as a header. */
  retryAfterMs?: number
}

export function hranaErrorResponse(
  { status, retryAfterMs, ...body }: HranaError,
  headers: Record<string, string> = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      ...(retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }),
      ...headers,
      'content-type': 'application/json',
      'cache-control': 'no-store',
    },
  })
}

/** Whether the gateway has refused it, and not a database: see {@link hranaErrorResponse}, and what is passed on. */
export const isOwnRefusal = ({ headers }: Response): boolean => headers.has('cache-control')

export const TENANT_SUSPENDED: HranaError = {
  status: 403,
  code: 'TENANT_SUSPENDED',
  message:
    'The tenant is suspended: its database takes no statements until it is resumed. This request did not run.',
}

export const NO_TENANT: HranaError = {
  status: 404,
  code: 'TENANT_NOT_FOUND',
  message: 'There is no such tenant, or its database is not ready yet. This request did not run.',
}

export const NO_ANSWER: HranaError = {
  status: 502,
  code: 'NO_ANSWER',
  message: "No whole answer came from the tenant's database. Whether the request took effect is unknown.",
  outcome: 'unknown',
}

export const RESPONSE_TOO_LARGE: HranaError = {
  status: 502,
  code: 'RESPONSE_TOO_LARGE',
  message: `The answer has more than ${MAX_ANSWER_BYTES} bytes. The request took effect, or will be rolled back with its stream.`,
  outcome: 'unknown',
}

/** To the question whether the database takes a token, which comes before the request. */
export const NO_ANSWER_YET: HranaError = {
  status: 502,
  code: 'NO_ANSWER',
  message:
    "No whole answer came from the tenant's database to the question whether it takes the token. This request did not run.",
}

/** Of a request; its body was not read. */
export const NO_ROOM: HranaError = {
  status: 503,
  code: 'OVERLOADED',
  message: 'Too many large requests are on their way. This one did not run.',
  retryAfterMs: DEFAULT_RETRY_AFTER_MS,
}

export const NO_ROOM_FOR_ANSWER: HranaError = {
  status: 503,
  code: 'OVERLOADED',
  message:
    'Too many large answers are on their way. The request took effect, or will be rolled back with its stream.',
  outcome: 'unknown',
  retryAfterMs: DEFAULT_RETRY_AFTER_MS,
}

export const UPSTREAM_REDIRECTS: HranaError = {
  status: 502,
  code: 'UPSTREAM_REFUSED',
  message: "The tenant's database answered with a redirect, which is never followed",
}

export const OWN_SECRET: HranaError = {
  status: 401,
  code: 'AUTH_REJECTED',
  message:
    'This is a key of the API and not a token of the database, and was not passed on. This request did not run.',
}

/** A request that is refused before it is sent. */
export const invalidRequestError = (message: string): HranaError => ({
  status: 400,
  code: 'INVALID_REQUEST',
  message,
})

/** sqld says with a 500 that a database is blocked, which invites clients to try again; `null` for anything else. */
export function blockedError(status: number, text: string): HranaError | null {
  if (status !== 500) return null
  const reason = /Operation was blocked(?:: ([^"`]{1,200}))?/.exec(text.slice(0, 1000))
  if (reason === null) return null
  const message = `The tenant's database is blocked${reason[1] === undefined ? '' : `: ${reason[1]}`}`
  return { status: 403, code: 'BLOCKED', message }
}
