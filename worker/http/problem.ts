/** Errors as `application/problem+json` (RFC 9457). The only place that writes that format. */
import { toJson } from './json.ts'
import { DEFAULT_RETRY_AFTER_MS } from '../limits.ts'
import { NoRoomError } from '../memory/room.ts'

/** What went wrong, for programs. The problem's `type` is this as a URN. */
export type ProblemCode =
  | 'unauthorized'
  | 'forbidden'
  | 'invalid_request'
  | 'not_found'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'payload_too_large'
  | 'unsupported_encoding'
  | 'tenant_exists'
  | 'tenant_deleting'
  | 'tenant_suspended'
  | 'tenant_not_ready'
  | 'signup_in_progress'
  | 'signup_unfinished'
  | 'idempotency_key_reused'
  | 'rate_limited'
  | 'upstream_refused'
  | 'upstream_unavailable'
  | 'directory_unavailable'
  | 'database_in_use'
  | 'orphan_has_owner'
  | 'orphan_is_copy'
  | 'orphan_unmarked'
  | 'overloaded'
  | 'configuration'
  | 'internal'

interface ProblemKind {
  status: number
  title: string
}

export const PROBLEM_KINDS: Readonly<Record<ProblemCode, ProblemKind>> = {
  unauthorized: { status: 401, title: 'No valid API key' },
  forbidden: { status: 403, title: 'The API key may not do this' },
  invalid_request: { status: 400, title: 'The request is invalid' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  request_timeout: { status: 408, title: 'The request took too long' },
  payload_too_large: { status: 413, title: 'The request is too large' },
  unsupported_encoding: { status: 415, title: 'The encoding is not supported' },
  tenant_exists: { status: 409, title: 'The tenant exists' },
  tenant_deleting: { status: 409, title: 'The tenant is deleted' },
  tenant_not_ready: { status: 409, title: 'The tenant has no database yet' },
  tenant_suspended: { status: 409, title: 'The tenant is suspended' },
  signup_in_progress: { status: 409, title: 'A signup of this tenant is running' },
  signup_unfinished: { status: 409, title: 'An unfinished signup of this tenant had another body' },
  idempotency_key_reused: { status: 422, title: 'The idempotency key was used for another request' },
  rate_limited: { status: 429, title: 'Too many requests' },
  upstream_refused: { status: 502, title: 'Turso refused' },
  upstream_unavailable: { status: 503, title: 'Turso is unavailable' },
  database_in_use: { status: 409, title: 'A tenant has this database' },
  orphan_has_owner: { status: 409, title: "The database is marked as a tenant's" },
  orphan_is_copy: { status: 409, title: 'The database is a copy of another one' },
  orphan_unmarked: { status: 409, title: 'The database has data in it, and no mark of this Worker' },
  directory_unavailable: { status: 503, title: 'The directory is unavailable' },
  overloaded: { status: 503, title: 'Too many requests at once' },
  configuration: { status: 500, title: 'The Worker is misconfigured' },
  internal: { status: 500, title: 'Internal error' },
}

/** Thrown anywhere below a route or an entrypoint, which tell it to their caller. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly headers: Record<string, string>
  /** Members beside the standard ones, such as `errors` or `tenant`. */
  readonly members: Record<string, unknown>

  constructor(
    code: ProblemCode,
    detail: string,
    extra: { headers?: Record<string, string>; members?: Record<string, unknown> } = {},
  ) {
    super(detail)
    this.code = code
    this.headers = extra.headers ?? {}
    this.members = extra.members ?? {}
  }
}

/** One refused member of a request. */
export interface FieldError {
  /** Path of the member, such as `token.expiration`; empty for the request itself. */
  field: string
  detail: string
}

/** More would help nobody, and a body of nothing but mistakes must not be answered with a multiple of it. */
const MAX_FIELD_ERRORS = 20

/** A request with members that are missing, malformed or unknown. */
export function invalidRequest(all: readonly FieldError[]): Problem {
  const errors = all.slice(0, MAX_FIELD_ERRORS)
  const detail = errors
    .map(({ field, detail }) => (field === '' ? detail : `"${field}" ${detail}`))
    .join('; ')
  return new Problem('invalid_request', detail, { members: { errors } })
}

/** `Retry-After` in whole seconds, at least one. */
export function retryAfter(ms: number): Record<string, string> {
  return { 'retry-after': String(Math.max(1, Math.ceil(ms / 1000))) }
}

/** Any error as what its caller is told. */
export function toProblem(error: Error): Problem {
  if (error instanceof Problem) return error
  if (error instanceof NoRoomError)
    return new Problem('overloaded', 'Too many large requests are on their way. This one did not run.', {
      headers: retryAfter(DEFAULT_RETRY_AFTER_MS),
    })
  // Errors that crossed RPC keep their own properties and lose their class.
  const { code, overloaded } = error as { code?: unknown; overloaded?: unknown }
  if (code === 'configuration') return new Problem('configuration', error.message)
  if (overloaded === true || isRetryable(error))
    return new Problem('overloaded', 'The object of this tenant is overloaded or just moved; try again', {
      headers: retryAfter(DEFAULT_RETRY_AFTER_MS),
    })
  return new Problem('internal', 'Something went wrong here; the request id helps to find it in the logs')
}

/** Whether an object moved or was updated in the middle: it may have done what it was asked. */
export const isRetryable = (error: Error): boolean =>
  'retryable' in error && error.retryable === true && !('overloaded' in error && error.overloaded === true)

export function problemResponse(problem: Problem, requestId: string): Response {
  const { status, title } = PROBLEM_KINDS[problem.code]
  const body = {
    type: `urn:turso-edge:problem:${problem.code}`,
    title,
    status,
    code: problem.code,
    detail: problem.message,
    request_id: requestId,
    ...problem.members,
  }
  return new Response(JSON.stringify(toJson(body)), {
    status,
    headers: { ...problem.headers, 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
  })
}
