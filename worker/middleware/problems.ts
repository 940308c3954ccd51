/** The only place where an error becomes a response. */
import type { ErrorHandler, NotFoundHandler } from 'hono'
import type { AppEnvironment } from '../environment.ts'
import { hranaErrorResponse, NO_ANSWER, type HranaErrorCode } from '../hrana/error.ts'
import { log } from '../log.ts'
import { isRetryable, Problem, problemResponse, toProblem, type ProblemCode } from '../http/problem.ts'

/** Turns whatever a route threw into problem+json, or on the gateway's paths into Hrana's form. */
export const onError: ErrorHandler<AppEnvironment> = (error, c) => {
  const problem = toProblem(error)
  const requestId = c.get('requestId')
  if (problem.code === 'internal')
    log('error', 'unexpected_error', { request_id: requestId, error: error.stack ?? String(error) })
  if (problem.code === 'configuration')
    log('error', 'misconfigured', { request_id: requestId, detail: problem.message })
  const response = problemResponse(problem, requestId)
  if (!c.req.path.startsWith('/t/')) return response
  // The object moved or was updated in the middle: it may have done what it was asked.
  if (isRetryable(error)) return hranaErrorResponse(NO_ANSWER)
  const code = HRANA_CODES[problem.code] ?? 'INTERNAL'
  const outcome = code === 'INTERNAL' ? ({ outcome: 'unknown' } as const) : {}
  return hranaErrorResponse(
    { status: response.status, code, message: problem.message, ...outcome },
    problem.headers,
  )
}

export const onNotFound: NotFoundHandler<AppEnvironment> = (c) => {
  const nothing = `There is nothing at ${c.req.path.slice(0, 200)}`
  return onError(
    new Problem('not_found', c.req.path.startsWith('/t/') ? `${nothing}. ${GATEWAY_PATHS}` : nothing),
    c,
  )
}

const GATEWAY_PATHS =
  "A client's URL ends with /t/<tenant>/, slash included; below it are v2/pipeline, v3/pipeline and v3/cursor."

const HRANA_CODES: Partial<Record<ProblemCode, HranaErrorCode>> = {
  invalid_request: 'INVALID_REQUEST',
  not_found: 'NOT_FOUND',
  method_not_allowed: 'METHOD_NOT_ALLOWED',
  request_timeout: 'REQUEST_TIMEOUT',
  payload_too_large: 'PAYLOAD_TOO_LARGE',
  unsupported_encoding: 'UNSUPPORTED_ENCODING',
  rate_limited: 'TOO_MANY_REQUESTS',
  overloaded: 'OVERLOADED',
}
