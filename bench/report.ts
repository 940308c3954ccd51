/** Results as tables: printed, and as the file that is kept. */
import os from 'node:os'
import { BARE_FETCH, CONTESTANTS, JSON_PARSE, versionOf } from './clients/catalogue.ts'
import type { CursorResult } from './cursor.ts'
import { GOALS, isReached } from './goals.ts'
import { ratio, spread, type Spread } from './harness.ts'
import { FLOWS, type FlowOutcome } from './requests.ts'
import type { RaceResult, Results } from './results.ts'
import { printTable } from './table.ts'

export interface Table {
  title: string
  note?: string
  headings: string[]
  rows: string[][]
}

export function printTables(tables: readonly Table[]): void {
  for (const { title, note, headings, rows } of tables) {
    console.log(`\n${title}`)
    if (note !== undefined) console.log(note)
    console.log()
    printTable(headings, rows)
  }
}

export function tablesOf(results: Results): Table[] {
  const { races, sizes, evaluation, requests, cursor } = results
  return [
    ...races.map(raceTable),
    ...(sizes
      ? [
          {
            title: 'Size',
            note: 'Of what a program imports to make queries, bundled by esbuild for a Worker.',
            headings: ['', 'minified B', 'and gzipped B'],
            rows: sizes.map(({ name, minified, gzipped }) => [name, count(minified), count(gzipped)]),
          },
        ]
      : []),
    ...(evaluation
      ? [
          {
            title: 'Time to load',
            note: 'Milliseconds of the first import in a fresh Node, above an empty module: median, least and most. As in a Worker: with the web’s globals in place. Cold: Node makes them when they are touched.',
            headings: ['', 'as in a Worker', 'cold'],
            rows: evaluation.map(({ name, isolate, cold }) => [name, range(isolate), range(cold)]),
          },
        ]
      : []),
    ...(requests ? [requestTable(requests)] : []),
    ...(cursor ? [cursorTable(cursor)] : []),
    goalTable(results),
  ]
}

function raceTable({ scenario, runtime, times, allocated }: RaceResult): Table {
  const rounds = times.get(JSON_PARSE)!.length
  const of = scenario.parsed === 'answer' ? 'the body' : 'the body that was sent'
  return {
    title: `${scenario.name}: ${scenario.title}, in ${runtime === 'node' ? 'Node' : 'workerd'}`,
    note: `Ratios of the same round, median of ${rounds} (least–most). JSON.parse is that of ${of}.`,
    headings: [
      '',
      'median µs',
      'best µs',
      '× JSON.parse',
      '× fetch + json()',
      ...(allocated ? ['KiB allocated'] : []),
    ],
    rows: [...times].map(([name, values]) => [
      name,
      measured(spread(values).median),
      measured(spread(values).min),
      range(ratio(times, name, JSON_PARSE)),
      range(ratio(times, name, BARE_FETCH)),
      ...(allocated ? [measured(allocated.get(name)! / 1024)] : []),
    ]),
  }
}

function requestTable(requests: ReadonlyMap<string, readonly FlowOutcome[]>): Table {
  const clients = [...requests.keys()]
  const show = (outcome: FlowOutcome): string => {
    if (!outcome) return '–'
    if ('failure' in outcome) return 'fails'
    const together = outcome.together > 1 ? `, ${outcome.together} together` : ''
    return `${outcome.requests}${together}${outcome.leftOpen > 0 ? ', left open' : ''}`
  }
  return {
    title: 'HTTP requests',
    note: '“Left open”: a stream stays on the server until it has been idle for ten seconds. “–”: there is no such call.',
    headings: ['', ...clients],
    rows: FLOWS.map(({ name }, index) => [
      name,
      ...clients.map((client) => show(requests.get(client)![index])),
    ]),
  }
}

