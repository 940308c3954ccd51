/** Time that passes when it is told to: `Date.now` and `setTimeout`, for whatever runs in this process. */

export interface VirtualTime {
  passed: () => number
  /** When the next timer goes off, by this clock; `null`: there is none. */
  next: () => number | null
  /** Goes on by so many milliseconds; timers go off in their order. */
  step: (ms: number) => Promise<void>
  /** Until nothing goes on that waits for no time. */
  drain: () => Promise<void>
  /** Goes on until some work is done. */
  settle: <T>(work: Promise<T>) => Promise<T>
  restore: () => void
}

export function createVirtualTime(): VirtualTime {
  const begin = Date.UTC(2026, 0, 1)
  let now = begin
  let numbers = 0
  const timers = new Map<number, { at: number; action: () => void }>()
  const real = { now: Date.now, setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout }
  Date.now = () => now
  globalThis.setTimeout = ((action: () => void, ms = 0) => {
    timers.set((numbers += 1), { at: now + ms, action })
    return numbers
  }) as never
  globalThis.clearTimeout = ((number: number) => void timers.delete(number)) as never

  const first = (): [number, { at: number; action: () => void }] | undefined => {
    let found: [number, { at: number; action: () => void }] | undefined
    for (const entry of timers) if (found === undefined || entry[1].at < found[1].at) found = entry
    return found
  }
  const drain = async (): Promise<void> => {
    // Chains of promises are shorter than that.
    for (let count = 0; count < 60; count++) await Promise.resolve()
  }
  const step = async (ms: number): Promise<void> => {
    const until = now + ms
    for (let entry = first(); entry !== undefined && entry[1].at <= until; entry = first()) {
      timers.delete(entry[0])
      now = Math.max(now, entry[1].at)
      entry[1].action()
      await drain()
    }
    now = until
    await drain()
  }

  return {
    passed: () => now - begin,
    next: () => first()?.[1].at ?? null,
    step,
    drain,
    async settle(work) {
      let isDone = false
      const ended = work.finally(() => void (isDone = true))
      while (!isDone) await step(1)
      return await ended
    },
    restore() {
      Date.now = real.now
      globalThis.setTimeout = real.setTimeout
      globalThis.clearTimeout = real.clearTimeout
    },
  }
}
