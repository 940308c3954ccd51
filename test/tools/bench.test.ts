import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compareCells } from '../../bench/cells.ts'
import { CONTESTANTS, TURSO_EDGE } from '../../bench/clients/catalogue.ts'
import { bundleEntrants, recordAnswers, type Entrant } from '../../bench/entrants.ts'
import { race, ratio, spread } from '../../bench/harness.ts'
import { createRecorder, type Recorder } from '../../bench/recorded-answers.ts'
import { replay } from '../../bench/replay.ts'
import { countRequests, FLOWS } from '../../bench/requests.ts'
import { createScenarios, isReadable, SCENARIO_NAMES } from '../../bench/scenarios.ts'
import { select } from '../../bench/selection.ts'
import { REENCODING } from '../../bench/worker/cpu.ts'
import { startWorkerdRace } from '../../bench/workerd/race.ts'

const sizes = { thousand: 9, tenThousand: 10, inserts: 3, blobBytes: 1_000 }
const scenarios = createScenarios(sizes)

let folder: string
let entrants: Entrant[]
let recorder: Recorder
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'bench-'))
  entrants = await bundleEntrants(CONTESTANTS, folder)
  recorder = await createRecorder(sizes)
})
afterAll(async () => {
  await recorder.close()
  await rm(folder, { recursive: true, force: true })
})

describe('the bench', () => {
  it.each(scenarios)('has every client decode the same of $name', async (scenario) => {
    const answers = await recordAnswers(recorder, scenario, entrants)
    expect([...answers.keys()].toSorted()).toEqual(entrants.map(({ name }) => name).toSorted())
    for (const { name, open } of entrants) {
      if (!isReadable(scenario, open)) continue
      const client = replay(open, answers.get(name)!)
      // Twice: an answer is not used up.
      for (let time = 0; time < 2; time++)
        compareCells(name, scenario.read(client, await scenario.run(client)), scenario.expected)
    }
  })

  it('has every client decode the same in workerd', async () => {
    const workerd = await startWorkerdRace(entrants, { folder, sizes })
    try {
      for (const scenario of scenarios) {
        const answers = await recordAnswers(recorder, scenario, entrants)
        await expect(workerd.check(scenario, answers)).resolves.toBeUndefined()
      }
    } finally {
      await workerd.stop()
    }
  })

  it('tells which cell a client got wrong', () => {
    expect(() => compareCells('it', [[1, 'a']], [[1, 'b']])).toThrow('it: row 0, column 1 is "a", not "b"')
    expect(() => compareCells('it', [[1]], [[1, null]])).toThrow('row 0, column 1 is undefined, not null')
    expect(() => compareCells('it', [], [[1]])).toThrow('it: 0 rows, not 1')
  })

  it('counts the requests of our client', async () => {
    const counts = await countRequests(entrants.filter(({ name }) => name === TURSO_EDGE))
    const found = FLOWS.map(({ name }, index) => [name, counts.get(TURSO_EDGE)![index]])
    expect(Object.fromEntries(found)).toMatchObject({
      execute: { requests: 1, leftOpen: 0 },
      'batch of 3': { requests: 1, leftOpen: 0 },
      'transaction of 3, one after the other': { requests: 4, leftOpen: 0 },
      '5 at the same time': { requests: 5, together: 5, leftOpen: 0 },
      'a statement that fails': { requests: 1, leftOpen: 0 },
    })
  })
})

describe('the Worker that parses what passes through', () => {
  it.each(REENCODING)('is made by a change of what is still in $file', async ({ file, from }) => {
    const source = await readFile(path.join(import.meta.dirname, '../..', file), 'utf8')
    expect(source.split(from)).toHaveLength(2)
  })
})

describe('a race', () => {
  it('gives everyone a turn in every round, in changing order, and compares within a round', async () => {
    const order: string[] = []
    const runner = (name: string, times: number[]) => ({
      name,
      sample: () => {
        order.push(name)
        return Promise.resolve(times.shift()!)
      },
    })
    // The machine is ten times slower in the second round.
    const times = await race([runner('a', [1, 10, 1]), runner('b', [2, 20, 2])], { rounds: 3, warmUp: 0 })
    expect(ratio(times, 'b', 'a')).toEqual({ median: 2, min: 2, max: 2 })
    expect(order.join('')).toBe('ab' + 'ba' + 'ba')
  })

  it('does not count the rounds to get warm', async () => {
    let calls = 0
    const times = await race([{ name: 'a', sample: () => Promise.resolve(++calls) }], {
      rounds: 2,
      warmUp: 3,
    })
    expect(times.get('a')).toEqual([4, 5])
  })

  it('ends when its budget is spent, but not before its least rounds', async () => {
    const runner = { name: 'a', sample: () => Promise.resolve(1) }
    const times = await race([runner], { rounds: 100, least: 3, budgetMs: -1 })
    expect(times.get('a')).toHaveLength(3)
  })

  it('has a median between two in the middle', () => {
    expect(spread([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 })
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 })
  })
})

describe('what is selected', () => {
  it('is everything without words, and a runtime alone stands for all scenarios in it', () => {
    expect([...select([]).scenarios]).toEqual(SCENARIO_NAMES)
    expect([...select([]).parts]).toEqual(['sizes', 'requests', 'load', 'cursor'])
    expect(select(['workerd'])).toEqual({
      scenarios: new Set(SCENARIO_NAMES),
      runtimes: new Set(['workerd']),
      parts: new Set(),
    })
  })

  it('is what is named', () => {
    expect(select(['blob', 'node'])).toEqual({
      scenarios: new Set(['blob-read', 'blob-write']),
      runtimes: new Set(['node']),
      parts: new Set(),
    })
    expect(select(['sizes']).scenarios.size).toBe(0)
    expect(() => select(['nothing'])).toThrow('there is no "nothing" to measure')
  })
})
