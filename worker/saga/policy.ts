/** When a step of the saga is tried again, and how often: data, and the arithmetic of it. Pure. */

/** Why a step did not succeed, by what is done about it. */
export type Trouble =
  /** Unreachable, overloaded, or an answer that says nothing. */
  | 'unavailable'
  /** A database that was just made is not to be seen everywhere at once (libsql-client-ts#346). */
  | 'not_served'
  /** Nor is its token (turso-cli#670). */
  | 'token_refused'

export interface RetryPolicy {
  /** How often the step is tried before it counts as failed for good. */
  attempts: number
  firstDelayMs: number
  /** What the delay doubles up to; the server's own `Retry-After` counts up to here too. */
  longestDelayMs: number
}

/** With these, a step that never succeeds is given up after about two hours. */
export const RETRY: Readonly<Record<Trouble, RetryPolicy>> = {
  unavailable: { attempts: 40, firstDelayMs: 500, longestDelayMs: 300_000 },
  not_served: { attempts: 40, firstDelayMs: 100, longestDelayMs: 30_000 },
  token_refused: { attempts: 6, firstDelayMs: 200, longestDelayMs: 5_000 },
}

/** Deleting what a failed signup left is never given up: it costs money, and may hold somebody's data. */
export const ORPHAN_RETRY: RetryPolicy = {
  attempts: Infinity,
  firstDelayMs: 60_000,
  longestDelayMs: 3_600_000,
}

/** What the directory is owed is never given up either. The first delay is for the alarm behind the first try. */
export const DIRECTORY_RETRY: RetryPolicy = {
  attempts: Infinity,
  firstDelayMs: 60_000,
  longestDelayMs: 3_600_000,
}

/** Closing or opening a database is never given up either: an operator may have to grant the right to do it first. */
export const ACCESS_RETRY: RetryPolicy = {
  attempts: Infinity,
  firstDelayMs: 500,
  longestDelayMs: 3_600_000,
}

/**
 * How often a database must not be found before it counts as gone, when a request that creates it may still be on its
 * way. By the delays above that takes three and a half minutes at least, and no request lasts that long.
 */
export const ABSENCES_UNTIL_GONE = 4

/** Likewise how often a database is closed, when a request that opens it may still be on its way; and the reverse. */
export const CONFIRMATIONS = 4

/** A time further away than any delay is of a clock that has been put back since. */
export function isDue(time: number, now: number, { longestDelayMs }: RetryPolicy): boolean {
  return time <= now || time > now + longestDelayMs
}

/**
 * The delay doubles with each attempt. Half of it is random, so that signups that failed together do not come back
 * together.
 *
 * @param attempt of the one that failed, from 1
 * @param random from 0 to 1
 * @param askedMs the server's own word, a minimum
 */
export function delayAfter(
  { firstDelayMs, longestDelayMs }: RetryPolicy,
  attempt: number,
  random: number,
  askedMs: number | null,
): number {
  const longest = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(attempt - 1, 30))
  const own = longest * (0.5 + random / 2)
  return Math.ceil(Math.min(longestDelayMs, (askedMs ?? 0) + own))
}
