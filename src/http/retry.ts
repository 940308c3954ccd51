/** What is sent again, when, and how often. */
import type { HttpError, TursoError } from '../errors.ts'

/** All of a call's attempts share its `timeoutMs`. */
export interface RetryOptions {
  /** How often a call is sent at most. Default 3. */
  attempts?: number | undefined
  /** The wait before the second attempt is random, up to this many milliseconds; it doubles from there. Default 100. */
  minDelayMs?: number | undefined
  /** What it doubles up to, in milliseconds. Default 5,000. */
  maxDelayMs?: number | undefined
  /**
   * How many retries the client may be ahead of its successes, each of which earns a tenth of one: so that a server
   * that fails for everybody is not sent several times as much. Default 10.
   */
  budget?: number | undefined
}

export interface Retrier {
  /** Milliseconds to wait before the next attempt; `undefined` when there is to be none. */
  delayAfter(error: TursoError, attempt: number): number | undefined
  onSuccess(): void
}

/** @throws {RangeError} for an option that is not a number of its kind */
export function createRetrier(
  options: RetryOptions | false = {},
  random: () => number = Math.random,
): Retrier {
  const { attempts = 3, minDelayMs = 100, maxDelayMs = 5_000, budget = 10 } = options || { attempts: 1 }
  for (const [name, value] of Object.entries({ attempts, minDelayMs, maxDelayMs, budget }))
    if (!(value >= 0)) throw new RangeError(`"retry.${name}" must be a number from 0; got ${value}`)
  let credit = budget
  return {
    delayAfter(error, attempt) {
      if (attempt >= attempts || credit < 1) return undefined
      credit -= 1
      const backoff = random() * Math.min(maxDelayMs, minDelayMs * 2 ** (attempt - 1))
      // The server's own word is a minimum: everybody who was told the same must not come back at once.
      return ((error as Partial<HttpError>).retryAfterMs ?? 0) + backoff
    },
    onSuccess() {
      credit = Math.min(budget, credit + 0.1)
    },
  }
}

/**
 * Errors of name resolution and connecting, which only Node tells apart from a connection that was cut. Not
 * EHOSTUNREACH and ENETUNREACH, which Linux also reports of connections that have carried something.
 */
const NOT_SENT = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|UND_ERR_CONNECT_TIMEOUT)$/

/** Whether the server cannot have acted on the request: it was never sent, or refused because of too many others. */
export function wasNotActedOn(error: TursoError): boolean {
  if (error.code === 'rate_limited') return true
  const failure = error.cause as { code?: unknown; cause?: { code?: unknown } } | undefined
  return error.code === 'network' && NOT_SENT.test(String(failure?.cause?.code ?? failure?.code))
}

/** Whether the same request may succeed later. Of a request whose repetition is harmless. */
export function isPassing(error: TursoError): boolean {
  return /^(rate_limited|unavailable|network)$/.test(error.code)
}
