/** The trap of too many requests: so many in a window of time, counted over all callers. */
import type { Traps } from './traps.ts'

/** A 429 when the limit is reached, `undefined` while it is not. */
export type RateLimit = () => Response | undefined

export function createRateLimit(limit: Traps['rateLimit'], now: () => number): RateLimit {
  if (!limit) return () => undefined
  const { requests, windowMs, retryAfter = false } = limit
  let startMs = -Infinity
  let count = 0

  return () => {
    if (now() >= startMs + windowMs) {
      startMs = now()
      count = 0
    }
    if (++count <= requests) return undefined
    const waitSeconds = Math.ceil((startMs + windowMs - now()) / 1000)
    return Response.json(
      { error: 'too many requests' },
      { status: 429, headers: retryAfter ? { 'retry-after': String(waitSeconds) } : {} },
    )
  }
}
