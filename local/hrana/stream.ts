/** One stream: what the server keeps for a client between its requests. */
import { randomUint64 } from './batons.ts'
import type { Connection } from '../engine/engine.ts'
import type { RunningStatement } from '../engine/running-statement.ts'
import { streamClosed } from '../errors.ts'
import { createSemaphore, type Semaphore } from './semaphore.ts'
import type { WriteLock } from './write-lock.ts'

/** What the streams of one database share. */
export interface SharedDatabase {
  readonly id: string
  readonly name: string
  readonly file: string
  /** Whoever holds it may write. So SQLite never has to answer SQLITE_BUSY. */
  readonly writeLock: WriteLock<Stream>
  /** Goes up with every transaction that may have changed the file. */
  version: number
}

export interface Stream {
  readonly id: bigint
  readonly database: SharedDatabase
  readonly connection: Connection
  /** Stored SQL texts by number. They outlive `close` until the end of the pipeline. */
  readonly storedSql: Map<number, string>
  /** Whoever has it may use the connection: a cursor may still run when the next request comes. */
  readonly turn: Semaphore
  /** What cuts off the cursors that run or wait for their turn, and since when nobody reads them. */
  readonly cursors: Map<() => void, number>
  /** What runs on its connection, while it is read row by row. */
  running: RunningStatement | undefined
  /** The baton with this number is the next to be accepted. */
  sequence: bigint
  /** A request is using it. */
  isBusy: boolean
  /** No request may use it any more. */
  isClosed: boolean
  /** Its connection is its own. A cursor needs it for longer than the stream is open. */
  isConnected: boolean
  holdsWriteLock: boolean
  /** It wrote since it took the lock. */
  hasWritten: boolean
  /** Its transaction was rolled back for the sake of another stream, and its client does not know yet. */
  isTimedOut: boolean
  /** The version of the database that its open transaction sees, once it has looked. */
  snapshot: number | undefined
  /** Its connection has default settings. */
  isClean: boolean
  expiresAtMs: number
}

/** A stream that its first request is using. */
export function newStream(id: bigint, database: SharedDatabase, connection: Connection): Stream {
  return {
    id,
    database,
    connection,
    storedSql: new Map(),
    turn: createSemaphore(1),
    cursors: new Map(),
    running: undefined,
    sequence: randomUint64(),
    isBusy: true,
    isClosed: false,
    isConnected: true,
    holdsWriteLock: false,
    hasWritten: false,
    isTimedOut: false,
    snapshot: undefined,
    isClean: true,
    expiresAtMs: 0,
  }
}

/** Whether nothing would be lost with it: no transaction, no stored SQL, no setting of its own. */
export function isStateless({ connection, storedSql, isClean, isTimedOut }: Stream): boolean {
  return !connection.inTransaction && storedSql.size === 0 && isClean && !isTimedOut
}

/** Throws `ProtocolFailure` when its connection is gone: its database may be deleted whenever a request waits. */
export function ensureConnected({ isConnected }: Stream): void {
  if (!isConnected) throw streamClosed()
}

/** Waits for its connection and uses it. Throws `ProtocolFailure` when it is gone or when `signal` aborts. */
export async function takeTurn<T>(
  stream: Stream,
  signal: AbortSignal,
  use: () => T | Promise<T>,
): Promise<T> {
  if (!(await stream.turn.acquire(signal))) throw streamClosed()
  try {
    ensureConnected(stream)
    return await use()
  } finally {
    stream.turn.release()
  }
}

/** Lets the next writer in. For a stream that holds the lock and has no transaction any more. */
export function releaseWriteLock(stream: Stream): void {
  if (!stream.holdsWriteLock) return
  if (stream.hasWritten) stream.database.version++
  stream.holdsWriteLock = false
  stream.hasWritten = false
  stream.database.writeLock.release()
}

/** Takes its transaction and the write lock from it. Its next program will hear of it. */
export function rollBack(stream: Stream): void {
  // It was granted the lock a moment ago and has not begun yet.
  if (!stream.holdsWriteLock) return
  stream.running?.end()
  stream.connection.rollback()
  stream.isTimedOut = true
  stream.snapshot = undefined
  stream.hasWritten = false
  releaseWriteLock(stream)
}
