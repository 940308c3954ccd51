/** Fleets: as many requests at a time as the server takes. */
import { globalFetch, type Fetch, type FetchResponse } from '../http/fetch.ts'
import { refusal } from '../http/refusal.ts'
import { createPace, type PaceOutcome } from './pacing-law.ts'

export interface PacingOptions {
  /** Requests in flight at most, from sending to the head of the answer. Default 6: what a Worker may have open at once. */
  concurrency?: number | undefined
}

/**
 * A `fetch` that keeps a pace: at most `concurrency` requests at a time, fewer after a 429, more again while there is
 * none. The `Retry-After` of a 429 is a pause for all. Who waits is sent in the order of the calls, and not at all once
 * its `signal` is aborted, or its `timeoutMs` over. It sends nothing twice: retries are the client's, and wait in line too.
 *
 * The wait is part of the call's `timeoutMs`: raise it for a large fleet, and the client's `retry` as well. A server that
 * has enough refuses many at once, which by default uses up three attempts, or the budget, of calls that would succeed.
 *
 * Requests wait for each other, which on Workers is only possible within one request (or one Durable Object): make it
 * there, not at the top of the module.
 *
 * @param fetch default: the global one
 * @throws {RangeError} for a concurrency that is not a whole number from 1
 * @example
 * const retry = { attempts: 10, budget: Infinity }
 * const turso = createPlatform({ token, organization, timeoutMs: 600_000, retry, fetch: paced({ concurrency: 20 }) })
 * await Promise.all(names.map((name) => turso.databases.ensure(name)))
 */
export function paced({ concurrency = 6 }: PacingOptions = {}, fetch: Fetch = globalFetch): Fetch {
  const pace = createPace<{ send: (ticket: number) => void }>(concurrency)
  let timer: ReturnType<typeof setTimeout> | undefined

  /** Sends who may be sent, and comes back when the pause is over. */
  function advance(): void {
    if (timer !== undefined) clearTimeout(timer)
    // Looked at once: a pause that ended in between would be over for nobody, and nobody would come back.
    const now = Date.now()
    for (let first = pace.next(now); first; first = pace.next(now)) first.waiting.send(first.ticket)
    const ms = pace.pauseMs(now)
    if (ms !== undefined) timer = setTimeout(advance, ms)
  }
  function settle(ticket: number, outcome: PaceOutcome): void {
    pace.settle(ticket, outcome, Date.now())
    advance()
  }

  return (url, init) => {
    const { signal } = init
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      let giveUp = (): void => {
        pace.leave(waiting)
        advance()
      }
      const onAbort = (): void => {
        giveUp()
        reject(signal.reason as Error)
      }
      const waiting = {
        send(ticket: number): void {
          const end = (outcome: PaceOutcome): void => {
            signal.removeEventListener('abort', onAbort)
            settle(ticket, outcome)
          }
          // A stand-in for fetch may ignore its signal, and would keep its place for ever.
          giveUp = () => settle(ticket, { kind: 'failed' })
          const sent = (async () => fetch(url, init))()
          sent.then(
            (response) => {
              end(outcomeOf(response))
              resolve(response)
            },
            (error: unknown) => {
              end({ kind: 'failed' })
              reject(error as Error)
            },
          )
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      pace.enter(waiting)
      advance()
    })
  }
}

/** What a stand-in for fetch answers with may lack anything; the place in line is given back all the same. */
function outcomeOf(response: FetchResponse | undefined): PaceOutcome {
  const status = response?.status ?? 500
  if (status !== 429) return { kind: status < 500 ? 'answered' : 'failed' }
  try {
    return { kind: 'refused', retryAfterMs: refusal('', response!, '').retryAfterMs }
  } catch {
    return { kind: 'refused', retryAfterMs: null }
  }
}
