/**
 * `npm run bench`: the clients of Turso side by side, in Node and in workerd.
 *
 * `-- rows1k node` runs only what is named: scenarios, `decode` and `blob` for several of them, `node` or `workerd`, and
 * `sizes`, `load`, `requests`, `cursor`. `-- --write` runs everything and keeps the results in `bench/results.md`.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { CONTESTANTS } from './clients/catalogue.ts'
import { measureCursor } from './cursor.ts'
import { bundleEntrants, recordAnswers, type Entrant } from './entrants.ts'
import { measureEvaluation } from './module-evaluation.ts'
import { raceInNode } from './node/race.ts'
import { onStopRequest } from '../tools/process/stop-request.ts'
import { createRecorder } from './recorded-answers.ts'
import { printTables, reportOf, tablesOf } from './report.ts'
import { countRequests } from './requests.ts'
import type { RaceResult, Results } from './results.ts'
import { createScenarios, FULL_SIZES } from './scenarios.ts'
import { select, type Selection } from './selection.ts'
import { measureSizes } from './sizes.ts'
import { startWorkerdRace } from './workerd/race.ts'

/** Of one scenario in one runtime, without what it takes to get warm. */
const BUDGET_MS = 4_000

onStopRequest((signal) => process.exit(128 + constants.signals[signal]))
const startedAt = new Date()
const words = process.argv.slice(2)
const isWritten = words.includes('--write')
if (isWritten && words.length > 1) throw new Error('only the results of everything are written')
const selection = select(words.filter((word) => word !== '--write'))
const folder = await mkdtemp(path.join(tmpdir(), 'turso-edge-bench-'))
try {
  const entrants = await bundleEntrants(CONTESTANTS, folder)
  const results: Results = { races: [] }
  let workerdVersion: string | undefined
  if (selection.parts.has('sizes')) {
    results.sizes = await told('sizes', measureSizes)
    results.workerSize = await told('the size of the Worker', measureWorker)
  }
  if (selection.parts.has('requests'))
    results.requests = await told('requests', () => countRequests(entrants))
  if (selection.parts.has('load'))
    results.evaluation = await told('time to load', () => measureEvaluation(folder))
  if (selection.parts.has('cursor')) results.cursor = await told('the cursor', () => measureCursor(entrants))
  if (selection.scenarios.size > 0)
    ({ races: results.races, workerdVersion } = await raceAll(entrants, selection))

  printTables(tablesOf(results))
  if (isWritten) {
    const file = path.join(import.meta.dirname, 'results.md')
    await writeFile(file, await reportOf(results, { startedAt, workerdVersion }))
    console.log(`\nwritten to ${path.relative(process.cwd(), file)}`)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function raceAll(
  entrants: readonly Entrant[],
  { scenarios, runtimes }: Selection,
): Promise<{ races: RaceResult[]; workerdVersion: string | undefined }> {
  const recorder = await createRecorder(FULL_SIZES)
  const workerd = runtimes.has('workerd')
    ? await startWorkerdRace(entrants, { folder, sizes: FULL_SIZES })
    : undefined
  const races: RaceResult[] = []
  try {
    for (const scenario of createScenarios(FULL_SIZES)) {
      if (!scenarios.has(scenario.name)) continue
      const answers = await recordAnswers(recorder, scenario, entrants)
      if (runtimes.has('node')) {
        const options = { sizes: FULL_SIZES, budgetMs: BUDGET_MS }
        const result = await told(`${scenario.name} in Node`, () =>
          raceInNode(scenario.name, entrants, answers, options),
        )
        races.push({ scenario, runtime: 'node', ...result })
      }
      if (workerd) {
        const times = await told(`${scenario.name} in workerd`, () =>
          workerd.run(scenario, answers, BUDGET_MS),
        )
        races.push({ scenario, runtime: 'workerd', times })
      }
    }
    return { races, workerdVersion: workerd?.version }
  } finally {
    await workerd?.stop()
    await recorder.close()
  }
}

/** What is going on, for who waits. */
async function told<T>(what: string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now()
  const result = await work()
  console.error(`${what}: ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
  return result
}

/** As the check of `npm test` measures it. */
async function measureWorker(): Promise<number> {
  const tool = path.join(import.meta.dirname, '../tools/check-size.ts')
  // Too large is what the goals tell.
  const { stdout } = await promisify(execFile)(process.execPath, [tool, 'worker']).catch(
    (error: { stdout: string }) => error,
  )
  const size = /^worker\D+(\d+) B/im.exec(stdout)?.[1]
  if (size === undefined) throw new Error(`no size of the Worker: ${stdout}`)
  return Number(size)
}
