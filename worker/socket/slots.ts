/**
 * How many requests of one socket are on their way at once. An object has six connections that wait for an answer; what
 * comes on top waits in the runtime, unseen, and its timeout runs.
 */

export interface SlotLimits {
  total: number
  /**
   * Of them, kept free for streams in a transaction. Else those that wait for the write lock could take all, and the
   * COMMIT that they wait for would find none.
   */
  reserved: number
}

export interface Slots {
  /** Runs the action when it has a slot: in order, and those in a transaction first. */
  run: <T>(isInTransaction: boolean, action: () => Promise<T>) => Promise<T>
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
    async run(isInTransaction, action) {
      await new Promise<void>((resolve) => {
        const waiting = isInTransaction ? urgent : others
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
