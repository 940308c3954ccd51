/**
 * The same operations on a plain libSQL file and over HTTP through the local Turso have the same outcomes.
 *
 * `DIFFERENTIAL_RUNS` is the number of sequences (default 1200), `DIFFERENTIAL_SEED` picks others (default 1,
 * so that a run says something about the code and not about chance).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { REGRESSIONS, requests, SETUP, type Operation } from './differential/operations.ts'
import type { Outcome } from './differential/outcomes.ts'
import { openReference, SCHEMA_QUERY } from './differential/reference.ts'
import { createRemote, splitIntoRequests } from './differential/remote.ts'
import { start } from './harness.ts'

const runs = Number(process.env['DIFFERENTIAL_RUNS'] ?? 1200)
const share = Math.ceil(runs / 3)
const seed = Number(process.env['DIFFERENTIAL_SEED'] ?? 1)

const behaviours = [
  ['spec', { errorHoldsForSkippedStep: false, unparsableStep: 'step_fails' }],
  ['sqld', { errorHoldsForSkippedStep: true, unparsableStep: 'batch_fails' }],
  ['cloud', { errorHoldsForSkippedStep: true, unparsableStep: 'step_fails' }],
] as const

test.each(behaviours)(
  `%s: ${share} sequences have the outcomes that the binding gives them (DIFFERENTIAL_SEED=${seed})`,
  { timeout: 60_000 + share * 200 },
  async (behaviour, disagreement) => {
    const folder = mkdtempSync(join(tmpdir(), 'differential-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const reference = openReference(join(folder, 'reference.db'), disagreement)
    onTestFinished(() => reference.close())
    const { turso, create } = await start({ behaviour })
    const database = await create('acme')
    const types = new Set<string>()

    await fc.assert(
      fc.asyncProperty(requests, async (sequence) => {
        const remote = createRemote(turso.fetch, database.url, database.jwt)
        try {
          await emptyRemote(remote)
          reference.reset()
          for (const operations of [SETUP.map(toExecute), ...sequence].flatMap(splitIntoRequests)) {
            const actual = await remote.run(operations)
            const wanted = operations.map((operation) => reference.run(operation))
            expect(actual.map(withoutMessage)).toEqual(wanted.map(withoutMessage))
            expect(unequalMessages(actual, wanted)).toEqual([])
            // Turso Cloud gives up a stream that holds nothing.
            if (!remote.hasStream()) reference.reconnect()
            for (const { type } of operations) types.add(type)
          }
        } finally {
          await remote.close()
          reference.run({ type: 'close' })
        }
      }),
      { numRuns: share, seed, examples: REGRESSIONS },
    )
    expect(types.size).toBe(share < 20 ? types.size : 7)
  },
)

const toExecute = (sql: string): Operation => ({
  type: 'execute',
  statement: { sql, args: [], kind: sql.startsWith('insert') ? 'insert' : 'other' },
})

async function emptyRemote(remote: ReturnType<typeof createRemote>): Promise<void> {
  const [schema] = await remote.run([toExecute(SCHEMA_QUERY)])
  const { rows } = schema as { rows: string[][] }
  const drops = rows.map(([type = '', name = '']) => `drop ${type.slice(2)} if exists "${name.slice(2)}"`)
  await remote.run(drops.map(toExecute))
}

function withoutMessage(outcome: Outcome): Outcome {
  if (typeof outcome !== 'object') return outcome
  if ('error' in outcome) return { ...outcome, error: '' }
  return 'batch' in outcome ? { batch: outcome.batch.map(withoutMessage) } : outcome
}

/** The server says where a message comes from, and then SQLite's message. What is no SQL has words of its own. */
function unequalMessages(actual: Outcome[], wanted: Outcome[]): [string, string][] {
  const messagesOf = (outcome: Outcome): string[] => {
    if (typeof outcome !== 'object') return []
    if ('error' in outcome) return outcome.code === 'parse' ? [] : [outcome.error]
    return 'batch' in outcome ? outcome.batch.flatMap(messagesOf) : []
  }
  const theirs = actual.flatMap(messagesOf)
  return wanted
    .flatMap(messagesOf)
    .map((message, index): [string, string] => [theirs[index] ?? '', message])
    .filter(([theirMessage, message]) => !theirMessage.includes(message))
}
