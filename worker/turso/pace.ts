/**
 * The pace of all signups together, once Turso has refused one of their calls: its limits are the organisation's, not a
 * tenant's. Additive increase, multiplicative decrease, as TCP does it. Pure: times are milliseconds of the caller's clock.
 */
import { MAX_PACE_WAIT_MS } from '../limits.ts'

export interface Pace {
  /** Calls a second at the time of `slowedAt`; more since then. */
  rate: number
  /** When it was last slowed down; -Infinity: never, or long enough ago. */
  slowedAt: number
  /** Refusals without a `Retry-After` in a row double the pause. */
  refusals: number
  pausedUntil: number
  /** When the next call may be sent. */
  nextSlotAt: number
  /** Turso does not accept the platform token: nothing is sent but one call now and then, to see whether it does again. */
  breaker: { openedAt: number; nextProbeAt: number; refusals: number } | null
}

export const UNHURRIED: Pace = {
  rate: 0,
  slowedAt: -Infinity,
  refusals: 0,
  pausedUntil: -Infinity,
  nextSlotAt: -Infinity,
  breaker: null,
}

export interface Refusal {
  kind: 'too_many' | 'unauthorized'
  /** When the refused call was sent: one from before the last slowing down tells nothing new. */
  sentAt: number
  retryAfterMs: number | null
}

/** What a call that is about to be sent is told. */
export type Admission =
  /** `isProbe`: whoever sends it says how it went, if it went well. */
  | { kind: 'send'; waitMs: number; isProbe: boolean }
  /** Not within a time that a call can wait: come again after that. */
  | { kind: 'hold'; waitMs: number; isTokenRefused: boolean }

/** A refusal as its caller tells it: two machines' clocks are not compared. */
export interface RefusalReport {
  kind: Refusal['kind']
  sentMsAgo: number
  retryAfterMs: number | null
}

export type UpstreamAdmission = Admission & Pick<UpstreamState, 'throttledForMs'>

/** How things stand, for operators. */
export interface UpstreamState {
  throttledForMs: number
  pausedForMs: number
  isTokenRefused: boolean
}

/** No limit of Turso's API is documented; half of this is where most such APIs are. */
const FIRST_RATE = 10
const SLOWEST_RATE = 0.2
/** Grown to this, a pace is no pace any more. */
const FASTEST_RATE = 50
const GROWTH_PER_SECOND = 0.5

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 300_000

const FIRST_PROBE_MS = 15_000
const LONGEST_PROBE_MS = 300_000

function rateAt({ rate, slowedAt }: Pace, now: number): number {
  return rate + (Math.max(0, now - slowedAt) / 1000) * GROWTH_PER_SECOND
}

/** For how long calls must ask before they are sent, 0: they need not. */
export function throttledForMs(pace: Pace, now: number): number {
  if (pace.breaker !== null) return LONGEST_PROBE_MS
  const untilFast = ((FASTEST_RATE - rateAt(pace, now)) / GROWTH_PER_SECOND) * 1000
  const untilSlot = Math.max(pace.pausedUntil, pace.nextSlotAt) - now
  return pace.slowedAt === -Infinity ? 0 : Math.max(0, untilFast, untilSlot)
}

export function refuse(pace: Pace, { kind, sentAt, retryAfterMs }: Refusal, now: number): Pace {
  if (kind === 'unauthorized') {
    const { openedAt = now, nextProbeAt = now, refusals = 0 } = pace.breaker ?? {}
    // Those that were on their way when it opened count once.
    if (pace.breaker !== null && sentAt < openedAt) return pace
    const delay = Math.min(LONGEST_PROBE_MS, FIRST_PROBE_MS * 2 ** Math.min(refusals, 10))
    return {
      ...pace,
      breaker: { openedAt, nextProbeAt: Math.max(nextProbeAt, now + delay), refusals: refusals + 1 },
    }
  }
  const isNews = sentAt >= pace.slowedAt
  const refusals = throttledForMs(pace, now) === 0 ? 1 : pace.refusals + (isNews ? 1 : 0)
  const pause = retryAfterMs ?? FIRST_PAUSE_MS * 2 ** Math.min(refusals - 1, 10)
  const pausedUntil = Math.max(pace.pausedUntil, now + Math.min(LONGEST_PAUSE_MS, pause))
  if (!isNews) return retryAfterMs === null ? pace : { ...pace, pausedUntil }
  const former = throttledForMs(pace, now) === 0 ? FIRST_RATE * 2 : rateAt(pace, now)
  return { ...pace, rate: Math.max(SLOWEST_RATE, former / 2), slowedAt: now, refusals, pausedUntil }
}

/** Turso has accepted the platform token again. */
export function recover(pace: Pace): Pace {
  return { ...pace, breaker: null }
}

export function admit(pace: Pace, now: number): { pace: Pace; admission: Admission } {
  const { breaker } = pace
  if (breaker !== null) {
    if (now < breaker.nextProbeAt)
      return {
        pace,
        admission: { kind: 'hold', waitMs: breaker.nextProbeAt - now, isTokenRefused: true },
      }
    const nextProbeAt = now + FIRST_PROBE_MS
    return {
      pace: { ...pace, breaker: { ...breaker, nextProbeAt } },
      admission: { kind: 'send', waitMs: 0, isProbe: true },
    }
  }
  if (throttledForMs(pace, now) === 0)
    return { pace: UNHURRIED, admission: { kind: 'send', waitMs: 0, isProbe: false } }
  const slot = Math.max(now, pace.pausedUntil, pace.nextSlotAt)
  // No slot is kept for who cannot wait for it: it would be wasted, and the line would only grow.
  if (slot - now > MAX_PACE_WAIT_MS)
    return { pace, admission: { kind: 'hold', waitMs: slot - now, isTokenRefused: false } }
  return {
    pace: { ...pace, nextSlotAt: slot + 1000 / rateAt(pace, slot) },
    admission: { kind: 'send', waitMs: slot - now, isProbe: false },
  }
}
