/** Hands out a number of permits, first come, first served, without blocking the event loop. */
export interface Semaphore {
  /**
   * Waits for a permit. `false` when `signal` aborts or there is none within `timeoutMs` (milliseconds; default: no
   * limit); a waiter that gave up never takes one.
   */
  acquire(signal?: AbortSignal, timeoutMs?: number): Promise<boolean>
  /** Gives a permit back, to whoever has waited longest. */
  release(): void
  /** How many wait. */
  readonly waiting: number
}

/** A semaphore with this many permits. With one permit it is a lock. */
export function createSemaphore(permits: number): Semaphore {
  let free = permits
  const waiters = new Set<() => void>()

  return {
    acquire(signal, timeoutMs) {
      if (signal?.aborted) return Promise.resolve(false)
      if (free > 0) {
        free--
        return Promise.resolve(true)
      }
      return new Promise((resolve) => {
        const settle = (granted: boolean) => {
          waiters.delete(grant)
          clearTimeout(timer)
          signal?.removeEventListener('abort', refuse)
          resolve(granted)
        }
        const grant = () => settle(true)
        const refuse = () => settle(false)
        const timer = timeoutMs === undefined ? undefined : setTimeout(refuse, timeoutMs)
        signal?.addEventListener('abort', refuse)
        waiters.add(grant)
      })
    },
    release() {
      const [next] = waiters
      if (next) next()
      else free++
    },
    get waiting() {
      return waiters.size
    },
  }
}
