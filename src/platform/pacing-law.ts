/** When a request of a fleet may be sent: a machine without clock and I/O. Events and the time go in, decisions come out. */

/**
 * Of a request that was sent. `answered`: with anything but a refusal or the failure of the server. `failed`: without an
 * answer, or a server's failure, which says nothing about the pace.
 */
export type PaceOutcome = { kind: 'answered' | 'failed' } | { kind: 'refused'; retryAfterMs: number | null }

/**
 * At most `limit` requests are in flight. It grows by one for every `limit` answers (additive increase), up to where it
 * began, and is halved by a refusal (multiplicative decrease), down to one; refusals of requests that were sent before the
 * last halving tell nothing new and halve nothing. A refusal also stops everybody for a while.
 */
export interface Pace<Waiting extends object> {
  /** May have a fraction; as many whole requests may be in flight. */
  readonly limit: number
  readonly inFlight: number
  /** To the end of the line. */
  enter(waiting: Waiting): void
  /** Out of the line, for good. Does nothing for those that are not in it. */
  leave(waiting: Waiting): void
  /** Takes the first in line if it may be sent now, with the ticket that it is settled by. */
  next(nowMs: number): { waiting: Waiting; ticket: number } | undefined
  /** Once for each ticket; more do nothing. */
  settle(ticket: number, outcome: PaceOutcome, nowMs: number): void
  /** How long nobody may be sent though there is room; `undefined` when it is not the time that is waited for. */
  pauseMs(nowMs: number): number | undefined
}

/** After a refusal that does not say how long to wait. It doubles with each halving in a row. */
const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 1_000

/** @throws {RangeError} for a concurrency that is not a whole number from 1 */
export function createPace<Waiting extends object>(concurrency: number): Pace<Waiting> {
  if (!Number.isSafeInteger(concurrency) || concurrency < 1)
    throw new RangeError(`"concurrency" must be a whole number from 1; got ${concurrency}`)
  // Sets keep the order in which they were filled.
  const line = new Set<Waiting>()
  const sent = new Set<number>()
  let limit = concurrency
  let tickets = 0
  /** Those before it were sent before the last halving. */
  let firstOfPace = 0
  let halvings = 0
  let pausedUntilMs = -Infinity

  const hasRoom = (): boolean => line.size > 0 && sent.size < Math.floor(limit)
  return {
    get limit() {
      return limit
    },
    get inFlight() {
      return sent.size
    },
    enter: (waiting) => void line.add(waiting),
    leave: (waiting) => void line.delete(waiting),
    next(nowMs) {
      const [waiting] = line
      if (!waiting || !hasRoom() || nowMs < pausedUntilMs) return undefined
      line.delete(waiting)
      const ticket = tickets++
      sent.add(ticket)
      return { waiting, ticket }
    },
    settle(ticket, outcome, nowMs) {
      if (!sent.delete(ticket)) return
      if (outcome.kind === 'answered') {
        // What was sent at the old pace does not speak for the new one.
        if (ticket < firstOfPace) return
        limit = Math.min(concurrency, limit + 1 / Math.floor(limit))
        halvings = 0
      } else if (outcome.kind === 'refused') {
        let pauseMs = outcome.retryAfterMs ?? 0
        if (ticket >= firstOfPace) {
          firstOfPace = tickets
          limit = Math.max(1, limit / 2)
          pauseMs = outcome.retryAfterMs ?? Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** halvings)
          halvings++
        }
        pausedUntilMs = Math.max(pausedUntilMs, nowMs + pauseMs)
      }
    },
    pauseMs: (nowMs) => (hasRoom() && nowMs < pausedUntilMs ? pausedUntilMs - nowMs : undefined),
  }
}
