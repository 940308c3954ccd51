/** The gateway beside the database itself: a statement without a stream, statements of a transaction, many sessions. */
import path from 'node:path'
import { load, percentiles, send, type Load } from './load.ts'
import { signUp } from './signups.ts'
import type { Stack } from '../../test/support/stack/stack.ts'

interface Pair {
  what: string
  gateway: Load
  direct: Load
}

const execute = (sql: string) => ({ type: 'execute', stmt: { sql, want_rows: true } })
const POINT = 'select id, title from notes where id = 1'

interface Target {
  url: string
  jwt: string
}

const stateless = ({ url, jwt }: Target): Promise<unknown> =>
  send(
    'POST',
    `${url}v3/pipeline`,
    jwt,
    JSON.stringify({ baton: null, requests: [execute(POINT), { type: 'close' }] }),
  )

/** @returns what each statement within it took, in milliseconds */
async function transaction({ url, jwt }: Target, statements: number): Promise<number[]> {
  let base = url
  let baton: string | null = null
  const step = async (requests: unknown[]): Promise<void> => {
    const answer = (await send('POST', `${base}v3/pipeline`, jwt, JSON.stringify({ baton, requests }))) as {
      baton: string | null
      base_url: string | null
    }
    baton = answer.baton
    if (answer.base_url) base = answer.base_url.replace(/\/?$/, '/')
  }
  await step([execute('begin')])
  const times: number[] = []
  for (let count = 0; count < statements; count++) {
    const startedAt = performance.now()
    await step([execute(POINT)])
    times.push(performance.now() - startedAt)
  }
  await step([execute('commit'), { type: 'close' }])
  return times
}

const STATEMENTS = 10

/** Latencies one at a time; then sessions side by side, in statements a second. */
export async function measureGateway(stack: Stack, count: number): Promise<Pair[]> {
  const { http_url, gateway_url, jwt } = await signUp(stack)
  const gateway: Target = { url: gateway_url, jwt }
  const direct: Target = { url: http_url, jwt }
  await send(
    'POST',
    `${http_url}v3/pipeline`,
    jwt,
    JSON.stringify({
      baton: null,
      requests: [execute("insert into notes (id, title) values (1, 'a')"), { type: 'close' }],
    }),
  )
  const both = async (what: string, run: (target: Target) => Promise<Load>): Promise<Pair> => {
    await run(gateway)
    const first = await run(direct)
    const through = await run(gateway)
    const second = await run(direct)
    // The machine is never quiet: the direct ones are taken on both sides of the other.
    const mean = (a: number, b: number): number => (a + b) / 2
    return {
      what,
      gateway: through,
      direct: {
        perSecond: mean(first.perSecond, second.perSecond),
        p50: mean(first.p50, second.p50),
        p99: mean(first.p99, second.p99),
      },
    }
  }
  const version = async ({ url }: Target): Promise<string> =>
    await (await fetch(new URL('/version', url))).text()
  const pairs = [
    await both('GET /version', (target) => load(count, 1, () => version(target))),
    await both('statement without a stream', (target) => load(count, 1, () => stateless(target))),
  ]
  pairs.push(
    await both('statement in a transaction', async (target) => {
      const times: number[] = []
      for (let n = 0; n < count / STATEMENTS; n++) times.push(...(await transaction(target, STATEMENTS)))
      const { p50, p99 } = percentiles(times)
      return { perSecond: 1000 / (times.reduce((sum, ms) => sum + ms, 0) / times.length), p50, p99 }
    }),
  )
  for (const sessions of [1, 10, 100])
    pairs.push(
      await both(`transactions of ${STATEMENTS} statements, ${sessions} at a time`, async (target) => {
        const run = await load(Math.max(20, sessions), sessions, () => transaction(target, STATEMENTS))
        return { ...run, perSecond: run.perSecond * STATEMENTS }
      }),
    )
  return pairs
}

export interface ParsingRow {
  what: string
  /** Microseconds. */
  cut: number
  parsed: number
}

/** What the gateway does to a body, beside parsing it and writing it again. */
export async function measureParsing(): Promise<ParsingRow[]> {
  const file = path.join(import.meta.dirname, '../../worker/hrana/pipeline-request.ts')
  const { parsePipeline }: { parsePipeline: (body: Uint8Array) => { requests: Uint8Array } } = await import(
    file
  )
  const insert = {
    type: 'execute',
    stmt: { sql: 'insert into notes (title) values (?)', args: [{ type: 'text', value: 'x'.repeat(100) }] },
  }
  return [1, 100, 5_000].map((statements) => {
    const body = JSON.stringify({
      baton: null,
      requests: [...Array(statements).fill(insert), { type: 'close' }],
    })
    const bytes = new TextEncoder().encode(body)
    const time = (act: () => number): number => {
      const rounds = Math.max(20, Math.ceil(20_000 / statements))
      let sum = 0
      for (let n = 0; n < rounds; n++) sum += act()
      const startedAt = performance.now()
      for (let n = 0; n < rounds; n++) sum += act()
      if (sum === 0) throw new Error('nothing was done')
      return ((performance.now() - startedAt) / rounds) * 1000
    }
    return {
      what: `${statements} statement${statements === 1 ? '' : 's'}, ${Math.ceil(body.length / 1024)} KiB`,
      cut: time(() => parsePipeline(bytes).requests.byteLength),
      parsed: time(() => JSON.stringify(JSON.parse(new TextDecoder().decode(bytes))).length),
    }
  })
}
