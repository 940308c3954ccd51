/** One call of the Platform API, and what an error of it means to the caller. */
import { HttpError, isTursoError, type TursoErrorCode } from '../errors.ts'
import type { CallOptions } from '../http/watch.ts'

export interface PlatformCallOptions extends CallOptions {
  /** Another organization than the client's. */
  organization?: string | undefined
}

/** Routes of version 3 know an organization by its id. */
export interface ById extends PlatformCallOptions {
  /** Default: looked up by the slug, once, by a request of its own. */
  organizationId?: string | undefined
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** One request to the Platform API, or to a database. */
export interface PlatformRequest extends CallOptions {
  method: Method
  /** A whole address, or a path below the client's. */
  url: string
  /** Sent as JSON; `undefined` sends no body. */
  body?: unknown
  /**
   * `true`: repeating it does no harm, which is the default of a GET. `undefined`: it is repeated only if it had no effect.
   * `false`: never.
   */
  isRepeatable?: boolean | undefined
  /** What a token must be allowed to do, to say so when it is not. */
  scope?: string | undefined
}

/** Sends a request and resolves with the parsed body, `undefined` when it was empty. */
export type PlatformCall = (request: PlatformRequest) => Promise<unknown>

/** Names have no spaces, so none of them looks like this. */
const LIMIT =
  /\b(starter|free|developer|scaler|pro|paid|your|current) plans?\b|\bcount (of|limit)\b|\bquota \w*\s?(exceeded|reached)/i

/** The same error with the code and the hint that only somebody who knows the Platform API can give. */
export function explain(error: unknown, scope: string | undefined): unknown {
  if (!isTursoError(error) || !('status' in error)) return error
  const { status, serverMessage, requestId, retryAfterMs, message } = error as HttpError
  let code: TursoErrorCode = error.code
  let hint = ''
  if (/^40[03]$/.test(`${status}`) && LIMIT.test(serverMessage)) code = 'plan_limit'
  else if (status === 401 && /jwt id/i.test(serverMessage))
    hint = 'this is the token of a database or group, and the Platform API takes a token of its own'
  else if (status === 403 && scope) hint = `the token may lack the scope ${scope}`
  else if (status === 422 && scope === 'db:create')
    hint = 'the name may be taken, or deleted so lately that it is not free yet'
  if (!hint && code === error.code) return error
  const details = { status, serverMessage, requestId, retryAfterMs }
  return new HttpError(code, hint ? `${message} (${hint})` : message, details)
}
