import { request, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { connect } from '../../src/index.ts'
import { signUp, startStack, type RunningStack, type Signup } from './worker-and-turso.ts'
import { workerMemory } from './worker-memory.ts'

/** `TURSO_EDGE_ROWS=1000000` for more. */
const ROWS = Number(process.env['TURSO_EDGE_ROWS'] ?? 200_000)

let stack: RunningStack
let tenant: Signup

beforeAll(async () => {
  stack = await startStack()
  tenant = await signUp(stack, 'many-rows')
})
afterAll(async () => {
  await stack.close()
})

const numbers = (count: number): string =>
  `with recursive c(n) as (select 1 union all select n + 1 from c where n < ${count}) select n, hex(zeroblob(60)) as filler from c`

/** Not `fetch`, which in Node reads ahead without a limit. */
function post(path: string, body: object): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${tenant.token.jwt}` }
    request(tenant.database.gateway_url + path, { method: 'POST', headers })
      .on('response', resolve)
      .on('error', reject)
      .end(JSON.stringify(body))
  })
}

/** A cursor straight through the Worker, or on the stream of a session. */
async function openCursor(way: 'worker' | 'session', sql: string): Promise<IncomingMessage> {
  const steps = [{ stmt: { sql } }]
  if (way === 'worker') return await post('v3/cursor', { baton: null, batch: { steps } })
  const requests = [{ type: 'execute', stmt: { sql: 'begin' } }]
  const begun = await post('v3/pipeline', { baton: null, requests })
  const { baton } = JSON.parse((await begun.toArray()).join('')) as { baton: string }
  return await post('v3/cursor', { baton, batch: { steps } })
}

/** Ends the session of a cursor, if it has one, by the baton in its first line. */
async function closeAfter(piece: Buffer): Promise<void> {
  const { baton } = JSON.parse(piece.toString().split('\n')[0]!) as { baton: string | null }
  if (baton !== null) await post('v3/pipeline', { baton, requests: [{ type: 'close' }] })
}

describe.each(['worker', 'session'] as const)(`${ROWS} rows by way of the %s`, (way) => {
  test('take no more memory than some', async () => {
    await closeAfter((await (await openCursor(way, numbers(20_000))).toArray())[0] as Buffer)
    const before = await workerMemory()
    expect(before).toBeGreaterThan(0)
    let lines = 0
    let peak = 0
    let pieces = 0
    let first: Buffer | undefined
    for await (const piece of await openCursor(way, numbers(ROWS))) {
      first ??= piece as Buffer
      for (const byte of piece as Buffer) if (byte === 10) lines += 1
      if (pieces++ % 100 === 0) peak = Math.max(peak, await workerMemory())
    }
    // The head, the begin and the end of the step.
    expect(lines).toBe(ROWS + 3)
    await closeAfter(first!)
    expect(peak - before).toBeLessThan(64 * 2 ** 20)
  })

  test('are not read ahead of a client that reads slowly, and end with it', async () => {
    const before = stack.bytesSent()
    const response = await openCursor(way, numbers(1_000_000))
    // It stands still once the buffers on the way are full.
    let sent = -1
    while (sent !== stack.bytesSent()) {
      sent = stack.bytesSent()
      await sleep(300)
    }
    // Of 206 MB; how many the kernel's buffers hold depends on how busy the machine is.
    expect(sent - before).toBeLessThan(120_000_000)
    let bytes = 0
    for await (const piece of response) {
      bytes += (piece as Buffer).length
      if (stack.bytesSent() > sent) break
    }
    expect(bytes).toBeLessThan(120_000_000)
    await vi.waitFor(() => expect(stack.turso.streams()).toEqual([]), { timeout: 30_000 })
  })
})

test('rows that the database cuts off are cut off for the client too', async () => {
  const db = connect({ url: tenant.database.gateway_url, authToken: tenant.token.jwt })
  stack.turso.faults.add({ kind: 'truncated', on: 'cursor', share: 0.5, ending: 'cut' })
  const read = async (): Promise<number> => {
    let rows = 0
    for await (const _ of db.stream(numbers(1_000))) rows += 1
    return rows
  }
  await expect(read()).rejects.toMatchObject({
    code: expect.stringMatching(/^(network|protocol)$/) as string,
  })
})
