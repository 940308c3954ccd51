/** How often something can be done in a second. */

export interface Rate {
  readonly perSecond: number
}

/**
 * Does `work` for so many milliseconds, after a third of that to warm up, `parallel` at a time. The rate is that of the
 * best of three parts, because other processes only ever make it slower.
 */
export async function measureRate(work: () => unknown, ms: number, parallel = 1): Promise<Rate> {
  await run(work, ms / 3, parallel)
  const rates: number[] = []
  for (let part = 0; part < 3; part++) rates.push(await run(work, ms / 3, parallel))
  return { perSecond: Math.max(...rates) }
}

async function run(work: () => unknown, ms: number, parallel: number): Promise<number> {
  const startedAt = performance.now()
  let count = 0
  const worker = async () => {
    while (performance.now() - startedAt < ms) {
      // What is synchronous is not made to wait for a turn of the event loop.
      const result = work()
      if (result instanceof Promise) await result
      count++
    }
  }
  await Promise.all(Array.from({ length: parallel }, worker))
  return count / ((performance.now() - startedAt) / 1000)
}
