/** Runs one statement, one writer at a time. */
import { setImmediate } from 'node:timers/promises'
import type { ExecutionContext } from './context.ts'
import type { EngineColumn, PreparedStatement } from '../engine/engine.ts'
import { bindArguments } from '../engine/parameters.ts'
import type { Changes, RunningStatement } from '../engine/running-statement.ts'
import { setsUserVersion, unsupported, type Statement } from '../engine/statement.ts'
import type { EngineValue } from '../engine/values.ts'
import { tooBig } from '../engine/sqlite-errors.ts'
import { SqlFailure, streamClosed } from '../errors.ts'
import { MAX_VALUE_BYTES } from '../limits.ts'
import type { Step } from './program.ts'
import { ensureConnected, releaseWriteLock, type Stream } from './stream.ts'

/** What a statement does: it begins, delivers its rows and ends. */
export type StatementEvent =
  | { type: 'begin'; step: number; columns: EngineColumn[] }
  | { type: 'rows'; rows: EngineValue[][] }
  /** The duration in milliseconds, without the time it waited for its turn to write. */
  | { type: 'end'; step: number; changes: Changes; durationMs: number }

/** Throws `SqlFailure` when the statement fails, and as `runProgram` does. */
export async function* runStatement(
  context: ExecutionContext,
  { statement, args, wantRows }: Step,
  step: number,
): AsyncGenerator<StatementEvent> {
  if (statement instanceof SqlFailure) throw statement
  const { stream, signal } = context
  checkAllowed(context, statement)
  checkBlocked(context, statement)
  // Said before it is compiled or runs: some pragmas take effect by that alone, and what fails may have done a part.
  if (statement.changesConnection) stream.isClean = false
  const prepared = stream.connection.prepare(statement)
  yield { type: 'begin', step, columns: prepared.columns }
  ensureUsable(context)
  const values = bindArguments(statement, args, context.behaviour.parameterNames === 'bare')
  if (values.some(isTooBig)) throw tooBig()
  if (statement.takesWriteLock) await takeWriteLock(stream, signal)
  const startedMs = performance.now()
  const running = start(stream, statement, prepared, values)
  let rowsRead = 0
  let paused = 0
  try {
    for (let rows = running.next(); rows.length > 0; rows = running.next()) {
      rowsRead += rows.length
      if (wantRows) yield { type: 'rows', rows }
      if (rowsRead - paused >= ROWS_BETWEEN_PAUSES) {
        paused = rowsRead
        await setImmediate()
      }
      ensureUsable(context)
    }
  } finally {
    stop(stream)
  }
  context.count({ sql: statement.sql, rowsRead, rowsWritten: running.changes.rowsWritten })
  yield { type: 'end', step, changes: running.changes, durationMs: performance.now() - startedMs }
}

/** Only a query is still running afterwards: a write has the lock for no longer than it takes. */
function start(
  stream: Stream,
  statement: Statement,
  prepared: PreparedStatement,
  values: EngineValue[],
): RunningStatement {
  try {
    noteSnapshot(stream, statement)
    if (statement.takesWriteLock && statement.kind !== 'begin') stream.hasWritten = true
    const running = prepared.start(values)
    if (statement.kind === 'select') stream.running = running
    return running
  } finally {
    if (!stream.running) settle(stream)
  }
}

function stop(stream: Stream): void {
  // Its connection may belong to another stream by now.
  if (!stream.isConnected) return
  stream.running?.end()
  stream.running = undefined
  settle(stream)
}

/** Outside of a transaction nothing is seen and nothing is locked. */
function settle(stream: Stream): void {
  if (stream.connection.inTransaction) return
  stream.snapshot = undefined
  // A rollback counts as a write as well: a needless new version only makes a later upgrade fail too early.
  releaseWriteLock(stream)
}

/** So many rows, and everybody else is served. */
const ROWS_BETWEEN_PAUSES = 5_000

/** Meanwhile its database may be deleted, its transaction rolled back, its client gone. */
function ensureUsable({ stream, signal }: ExecutionContext): void {
  ensureConnected(stream)
  if (signal.aborted) throw streamClosed()
  if (stream.isTimedOut) throw new SqlFailure('TRANSACTION_TIMEOUT', 'Transaction timed out')
}

function checkAllowed({ behaviour }: ExecutionContext, statement: Statement): void {
  if (!behaviour.setsUserVersion && setsUserVersion(statement)) throw unsupported(statement.sql)
}

/** Source: `should_block` in libsql-server/src/connection/connection_core.rs. */
function checkBlocked({ isBlocked, behaviour }: ExecutionContext, statement: Statement): void {
  const { reads, writes } = isBlocked
  if (statement.kind === 'end' || statement.kind === 'savepoint') return
  if (reads || (writes && statement.needsWriteRight)) {
    const reason =
      behaviour.errorsOf === 'cloud' ? `: SQL ${reads ? 'read' : 'write'} operations are forbidden` : ''
    throw new SqlFailure('BLOCKED', `Operation was blocked${reason}`)
  }
}

function isTooBig(value: EngineValue): boolean {
  if (typeof value === 'string') return Buffer.byteLength(value) > MAX_VALUE_BYTES
  return value instanceof Uint8Array && value.length > MAX_VALUE_BYTES
}

/** Waits until no other stream writes. Throws `SqlFailure` SQLITE_BUSY for a transaction that sees an older state. */
async function takeWriteLock(stream: Stream, signal: AbortSignal): Promise<void> {
  if (stream.holdsWriteLock) return
  checkSnapshot(stream)
  const { writeLock } = stream.database
  const isGranted = await writeLock.acquire(stream, signal)
  if (!stream.isConnected || signal.aborted) {
    if (isGranted) writeLock.release()
    throw streamClosed()
  }
  stream.holdsWriteLock = true
  try {
    checkSnapshot(stream)
  } catch (error) {
    releaseWriteLock(stream)
    throw error
  }
}

/** Remembers which version of the database a transaction sees from here on. */
function noteSnapshot(stream: Stream, statement: Statement): void {
  if (stream.holdsWriteLock || stream.snapshot !== undefined || !stream.connection.inTransaction) return
  if (stream.connection.touchesDatabase(statement)) stream.snapshot = stream.database.version
}

/**
 * A transaction that has read an older version cannot write any more. SQLite would say so itself, but the binding does
 * not survive it.
 */
function checkSnapshot({ snapshot, database }: Stream): void {
  if (snapshot !== undefined && snapshot !== database.version) {
    throw new SqlFailure('SQLITE_BUSY', 'SQLite error: database is locked')
  }
}
