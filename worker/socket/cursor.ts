/** A cursor of a socket: opened on a stream, read in the order of its fetches, closed at any time. */
import { NO_ANSWER, NO_ROOM_FOR_ANSWER, type HranaError } from '../hrana/error.ts'
import { MAX_CURSOR_ENTRIES, MAX_CURSOR_FETCHES, MAX_CURSOR_MESSAGE_CHARACTERS } from '../limits.ts'
import { errorText, log, type LogFields } from '../log.ts'
import { NoRoomError } from '../memory/room.ts'
import { BrokenCursorError, type Entries, type EntryReader } from './cursor-entries.ts'
import { ProtocolViolation } from './protocol.ts'

export interface SocketCursor {
  readonly streamId: number
  /** Since when no fetch is under way, in milliseconds; `null` while one is, and when there is nothing to wait for. */
  idleSince: () => number | null
  /**
   * Gives it what the database has opened.
   *
   * @param cutOff once the body has ended: why, if its stream was ended by somebody else
   * @returns when it is over; with the reader if its client has closed it before its end
   */
  opened: (reader: EntryReader, cutOff: Promise<HranaError | null>) => Promise<EntryReader | null>
  /** Each fetch is told so from now on, until it is closed. */
  fail: (error: HranaError) => Promise<void>
  /** Once the fetches before it are answered, there is no more to fetch. */
  close: () => Promise<void>
  /**
   * Up to so many entries.
   *
   * @throws {ProtocolViolation} when too many are asked for ahead
   */
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

export function createCursor(streamId: number, now: () => number, logged: LogFields): SocketCursor {
  const ready = Promise.withResolvers<void>()
  const over = Promise.withResolvers<EntryReader | null>()
  let failure: HranaError | undefined
  let reader: EntryReader | undefined
  let whyCutOff: Promise<HranaError | null> | undefined
  let isAtEnd = false
  let lastFetch = now()
  let fetching = 0
  /** Those before have to be answered first. */
  let turn: Promise<unknown> = ready.promise

  async function finish(): Promise<void> {
    const ending = reader
    reader = undefined
    over.resolve(null)
    // Its body may have failed, and then there is nothing to let go of.
    await ending?.cancel().catch(() => undefined)
  }

  async function fail(error: HranaError): Promise<void> {
    failure ??= error
    ready.resolve()
    await finish()
  }

  async function readNext(maxCount: number): Promise<Entries | { error: HranaError }> {
    if (failure === undefined && isAtEnd) return { entries: [], isDone: true }
    if (failure !== undefined || reader === undefined) return { error: failure ?? CURSOR_NOT_OPEN }
    try {
      const entries = await reader.read(Math.min(maxCount, MAX_CURSOR_ENTRIES), MAX_CURSOR_MESSAGE_CHARACTERS)
      // Whoever has closed it meanwhile has said why.
      if (failure !== undefined) return { error: failure }
      isAtEnd = entries.isDone
      if (isAtEnd) await finish()
      return entries
    } catch (error) {
      if (failure === undefined) {
        log('warn', 'cursor_failed', { ...logged, detail: errorText(error) })
        await finish()
        failure ??= (await reasonOf(error)) ?? NO_ANSWER
      }
      return { error: failure }
    }
  }

  /** `null` when it is not known. */
  async function reasonOf(error: unknown): Promise<HranaError | null | undefined> {
    if (error instanceof NoRoomError) return NO_ROOM_FOR_ANSWER
    return error instanceof BrokenCursorError ? null : await whyCutOff
  }

  return {
    streamId,
    idleSince: () => (fetching > 0 || reader === undefined ? null : lastFetch),
    async opened(given, cutOff) {
      lastFetch = now()
      reader = given
      whyCutOff = cutOff
      ready.resolve()
      // It was closed before it was open.
      if (failure !== undefined) await finish()
      return await over.promise
    },
    fail,
    async close() {
      await turn
      failure ??= CURSOR_NOT_OPEN
      over.resolve(reader ?? null)
      reader = undefined
    },
    fetch(maxCount) {
      if (fetching >= MAX_CURSOR_FETCHES)
        throw new ProtocolViolation(
          1008,
          `More than ${MAX_CURSOR_FETCHES} fetches of a cursor wait for an answer`,
        )
      fetching += 1
      const answer = turn
        .then(() => readNext(maxCount))
        .finally(() => {
          fetching -= 1
          lastFetch = now()
        })
      // Not the answer itself: it would be kept until the next.
      turn = answer.then(
        () => undefined,
        () => undefined,
      )
      return answer
    },
  }
}
