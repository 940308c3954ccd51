/** The one alarm of an object, for the earliest of all that ask for it. */

export interface Alarm {
  /** Makes sure that it rings by then. One that rings too early does no harm, and each change is a row written. */
  wakeBy: (at: number) => void
  /** To be called when it rings: then nothing is set. */
  rang: () => void
}

export function createAlarm(state: DurableObjectState): Alarm {
  const { storage } = state
  let setFor: number | null = null
  void state.blockConcurrencyWhile(async () => {
    setFor = await storage.getAlarm()
  })
  return {
    wakeBy(at) {
      if (setFor !== null && setFor <= at) return
      setFor = at
      // Not awaited: what follows leaves the object only when it is stored.
      void storage.setAlarm(at)
    },
    rang() {
      setFor = null
    },
  }
}
