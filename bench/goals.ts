/** What turso-edge sets out to be, as numbers, and whether a run has found it so. */
import { BARE_FETCH, JSON_PARSE, TURSO_EDGE } from './clients/catalogue.ts'
import { STREAMED_ROWS } from './cursor.ts'
import { ratio, type Spread } from './harness.ts'
import { FLOWS } from './requests.ts'
import type { Results, Runtime } from './results.ts'
import type { ScenarioName } from './scenarios.ts'

export interface Goal {
  readonly text: string
  readonly limit: number
  readonly unit: string
  /** `undefined` where the run has not measured it. */
  measure(results: Results): number | Spread | undefined
}

const RUNTIMES: readonly Runtime[] = ['node', 'workerd']

export const GOALS: readonly Goal[] = [
  ...RUNTIMES.flatMap((runtime) => [
    decoding('rows1k', runtime, 0.75, 'A query of 1,000 rows × 10, one column of blobs, as a whole'),
    decoding('rows10k', runtime, 0.5, 'A query of 10,000 rows × 10, one column of blobs, as a whole'),
    decoding('rows10k-text', runtime, 0.5, 'A query of 10,000 rows × 10, no blobs, as a whole'),
    timed('point', runtime, 1.1, BARE_FETCH, 'A query of one row, as a whole'),
    decoding('batch100', runtime, 3.8, 'A batch of 100 inserts, as a whole'),
    decoding('blob-read', runtime, runtime === 'node' ? 3 : 6, 'Reading a blob of 1 MiB, without `Buffer`'),
    decoding('blob-write', runtime, runtime === 'node' ? 3 : 6, 'Binding a blob of 1 MiB, without `Buffer`'),
  ]),
  sized('turso-edge: connect and sql', 5_000, 'The pipeline client with `sql`, minified and gzipped'),
  sized('turso-edge: createPlatform', 3_000, 'The platform client, minified and gzipped'),
  sized('turso-edge: everything', 8_000, 'All of `turso-edge`, minified and gzipped'),
  {
    text: 'The Worker, bundled and gzipped',
    limit: 40 * 1024,
    unit: 'B',
    measure: ({ workerSize }) => workerSize,
  },
  counted('execute', 1, 'Requests of one statement'),
  counted('batch of 3', 1, 'Requests of a batch'),
  counted('transaction of 3, one after the other', 4, 'Requests of a transaction of 3 statements'),
  counted(
    'transaction of 3, issued together',
    3,
    'Requests of a transaction of 3 statements, issued together',
  ),
  {
    text: `A cursor of ${STREAMED_ROWS.toLocaleString('en')} rows: memory at its peak, above idle`,
    limit: 16,
    unit: 'MiB',
    measure({ cursor }) {
      const ours = cursor?.find(({ name, way }) => name === TURSO_EDGE && way === 'stream')
      if (!ours) return undefined
      return 'failure' in ours.outcome ? Number.POSITIVE_INFINITY : ours.outcome.peakBytes / 2 ** 20
    },
  },
]

export function isReached(goal: Goal, found: number | Spread): boolean {
  return (typeof found === 'number' ? found : found.median) <= goal.limit
}

function decoding(scenario: ScenarioName, runtime: Runtime, limit: number, text: string): Goal {
  return timed(scenario, runtime, limit, JSON_PARSE, text)
}

function timed(scenario: ScenarioName, runtime: Runtime, limit: number, base: string, text: string): Goal {
  const what = base === JSON_PARSE ? `\`JSON.parse\` of the body` : `a bare \`fetch\` and \`json()\``
  return {
    text: `${text}, in ${runtime === 'node' ? 'Node' : 'workerd'}`,
    limit,
    unit: `× ${what}`,
    measure({ races }) {
      const found = races.find((race) => race.scenario.name === scenario && race.runtime === runtime)
      return found && ratio(found.times, TURSO_EDGE, base)
    },
  }
}

function sized(part: string, limit: number, text: string): Goal {
  return {
    text,
    limit,
    unit: 'B',
    measure: ({ sizes }) => sizes?.find(({ name }) => name === part)?.gzipped,
  }
}

function counted(flow: string, limit: number, text: string): Goal {
  return {
    text,
    limit,
    unit: '',
    measure({ requests }) {
      const found = requests?.get(TURSO_EDGE)?.[FLOWS.findIndex(({ name }) => name === flow)]
      if (!found) return undefined
      return 'failure' in found ? Number.POSITIVE_INFINITY : found.requests
    },
  }
}
