/**
 * The write lock of one database: first come, first served, and taken from whoever holds it for too long, but only when
 * somebody else wants it. Source: libsql-server/src/connection/connection_manager.rs
 */

export interface WriteLock<Holder> {
  /** Waits for the lock, for as long as it takes. `false` when `signal` aborts first: then it is not taken. */
  acquire(holder: Holder, signal: AbortSignal): Promise<boolean>
  /** Gives the lock to whoever has waited longest. For its holder only. */
  release(): void
  /** Takes the lock from a holder whose time is over, if anybody waits. To be called whenever time has passed. */
  enforce(): void
}

export interface WriteLockOptions<Holder> {
  /** How long a holder is safe, in milliseconds. */
  readonly timeoutMs: number
  /** The clock, in milliseconds. */
  readonly now: () => number
  /** Rolls a holder back, which must release the lock. */
  readonly rollBack: (holder: Holder) => void
}

export function createWriteLock<Holder>(options: WriteLockOptions<Holder>): WriteLock<Holder> {
  const { timeoutMs, now, rollBack } = options
  let held: { holder: Holder; sinceMs: number } | undefined
  const waiters = new Set<{ holder: Holder; grant: () => void }>()

  const enforce = () => {
    if (held && waiters.size > 0 && now() - held.sinceMs >= timeoutMs) rollBack(held.holder)
  }

  return {
    async acquire(holder, signal) {
      if (signal.aborted) return false
      if (!held) {
        held = { holder, sinceMs: now() }
        return true
      }
      const granted = new Promise<boolean>((resolve) => {
        const settle = (isGranted: boolean) => {
          waiters.delete(waiter)
          signal.removeEventListener('abort', giveUp)
          resolve(isGranted)
        }
        const giveUp = () => settle(false)
        const waiter = { holder, grant: () => settle(true) }
        waiters.add(waiter)
        signal.addEventListener('abort', giveUp)
      })
      enforce()
      return granted
    },
    release() {
      const [next] = waiters
      held = next && { holder: next.holder, sinceMs: now() }
      next?.grant()
    },
    enforce,
  }
}
