/** A cursor of a socket: opened on a stream, read in the order of its fetches, closed at any time. */
import { NO_ANSWER, type HranaError } from '../hrana-error.ts'
import { MAX_CURSOR_ENTRIES, MAX_CURSOR_MESSAGE_CHARACTERS } from '../limits.ts'
import { errorText, log } from '../log.ts'
import { entryReader, type Entries } from './cursor-entries.ts'

/** A cursor as the database has opened it. */
export interface OpenedCursor {
  /** Its entries, a line each. */
  lines: AsyncIterator<string>
  /** Lets go of it and of its stream, whether it is at its end or not. What is being read then fails. */
  end: () => Promise<void>
}

export interface SocketCursor {
  readonly streamId: number
  /** Since when no fetch is under way, in milliseconds; `null` while one is, and when there is nothing to wait for. */
  idleSince: () => number | null
  /** Resolves once it is closed, failed or at its end; then its stream may go on. */
  isOver: Promise<void>
  opened: (cursor: OpenedCursor) => Promise<void>
  /** Each fetch is told so from now on, until it is closed. */
  fail: (error: HranaError) => Promise<void>
  /** Up to so many entries. */
  fetch: (maxCount: number) => Promise<Entries | { error: HranaError }>
}

export const CURSOR_NOT_OPEN: HranaError = {
  status: 400,
  code: 'CURSOR_NOT_OPEN',
  message: 'There is no such cursor: it was never opened, or has been closed',
}

export const CURSOR_EXPIRED: HranaError = {
  status: 400,
  code: 'CURSOR_EXPIRED',
  message:
    'The cursor was closed, as nothing was fetched from it for too long. What its batch did is unknown.',
  outcome: 'unknown',
}

export const CURSOR_LOST: HranaError = {
  status: 400,
  code: 'CURSOR_LOST',
  message: 'The cursor is gone, and with it what had not been fetched. What its batch did is unknown.',
  outcome: 'unknown',
}

export function createCursor(streamId: number, now: () => number): SocketCursor {
  const ready = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  let failure: HranaError | undefined
  let cursor: OpenedCursor | undefined
  let read: ReturnType<typeof entryReader> | undefined
  let lastFetch = now()
  let fetching = 0
  /** Those before have to be answered first. */
  let turn: Promise<unknown> = ready.promise

  async function finish(): Promise<void> {
    const ending = cursor
    cursor = undefined
    await ending?.end()
    over.resolve()
  }

  async function readNext(maxCount: number): Promise<Entries | { error: HranaError }> {
    if (failure !== undefined || read === undefined) return { error: failure ?? CURSOR_NOT_OPEN }
    try {
      const entries = await read(Math.min(maxCount, MAX_CURSOR_ENTRIES), MAX_CURSOR_MESSAGE_CHARACTERS)
      if (entries.isDone) await finish()
      return entries
    } catch (error) {
      // Whoever has closed it has said why.
      if (failure === undefined) {
        log('warn', 'cursor_failed', { detail: errorText(error) })
        failure = NO_ANSWER
        await finish()
      }
      return { error: failure }
    }
  }

  return {
    streamId,
    idleSince: () => (fetching > 0 || cursor === undefined ? null : lastFetch),
    isOver: over.promise,
    async opened(given) {
      lastFetch = now()
      if (failure === undefined) {
        cursor = given
        read = entryReader(given.lines)
      } else await given.end()
      ready.resolve()
    },
    async fail(error) {
      failure ??= error
      ready.resolve()
      await finish()
    },
    fetch(maxCount) {
      fetching += 1
      const answer = turn
        .then(() => readNext(maxCount))
        .finally(() => {
          fetching -= 1
          lastFetch = now()
        })
      turn = answer
      return answer
    },
  }
}
