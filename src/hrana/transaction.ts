/** A transaction over several requests, and the savepoints in it, none of whose statements can run outside it. */
import { ProtocolError } from '../errors.ts'
import { requireUsable } from '../http/watch.ts'
import { chainSteps, control, toSqlError, type TransactionMode } from './batch.ts'
import { readResult } from './pipeline.ts'
import type { HranaStream } from './stream.ts'
import { isTimeout, readSteps, type Steps } from './steps.ts'
import type { TargetCall } from './target.ts'
import { abandon, lost, sendOn, type Connection } from './transaction-connection.ts'
import { refuseTransactionControl } from './transaction-control.ts'
import type {
  WireBatch,
  WireDescribeResult,
  WireStatement,
  WireStatementResult,
  WireStreamRequest,
  WireStreamResult,
} from './wire.ts'

/** The transaction itself, or one within it. */
export interface TransactionLevel {
  /** Runs statements: all of them, or none. The transaction begins with the first. */
  run(
    statements: readonly WireStatement[],
    isBatch: boolean,
    call: TargetCall,
  ): Promise<WireStatementResult[]>
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
/** Undoes what did not reach its RELEASE. Fails, and does nothing, when that was reached. */
const CLEAN_UP: WireStreamRequest = { type: 'sequence', sql: `ROLLBACK TO ${STEP};${RELEASE}` }

interface Level {
  /** `undefined` of the transaction itself. */
  readonly parent: Level | undefined
  readonly savepoint: string
  hasBegun: boolean
  isOpen: boolean
  /** From when its commit is asked for: what is issued from then on can be meant for neither side of it. */
  committing: Promise<void> | undefined
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
    committing: undefined,
    inner: undefined,
    pending: new Set(),
  }
  if (parent) parent.inner = level
  const isOpen = (): boolean => !connection.loss && !connection.stream.isLost() && isLevelOpen(level)

  /** What fails here has not been sent, and costs nobody the transaction. */
  function assertUsable(call: TargetCall | undefined): void {
    if (connection.loss) throw connection.loss
    if (level.committing || !isOpen()) throw new TypeError('The transaction has ended')
    if (level.inner)
      throw new TypeError('A transaction within this one is open, and must be used or ended first')
    requireUsable(call)
  }

  function refuseLost(failed: Steps['failed']): Promise<never> {
    const reason = failed?.error.message ?? 'the server had already ended it, and the statement did not run'
    return abandon(connection, lost(reason, 'rolled_back'))
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
    if (!failed || isTimeout(failed)) return await refuseLost(failed)
    await abandon(connection, toSqlError(failed.error, null, 'The transaction could not begin: '))
  }

  /** Sends requests after what begins the transaction, and resolves with their results. */
  async function sendWithin(
    requests: WireStreamRequest[],
    call: TargetCall | undefined,
  ): Promise<WireStreamResult[]> {
    const steps = begin()
    if (steps.length === 0) return await sendOn(connection, requests, false, call)
    // As a request of its own, since a statement that does not parse takes its whole batch along.
    const [beginning, ...results] = await sendOn(
      connection,
      [{ type: 'batch', batch: { steps } }, ...requests],
      false,
      call,
    ).catch((error: unknown) => abandon(connection, error))
    await checkBegin(beginning, steps.length)
    return results
  }

  async function run(
    statements: readonly WireStatement[],
    isBatch: boolean,
    call: TargetCall,
  ): Promise<WireStatementResult[]> {
    // Of one that returns rows the answer may be refused as too large after it has taken effect.
    const needsSavepoint = statements.length > 1 || /\breturning\b/i.test(statements[0]!.sql!)
    const first = needsSavepoint ? 1 : 0
    const steps = chainSteps(
      needsSavepoint ? [control(SAVEPOINT), ...statements, control(RELEASE)] : statements,
    )
    // Apart from the batch, because a server may end that between two steps (RESPONSE_TOO_LARGE).
    const cleanUp = needsSavepoint ? [CLEAN_UP] : []
    const [result, undone] = await sendWithin([{ type: 'batch', batch: { steps } }, ...cleanUp], call)
    const { failed, isComplete, results } = readSteps(result, steps.length)
    if (isComplete) return results.slice(first, first + statements.length)
    if (!failed || isTimeout(failed)) return await refuseLost(failed)
    // Neither kept nor undone: a statement of it has released our savepoint, or the transaction is gone.
    if (needsSavepoint && results[0] && undone?.type === 'error')
      await abandon(connection, lost(failed.error.message, 'rolled_back')).catch(() => undefined)
    const index = failed.step - first
    throw toSqlError(failed.error, isBatch && index in statements ? index : null)
  }

