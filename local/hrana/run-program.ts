/**
 * Runs the steps of a program and tells what happens, row by row. Every request that runs SQL is one program: a
 * statement, a batch, a script, a cursor. Source: libsql-server/src/connection/program.rs
 */
import { setImmediate } from 'node:timers/promises'
import { isFulfilled, type StepOutcome } from './conditions.ts'
import type { ExecutionContext } from './context.ts'
import { SqlFailure } from '../errors.ts'
import type { Step } from './program.ts'
import { runStatement, type StatementEvent } from './run-statement.ts'
import { ensureConnected, type Stream } from './stream.ts'

/** So many requests or steps, and everybody else is served. */
export const STEPS_BETWEEN_PAUSES = 100

/** What the statement of a step does; or the step fails, maybe before that; or its condition does not hold. */
export type ProgramEvent =
  | StatementEvent
  | { type: 'failed'; step: number; failure: SqlFailure }
  | { type: 'skipped'; step: number }

/**
 * Runs a program on a stream that has its turn. Whoever stops reading must return the generator, which ends the
 * statement that runs. Throws `ProtocolFailure` when the stream is gone, and `HttpFailure`.
 */
export async function* runProgram(context: ExecutionContext, steps: Step[]): AsyncGenerator<ProgramEvent> {
  const { stream, behaviour } = context
  const outcomes: StepOutcome[] = []
  const isAutocommit = () => !stream.connection.inTransaction
  let isTimedOut = false
  for (const [index, step] of steps.entries()) {
    if (index > 0 && index % STEPS_BETWEEN_PAUSES === 0) await setImmediate()
    ensureConnected(stream)
    isTimedOut = hearOfTimeout(stream) || isTimedOut
    // As in sqld, a condition does not save a step from it.
    if (isTimedOut) {
      yield { type: 'failed', step: index, failure: transactionTimedOut() }
      continue
    }
    if (step.condition && !isFulfilled(step.condition, outcomes, isAutocommit, behaviour)) {
      outcomes.push('skipped')
      yield { type: 'skipped', step: index }
      continue
    }
    try {
      yield* runStatement(context, step, index)
      outcomes.push('ok')
    } catch (error) {
      if (!(error instanceof SqlFailure)) throw error
      isTimedOut = hearOfTimeout(stream)
      outcomes.push('error')
      yield { type: 'failed', step: index, failure: isTimedOut ? transactionTimedOut() : error }
    }
  }
}

/** Whether the transaction of the stream was taken from it since it was last told. */
function hearOfTimeout(stream: Stream): boolean {
  const { isTimedOut } = stream
  stream.isTimedOut = false
  return isTimedOut
}

function transactionTimedOut(): SqlFailure {
  return new SqlFailure('TRANSACTION_TIMEOUT', 'Transaction timed out')
}
