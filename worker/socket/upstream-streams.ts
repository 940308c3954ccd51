/** The streams of a socket at the database: sends on them when there is a slot, and remembers what became of that. */
import type { HranaError } from '../hrana/error.ts'
import { bytesOf } from '../memory/bytes.ts'
import type { CursorAnswer, StreamAnswer } from '../session/calls.ts'
import type { Destination } from '../session/exchange.ts'
import { mayTakeWriteLock } from '../session/requests.ts'
import type { Streams } from '../session/streams.ts'
import type { UpstreamStreams } from './lanes.ts'
import type { StreamStatus } from './memory.ts'
import type { Slots } from './slots.ts'

export interface UpstreamStreamsOptions {
  streams: Streams
  isInTransaction: (id: string) => boolean
  slots: Slots
  /** Kept up to date. */
  statuses: Map<number, StreamStatus>
  /** A status is another now. */
  changed: () => void
  /** As it is when something is sent: the token may be another. */
  destination: () => Destination
}

export function createUpstreamStreams(options: UpstreamStreamsOptions): UpstreamStreams {
  const { streams, isInTransaction, slots, statuses, changed, destination } = options

  /** Those in a transaction of which this instance has seen all, and nothing that takes the write lock. */
  const readers = new Set<number>()

  async function take<Answer extends CursorAnswer | StreamAnswer>(
    streamId: number,
    mayTakeLock: boolean,
    action: (id: string, turn: 'new' | 'ordered') => Promise<Answer>,
  ): Promise<Answer> {
    const id = String(streamId)
    const isOngoing = isInTransaction(id)
    const isReader = readers.has(streamId)
    // Whoever waits for the lock would stand in the way of its holder.
    return await slots.run(isOngoing && !(isReader && mayTakeLock), async () => {
      const status = statuses.get(streamId)
      // The socket has ended while this waited.
      if (status === undefined) return { kind: 'error', error: STREAM_NOT_OPEN } as Answer
      // Its client may count on what was refused, such as a BEGIN.
      if (status === 'turned_away') return { kind: 'error', error: TURNED_AWAY } as Answer
      if (mayTakeLock) readers.delete(streamId)
      else if (!isOngoing) readers.add(streamId)
      const answer = await action(id, status === 'fresh' ? 'new' : 'ordered')
      const next = isTurnedAway(answer) ? 'turned_away' : 'used'
      if (next !== status && statuses.has(streamId)) {
        statuses.set(streamId, next)
        changed()
      }
      return answer
    })
  }

  return {
    // Only the bytes are kept while it waits and is on its way.
    send(streamId, text, claim) {
      const requests = bytesOf(text)
      return take(streamId, mayTakeWriteLock(text), (id, turn) =>
        streams.pipeline(id, { ...destination(), turn, requests, claim }),
      )
    },
    openCursor(streamId, text, claim) {
      const requests = bytesOf(text)
      return take(streamId, mayTakeWriteLock(text), (id, turn) =>
        streams.cursor(id, { ...destination(), turn, requests, claim }),
      )
    },
    turnAway(streamId) {
      if (!statuses.has(streamId) || isInTransaction(String(streamId))) return
      statuses.set(streamId, 'turned_away')
      changed()
    },
    leave(streamId) {
      readers.delete(streamId)
      streams.leave(String(streamId))
    },
  }
}

/** Nothing of the request ran, and a stream that holds nothing is none the worse for it. */
const isTurnedAway = (answer: CursorAnswer | StreamAnswer): boolean =>
  answer.kind === 'refused'
    ? answer.status === 401 || answer.status === 429
    : answer.kind === 'error' && answer.error.retryAfterMs !== undefined && answer.error.outcome !== 'unknown'

export const STREAM_NOT_OPEN: HranaError = {
  status: 400,
  code: 'STREAM_NOT_OPEN',
  message: 'There is no such stream: it was never opened, or has been closed',
}

export const TURNED_AWAY: HranaError = {
  status: 400,
  code: 'STREAM_NOT_OPEN',
  message:
    'A request before this one on its stream was turned away, so that this one did not run: close the stream and open another',
}