  async function runScript(script: string, call: TargetCall | undefined): Promise<void> {
    // A script takes no condition. Its first statement fails where the savepoint before it was not set, and ends it.
    const guarded = `${RELEASE};${SAVEPOINT};\n${script}\n;${RELEASE}`
    const [guard, result, undone] = await sendWithin(
      [
        { type: 'batch', batch: { steps: chainSteps([control(SAVEPOINT)]) } },
        { type: 'sequence', sql: guarded },
        CLEAN_UP,
      ],
      call,
    )
    const { failed, isComplete } = readSteps(guard, 1)
    if (!isComplete) return await refuseLost(failed)
    const isUndone = undone?.type !== 'error'
    // Neither kept nor undone: it ended with the transaction, which a script cannot commit.
    if (result?.type === 'error' && !isUndone) {
      await abandon(connection, lost(result.error.message, 'rolled_back')).catch(() => undefined)
    }
    readResult(result, 'sequence')
    if (isUndone) throw new TypeError('The script has a comment without an end; nothing of it was kept')
  }

  async function end(statements: string[], call: TargetCall | undefined): Promise<boolean> {
    level.isOpen = false
    if (level.hasBegun) {
      const sent = sendOn(
        connection,
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
    const [result] = await sendOn(
      connection,
      [{ type: 'batch', batch }, { type: 'close' }],
      true,
      call,
    ).catch(async (error: unknown) => {
      // Taken back before it was sent, which leaves the transaction open.
      if (!connection.stream.isLost()) await abandon(connection, error).catch(() => undefined)
      throw error
    })
    const { failed, isComplete } = readCommit(result)
    if (isComplete) return
    if (failed && !isTimeout(failed))
      throw toSqlError(failed.error, null, 'The transaction could not be committed, and is rolled back: ')
    throw (connection.loss ??= lost(
      failed?.error.message ?? 'the server had already ended it',
      'rolled_back',
    ))
  }

  /** Anything but an outcome of the step leaves open whether COMMIT has run. */
  function readCommit(result: WireStreamResult | undefined): Steps {
    try {
      const steps = readSteps(result, 1)
      if (!steps.isMalformed) return steps
      throw new ProtocolError('the answer to COMMIT is not of the protocol')
    } catch (error) {
      throw (connection.loss ??= lost(String(error), 'unknown', error))
    }
  }

  async function settleAndCommit(call: TargetCall | undefined): Promise<void> {
    // A statement that nobody has waited for must not be committed around if it fails.
    const outcomes = await Promise.allSettled(level.pending)
    const failure = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failure || call?.signal?.aborted) {
      await rollback(call).catch(() => undefined)
      throw failure ? failure.reason : call?.signal?.reason
    }
    if (connection.loss) throw connection.loss
    if (!parent) return await commitRoot(call)
    // Not with the caller's signal: a RELEASE that is taken back would leave the savepoint to the transaction around it.
    if (!(await end([`RELEASE ${level.savepoint}`], { timeoutMs: call?.timeoutMs })))
      await refuseLost(undefined)
  }

  async function commit(call: TargetCall | undefined): Promise<void> {
    assertUsable(call)
    await (level.committing = trackEnd(() => settleAndCommit(call)))
  }

  async function rollback(call: TargetCall | undefined): Promise<void> {
    if (!isOpen()) return
    // Not with the caller's signal, which is perhaps why it is rolled back.
    const ownCall = { timeoutMs: call?.timeoutMs }
    if (parent) {
      level.inner = undefined
      const isUndone = await end([`ROLLBACK TO ${level.savepoint}`, `RELEASE ${level.savepoint}`], ownCall)
      // Undone it is all the same; the transaction around it must hear of it.
      if (!isUndone) await refuseLost(undefined).catch(() => undefined)
      return
    }
    level.isOpen = false
    // Closing its stream rolls it back.
    if (level.hasBegun) await sendOn(connection, [{ type: 'close' }], false, ownCall)
  }

  function track<T>(start: () => Promise<T>, { pending } = level): Promise<T> {
    const running = start()
    pending.add(running)
    void running.catch(() => undefined).then(() => pending.delete(running))
    return running
  }

  /** The transaction around it must not end before it has. */
  const trackEnd = (start: () => Promise<void>): Promise<void> => (parent ? track(start, parent) : start())

  return {
    run: (statements, isBatch, call) =>
      track(async () => {
        assertUsable(call)
        for (const { sql } of statements) refuseTransactionControl(sql!)
        return await run(statements, isBatch, call)
      }),
    runScript: (script, call) =>
      track(async () => {
        assertUsable(call)
        refuseTransactionControl(script)
        await runScript(script, call)
      }),
    describe: (sql, call) =>
      track(async () => {
        assertUsable(call)
        const results = await sendWithin([{ type: 'describe', sql }], call)
        return readResult(results[0], 'describe').result
      }),
    nest() {
      assertUsable(undefined)
      return createLevel(connection, level)
    },
    commit,
    rollback: (call) => trackEnd(() => rollback(call)),
    async finish(call) {
      if (connection.loss) throw connection.loss
      // One that failed, or is not there yet, may have been asked for by somebody who does not look.
      if (level.committing) await level.committing
      else if (isOpen()) await commit(call)
    },
    isOpen,
  }
}

const isLevelOpen = (level: Level): boolean => level.isOpen && (!level.parent || isLevelOpen(level.parent))
