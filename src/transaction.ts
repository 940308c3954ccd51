/** Interactive transactions: statements of one transaction over several requests. */
import { HttpError, isTursoError, StreamLostError } from './errors.ts'
import type { CallOptions } from './http.ts'
import { chainSteps, control, insideTransaction, toSqlError, type TransactionMode } from './hrana/batch.ts'
import { isDeadStream } from './hrana/dead-stream.ts'
import { readResult } from './hrana/pipeline.ts'
import type { DecodeOptions } from './hrana/result.ts'
import type { HranaStream } from './hrana/stream.ts'
import type {
  WireBatch,
  WireBatchResult,
  WireCondition,
  WireStatement,
  WireStatementResult,
  WireStreamRequest,
} from './hrana/wire.ts'
import { createQueries, type Queries } from './queries.ts'

/**
 * An open transaction. One request is under way at a time; statements that are issued together go out together. Within
 * it, `batch` is a savepoint. A statement that fails leaves the transaction open.
 *
 * A statement never runs outside the transaction: each is sent with the condition that the transaction is still open on
 * the server.
 */
export interface Transaction extends Queries {
  /**
   * Commits, once every statement that was issued has its result; rolls back and throws if one of those that nobody
   * has waited for yet fails.
   *
   * @throws {StreamLostError} with the outcome `unknown` when the answer is lost: it may be committed
   */
  commit(options?: CallOptions): Promise<void>
  /** Does nothing when the transaction has ended. */
  rollback(options?: CallOptions): Promise<void>
  /** Whether it can still be committed, as far as is known here. */
  readonly isOpen: boolean
  /** Rolls back what was not committed. */
  [Symbol.asyncDispose](): Promise<void>
}

export function createTransaction(
  stream: HranaStream,
  mode: TransactionMode,
  defaults: Pick<DecodeOptions, 'intMode'>,
): Transaction {
  const runner = createRunner(stream, mode)
  const queries = createQueries(
    {
      execute: async (statement, options) => (await runner.run([statement], options))[0]!,
      batch: (statements, options) => runner.run(statements, options),
    },
    defaults,
  )
  return {
    ...queries,
    commit: (options) => runner.commit(options),
    rollback: (options) => runner.rollback(options),
    get isOpen() {
      return runner.isOpen()
    },
    [Symbol.asyncDispose]: () => runner.rollback(),
  }
}

const SAVEPOINT = '_turso_edge_batch'

interface TransactionRunner {
  /** Runs statements, each only if the one before it succeeded. The transaction begins with the first of them. */
  run: (statements: readonly WireStatement[], call: CallOptions | undefined) => Promise<WireStatementResult[]>
  commit: (call?: CallOptions) => Promise<void>
  rollback: (call?: CallOptions) => Promise<void>
  isOpen: () => boolean
}

