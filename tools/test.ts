// `npm test`: every check of the repository. Goes on after a failure, so that one run shows all of them.

import { rm } from 'node:fs/promises'
import { availableParallelism, constants } from 'node:os'
import path from 'node:path'
import { onStopRequest } from './process/stop-request.ts'
import { selectSteps, type Lane } from './suite/stages.ts'
import type { Step, StepContext, StepResult } from './suite/step.ts'
import { makeTemporaryFolder } from './suite/temporary-folder.ts'
import { offlineWrangler } from './wrangler-environment.ts'

const root = path.join(import.meta.dirname, '..')

async function main(names: readonly string[]): Promise<number> {
  const stages = selectSteps(names)
  const chosen = stages.flat(2).map(({ name }) => name)
  if (names.length > 0) console.log(`only ${chosen.join(', ')}`)

  const interrupted = new AbortController()
  let exitCode: number | undefined
  onStopRequest((signal) => {
    exitCode = 128 + constants.signals[signal]
    interrupted.abort()
  })

  process.chdir(root)
  const temporaryFolder = await makeTemporaryFolder()
  Object.assign(process.env, offlineWrangler, {
    CI: 'true',
    // CI alone makes some of the tools paint their output.
    FORCE_COLOR: '0',
    // Hundreds of processes run the same modules.
    NODE_COMPILE_CACHE: path.join(temporaryFolder, 'compiled'),
    TMPDIR: temporaryFolder,
    PATH: `${path.join(root, 'node_modules/.bin')}${path.delimiter}${process.env['PATH'] ?? ''}`,
  })
  delete process.env['NO_COLOR']

  const results: StepResult[] = []
  try {
    const context = { temporaryFolder, signal: interrupted.signal }
    for (const lanes of stages) results.push(...(await runStage(lanes, context)))
  } finally {
    await rm(temporaryFolder, { recursive: true, force: true })
  }

  const [passed, failed, skipped] = (['passed', 'failed', 'skipped'] as const).map((outcome) =>
    results.reduce((sum, result) => sum + result[outcome], 0),
  )
  console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`)
  return exitCode ?? (failed ? 1 : 0)
}

async function runStage(lanes: readonly Lane[], context: StepContext): Promise<StepResult[]> {
  const results: StepResult[] = []
  const waiting = [...lanes]
  const runLanes = async () => {
    for (let lane = waiting.shift(); lane; lane = waiting.shift()) {
      for (const step of lane) if (!context.signal.aborted) results.push(await runAndReport(step, context))
    }
  }
  // Twice as many as there are cores: tests of servers wait about as long as they compute.
  await Promise.all(Array.from({ length: Math.min(2 * availableParallelism(), 4) }, runLanes))
  return results
}

async function runAndReport(step: Step, context: StepContext): Promise<StepResult> {
  const startedAt = performance.now()
  const result = await step.run(context)
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  const count =
    result.passed + result.failed > 1 ? `  ${result.passed} of ${result.passed + result.failed}` : ''
  console.log(`${result.failed ? 'FAIL' : 'ok  '}  ${step.name.padEnd(14)} ${seconds.padStart(6)} s${count}`)
  if (result.failed) console.log(`${result.output.trimEnd()}\n`)
  return result
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
