/**
 * As many rows as anybody likes, by all three ways: what the Worker has of them in memory does not depend on how many there
 * are, and it takes no more of them from the database than its client takes.
 */
import { request, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startStack, type Stack } from '../support/stack/stack.ts'
import { connect } from '../../src/index.ts'
import { bytesInKernel } from './kernel-buffers.ts'
import { openSocket } from './socket-remote.ts'
import { openUnreadSocket } from './unread-socket.ts'
import { signUp, type Signup } from './worker-and-turso.ts'
import { openHeap, type WorkerHeap } from './worker-heap.ts'
import { workerMemory } from './worker-memory.ts'
import { PATIENCE_MS } from '../support/patience.ts'

/** `TURSO_EDGE_ROWS=1000000` for more, which also prints the figures. */
const ROWS = Number(process.env['TURSO_EDGE_ROWS'] ?? 200_000)
const ROW_BYTES = 200
const MIB = 2 ** 20

/** One piece of the body, one message of a socket and its entries: a small part of 40 MB, which is what 200,000 rows are. */
const MAX_HEAP_GROWTH = 4 * MIB
/** From the first rows to the last; a piece may be half read, or not. */
const MAX_KEPT_GROWTH = 128 * 1024
/** All processes, which beside the heap have V8's garbage and the sockets' buffers. */
const MAX_PROCESS_GROWTH = 24 * MIB
/** Read from the database, and neither with the client nor in the operating system's buffers, which hold many megabytes. */
const MAX_READ_AHEAD = 4 * MIB

let stack: Stack
let heap: WorkerHeap
let tenant: Signup

beforeAll(async () => {
  stack = await startStack(0, { inspected: true })
  tenant = await signUp(stack, 'many-rows')
  heap = await openHeap(await stack.inspectorUrl(), async () => {
    await (await fetch(`${stack.url}/t/many-rows/version`)).text()
  })
})
afterAll(async () => {
  heap.close()
  await stack.close()
})

const numbers = (count: number): string =>
  `with recursive c(n) as (select 1 union all select n + 1 from c where n < ${count}) select n, hex(zeroblob(60)) as filler from c`

/** How much the database has sent once the buffers on the way are full. */
async function standstill(): Promise<number> {
  let sent = -1
  while (sent !== stack.bytesSent()) {
    sent = stack.bytesSent()
    await sleep(300)
  }
  return sent
}

/** A cursor that has been opened, and what ends what it was opened on. */
interface Rows {
  /** The rows in each piece that was read, and its bytes. */
  pieces: AsyncIterable<{ rows: number; bytes: number }>
  end: () => Promise<void>
}

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

async function readText(message: IncomingMessage): Promise<string> {
  return (await message.toArray()).join('')
}

async function openHttp(baton: string | null, sql: string): Promise<Rows> {
  const response = await post('v3/cursor', { baton, batch: { steps: [{ stmt: { sql } }] } })
  let next: string | null = null
  async function* pieces(): Rows['pieces'] {
    let first = true
    for await (const piece of response as AsyncIterable<Buffer>) {
      let rows = 0
      for (let end = piece.indexOf(10); end !== -1; end = piece.indexOf(10, end + 1)) rows += 1
      // The head, and the begin of the step, of which one more comes at its end.
      if (first) {
        ;({ baton: next } = JSON.parse(piece.toString().split('\n')[0]!) as { baton: string | null })
        rows -= 3
      }
      first = false
      yield { rows, bytes: piece.length }
    }
  }
  return {
    pieces: pieces(),
    async end() {
      response.destroy()
      if (next !== null)
        await readText(await post('v3/pipeline', { baton: next, requests: [{ type: 'close' }] }))
    },
  }
}

const open: Record<string, (sql: string) => Promise<Rows>> = {
  /** Straight through the Worker. */
  worker: (sql) => openHttp(null, sql),
  /** On the stream of a session. */
  async session(sql) {
    const requests = [{ type: 'execute', stmt: { sql: 'begin' } }]
    const begun = await readText(await post('v3/pipeline', { baton: null, requests }))
    return await openHttp((JSON.parse(begun) as { baton: string }).baton, sql)
  },
  async socket(sql) {
    const socket = await openSocket(tenant.database.gateway_url.replace(/^http/, 'ws'), tenant.token.jwt)
    await socket.insist({ type: 'open_stream', stream_id: 1 })
    const batch = { steps: [{ stmt: { sql } }] }
    await socket.insist({ type: 'open_cursor', stream_id: 1, cursor_id: 1, batch })
    async function* pieces(): Rows['pieces'] {
      for (let isDone = false; !isDone;) {
        const next = (await socket.insist({ type: 'fetch_cursor', cursor_id: 1, max_count: 2_000 })) as {
          entries: { type: string }[]
          done: boolean
        }
        isDone = next.done
        const rows = next.entries.filter(({ type }) => type === 'row').length
        yield { rows, bytes: rows * ROW_BYTES }
      }
    }
    return { pieces: pieces(), end: async () => socket.close() }
  },
}

