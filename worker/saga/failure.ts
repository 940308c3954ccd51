/** An error of a call to Turso as the saga understands it. Pure. */
import { isTursoError, type HttpError } from '../../src/index.ts'
import { scrub } from '../log.ts'
import { SchemaError } from '../schema/history.ts'
import { ForeignDatabaseError } from '../schema/owner.ts'
import { isRefusal, provesNothingWasDone, saysMissing } from '../turso/refusals.ts'
import type { Failure } from './state.ts'

/** @param of whom it is: a database says in words of its own that it is not served, or not there */
export function describeFailure(error: unknown, of: 'platform' | 'database' = 'platform'): Failure {
  const { retryAfterMs = null, requestId = null } = error as Partial<HttpError>
  return {
    reason: reasonOf(error, of),
    detail: scrub(error instanceof Error ? error.message : String(error)),
    isHarmless: error instanceof SchemaError || provesNothingWasDone(error),
    isInvalid: isTursoError(error, 'invalid_request'),
    retryAfterMs,
    requestId,
  }
}

function reasonOf(error: unknown, of: 'platform' | 'database'): Failure['reason'] {
  if (error instanceof ForeignDatabaseError) return 'foreign'
  if (error instanceof SchemaError) return 'refused'
  if (isTursoError(error, 'already_exists')) return 'exists'
  if (isTursoError(error, 'not_found'))
    return of === 'database' || saysMissing(error) ? 'missing' : 'unavailable'
  if (isTursoError(error, 'unauthorized')) return 'unauthorized'
  // What is said without a word of SQL may be of something that stands before the database; so may any 5xx.
  const { status = 0 } = error as Partial<HttpError>
  if (status >= 500 || (of === 'database' && status > 0)) return 'unavailable'
  return isRefusal(error) ? 'refused' : 'unavailable'
}

/** Whether the same may be asked again: beside what is not known, Turso is busy, or does not accept the platform token. */
export const mayPass = ({ reason }: Pick<Failure, 'reason'>): boolean =>
  /^(unavailable|exists|unauthorized)$/.test(reason)
