import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import * as z from 'zod/mini'
import { runCommand } from '../process/run-command.ts'
import type { Step, StepResult } from './step.ts'
import { TARBALL_VARIABLE, tarballIn } from './tarball.ts'

const VITEST_TIMEOUT_MS = 1_200_000

/**
 * Projects of vitest.config.ts; counts what really ran, by vitest's own report.
 *
 * @param shard `1/2`: the first half of their files. Default: all
 */
export function vitestStep(name: string, projects: readonly string[], shard = '1/1'): Step {
  return {
    name,
    run: async (context) => {
      const { temporaryFolder, signal } = context
      const reportFile = path.join(temporaryFolder, `${name.replace(':', '-')}.json`)
      const tarball = tarballIn(context)
      const { succeeded, output } = await runCommand(
        [
          'vitest',
          'run',
          ...projects.map((project) => `--project=${project}`),
          `--shard=${shard}`,
          '--reporter=default',
          '--reporter=json',
          `--outputFile.json=${reportFile}`,
        ],
        {
          timeoutMs: VITEST_TIMEOUT_MS,
          signal,
          // There is none when the package could not be packed, or when only this step was asked for.
          env: existsSync(tarball) ? { [TARBALL_VARIABLE]: tarball } : {},
        },
      )
      const report = await readFile(reportFile, 'utf8').catch(() => undefined)
      return countVitest({ succeeded, output, report })
    },
  }
}

const Report = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(
    z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) }),
  ),
})

/**
 * Counts one vitest run. What vitest reports apart from tests is one failure more: a file that could not be loaded,
 * an error outside of any test, a run without tests, a report that is missing or unreadable.
 */
export function countVitest(run: {
  succeeded: boolean
  output: string
  report: string | undefined
}): StepResult {
  const report = parseReport(run.report)
  if (!report)
    return { passed: 0, failed: 1, skipped: 0, output: `${run.output}\nvitest wrote no readable report` }
  const { numPassedTests: passed, numPendingTests, numTodoTests } = report
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  )
  const failed = report.numFailedTests + brokenFiles.length
  const skipped = numPendingTests + numTodoTests
  if (passed + failed === 0)
    return { passed, failed: 1, skipped, output: `${run.output}\nvitest ran no test` }
  return { passed, failed: failed === 0 && !run.succeeded ? 1 : failed, skipped, output: run.output }
}

function parseReport(text: string | undefined): z.infer<typeof Report> | undefined {
  try {
    return Report.parse(JSON.parse(text ?? ''))
  } catch {
    return undefined
  }
}
