/**
 * How many requests of one socket are on their way at once. An object has six connections that wait for an answer; what
 * comes on top waits in the runtime, unseen, and its timeout runs.
 */

export interface SlotLimits {
  total: number
  /**
   * Of them, kept free for what is urgent: requests in a transaction that do not wait for the write lock. Else those that
   * wait for it could take all, and the COMMIT that they wait for would find none.
   */
  reserved: number
}

export interface Slots {
  /** Runs the action when it has a slot: in order, and what is urgent first. */
  run: <T>(isUrgent: boolean, action: () => Promise<T>) => Promise<T>
}

export function createSlots({ total, reserved }: SlotLimits): Slots {
  let taken = 0
  const urgent: (() => void)[] = []
  const others: (() => void)[] = []

  function next(): void {
    const begin =
      taken < total ? (urgent.shift() ?? (taken < total - reserved ? others.shift() : undefined)) : undefined
    if (begin === undefined) return
    taken += 1
    begin()
    next()
  }

  return {
    async run(isUrgent, action) {
      await new Promise<void>((resolve) => {
        const waiting = isUrgent ? urgent : others
        waiting.push(resolve)
        next()
      })
      try {
        return await action()
      } finally {
        taken -= 1
        next()
      }
    },
  }
}
