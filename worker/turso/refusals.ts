/** What an error of the Platform API says about what has happened, and about trying again. Pure. */
import { isTursoError } from '../../src/index.ts'

/** Codes of statements that failed for what else was going on, not for what they say. */
const TRANSIENT_SQL = /^(SQLITE_(BUSY|LOCKED|IOERR|INTERRUPT|NOMEM|FULL|PROTOCOL)|TRANSACTION_|UNKNOWN$)/

/** Whether Turso has answered and would answer the same again. Anything else may go away by itself. */
export function isRefusal(error: unknown): boolean {
  if (isTursoError(error, 'sql_error')) return !TRANSIENT_SQL.test(error.sqlCode)
  return (
    isTursoError(error) &&
    !isTursoError(error, 'unavailable') &&
    !isTursoError(error, 'rate_limited') &&
    !isTursoError(error, 'network') &&
    !isTursoError(error, 'timeout') &&
    !isTursoError(error, 'protocol')
  )
}

/**
 * "could not find database …". What a proxy says, or the API of an organization that it does not know, tells nothing of a
 * database: one that was believed to be gone for it would be kept, and paid for, by nobody.
 */
export function saysMissing(error: unknown): boolean {
  return isTursoError(error, 'not_found') && /\bdatabase\b/i.test(error.serverMessage)
}

/** Whether the request was turned away without having had an effect: any 4xx but 408. */
export function provesNothingWasDone(error: unknown): boolean {
  if (!isTursoError(error) || !('status' in error)) return false
  const { status } = error as { status: number }
  return status >= 400 && status < 500 && status !== 408
}
