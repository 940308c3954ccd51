/** A transaction over several requests, and the savepoints in it, none of whose statements can run outside it. */
import { HttpError, StreamLostError } from '../errors.ts'
import { chainSteps, control, insideTransaction, toSqlError, type TransactionMode } from './batch.ts'
import { isDeadStream } from './dead-stream.ts'
import { readResult } from './pipeline.ts'
import type { HranaStream } from './stream.ts'
import type { TargetCall } from './target.ts'
import type {
  WireBatch,
  WireBatchResult,
  WireCondition,
  WireDescribeResult,
  WireError,
  WireStatement,
  WireStatementResult,
  WireStreamRequest,
  WireStreamResult,
} from './wire.ts'

/** The transaction itself, or one within it. */
export interface TransactionLevel {
  /** Runs statements: all of them, or none. The transaction begins with the first. */
  run(statements: readonly WireStatement[], call: TargetCall): Promise<WireStatementResult[]>
  runScript(script: string, call: TargetCall | undefined): Promise<void>
  describe(sql: string, call: TargetCall): Promise<WireDescribeResult>
  nest(): TransactionLevel
  commit(call?: TargetCall): Promise<void>
  rollback(call?: TargetCall): Promise<void>
  /** Commits what nobody has ended; throws when the server has. */
  finish(call?: TargetCall): Promise<void>
  isOpen(): boolean
}

const STEP = '_turso_edge_step'
const SAVEPOINT = `SAVEPOINT ${STEP}`
const RELEASE = `RELEASE ${STEP}`
const UNDO = `ROLLBACK TO ${STEP}`

/** What the levels of one transaction share. */
interface Connection {
  readonly stream: HranaStream
  readonly mode: TransactionMode
  /** Set when the server has given the transaction up. */
  loss?: StreamLostError
  depth: number
}

interface Level {
  /** `undefined` of the transaction itself. */
  readonly parent: Level | undefined
  readonly savepoint: string
  hasBegun: boolean
  isOpen: boolean
  /** The one transaction within this one, as long as it has not sent its end. */
  inner: Level | undefined
  /** Statements without a result yet. */
  readonly pending: Set<Promise<unknown>>
}

export function createTransactionLevel(stream: HranaStream, mode: TransactionMode): TransactionLevel {
  return createLevel({ stream, mode, depth: 0 }, undefined)
}

