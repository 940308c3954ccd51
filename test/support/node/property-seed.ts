import { randomInt } from 'node:crypto'

const PINNED = 20_261_128

/**
 * What the properties of a run are seeded with.
 *
 * @param wanted `PROPERTY_SEED`: a seed, or `random` for another one in each run; the pinned one unless it is set. A
 *   property that fails names the seed that it had.
 */
export function propertySeed(wanted: string | undefined): number {
  if (!wanted) return PINNED
  if (wanted === 'random') return randomInt(2 ** 31)
  if (!/^\d{1,10}$/.test(wanted) || Number(wanted) >= 2 ** 31)
    throw new Error(`PROPERTY_SEED must be a whole number below 2147483648 or "random", not "${wanted}"`)
  return Number(wanted)
}
