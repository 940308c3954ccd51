/** Hands out a number of permits, first come, first served, without blocking the event loop. */
export interface Semaphore {
  /**
   * Waits for a permit. `false` when there is none within `timeoutMs` (milliseconds) or `signal` aborts first; a
   * waiter that gave up never takes one.
   */
  acquire(timeoutMs: number, signal?: AbortSignal): Promise<boolean>
  /** Gives a permit back, to whoever has waited longest. */
  release(): void
}

/** A semaphore with this many permits. With one permit it is a lock. */
export function createSemaphore(permits: number): Semaphore {
  let free = permits
  const waiters = new Set<() => void>()

  return {
    acquire(timeoutMs, signal) {
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
        const timer = setTimeout(refuse, timeoutMs)
        signal?.addEventListener('abort', refuse)
        waiters.add(grant)
      })
    },
    release() {
      const [next] = waiters
      if (next) next()
      else free++
    },
  }
}
