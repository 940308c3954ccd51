/**
 * The open streams of all databases: one connection each, named by a single-use baton, closed when idle for too long.
 * Source: libsql-server/src/hrana/http/stream.rs
 */
import { existsSync } from 'node:fs'
import { createBatons, randomUint64 } from './batons.ts'
import { createConnections } from '../engine/connections.ts'
import type { Connection } from '../engine/engine.ts'
import { HttpFailure, ProtocolFailure, StreamExpired, unknownDatabase } from '../errors.ts'
import { EXPIRY_CHECK_MS, MAX_STREAMS, STREAM_WAIT_MS, TOMBSTONE_MS } from '../limits.ts'
import { createSemaphore, type Semaphore } from './semaphore.ts'

/** What the streams of one database share. */
export interface SharedDatabase {
  readonly id: string
  readonly name: string
  readonly file: string
  /** Whoever holds it may write. So SQLite never has to answer SQLITE_BUSY. */
  readonly writeLock: Semaphore
  /** Goes up with every transaction that may have changed the file. */
  version: number
}

export interface Stream {
  readonly id: bigint
  readonly database: SharedDatabase
  readonly connection: Connection
  /** Stored SQL texts by number. They outlive `close` until the end of the pipeline. */
  readonly storedSql: Map<number, string>
  /** The baton with this number is the next to be accepted. */
  sequence: bigint
  /** A request is using it. */
  isBusy: boolean
  isClosed: boolean
  holdsWriteLock: boolean
  /** It wrote since it took the lock. */
  hasWritten: boolean
  /** The version of the database that its open transaction sees, once it has looked. */
  snapshot: number | undefined
  /** Its connection has default settings. */
  isClean: boolean
  expiresAtMs: number
}

export interface Streams {
  /** Waits for a permit and opens a stream. Throws `HttpFailure` 429 when there are too many. */
  open(databaseId: string, name: string, file: string, signal: AbortSignal): Promise<Stream>
  /** Takes the stream of a baton for one request. Throws `ProtocolFailure` or `StreamExpired`. */
  resume(databaseId: string, baton: string): Stream
  /** Ends a request and returns the baton for the next, or `null` when the stream is closed. */
  release(stream: Stream): string | null
  /** Rolls back, gives the write lock and the connection back. Harmless when done before. */
  close(stream: Stream): void
  /** Closes every stream of a database, and the files with them. */
  closeDatabase(databaseId: string): void
  /** Closes the streams whose time is over. */
  expire(): void
  list(): Stream[]
  closeAll(): void
}

export interface StreamsOptions {
  readonly idleMs: number
  readonly now: () => number
}

export function createStreams({ idleMs, now }: StreamsOptions): Streams {
  const batons = createBatons()
  const connections = createConnections()
  const permits = createSemaphore(MAX_STREAMS)
  const databases = new Map<string, SharedDatabase>()
  const streams = new Map<bigint, Stream>()
  /** When a tombstone goes, by stream. */
  const tombstones = new Map<bigint, number>()
  let isClosed = false

  const close = (stream: Stream) => {
    if (stream.isClosed) return
    stream.isClosed = true
    streams.delete(stream.id)
    // What is rolled back leaves no new version.
    if (stream.connection.inTransaction) stream.hasWritten = false
    connections.giveBack(stream.database.file, stream.connection, stream.isClean)
    releaseWriteLock(stream)
    permits.release()
  }

  const expire = () => {
    const time = now()
    for (const stream of streams.values()) {
      if (stream.isBusy || stream.expiresAtMs > time) continue
      close(stream)
      tombstones.set(stream.id, time + TOMBSTONE_MS)
    }
    for (const [id, goesAtMs] of tombstones) if (goesAtMs <= time) tombstones.delete(id)
  }
  const timer = setInterval(expire, EXPIRY_CHECK_MS)
  timer.unref()

  const closeDatabase = (databaseId: string) => {
    const database = databases.get(databaseId)
    if (!database) return
    for (const stream of streams.values()) if (stream.database === database) close(stream)
    connections.closeIdle(database.file)
    databases.delete(databaseId)
  }

  return {
    async open(databaseId, name, file, signal) {
      if (!(await permits.acquire(STREAM_WAIT_MS, signal))) {
        throw new HttpFailure(429, 'Timed out while opening database connection')
      }
      // While it waited, the database may have been deleted, or everything closed.
      if (isClosed || signal.aborted || !existsSync(file)) {
        permits.release()
        throw unknownDatabase(name)
      }
      let database = databases.get(databaseId)
      if (!database) {
        database = { id: databaseId, name, file, writeLock: createSemaphore(1), version: 0 }
        databases.set(databaseId, database)
      }
      try {
        const stream: Stream = {
          id: randomUint64(),
          database,
          connection: connections.take(file),
          storedSql: new Map(),
          sequence: randomUint64(),
          isBusy: true,
          isClosed: false,
          holdsWriteLock: false,
          hasWritten: false,
          snapshot: undefined,
          isClean: true,
          expiresAtMs: 0,
        }
        streams.set(stream.id, stream)
        return stream
      } catch (error) {
        permits.release()
        throw error
      }
    },
    resume(databaseId, text) {
      const baton = batons.verify(text)
      if (!baton) throw new ProtocolFailure('Received an invalid baton')
      expire()
      const stream = streams.get(baton.streamId)
      if (!stream && tombstones.has(baton.streamId)) throw new StreamExpired()
      if (stream?.database.id !== databaseId) throw new ProtocolFailure('Received an invalid baton')
      if (stream.isBusy || stream.sequence !== baton.sequence) {
        throw new ProtocolFailure('Received a baton that has already been used')
      }
      stream.isBusy = true
      stream.sequence = BigInt.asUintN(64, stream.sequence + 1n)
      return stream
    },
    release(stream) {
      stream.isBusy = false
      if (stream.isClosed) return null
      stream.expiresAtMs = now() + idleMs
      return batons.sign({ streamId: stream.id, sequence: stream.sequence })
    },
    close,
    closeDatabase,
    expire,
    list: () => [...streams.values()],
    closeAll() {
      isClosed = true
      clearInterval(timer)
      for (const databaseId of databases.keys()) closeDatabase(databaseId)
    },
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