function createRunner(stream: HranaStream, mode: TransactionMode): TransactionRunner {
  let hasBegun = false
  let isOpen = true
  let loss: StreamLostError | undefined
  const pending = new Set<Promise<unknown>>()

  function assertOpen(): void {
    if (loss) throw loss
    if (!isOpen) throw new TypeError('The transaction has ended')
  }

  function lost(reason: string, outcome: StreamLostError['outcome'], cause?: unknown): StreamLostError {
    const conclusion = outcome === 'unknown' ? 'whether it was committed is unknown' : 'it is rolled back'
    isOpen = false
    return (loss = new StreamLostError(`The transaction was lost, ${conclusion}: ${reason}`, outcome, {
      cause,
    }))
  }

  /** After COMMIT alone, a lost answer leaves it unknown what remains. */
  async function send(
    requests: WireStreamRequest[],
    isCommit: boolean,
    call: CallOptions | undefined,
  ): Promise<WireBatchResult | undefined> {
    const wasEstablished = stream.isEstablished()
    try {
      const [result] = await stream.send(requests, call)
      const response = readResult(result, requests[0]!.type)
      return response.type === 'batch' ? response.result : undefined
    } catch (error) {
      if (isTursoError(error, 'sql_error')) throw error
      isOpen = false
      // Nothing has run that anybody was told of, or the caller itself gave up: the error speaks for itself.
      if (!wasEstablished || call?.signal?.aborted) throw error
      const isDead = error instanceof HttpError && isDeadStream(error.status, error.serverMessage)
      throw lost(String(error), isCommit && !isDead ? 'unknown' : 'rolled_back', error)
    }
  }

  /** Gives back the stream of a transaction that the server has ended; if that fails too, its idle limit does it. */
  async function abandon(): Promise<void> {
    isOpen = false
    await stream.send([{ type: 'close' }]).catch(() => undefined)
  }

  async function run(
    statements: readonly WireStatement[],
    call: CallOptions | undefined,
  ): Promise<WireStatementResult[]> {
    assertOpen()
    refuseControl(statements)
    const isFirst = !hasBegun
    const { batch, first } = encodeProgram(statements, isFirst ? mode : undefined)
    const end = first + statements.length
    hasBegun = true
    const sent = send([{ type: 'batch', batch }], false, call)
    const { step_results: results = [], step_errors: errors = [] } =
      (await sent.catch((error: unknown) => {
        // Refused as a whole, as what does not parse may be: BEGIN has not run either.
        if (isOpen && isFirst) hasBegun = false
        throw error
      })) ?? {}
    const failed = errors.findIndex((error, step) => error != null && step < end)
    const error = errors[failed]
    const taken = results.slice(first, end)
    if (error && error.code !== 'TRANSACTION_TIMEOUT' && failed >= first)
      throw toSqlError(error, statements.length > 1 ? failed - first : null)
    if (!error && taken.length === statements.length && !taken.includes(null))
      return taken as WireStatementResult[]
    await abandon()
    if (error && failed < first && error.code !== 'TRANSACTION_TIMEOUT')
      throw toSqlError(error, null, 'The transaction could not begin: ')
    throw lost(
      error?.message ?? 'the server had already ended it, and the statement did not run',
      'rolled_back',
    )
  }

  async function commit(call: CallOptions | undefined): Promise<void> {
    isOpen = false
    if (!hasBegun) return
    const batch = { steps: chainSteps([control('COMMIT')]) }
    const result = await send([{ type: 'batch', batch }, { type: 'close' }], true, call)
    const error = result?.step_errors?.[0]
    if (error && error.code !== 'TRANSACTION_TIMEOUT')
      throw toSqlError(error, null, 'The transaction could not be committed, and is rolled back: ')
    if (result?.step_results?.[0] == null)
      throw lost(error?.message ?? 'the server had already ended it', 'rolled_back')
  }

  async function rollback(call: CallOptions | undefined): Promise<void> {
    if (!isOpen) return
    isOpen = false
    // Closing its stream rolls it back.
    if (hasBegun) await send([{ type: 'close' }], false, call)
  }

  return {
    run(statements, call) {
      const running = run(statements, call)
      const settled = running.catch(() => undefined).then(() => pending.delete(running))
      pending.add(running)
      void settled
      return running
    },
    async commit(call) {
      assertOpen()
      // A statement that nobody has waited for must not be committed around if it fails.
      const outcomes = await Promise.allSettled(pending)
      const failure = outcomes.find((outcome) => outcome.status === 'rejected')
      if (failure) {
        await rollback(call).catch(() => undefined)
        throw failure.reason
      }
      assertOpen()
      await commit(call)
    },
    rollback,
    isOpen: () => isOpen,
  }
}

/** BEGIN, COMMIT, END and ROLLBACK, but not ROLLBACK TO, behind white space and comments. */
const CONTROL = /^(?:\s|--.*\n|\/\*[^]*?\*\/)*(?:begin|commit|end|rollback(?!\s+(?:transaction\s+)?to\b))\b/i

/** Their effect would be unknown to us, and "rolled back" would not be true. */
function refuseControl(statements: readonly WireStatement[]): void {
  if (statements.some(({ sql }) => CONTROL.test(sql ?? '')))
    throw new TypeError('A transaction is ended by its commit and rollback, not by a statement')
}

/** `first` is the step of the first statement. Several statements are a savepoint: all of them, or none. */
function encodeProgram(
  statements: readonly WireStatement[],
  begin: TransactionMode | undefined,
): { batch: WireBatch; first: number } {
  const offset = begin ? 1 : 0
  if (statements.length === 1) return { batch: { steps: chainSteps(statements, begin) }, first: offset }
  const release = control(`RELEASE ${SAVEPOINT}`)
  const steps = chainSteps([control(`SAVEPOINT ${SAVEPOINT}`), ...statements, release], begin)
  const ok = (step: number): WireCondition => ({ type: 'ok', step })
  const isIncomplete: WireCondition = { type: 'not', cond: ok(steps.length - 1) }
  const conds = [ok(offset), isIncomplete, insideTransaction]
  steps.push({ stmt: control(`ROLLBACK TO ${SAVEPOINT}`), condition: { type: 'and', conds } })
  steps.push({ stmt: release, condition: ok(steps.length - 1) })
  return { batch: { steps }, first: offset + 1 }
}
