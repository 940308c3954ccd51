/**
 * Errors of the gateway in the form that Hrana clients read: `application/json` with `message` and `code`. The other
 * routes answer in problem+json, which `@libsql/client` would report as a bare status.
 */

export type HranaErrorCode =
  | 'BATON_INVALID'
  | 'BATON_REUSED'
  /** The stream is closed and nothing of its transaction remains. */
  | 'STREAM_EXPIRED'
  /** The stream is gone, and whether the last request took effect is unknown. */
  | 'STREAM_LOST'
  | 'AUTH_HEADER_NOT_FOUND'
  | 'TENANT_NOT_FOUND'
  | 'INVALID_REQUEST'
  | 'PAYLOAD_TOO_LARGE'
  | 'METHOD_NOT_ALLOWED'
  | 'NOT_FOUND'
  | 'UPSTREAM_UNAVAILABLE'
  | 'UPSTREAM_REFUSED'
  | 'OVERLOADED'
  | 'INTERNAL'

/** A refusal as a value, so that it can cross RPC. */
export interface HranaError {
  status: number
  code: HranaErrorCode
  message: string
  /** What is known about a transaction that was open on a lost stream. */
  outcome?: 'rolled_back' | 'unknown'
}

export function hranaErrorResponse(
  { status, ...body }: HranaError,
  headers: Record<string, string> = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...headers, 'content-type': 'application/json', 'cache-control': 'no-store' },
  })
}

export const UPSTREAM_UNAVAILABLE: HranaError = {
  status: 503,
  code: 'UPSTREAM_UNAVAILABLE',
  message: "The tenant's database cannot be reached",
}

export const UPSTREAM_REDIRECTS: HranaError = {
  status: 502,
  code: 'UPSTREAM_REFUSED',
  message: "The tenant's database answered with a redirect, which is never followed",
}
