/** A race in workerd, timed from outside: what an empty request takes is subtracted. */
import { compareCells, type Cell } from '../cells.ts'
import { bundle } from '../bundle.ts'
import type { Entrant } from '../entrants.ts'
import { race, type Runner, type Times } from '../harness.ts'
import type { RecordedAnswer } from '../replay.ts'
import { isReadable, type Scenario, type ScenarioSizes } from '../scenarios.ts'
import { startWorkerd } from './process.ts'

export interface WorkerdRace {
  readonly version: string
  /** Microseconds by client. */
  run(scenario: Scenario, answers: ReadonlyMap<string, RecordedAnswer>, budgetMs: number): Promise<Times>
  /** Throws when a client decodes something else than it should. */
  check(scenario: Scenario, answers: ReadonlyMap<string, RecordedAnswer>): Promise<void>
  readonly stop: () => Promise<void>
}

/** Kept from the start: some clients can only be given another one by replacing the global. */
const { fetch } = globalThis

const WORKER = `
  import { createWorker } from '../workerd/worker.ts'
  import { open } from 'client'
  export default createWorker(open)`
const SAMPLE_MS = 30
const WARM_UP_MS = 250
const ROUNDS = { least: 11, rounds: 41, warmUp: 2 }

export async function startWorkerdRace(
  entrants: readonly Entrant[],
  { folder, sizes }: { folder: string; sizes: ScenarioSizes },
): Promise<WorkerdRace> {
  const idOf = new Map(entrants.map(({ name }, index) => [name, `worker-${index}`]))
  const workerd = await startWorkerd(
    await Promise.all(
      entrants.map(async ({ name, code = 'export const open = undefined', contestant }) => ({
        name: idOf.get(name)!,
        needsNode: contestant.needsNode ?? false,
        code: await bundle(WORKER, { client: code }),
      })),
    ),
    folder,
  )

  const ask = async (name: string, path: string, init?: RequestInit): Promise<Response> => {
    const response = await fetch(`${workerd.urlOf(idOf.get(name)!)}${path}`, init)
    if (!response.ok) throw new Error(`${name}: ${await response.text()}`)
    return response
  }

  const check: WorkerdRace['check'] = async (scenario, answers) => {
    for (const { name, open } of entrants) {
      const { body, contentType } = answers.get(name)!
      const query = new URLSearchParams({ scenario: scenario.name, sizes: JSON.stringify(sizes) })
      await ask(name, `/prepare?${query.toString()}`, {
        method: 'POST',
        headers: { 'content-type': contentType },
        body: body as Uint8Array<ArrayBuffer>,
      })
      if (!isReadable(scenario, open)) continue
      const cells = (await (await ask(name, '/read')).json()) as Cell[][]
      compareCells(`${name} in workerd, ${scenario.name}`, cells, scenario.expected)
    }
  }

  const timeOf = async (name: string, times: number): Promise<number> => {
    const startedAt = performance.now()
    await (await ask(name, `/run?times=${times}`)).arrayBuffer()
    return performance.now() - startedAt
  }

  return {
    version: workerd.version,
    check,
    async run(scenario, answers, budgetMs) {
      await check(scenario, answers)
      const runners: Runner[] = []
      for (const { name } of entrants) {
        const { times, overheadMs } = await warmUp((count) => timeOf(name, count))
        runners.push({
          name,
          sample: async () => ((await timeOf(name, times)) - overheadMs) * (1_000 / times),
        })
      }
      return await race(runners, { ...ROUNDS, budgetMs })
    },
    stop: workerd.stop,
  }
}

/** @returns how many times to work for a sample, and the milliseconds of a request that has nothing to do */
async function warmUp(
  timeOf: (times: number) => Promise<number>,
): Promise<{ times: number; overheadMs: number }> {
  const startedAt = performance.now()
  // The least of several, since others on the machine only ever make it slower.
  const least = async (times: number, turns: number) => {
    let ms = Number.POSITIVE_INFINITY
    for (let turn = 0; turn < turns; turn++) ms = Math.min(ms, await timeOf(times))
    return ms
  }
  await timeOf(1)
  const overheadMs = await least(0, 5)
  for (let times = 1; ; times *= 2) {
    const workMs = (await least(times, 2)) - overheadMs
    if (workMs < SAMPLE_MS / 2) continue
    while (performance.now() - startedAt < WARM_UP_MS) await timeOf(times)
    return { times: Math.ceil((times * SAMPLE_MS) / workMs), overheadMs }
  }
}
