/**
 * The open streams of all databases: one connection each, named by a single-use baton, closed when idle for too long.
 * Source: libsql-server/src/hrana/http/stream.rs
 */
import { createBatons, randomUint64, refuseBaton, type UnusableBaton } from './batons.ts'
import type { Behaviour } from '../behaviour.ts'
import { createConnections } from '../engine/connections.ts'
import { HttpFailure, unknownDatabase } from '../errors.ts'
import { EXPIRY_CHECK_MS, MAX_STREAMS, MAX_WAITING_STREAMS, STREAM_WAIT_MS, TOMBSTONE_MS } from '../limits.ts'
import { createSemaphore } from './semaphore.ts'
import { newStream, releaseWriteLock, rollBack, type SharedDatabase, type Stream } from './stream.ts'
import { createWriteLock } from './write-lock.ts'

export interface Streams {
  /**
   * Waits for a permit and opens a stream. Throws `HttpFailure` 429 when there are too many or too many wait, and what `admit` throws,
   * which is asked after the wait.
   */
  open(
    databaseId: string,
    name: string,
    file: string,
    signal: AbortSignal,
    admit: () => void,
  ): Promise<Stream>
  /** Takes the stream of a baton for one request. Throws the refusal of a baton that cannot be used. */
  resume(databaseId: string, baton: string): Stream
  /** Ends a request and returns the baton for the next, or `null` when the stream is closed. */
  release(stream: Stream): string | null
  /** Accepts no baton of it any more. Cursors that run on it go on, and then it is closed. */
  retire(stream: Stream): void
  /** Cuts off its cursors, rolls back, gives the write lock and the connection back. Harmless when done before. */
  close(stream: Stream): void
  /** Notes that somebody waits for a cursor or, from now on, nobody does. Then it is cut off as idle streams are. */
  attend(stream: Stream, cursor: () => void, isAwaited: boolean): void
  /** Lets a cursor leave a stream, which closes it when it is retired. */
  leave(stream: Stream, cursor: () => void): void
  /** Closes every stream of a database, and the files with them. */
  closeDatabase(databaseId: string): void
  /** Does what is due: retires idle streams, and rolls back transactions that others have waited for long enough. */
  expire(): void
  /** The streams that accept their baton. */
  list(): Stream[]
  /** Closes every stream, those too that only a cursor still runs on. New ones may be opened. */
  restart(): void
  closeAll(): void
}

export interface StreamsOptions {
  /** Whether the databases go with this process. */
  readonly isTemporary: boolean
  readonly idleMs: number
  /** How long a transaction may hold the write lock when others want it, in milliseconds. */
  readonly transactionTimeoutMs: number
  readonly behaviour: Behaviour
  readonly now: () => number
}

export function createStreams(options: StreamsOptions): Streams {
  const { isTemporary, idleMs, transactionTimeoutMs, behaviour, now } = options
  const batons = createBatons()
  const connections = createConnections({ isTemporary })
  const permits = createSemaphore(MAX_STREAMS)
  const databases = new Map<string, SharedDatabase>()
  /** By number, those that accept their baton. */
  const streams = new Map<bigint, Stream>()
  /** All that have a connection. */
  const connected = new Set<Stream>()
  /** When a tombstone goes, by stream. */
  const tombstones = new Map<bigint, number>()
  let isClosed = false

  const disconnect = (stream: Stream) => {
    if (!connected.delete(stream)) return
    stream.isConnected = false
    stream.running?.end()
    // What is rolled back leaves no new version.
    if (stream.connection.inTransaction) stream.hasWritten = false
    connections.giveBack(stream.database.file, stream.connection, stream.isClean)
    releaseWriteLock(stream)
    permits.release()
  }

  const retire = (stream: Stream) => {
    stream.isClosed = true
    streams.delete(stream.id)
    if (stream.cursors.size === 0) disconnect(stream)
  }

  const close = (stream: Stream) => {
    for (const cancel of stream.cursors.keys()) cancel()
    stream.cursors.clear()
    retire(stream)
  }

  const expire = () => {
    const time = now()
    for (const stream of streams.values()) {
      if (stream.isBusy || stream.expiresAtMs > time) continue
      retire(stream)
      tombstones.set(stream.id, time + TOMBSTONE_MS)
    }
    for (const [id, goesAtMs] of tombstones) if (goesAtMs <= time) tombstones.delete(id)
    for (const { cursors } of connected) {
      for (const [cut, unreadSinceMs] of cursors) if (unreadSinceMs + idleMs <= time) cut()
    }
    for (const { writeLock } of databases.values()) writeLock.enforce()
  }
  const timer = setInterval(expire, EXPIRY_CHECK_MS)
  timer.unref()

  const closeDatabase = (databaseId: string) => {
    const database = databases.get(databaseId)
    if (!database) return
    for (const stream of connected) if (stream.database === database) close(stream)
    connections.closeIdle(database.file)
    databases.delete(databaseId)
  }

  const share = (databaseId: string, name: string, file: string): SharedDatabase => {
    let database = databases.get(databaseId)
    if (!database) {
      const writeLock = createWriteLock({ timeoutMs: transactionTimeoutMs, now, rollBack })
      databases.set(databaseId, (database = { id: databaseId, name, file, writeLock, version: 0 }))
    }
    return database
  }

  return {
    async open(databaseId, name, file, signal, admit) {
      if (permits.waiting >= MAX_WAITING_STREAMS) throw new HttpFailure(429, 'Too many concurrent requests')
      if (!(await permits.acquire(signal, STREAM_WAIT_MS))) {
        throw new HttpFailure(429, 'Timed out while opening database connection')
      }
      try {
        if (isClosed || signal.aborted) throw unknownDatabase(name)
        admit()
        const stream = newStream(randomUint64(), share(databaseId, name, file), connections.take(file))
        streams.set(stream.id, stream)
        connected.add(stream)
        return stream
      } catch (error) {
        permits.release()
        throw error
      }
    },
    resume(databaseId, text) {
      const refuse = (reason: UnusableBaton) => refuseBaton(reason, text, behaviour)
      const baton = batons.verify(text)
      if (baton === 'malformed') throw refuse('malformed')
      if (baton === 'forged') throw refuse('unknown')
      expire()
      const stream = streams.get(baton.streamId)
      if (!stream && tombstones.has(baton.streamId)) throw refuse('expired')
      if (!stream) throw refuse('unknown')
      const isOfAnother = stream.database.id !== databaseId
      if (isOfAnother && !behaviour.batonsOpenOtherDatabases) throw refuse('unknown')
      if (stream.isBusy || stream.sequence !== baton.sequence) throw refuse('used')
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
    retire,
    close,
    attend(stream, cursor, isAwaited) {
      stream.cursors.set(cursor, isAwaited ? Infinity : now())
    },
    leave(stream, cursor) {
      stream.cursors.delete(cursor)
      if (stream.isClosed && stream.cursors.size === 0) disconnect(stream)
    },
    closeDatabase,
    expire,
    list: () => [...streams.values()],
    restart() {
      for (const stream of connected) close(stream)
    },
    closeAll() {
      isClosed = true
      clearInterval(timer)
      for (const databaseId of databases.keys()) closeDatabase(databaseId)
    },
  }
}