describe.each(Object.keys(open))(`${ROWS} rows by way of the %s`, (way) => {
  test('take no more memory than some', async () => {
    const warm = await open[way]!(numbers(20_000))
    for await (const _ of warm.pieces) continue
    await warm.end()
    // The first snapshot of the heap takes memory of the process, and keeps it.
    await heap.kept()
    const before = { heap: await heap.used(), processes: await workerMemory() }
    expect(before.processes).toBeGreaterThan(0)
    const peak = { ...before }
    const { pieces, end } = await open[way]!(numbers(ROWS))
    let seen = 0
    let bytes = 0
    let sampledAt = 0
    const kept: number[] = []
    for await (const piece of pieces) {
      seen += piece.rows
      bytes += piece.bytes
      if (bytes < sampledAt) continue
      sampledAt = bytes + 10_000_000
      kept.push(await heap.kept())
      peak.heap = Math.max(peak.heap, await heap.used())
      peak.processes = Math.max(peak.processes, await workerMemory())
    }
    await end()
    expect(seen).toBe(ROWS)
    expect(bytes).toBeGreaterThan(ROWS * ROW_BYTES - 1)
    print(way, before, peak, { kept: [kept[0], kept.at(-1), await heap.kept()] })
    expect(peak.heap - before.heap).toBeLessThan(MAX_HEAP_GROWTH)
    expect(kept.length).toBeGreaterThan(3)
    expect(kept.at(-1)! - kept[0]!).toBeLessThan(MAX_KEPT_GROWTH)
    expect(peak.processes - before.processes).toBeLessThan(MAX_PROCESS_GROWTH)
  }, 600_000)

  test('are not read ahead of a client that reads slowly, and end with it', async () => {
    const before = { heap: await heap.used(), processes: await workerMemory(), sent: stack.bytesSent() }
    const { pieces, end } = await open[way]!(numbers(1_000_000))
    const reader = pieces[Symbol.asyncIterator]()
    let taken = 0
    for (let pauses = 0; pauses < 2; pauses++) {
      for (const from = taken; taken < from + MIB;) taken += (await reader.next()).value!.bytes as number
      const sent = await standstill()
      const inKernel = await bytesInKernel(stack.url, stack.tursoUrl)
      const ahead = sent - before.sent - taken - inKernel
      const grown = {
        heap: (await heap.used()) - before.heap,
        processes: (await workerMemory()) - before.processes,
      }
      print(way, { sent: sent - before.sent, taken, inKernel, ahead, ...grown })
      expect(ahead).toBeLessThan(MAX_READ_AHEAD)
      expect(grown.heap).toBeLessThan(MAX_HEAP_GROWTH)
      expect(grown.processes).toBeLessThan(MAX_PROCESS_GROWTH)
    }
    await end()
    await vi.waitFor(() => expect(stack.turso.streams()).toEqual([]), { timeout: PATIENCE_MS })
  })
})

test('a WebSocket that asks for messages ahead and reads none has no more than those read for it', async () => {
  const AHEAD = 10
  const before = { heap: await heap.used(), processes: await workerMemory(), sent: stack.bytesSent() }
  const socket = await openUnreadSocket(tenant.database.gateway_url, tenant.token.jwt)
  const batch = { steps: [{ stmt: { sql: numbers(1_000_000) } }] }
  socket.ask({ type: 'open_stream', stream_id: 1 })
  socket.ask({ type: 'open_cursor', stream_id: 1, cursor_id: 1, batch })
  for (let n = 0; n < AHEAD; n++) socket.ask({ type: 'fetch_cursor', cursor_id: 1, max_count: 10_000 })
  await vi.waitFor(
    () => expect(stack.bytesSent() - before.sent).toBeGreaterThan(AHEAD * 512 * 1024),
    PATIENCE_MS,
  )
  const sent = await standstill()
  const ahead = sent - before.sent - (await bytesInKernel(stack.url, stack.tursoUrl))
  const grown = {
    heap: (await heap.used()) - before.heap,
    processes: (await workerMemory()) - before.processes,
  }
  print('unread socket', { sent: sent - before.sent, ahead, ...grown })
  expect(ahead).toBeLessThan(AHEAD * 512 * 1024 + MAX_READ_AHEAD)
  expect(grown.heap).toBeLessThan(MAX_HEAP_GROWTH)
  expect(grown.processes).toBeLessThan(MAX_PROCESS_GROWTH)
  socket.close()
  await vi.waitFor(() => expect(stack.turso.streams()).toEqual([]), { timeout: PATIENCE_MS })
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

function print(...what: unknown[]): void {
  if (process.env['TURSO_EDGE_ROWS'] !== undefined)
    process.stderr.write(`${what.map((it) => JSON.stringify(it)).join(' ')}\n`)
}
