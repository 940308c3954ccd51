/** What sessions leave in the memory of the isolate in which the Worker and all of its objects run: nothing. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startStack, type Stack } from '../support/stack/stack.ts'
import { openSocket, type HranaSocket } from './socket-remote.ts'
import { signUp, type Signup } from './worker-and-turso.ts'
import { openHeap, type WorkerHeap } from './worker-heap.ts'

/** Of each kind, half of them abandoned. `TURSO_EDGE_SESSIONS=1000` for more, which also prints the figures. */
const SESSIONS = Number(process.env['TURSO_EDGE_SESSIONS'] ?? 60)
/** Fewer than the database has connections for. */
const MAX_STREAMS = 100
const AT_ONCE = 10
/** What is made once, at the first session. */
const ONCE_BYTES = 16_384

/** Some kilobytes in each answer, so that one that is kept shows. */
const READ = execute('select hex(zeroblob(1000))')

let stack: Stack
let heap: WorkerHeap
let tenant: Signup

beforeAll(async () => {
  // An abandoned transaction is rolled back after three seconds, not nine.
  stack = await startStack(0, { inspected: true, limits: { SESSION_IDLE_MS: 3_000 } })
  tenant = await signUp(stack, 'crowd')
  heap = await openHeap(await stack.inspectorUrl(), async () => {
    await (await fetch(`${stack.url}/t/crowd/version`)).text()
  })
})
afterAll(async () => {
  heap.close()
  await stack.close()
})

function execute(sql: string): { type: string; stmt: { sql: string } } {
  return { type: 'execute', stmt: { sql } }
}

async function send(baton: string | null, ...requests: object[]): Promise<string> {
  const response = await fetch(`${tenant.database.gateway_url}v3/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.token.jwt}`, 'content-type': 'application/json' },
    body: JSON.stringify({ baton, requests }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  return (JSON.parse(text) as { baton: string }).baton
}

const connect = (): Promise<HranaSocket> =>
  openSocket(tenant.database.gateway_url.replace(/^http/, 'ws'), tenant.token.jwt)

async function beginOn(socket: HranaSocket, stream_id: number, begin = 'begin'): Promise<void> {
  await Promise.all(
    [{ type: 'open_stream' }, execute(begin), READ].map((request) =>
      socket.insist({ ...request, stream_id }),
    ),
  )
}

async function endOn(socket: HranaSocket, stream_id: number): Promise<void> {
  await Promise.all(
    [execute('commit'), { type: 'close_stream' }].map((request) => socket.insist({ ...request, stream_id })),
  )
}

/** Runs the action with 0 to `count - 1`, some at once. */
async function forEach(count: number, action: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const work = async (): Promise<void> => {
    while (next < count) await action(next++)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}

function print(...what: unknown[]): void {
  if (process.env['TURSO_EDGE_SESSIONS'] !== undefined)
    process.stderr.write(`${what.map((it) => JSON.stringify(it)).join(' ')}\n`)
}

test('a session and a WebSocket that go on keep nothing of what has passed', async () => {
  let baton = await send(null, READ)
  const socket = await connect()
  const requests = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) baton = await send(baton, READ)
  }
  const streams = (count: number): Promise<void> =>
    forEach(count, async (index) => {
      await beginOn(socket, index)
      // The others leave their transaction open.
      if (index % 2 === 0) await endOn(socket, index)
      else await socket.insist({ type: 'close_stream', stream_id: index })
    })
  await Promise.all([requests(60), streams(60)])
  const before = await heap.kept()
  await Promise.all([requests(200), streams(200)])
  const growth = (await heap.kept()) - before
  print('of 200 requests and 200 streams stays', growth)
  expect(growth).toBeLessThan(3_072)
  socket.close()
  await send(baton, { type: 'close' })
})

test(`of 2 × ${SESSIONS} sessions, half of them left in mid-transaction, nothing stays in memory`, async () => {
  const open: HranaSocket[] = []
  const crowd = (count: number): Promise<void> =>
    forEach(count, async (index) => {
      await vi.waitFor(() => expect(stack.turso.streams().length).toBeLessThan(MAX_STREAMS), 60_000)
      const isAbandoned = index % 2 === 0
      // One of them has the write lock.
      const begin = index === 0 ? 'begin immediate' : 'begin'
      const baton = await send(null, execute(begin), READ)
      if (!isAbandoned) await send(baton, execute('commit'), { type: 'close' })
      const socket = await connect()
      await beginOn(socket, 1)
      if (isAbandoned) return void open.push(socket)
      await endOn(socket, 1)
      socket.close()
    })
  const noStreams = (): Promise<unknown> =>
    vi.waitFor(() => expect(stack.turso.streams()).toEqual([]), { timeout: 60_000, interval: 50 })

  const before = { kept: await heap.kept(), used: await heap.used() }
  await crowd(SESSIONS)
  print('before', before, 'crowded', await heap.kept(), await heap.used())
  await noStreams()
  // Nobody has the write lock.
  await send(null, execute("insert into notes (title) values ('at once')"), { type: 'close' })
  // Objects leave the memory when they have had nothing to do for ten seconds; the sockets that were left are still open.
  expect(open).toHaveLength(SESSIONS / 2)
  await vi.waitFor(
    async () => expect((await heap.kept()) - before.kept).toBeLessThan(ONCE_BYTES + 16 * 2 * SESSIONS),
    { timeout: 60_000, interval: 1_000 },
  )
  print('after', await heap.kept(), await heap.used())
  for (const socket of open) socket.close()
}, 600_000)
