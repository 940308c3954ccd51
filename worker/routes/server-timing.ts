/** The header `Server-Timing` (W3C): what of a request's time was spent on what. Pure. */
import type { TimelineEntry } from '../saga/state.ts'

/** The object's clock and that of whoever asks it may differ by so much, in milliseconds. */
const CLOCK_SKEW_MS = 1_000

/**
 * The calls to Turso of a signup, in their order, those of the same step together.
 *
 * @param since when the request came: what was done before is another request's
 */
export function signupTiming(timeline: readonly TimelineEntry[], since: number, now: number): string {
  const durations = new Map<string, number>()
  for (const { step, at, duration_ms: ms } of timeline)
    if (Date.parse(at) >= since - CLOCK_SKEW_MS) durations.set(step, (durations.get(step) ?? 0) + ms)
  durations.set('total', now - since)
  return [...durations].map(([name, ms]) => timing(name, ms)).join(', ')
}

export const timing = (name: string, ms: number): string => `${name};dur=${Math.max(0, ms)}`
