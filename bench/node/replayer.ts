/** A process of Node in which the clients of one scenario race each other. Started by `race.ts`, asked once. */
import { GCProfiler } from 'node:v8'
import { compareCells } from '../cells.ts'
import type { BenchClient, OpenClient } from '../clients/contract.ts'
import { race, type Runner } from '../harness.ts'
import { replay, type RecordedAnswer } from '../replay.ts'
import {
  createScenarios,
  isReadable,
  type Scenario,
  type ScenarioName,
  type ScenarioSizes,
} from '../scenarios.ts'

export interface RaceRequest {
  scenario: ScenarioName
  sizes: ScenarioSizes
  /** Milliseconds for all of it, about. */
  budgetMs: number
  clients: { name: string; modulePath: string | undefined; answer: RecordedAnswer }[]
}

export interface RaceAnswer {
  times: Map<string, number[]>
  /** Bytes of the heap by client, of one time. */
  allocated: Map<string, number>
}

const SAMPLE_MS = 12
const WARM_UP_MS = 250
const ROUNDS = { least: 11, rounds: 41, warmUp: 2 }

/** What was decoded last; it must not look unused. */
export let sink: unknown

process.once('message', (request: RaceRequest) => {
  void answer(request).then((result) => process.send!(result, () => process.exit()))
})

async function answer({ scenario: name, sizes, budgetMs, clients }: RaceRequest): Promise<RaceAnswer> {
  const scenario = createScenarios(sizes).find((candidate) => candidate.name === name)!
  const works: { name: string; work: () => Promise<unknown> }[] = []
  for (const { name: client, modulePath, answer } of clients) {
    const { open } = modulePath ? ((await import(modulePath)) as { open: OpenClient }) : {}
    const replaying = replay(open, answer)
    if (isReadable(scenario, open)) await check(scenario, client, replaying)
    works.push({ name: client, work: () => scenario.run(replaying) })
  }

  const runners: Runner[] = []
  for (const { name: client, work } of works) {
    const workMs = await warmUp(work)
    const times = Math.max(1, Math.ceil(SAMPLE_MS / workMs))
    runners.push({ name: client, sample: () => sample(work, times) })
  }
  const times = (await race(runners, { ...ROUNDS, budgetMs })) as Map<string, number[]>

  const allocated = new Map<string, number>()
  for (const { name: client, work } of works) allocated.set(client, await allocationOf(work))
  return { times, allocated }
}

async function check(scenario: Scenario, name: string, client: BenchClient): Promise<void> {
  const outcome = await scenario.run(client)
  compareCells(`${name}, ${scenario.name}`, scenario.read(client, outcome), scenario.expected)
}

/** @returns the milliseconds of one time, at best */
async function warmUp(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  // The least, since others on the machine only ever make it slower.
  let workMs = Number.POSITIVE_INFINITY
  let times = 1
  for (let turn = 0; turn < 3 || performance.now() - startedAt < WARM_UP_MS; turn++) {
    workMs = Math.min(workMs, (await sample(work, times)) / 1_000)
    // Not at once, or the first, slow time would decide.
    times = Math.min(Math.ceil(SAMPLE_MS / workMs), times * 4)
  }
  return workMs
}

async function sample(work: () => Promise<unknown>, times: number): Promise<number> {
  const startedAt = performance.now()
  for (let time = 0; time < times; time++) sink = await work()
  return ((performance.now() - startedAt) / times) * 1_000
}

/** What the heap grew by, and what was collected meanwhile. Buffers and very long strings are not on it. */
async function allocationOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  sink = await work()
  const times = performance.now() - startedAt > 10 ? 3 : 20
  globalThis.gc!()
  const profiler = new GCProfiler()
  profiler.start()
  const before = process.memoryUsage().heapUsed
  for (let time = 0; time < times; time++) sink = await work()
  const after = process.memoryUsage().heapUsed
  const collected = profiler
    .stop()
    .statistics.reduce(
      (sum, { beforeGC, afterGC }) =>
        sum + beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize,
      0,
    )
  return (after - before + collected) / times
}
