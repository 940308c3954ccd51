/**
 * The simulator is worth what it finds: bugs are planted in a copy of the Worker, one at a time, and for each a seed must
 * fail, for the reason that it should.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { plantedBugs } from '../worker/simulation/planted-bugs.ts'

/** Far more than the rarest of them takes. */
const SEEDS = 20_000

const copy = mkdtempSync(join(tmpdir(), 'planted-bugs-'))
for (const folder of ['src', 'worker', 'test/worker/simulation'])
  cpSync(folder, join(copy, folder), { recursive: true })
writeFileSync(join(copy, 'package.json'), '{ "type": "module" }')
afterAll(() => rmSync(copy, { recursive: true }))

function simulate(seeds: number, simulation?: 'storage'): string {
  const command = join(copy, 'test/worker/simulation/command.ts')
  const { stdout, stderr } = spawnSync(
    'node',
    [command, '--seeds', String(seeds), '--until-failure', ...(simulation ? [`--${simulation}`] : [])],
    { encoding: 'utf8' },
  )
  return stdout + stderr
}

test('without a bug no seed fails', () => {
  expect(simulate(200)).toContain('failures: 0')
  expect(simulate(200, 'storage')).toContain('failures: 0')
})

test.each(plantedBugs.map((bug) => [bug.what, bug] as const))(
  'is found: %s',
  (_, { file, right, wrong, breaks, simulation }) => {
    const path = join(copy, file)
    const text = readFileSync(path, 'utf8')
    expect(text.split(right), `${right} is in ${file} once`).toHaveLength(2)
    writeFileSync(
      path,
      text.replace(right, () => wrong),
    )
    try {
      expect(simulate(SEEDS, simulation)).toMatch(
        new RegExp(`^Error: seed \\d+, after \\d+ ms: (${breaks.source})`, 'm'),
      )
    } finally {
      writeFileSync(path, text)
    }
  },
)
