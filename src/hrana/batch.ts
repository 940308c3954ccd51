/** A list of statements → one batch that runs as one transaction, and its outcome. */
import { ProtocolError, SqlError } from '../errors.ts'
import type {
  WireBatch,
  WireBatchResult,
  WireCondition,
  WireError,
  WireStatement,
  WireStatementResult,
} from './wire.ts'

/**
 * `write` takes the write lock at once, `deferred` at the first write. `read` declares that nothing is written, which not
 * every server enforces.
 */
export type TransactionMode = 'write' | 'read' | 'deferred'

const BEGIN: Record<TransactionMode, string> = {
  write: 'BEGIN IMMEDIATE',
  deferred: 'BEGIN DEFERRED',
  read: 'BEGIN TRANSACTION READONLY',
}

/** @throws {TypeError} for anything but a mode */
export function requireMode(mode: TransactionMode): TransactionMode {
  if (Object.hasOwn(BEGIN, mode)) return mode
  throw new TypeError(`"mode" must be "write", "read" or "deferred"; got ${JSON.stringify(mode)}`)
}

/** Step 0 is BEGIN, so a statement's step is its index + 1. */
const FIRST_STATEMENT = 1

/** Holds while the stream is in a transaction. Version 3 of the protocol only. */
export const insideTransaction: WireCondition = { type: 'not', cond: { type: 'is_autocommit' } }

/** A statement of ours, whose rows nobody wants. */
export const control = (sql: string): WireStatement => ({ sql, want_rows: false })

/**
 * A Hrana batch is not atomic by itself: a step runs whenever its condition holds. So each runs only if the one before
 * it succeeded and the transaction is still open: a statement may have ended it, and what follows would take effect at
 * once.
 *
 * @param begin what opens the transaction, if it is not open yet
 */
export function chainSteps(
  statements: readonly WireStatement[],
  begin?: TransactionMode,
): WireBatch['steps'] {
  const steps: WireBatch['steps'] = begin ? [{ stmt: control(BEGIN[begin]) }] : []
  for (const stmt of statements) {
    const conds: WireCondition[] = [insideTransaction]
    if (steps.length > 0) conds.push({ type: 'ok', step: steps.length - 1 })
    steps.push({ stmt, condition: { type: 'and', conds } })
  }
  return steps
}

/**
 * @param isKept whether the stream goes on after it. If not, `close` is sent with it, which rolls back what COMMIT did not
 *   reach.
 */
export function encodeAtomicBatch(
  statements: readonly WireStatement[],
  mode: TransactionMode,
  isKept = false,
): WireBatch {
  const steps = chainSteps([...statements, control('COMMIT')], mode)
  if (isKept) {
    const ok = (step: number): WireCondition => ({ type: 'ok', step })
    const conds = [ok(0), { type: 'not' as const, cond: ok(steps.length - 1) }, insideTransaction]
    steps.push({ stmt: control('ROLLBACK'), condition: { type: 'and', conds } })
  }
  return { steps }
}

/**
 * The results of the statements alone, in order.
 *
 * @param batch what was sent
 * @throws {SqlError} when the transaction did not commit, naming the statement at fault by its index
 * @throws {ProtocolError} when the answer has not one entry for each step
 */
export function readAtomicBatch(
  result: WireBatchResult,
  statementCount: number,
  { steps }: WireBatch,
): WireStatementResult[] {
  if (!hasEntries(result, steps.length))
    throw new ProtocolError(`A batch of ${steps.length} steps was answered with another number of results`)
  const { step_results: results, step_errors: errors } = result
  const commit = FIRST_STATEMENT + statementCount
  const failed = errors.findIndex((error, step) => error != null && step <= commit)
  if (failed !== -1) throw stepError(errors[failed]!, failed, commit)
  if (results[commit] == null) {
    // No step failed, yet COMMIT was skipped: a statement ended the transaction by itself.
    const ended = results.findIndex((stepResult) => stepResult == null) - 1
    throw new SqlError(
      `Statement ${ended - FIRST_STATEMENT} of the batch ended its transaction; what ran up to it may be committed, and nothing after it ran`,
      'TRANSACTION_CLOSED',
      { statementIndex: ended - FIRST_STATEMENT },
    )
  }
  return results.slice(FIRST_STATEMENT, commit) as WireStatementResult[]
}

/** Whether there is one for each step. */
export function hasEntries(result: unknown, count: number): result is WireBatchResult {
  const { step_results: results, step_errors: errors } = (result ?? {}) as Partial<WireBatchResult>
  return [results, errors].every((entries) => Array.isArray(entries) && entries.length === count)
}

function stepError(error: WireError, step: number, commit: number): SqlError {
  const index = step - FIRST_STATEMENT
  if (step === 0) return toSqlError(error, null, 'The transaction could not begin: ')
  if (step === commit) return toSqlError(error, null, 'The transaction could not be committed: ')
  return toSqlError(error, index, `Statement ${index} of the batch failed: `)
}

/** The server's words with what is known around them. */
export function toSqlError(error: WireError, statementIndex: number | null = null, context = ''): SqlError {
  return new SqlError(context + (error?.message ?? 'no reason was given'), error?.code ?? 'UNKNOWN', {
    extendedCode: error?.extended_code ?? null,
    statementIndex,
  })
}
