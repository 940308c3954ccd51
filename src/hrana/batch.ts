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

/** `write` takes the write lock at once; `deferred` at the first write; `read` refuses writes. */
export type TransactionMode = 'write' | 'read' | 'deferred'

const BEGIN: Record<TransactionMode, string> = {
  write: 'BEGIN IMMEDIATE',
  deferred: 'BEGIN DEFERRED',
  read: 'BEGIN TRANSACTION READONLY',
}

/** Step 0 is BEGIN, so a statement's step is its index + 1. */
const FIRST_STATEMENT = 1

const insideTransaction: WireCondition = { type: 'not', cond: { type: 'is_autocommit' } }

/**
 * A Hrana batch is not atomic by itself: a step runs whenever its condition holds. So each statement runs only if the
 * one before it succeeded and the transaction is still open (a statement may have ended it, and what follows would
 * take effect at once), COMMIT only after the last, and ROLLBACK only if BEGIN worked and COMMIT did not.
 */
export function encodeAtomicBatch(statements: readonly WireStatement[], mode: TransactionMode): WireBatch {
  if (!Object.hasOwn(BEGIN, mode))
    throw new TypeError(`"mode" must be "write", "read" or "deferred"; got ${JSON.stringify(mode)}`)
  const commit = FIRST_STATEMENT + statements.length
  const after = (step: number): WireCondition => ({
    type: 'and',
    conds: [{ type: 'ok', step }, insideTransaction],
  })
  const control = (sql: string): WireStatement => ({ sql, want_rows: false })
  return {
    steps: [
      { stmt: control(BEGIN[mode]) },
      ...statements.map((stmt, index) => ({ condition: after(index), stmt })),
      { condition: after(commit - 1), stmt: control('COMMIT') },
      {
        condition: {
          type: 'and',
          conds: [
            { type: 'ok', step: 0 },
            { type: 'not', cond: { type: 'ok', step: commit } },
            insideTransaction,
          ],
        },
        stmt: control('ROLLBACK'),
      },
    ],
  }
}

/**
 * The results of the statements alone, in order.
 *
 * @throws {SqlError} when the transaction did not commit, naming the statement at fault by its index
 * @throws {ProtocolError} when the answer has not one entry for each step
 */
export function readAtomicBatch(result: WireBatchResult, statementCount: number): WireStatementResult[] {
  const { step_results: results, step_errors: errors } = result ?? {}
  const steps = statementCount + 3
  if (results?.length !== steps || errors?.length !== steps)
    throw new ProtocolError(`A batch of ${steps} steps was answered with another number of results`)
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
