/** An error of a call to Turso as the saga understands it. Pure. */
import { isTursoError, type HttpError } from '../../src/index.ts'
import { SchemaError } from '../schema/history.ts'
import { ForeignDatabaseError } from '../schema/owner.ts'
import { isRefusal, provesNothingWasDone } from '../turso/refusals.ts'
import type { Failure } from './state.ts'

export function describeFailure(error: unknown): Failure {
  const { retryAfterMs = null, requestId = null } = error as Partial<HttpError>
  return {
    reason: reasonOf(error),
    detail: error instanceof Error ? error.message : String(error),
    isHarmless: error instanceof SchemaError || provesNothingWasDone(error),
    isInvalid: isTursoError(error, 'invalid_request'),
    retryAfterMs,
    requestId,
  }
}

function reasonOf(error: unknown): Failure['reason'] {
  if (error instanceof ForeignDatabaseError) return 'foreign'
  if (error instanceof SchemaError) return 'refused'
  if (isTursoError(error, 'already_exists')) return 'exists'
  if (isTursoError(error, 'not_found')) return 'missing'
  if (isTursoError(error, 'unauthorized')) return 'unauthorized'
  return isRefusal(error) ? 'refused' : 'unavailable'
}
