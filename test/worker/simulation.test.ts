import { expect, test } from 'vitest'
import { simulate } from './simulation/simulate.ts'

test('2,000 seeds of faults, evictions, late alarms and clock jumps leave every tenant with one database or none', () => {
  const total = { created: 0, failed: 0, evictions: 0, suspensions: 0 }
  for (let seed = 1; seed <= 2_000; seed++) {
    const { created, failed, evictions, suspensions } = simulate(seed)
    total.created += created
    total.failed += failed
    total.evictions += evictions
    total.suspensions += suspensions
  }
  // Else the invariants held because nothing happened.
  expect(total.created).toBeGreaterThan(2_000)
  expect(total.failed).toBeGreaterThan(100)
  expect(total.evictions).toBeGreaterThan(5_000)
  expect(total.suspensions).toBeGreaterThan(1_000)
})

test('a seed is the same each time', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const runs = [1, 2].map(() => {
      const lines: string[] = []
      const summary = simulate(seed, (line) => lines.push(line))
      return { summary, lines }
    })
    expect(runs[0]).toEqual(runs[1])
  }
})
