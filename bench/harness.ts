/**
 * Who is quicker, on a machine that is never quiet. All take their turn in every round, each round in another order,
 * and what is compared is what two of them did in the same round.
 */

export interface Runner {
  readonly name: string
  /** Works for a while. Resolves with the microseconds that one time took. */
  readonly sample: () => Promise<number>
}

/** Microseconds by round, the same rounds for all. */
export type Times = ReadonlyMap<string, readonly number[]>

export interface Spread {
  median: number
  min: number
  max: number
}

export interface RaceOptions {
  /** At most. */
  rounds: number
  /** After so many rounds it ends when the budget is spent. Default: all. */
  least?: number
  /** Milliseconds. */
  budgetMs?: number
  /** Rounds before those that count. Default 1. */
  warmUp?: number
}

export async function race(
  runners: readonly Runner[],
  { rounds, least = rounds, budgetMs = 0, warmUp = 1 }: RaceOptions,
): Promise<Times> {
  const times = new Map(runners.map(({ name }) => [name, [] as number[]]))
  const endsAt = performance.now() + budgetMs
  for (let round = -warmUp; round < rounds; round++) {
    if (round >= least && performance.now() > endsAt) break
    const turn = round + warmUp
    const start = turn % runners.length
    const order = [...runners.slice(start), ...runners.slice(0, start)]
    // Or everyone would always follow the same neighbour.
    if (Math.floor(turn / runners.length) % 2) order.reverse()
    for (const { name, sample } of order) {
      const time = await sample()
      if (round >= 0) times.get(name)!.push(time)
    }
  }
  return times
}

/** How much longer one took than the other, round by round. */
export function ratio(times: Times, name: string, base: string): Spread {
  const others = times.get(base)!
  return spread(times.get(name)!.map((time, round) => time / others[round]!))
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, min: sorted[0]!, max: sorted.at(-1)! }
}
