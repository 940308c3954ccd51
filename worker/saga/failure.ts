/** An error of a call to Turso as the saga understands it. Pure. */
import { isTursoError, type HttpError } from '../../src/index.ts'
import { SchemaError } from '../schema/history.ts'
import { ForeignDatabaseError } from '../schema/owner.ts'
import { isRefusal, provesNothingWasDone } from '../turso/refusals.ts'
import type { Failure } from './state.ts'

/** @param of whom it is: a database says in words of its own that it is not served, or not there */
export function describeFailure(error: unknown, of: 'platform' | 'database' = 'platform'): Failure {
  const { retryAfterMs = null, requestId = null } = error as Partial<HttpError>
  return {
    reason: reasonOf(error, of),
    detail: error instanceof Error ? error.message : String(error),
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
    return of === 'database' || isOfDatabase(error) ? 'missing' : 'unavailable'
  if (isTursoError(error, 'unauthorized')) return 'unauthorized'
  // What is said without a word of SQL may be of something that stands before the database.
  if (of === 'database' && isTursoError(error) && 'status' in error) return 'unavailable'
  return isRefusal(error) ? 'refused' : 'unavailable'
}

/**
 * "could not find database …". What a proxy says, or the API of an organization that it does not know, tells nothing of a
 * database: one that was believed to be gone for it would be kept, and paid for, by nobody.
 */
const isOfDatabase = (error: unknown): boolean => /\bdatabase\b/i.test((error as HttpError).serverMessage)