function createLevel(connection: Connection, parent: Level | undefined): TransactionLevel {
  const level: Level = {
    parent,
    savepoint: `_turso_edge_${(connection.depth += 1)}`,
    hasBegun: false,
    isOpen: true,
    inner: undefined,
    pending: new Set(),
  }
  if (parent) parent.inner = level
  const send = createSender(connection, rootOf(level))

  function assertUsable(): void {
    if (connection.loss) throw connection.loss
    if (!isOpen(level)) throw new TypeError('The transaction has ended')
    if (level.inner)
      throw new TypeError('A transaction within this one is open, and must be used or ended first')
  }

  /** The server has ended the transaction: its stream is given back, or ends by its idle limit. */
  async function abandon(): Promise<void> {
    rootOf(level).isOpen = false
    await connection.stream.send([{ type: 'close' }]).catch(() => undefined)
  }

  async function refuseLost(error: WireError | null | undefined): Promise<never> {
    const reason = error?.message ?? 'the server had already ended it, and the statement did not run'
    await abandon()
    throw lose(connection, reason, 'rolled_back')
  }

  /** What begins the levels that have not begun. */
  function begin(): WireBatch['steps'] {
    const savepoints: WireStatement[] = []
    let isFirst = false
    for (let current: Level | undefined = level; current && !current.hasBegun; current = current.parent) {
      current.hasBegun = true
      if (current.parent) savepoints.unshift(control(`SAVEPOINT ${current.savepoint}`))
      else isFirst = true
    }
    return chainSteps(savepoints, isFirst ? connection.mode : undefined)
  }

  async function checkBegin(result: WireStreamResult | undefined, count: number): Promise<void> {
    const { failed, isComplete } = readSteps(result, count)
    if (isComplete) return
    if (!failed || isTimeout(failed.error)) return await refuseLost(failed?.error)
    await abandon()
    throw toSqlError(failed.error, null, 'The transaction could not begin: ')
  }

  /** Sends requests after what begins the transaction, and resolves with their results. */
  async function sendWithin(
    requests: WireStreamRequest[],
    call: TargetCall | undefined,
  ): Promise<WireStreamResult[]> {
    const steps = begin()
    if (steps.length === 0) return await send(requests, false, call)
    // As a request of its own, since a statement that does not parse takes its whole batch along.
    const [beginning, ...results] = await send(
      [{ type: 'batch', batch: { steps } }, ...requests],
      false,
      call,
    )
    await checkBegin(beginning, steps.length)
    return results
  }

  async function run(statements: readonly WireStatement[], call: TargetCall): Promise<WireStatementResult[]> {
    const isBatch = statements.length > 1
    const steps = isBatch ? encodeSavepoint(statements) : chainSteps(statements)
    const [result] = await sendWithin([{ type: 'batch', batch: { steps } }], call)
    const first = isBatch ? 1 : 0
    const { failed, isComplete, results } = readSteps(result, statements.length + 2 * first)
    if (isComplete) return results.slice(first, first + statements.length)
    if (!failed || isTimeout(failed.error)) return await refuseLost(failed?.error)
    throw toSqlError(failed.error, isBatch ? failed.step - 1 : null)
  }

  async function runScript(script: string, call: TargetCall | undefined): Promise<void> {
    // A script takes no condition. Its first statement fails where the savepoint before it was not set, and ends it.
    const guarded = `${RELEASE};${SAVEPOINT};\n${script}\n;${RELEASE}`
    const [guard, result, , autocommit] = await sendWithin(
      [
        { type: 'batch', batch: { steps: chainSteps([control(SAVEPOINT)]) } },
        { type: 'sequence', sql: guarded },
        // Finds no savepoint when the script has released it.
        { type: 'sequence', sql: `${UNDO};${RELEASE}` },
        { type: 'get_autocommit' },
      ],
      call,
    )
    const { failed, isComplete } = readSteps(guard, 1)
    if (!isComplete) return await refuseLost(failed?.error)
    if (result?.type === 'error' && readResult(autocommit, 'get_autocommit').is_autocommit) {
      await abandon()
      const mayHaveCommitted = /\b(commit|end)\b/i.test(script)
      lose(connection, 'a script ended it', mayHaveCommitted ? 'unknown' : 'rolled_back')
    }
    readResult(result, 'sequence')
  }

  async function end(statements: string[], call: TargetCall | undefined): Promise<boolean> {
    level.isOpen = false
    if (level.hasBegun) {
      const sent = send(
        [{ type: 'batch', batch: { steps: chainSteps(statements.map((sql) => control(sql))) } }],
        false,
        call,
      )
      parent!.inner = undefined
      if (!readSteps((await sent)[0], statements.length).isComplete) return false
    } else parent!.inner = undefined
    return true
  }

  async function commitRoot(call: TargetCall | undefined): Promise<void> {
    level.isOpen = false
    if (!level.hasBegun) return
    const batch = { steps: chainSteps([control('COMMIT')]) }
    const [result] = await send([{ type: 'batch', batch }, { type: 'close' }], true, call)
    const { failed, isComplete } = readSteps(result, 1)
    if (isComplete) return
    if (failed && !isTimeout(failed.error))
      throw toSqlError(failed.error, null, 'The transaction could not be committed, and is rolled back: ')
    throw lose(connection, failed?.error.message ?? 'the server had already ended it', 'rolled_back')
  }

  async function commit(call: TargetCall | undefined): Promise<void> {
    assertUsable()
    // A statement that nobody has waited for must not be committed around if it fails.
    const outcomes = await Promise.allSettled(level.pending)
    const failure = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failure) {
      await rollback(call).catch(() => undefined)
      throw failure.reason
    }
    assertUsable()
    if (!parent) await commitRoot(call)
    else if (!(await end([`RELEASE ${level.savepoint}`], call))) await refuseLost(undefined)
  }

  async function rollback(call: TargetCall | undefined): Promise<void> {
    if (!isOpen(level)) return
    if (parent) {
      level.inner = undefined
      const isUndone = await end([`ROLLBACK TO ${level.savepoint}`, `RELEASE ${level.savepoint}`], call)
      // Undone it is all the same; the transaction around it must hear of it.
      if (!isUndone) await refuseLost(undefined).catch(() => undefined)
      return
    }
    level.isOpen = false
    // Closing its stream rolls it back.
    if (level.hasBegun) await send([{ type: 'close' }], false, call)
  }

  function track<T>(start: () => Promise<T>): Promise<T> {
    const running = start()
    const settled = running.catch(() => undefined).then(() => level.pending.delete(running))
    level.pending.add(running)
    void settled
    return running
  }

  return {
    run: (statements, call) =>
      track(async () => {
        assertUsable()
        refuseControl(statements)
        return await run(statements, call)
      }),
    runScript: (script, call) =>
      track(async () => {
        assertUsable()
        await runScript(script, call)
      }),
    describe: (sql, call) =>
      track(async () => {
        assertUsable()
        const results = await sendWithin([{ type: 'describe', sql }], { ...call, isRepeatable: false })
        return readResult(results[0], 'describe').result
      }),
    nest() {
      assertUsable()
      return createLevel(connection, level)
    },
    commit,
    rollback,
    async finish(call) {
      if (connection.loss) throw connection.loss
      if (isOpen(level)) await commit(call)
    },
    isOpen: () => isOpen(level),
  }
}

