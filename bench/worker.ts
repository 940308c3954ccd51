/**
 * `npm run bench:worker`: the deployed Worker in workerd over the local Turso, beside the same work done by hand in the same run.
 * Writes bench/worker-results.md. `--quick` takes a tenth of it, and writes nothing.
 */
import { writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import path from 'node:path'
import { offlineWrangler } from '../tools/wrangler-environment.ts'
import { measureCpu } from './worker/cpu.ts'
import { measureGateway, measureParsing } from './worker/gateway.ts'
import { measureDirectory, measureSignups, type DirectoryRow, type SignupRow } from './worker/signups.ts'
import { startStack } from '../test/support/stack/stack.ts'

Object.assign(process.env, offlineWrangler, { WRANGLER_LOG: 'error' })

const isQuick = process.argv.includes('--quick')
const TENANTS = 100_000
const count = (n: number): number => (isQuick ? Math.ceil(n / 10) : n)

type Cell = string | number

function table(head: Cell[], rows: Cell[][]): string {
  const line = (cells: Cell[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '--:'))), ...rows.map(line)].join(
    '\n',
  )
}

const ms = (value: number): string => value.toFixed(value < 10 ? 1 : 0)
const times = (a: number, b: number): string => `${(a / b).toFixed(2)} ×`

async function withStack<T>(
  tenants: number,
  use: (stack: Awaited<ReturnType<typeof startStack>>) => Promise<T>,
): Promise<T> {
  const stack = await startStack(tenants)
  try {
    return await use(stack)
  } finally {
    await stack.close()
  }
}

const loads = [loadavg()[0]!]
const signups: SignupRow[] = []
const lists: DirectoryRow[] = []
for (const tenants of [0, TENANTS])
  await withStack(tenants, async (stack) => {
    signups.push(...(await measureSignups(stack, tenants, count(200))))
    lists.push(...(await measureDirectory(stack, tenants, count(100))))
  })
const gateway = await withStack(0, async (stack) => await measureGateway(stack, count(300)))
const cpu = await measureCpu(count(300))
const parsing = await measureParsing()
loads.push(loadavg()[0]!)

const report = `# The Worker, measured

By \`npm run bench:worker\`, Node ${process.version}, ${availableParallelism()} cores that the Worker, the local Turso and the callers
share. So nothing here says what Cloudflare or Turso take; what counts is the ratio to the same work by hand, in the same
run. Load average ${loads.map((load) => load.toFixed(1)).join(' before and ')} after: where it is far above the cores, others were at work
too, and a ratio may be two or three times what it is on a quiet machine. Times in milliseconds. The local Turso slows down
as databases are added; both sides meet that alike.

## Signups

A signup is three calls to Turso, one after the other, and four or more writes of its object. By hand: the same three calls
with the same bodies, and nothing is remembered.

${table(
  ['tenants there', 'at a time', 'a second', 'p50', 'p99', 'by hand: a second', 'p50', 'p99', 'p50 to p50'],
  signups.map(({ tenants, concurrency, worker, bare }) => [
    tenants,
    concurrency,
    ms(worker.perSecond),
    ms(worker.p50),
    ms(worker.p99),
    ms(bare.perSecond),
    ms(bare.p50),
    ms(bare.p99),
    times(worker.p50, bare.p50),
  ]),
)}

## Lists

${table(
  ['tenants there', 'what', 'p50', 'p99'],
  lists.map(({ tenants, what, load }) => [tenants, what, ms(load.p50), ms(load.p99)]),
)}

## The gateway

Beside the local Turso itself, which answers a statement in less than a network takes for one hop. The first row is the
Worker without any database: what workerd and its socket cost here, and is in all rows below.

${table(
  ['what', 'statements a second', 'p50', 'p99', 'direct: a second', 'p50', 'p99', 'p50 to p50'],
  gateway.map(({ what, gateway: through, direct }) => [
    what,
    ms(through.perSecond),
    ms(through.p50),
    ms(through.p99),
    ms(direct.perSecond),
    ms(direct.p50),
    ms(direct.p99),
    times(through.p50, direct.p50),
  ]),
)}

Of the rows of many transactions, p50 and p99 are of a whole transaction.

## What passing through costs the processor

Milliseconds of workerd's processes for a request without a stream, of this Worker and of the same one changed in one thing: it
parses the body and the answer, and writes them again. Both have been sent the same in turn.

${table(
  ['pipeline', 'passed through', 'parsed and written', 'ratio'],
  cpu.map(({ what, passed, reencoded }) => [
    what,
    passed.toFixed(2),
    reencoded.toFixed(2),
    times(passed, reencoded),
  ]),
)}

## What the gateway does to a body

Microseconds to find the baton, the requests and the last of them in a body, as the gateway does, beside parsing the body and
writing it again. In Node, whose engine is the Worker's.

${table(
  ['body', 'cut out', 'parsed and written', 'ratio'],
  parsing.map(({ what, cut, parsed }) => [what, ms(cut), ms(parsed), times(cut, parsed)]),
)}
`
console.log(report)
if (!isQuick) await writeFile(path.join(import.meta.dirname, 'worker-results.md'), report)
