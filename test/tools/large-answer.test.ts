import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)

test('an answer of 50 MiB to one call is read in a heap of 128 MiB', async () => {
  const program = path.join(import.meta.dirname, 'large-answer-program.ts')
  const { stdout } = await run(process.execPath, ['--max-old-space-size=128', program])
  const { isRight, peakMiB } = JSON.parse(stdout) as { isRight: boolean; peakMiB: number }
  expect(isRight).toBe(true)
  expect(peakMiB).toBeLessThan(450)
})