const isOpen = (level: Level): boolean => level.isOpen && (!level.parent || isOpen(level.parent))

const rootOf = (level: Level): Level => (level.parent ? rootOf(level.parent) : level)

/** The lock was taken from it (sqld, after 5 s): every step of the program failed so, and none ran. */
const isTimeout = ({ code }: WireError): boolean => code === 'TRANSACTION_TIMEOUT'

function lose(
  connection: Connection,
  reason: string,
  outcome: StreamLostError['outcome'],
  cause?: unknown,
): StreamLostError {
  const conclusion = outcome === 'unknown' ? 'whether it was committed is unknown' : 'it is rolled back'
  return (connection.loss = new StreamLostError(
    `The transaction was lost, ${conclusion}: ${reason}`,
    outcome,
    {
      cause,
    },
  ))
}

function createSender(connection: Connection, root: Level) {
  const { stream } = connection
  /** After COMMIT alone, a lost answer leaves it unknown what remains. */
  return async (
    requests: WireStreamRequest[],
    isCommit: boolean,
    call: TargetCall | undefined,
  ): Promise<WireStreamResult[]> => {
    const wasEstablished = stream.isEstablished()
    try {
      return await stream.send(requests, call)
    } catch (error) {
      root.isOpen = false
      // Nothing has run that anybody was told of, or the caller itself gave up: the error speaks for itself.
      if (!wasEstablished || call?.signal?.aborted) throw error
      const isDead = error instanceof HttpError && isDeadStream(error.status, error.serverMessage)
      throw lose(connection, String(error), isCommit && !isDead ? 'unknown' : 'rolled_back', error)
    }
  }
}

/** All of the statements, or none. */
function encodeSavepoint(statements: readonly WireStatement[]): WireBatch['steps'] {
  const steps = chainSteps([control(SAVEPOINT), ...statements, control(RELEASE)])
  const ok = (step: number): WireCondition => ({ type: 'ok', step })
  const isIncomplete: WireCondition = { type: 'not', cond: ok(steps.length - 1) }
  const conds = [ok(0), isIncomplete, insideTransaction]
  steps.push({ stmt: control(UNDO), condition: { type: 'and', conds } })
  steps.push({ stmt: control(RELEASE), condition: ok(steps.length - 1) })
  return steps
}

/** BEGIN, COMMIT, END and ROLLBACK, but not ROLLBACK TO, behind white space and comments. */
const CONTROL = /^(?:\s|--.*\n|\/\*[^]*?\*\/)*(?:begin|commit|end|rollback(?!\s+(?:transaction\s+)?to\b))\b/i

/** Their effect would be unknown to us, and "rolled back" would not be true. */
function refuseControl(statements: readonly WireStatement[]): void {
  if (statements.some(({ sql }) => CONTROL.test(sql ?? '')))
    throw new TypeError('A transaction is ended by its commit and rollback, not by a statement')
}

interface Steps {
  results: WireStatementResult[]
  /** Whether every step has run without an error. */
  isComplete: boolean
  failed: { step: number; error: WireError } | undefined
}

/** @param count of the steps that are to be looked at, from the first */
function readSteps(result: WireStreamResult | undefined, count: number): Steps {
  const steps: Partial<WireBatchResult> | null = readResult(result, 'batch').result
  const results = steps?.step_results?.slice(0, count) ?? []
  const errors = steps?.step_errors?.slice(0, count) ?? []
  const step = errors.findIndex((error) => error != null)
  return {
    results: results as WireStatementResult[],
    isComplete: step === -1 && results.length === count && !results.includes(null),
    failed: step === -1 ? undefined : { step, error: errors[step]! },
  }
}
