/** The cursors of one socket, by the numbers that their client has given them. */
import { CURSOR_IDLE_MS, MAX_SOCKET_CURSORS } from '../limits.ts'
import type { HranaError } from '../hrana/error.ts'
import type { LogFields } from '../log.ts'
import { createCursor, CURSOR_EXPIRED, CURSOR_LOST, CURSOR_NOT_OPEN, type SocketCursor } from './cursor.ts'
import type { Entries } from './cursor-entries.ts'
import { ProtocolViolation } from './protocol.ts'

export interface Cursors {
  /**
   * Takes the number, whatever becomes of the cursor.
   *
   * @throws {ProtocolViolation} when it is in use: what follows would read another cursor
   */
  add: (cursorId: number, streamId: number) => SocketCursor
  fetch: (cursorId: number, maxCount: number) => Promise<Entries | { error: HranaError }>
  /** One that is not there counts as closed. */
  close: (cursorId: number) => Promise<void>
  /** Those of a stream, which is closed. */
  closeOf: (streamId: number) => Promise<void>
  /** Closes those that nobody reads. */
  tick: () => void
  /** Lets go of all, at once. */
  end: () => void
}

export interface CursorsOptions {
  /** The streams of the cursors that have not been closed: kept up to date, and at first those that are lost. */
  streamIds: Map<number, number>
  now: () => number
  /** Asks for a {@link Cursors.tick} by then. */
  wakeBy: (at: number) => void
  /** Is told what nobody expects. */
  failed: (error: unknown) => void
  /** What the log says beside what happened. */
  logged: LogFields
}

export function createCursors({ streamIds, now, wakeBy, failed, logged }: CursorsOptions): Cursors {
  const cursors = new Map<number, SocketCursor>()

  for (const [cursorId, streamId] of streamIds) {
    const cursor = createCursor(streamId, now, logged)
    cursors.set(cursorId, cursor)
    cursor.fail(CURSOR_LOST).catch(failed)
  }

  async function close(cursorId: number): Promise<void> {
    const cursor = cursors.get(cursorId)
    cursors.delete(cursorId)
    streamIds.delete(cursorId)
    await cursor?.close()
  }

  return {
    add(cursorId, streamId) {
      if (cursors.has(cursorId))
        throw new ProtocolViolation(1008, `Cursor ${cursorId} is in use: close_cursor comes first`)
      if (cursors.size >= MAX_SOCKET_CURSORS) throw new ProtocolViolation(1008, 'Too many cursors are open')
      const cursor = createCursor(streamId, now, logged)
      cursors.set(cursorId, cursor)
      streamIds.set(cursorId, streamId)
      wakeBy(now() + CURSOR_IDLE_MS)
      return cursor
    },
    async fetch(cursorId, maxCount) {
      const cursor = cursors.get(cursorId)
      if (cursor === undefined) return { error: CURSOR_NOT_OPEN }
      wakeBy(now() + CURSOR_IDLE_MS)
      return await cursor.fetch(maxCount)
    },
    close,
    async closeOf(streamId) {
      const theirs = [...cursors].filter(([, cursor]) => cursor.streamId === streamId)
      await Promise.all(theirs.map(([cursorId]) => close(cursorId)))
    },
    tick() {
      for (const cursor of cursors.values()) {
        const since = cursor.idleSince()
        if (since === null) continue
        if (now() >= since + CURSOR_IDLE_MS) cursor.fail(CURSOR_EXPIRED).catch(failed)
        else wakeBy(since + CURSOR_IDLE_MS)
      }
    },
    end() {
      for (const cursor of cursors.values()) cursor.fail(CURSOR_NOT_OPEN).catch(() => undefined)
    },
  }
}
