/** Bounds what is waited for: by a number of milliseconds, and by the caller's signal. */
import { TimeoutError } from '../errors.ts'

export interface CallOptions {
  /** Aborts the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /**
   * Milliseconds for the whole call, from connecting to the last byte of the body, retries included. Of a stream of
   * rows: for each wait for the server. Default 30,000; `Infinity` for no limit.
   */
  timeoutMs?: number | undefined
}

export interface Watch {
  /** Aborted with what {@link Watch.during} then rejects with. */
  readonly signal: AbortSignal
  /** Milliseconds left of the wait that is under way. */
  remainingMs(): number
  /** Waits for `work`, which must end with the signal; a stand-in for `fetch` may ignore it, and the wait ends all the same. */
  during<T>(work: Promise<T>): Promise<T>
  /** Within `during`: does nothing for a while. Never resolves when that is interrupted. */
  pause(ms: number): Promise<void>
  abort(): void
  /** To be called when nothing is waited for any more. */
  release(): void
}

/** @throws {RangeError} for a `timeoutMs` that is not positive, and the reason of a signal that is aborted already */
export function requireUsable({ timeoutMs, signal }: CallOptions = {}): void {
  if (timeoutMs !== undefined && !(timeoutMs > 0))
    throw new RangeError(`"timeoutMs" must be a positive number; got ${timeoutMs}`)
  signal?.throwIfAborted()
}

/**
 * @param what names what is waited for, in an error
 * @throws what {@link requireUsable} throws
 */
export function createWatch(
  what: () => string,
  timeoutMs: number,
  callerSignal: AbortSignal | undefined,
): Watch {
  requireUsable({ timeoutMs, signal: callerSignal })
  const controller = new AbortController()
  const { signal } = controller
  let endsAt = 0
  let interrupt: ((reason: unknown) => void) | undefined

  function abort(reason?: unknown): void {
    controller.abort(reason)
    interrupt?.(signal.reason)
  }
  const onAbort = (): void => abort(callerSignal?.reason)
  callerSignal?.addEventListener('abort', onAbort, { once: true })

  return {
    signal,
    remainingMs: () => endsAt - Date.now(),
    during(work) {
      endsAt = Date.now() + timeoutMs
      let timer: ReturnType<typeof setTimeout> | undefined
      // In workerd a timer is most of what a call costs.
      if (timeoutMs !== Infinity)
        timer = setTimeout(
          () => abort(new TimeoutError(`${what()} did not answer within ${timeoutMs} ms`, timeoutMs)),
          Math.min(timeoutMs, 2 ** 31 - 1),
        )
      const stopTimer = (): void => {
        if (timer !== undefined) clearTimeout(timer)
      }
      return new Promise((resolve, reject) => {
        interrupt = (reason) => {
          stopTimer()
          // What failed because of an abort must say so in the caller's words, not in those of fetch.
          reject(signal.aborted ? signal.reason : reason)
        }
        if (signal.aborted) interrupt(undefined)
        work.then((value) => {
          stopTimer()
          resolve(value)
        }, interrupt)
      })
    },
    pause: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, ms)
        signal.addEventListener('abort', () => clearTimeout(timer))
      }),
    abort: () => abort(),
    release: () => callerSignal?.removeEventListener('abort', onAbort),
  }
}