function cursorTable(cursor: readonly CursorResult[]): Table {
  const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
  return {
    title: 'A very long result, in Node',
    note: 'Peak: what the process grows by at most, above one that is idle after 20,000 rows; its young generation is held to 1 MiB. × JSON.parse: of every line of a cursor with the same rows.',
    headings: ['', 'rows', 'peak MiB', 'rows per second', '× JSON.parse'],
    rows: cursor.map(({ name, way, rows, outcome }) => [
      `${name}${way === 'stream' ? ', row by row' : ', collected'}`,
      count(rows),
      ...('failure' in outcome
        ? ['fails', '', '']
        : [mebibytes(outcome.peakBytes), count(Math.round(outcome.rowsPerSecond)), range(outcome.ratio)]),
    ]),
  }
}

function goalTable(results: Results): Table {
  return {
    title: 'Goals',
    headings: ['', 'at most', 'found', ''],
    rows: GOALS.flatMap((goal) => {
      const found = goal.measure(results)
      if (found === undefined) return []
      const shown =
        typeof found !== 'number' ? range(found) : Number.isInteger(found) ? count(found) : measured(found)
      const limit = `${goal.limit.toLocaleString('en')} ${goal.unit}`.trim()
      return [[goal.text, limit, shown, isReached(goal, found) ? 'reached' : 'not reached']]
    }),
  }
}

/** @returns the Markdown of `bench/results.md` */
export async function reportOf(
  results: Results,
  { startedAt, workerdVersion }: { startedAt: Date; workerdVersion: string | undefined },
): Promise<string> {
  const tables = tablesOf(results)
  const goals = tables.pop()!
  const peers = new Map<string, string>()
  for (const contestant of CONTESTANTS)
    if (contestant.package !== undefined) peers.set(contestant.package, (await versionOf(contestant))!)
  const [cpu] = os.cpus()
  const machine = [
    `${os.availableParallelism()} × ${cpu?.model.trim() ?? 'unknown processor'}`,
    `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    `${os.type()} ${os.arch()}`,
    `load ${os.loadavg()[0]!.toFixed(1)} at the end`,
  ]
  return `# Results

Written by \`npm run bench -- --write\`, which measures all of this again. Parts: \`npm run bench -- rows1k node\`; the
words are those of the tables below, and \`node\`, \`workerd\`, \`sizes\`, \`load\`, \`requests\`, \`cursor\`.

- ${startedAt.toISOString().slice(0, 10)}, ${machine.join(', ')}
- Node ${process.versions.node} (V8 ${process.versions.v8}), workerd ${workerdVersion ?? '–'}
- ${[...peers].map(([name, version]) => `${name} ${version}`).join(', ')}

How it is measured: every client asks a local Turso once, and the bytes of the answer are replayed to it ever after, as a
real \`Response\`. What it decodes is compared with what was stored before it is timed. The clients take turns in rounds,
each round in another order; a ratio is that of two times of the same round. In workerd each has a Worker of its own, ours
without Node's globals and the others with them; the clock is outside, and the time of an empty request is subtracted.

${[goals, ...tables].map(markdownOf).join('\n\n')}

Three upstream calls of a sign-up, one after the other, are a goal as well: a test of the Worker counts them
(\`test/worker/signup.test.ts\`).
`
}

function markdownOf({ title, note, headings, rows }: Table): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  const ruler = headings.map((_, index) => (index ? '--:' : '---'))
  return [
    `## ${title}\n`,
    ...(note === undefined ? [] : [`${note}\n`]),
    line(headings),
    line(ruler),
    ...rows.map(line),
  ].join('\n')
}

function range({ median, min, max }: Spread): string {
  return `${digits(median)} (${digits(min)}–${digits(max)})`
}

function digits(value: number): string {
  return Math.abs(value) < 10 ? value.toFixed(2) : value.toFixed(1)
}

function count(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 0 })
}

/** What is measured: three digits and more. */
function measured(value: number): string {
  const fractionDigits = Math.abs(value) < 100 ? 1 : 0
  return value.toLocaleString('en', {
    minimumFractionDigits: fractionDigits,
    maximumFractionDigits: fractionDigits,
  })
}
