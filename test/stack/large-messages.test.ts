/** Many large messages at once on WebSockets, to and fro, in an isolate with as much memory as Cloudflare gives it. */
import { createClient, type LibsqlError } from '@libsql/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startStack, type Stack } from '../support/stack/stack.ts'
import { openSocket, type HranaSocket } from './socket-remote.ts'
import { signUp, type Signup } from './worker-and-turso.ts'

const AT_ONCE = 16

let stack: Stack
let tenant: Signup
let url: string

beforeAll(async () => {
  // So much takes its time, also on the way to the Worker.
  stack = await startStack(0, {
    inspected: true,
    limits: { SESSION_IDLE_MS: 60_000, ROOM_WAIT_MS: 60_000 },
    streamIdleMs: 60_000,
  })
  tenant = await signUp(stack, 'large-messages')
  url = tenant.database.gateway_url.replace(/^http/, 'ws')
})
afterAll(() => stack.close())

async function connect(): Promise<HranaSocket> {
  const socket = await openSocket(url, tenant.token.jwt)
  await socket.insist({ type: 'open_stream', stream_id: 1 })
  await socket.insist(execute('begin'))
  return socket
}

const execute = (sql: string, ...args: string[]): object => ({
  type: 'execute',
  stream_id: 1,
  stmt: { sql, args: args.map((value) => ({ type: 'text', value })) },
})

test.each<[string, object]>([
  ['of long texts', execute('select length(?), length(?)', ...Array<string>(2).fill('x'.repeat(3_900_000)))],
  [
    'of wide characters',
    execute('select length(?), length(?)', ...Array<string>(2).fill('€'.repeat(1_600_000))),
  ],
  [
    'of many statements',
    {
      type: 'batch',
      stream_id: 1,
      batch: { steps: Array(5_000).fill({ stmt: { sql: `select 1 -- ${'x'.repeat(1_400)}` } }) },
    },
  ],
])(`${AT_ONCE} messages %s end nothing, and no transaction`, async (_, request) => {
  const sockets = await Promise.all(Array.from({ length: AT_ONCE }, connect))
  const answers = await Promise.all(sockets.map((socket) => socket.ask(request)))
  const outcomes = answers.map(({ type, error }) => (error === undefined ? type : error.code) as string)
  expect(['response_ok', 'OVERLOADED']).toEqual(expect.arrayContaining(outcomes))
  expect(outcomes).toContain('response_ok')
  for (const socket of sockets) {
    await socket.insist(execute('commit'))
    socket.close()
  }
})

test(`${AT_ONCE} of them by @libsql/client cost no transaction, and the client goes on`, async () => {
  const clients = Array.from({ length: AT_ONCE }, () => createClient({ url, authToken: tenant.token.jwt }))
  const sql = 'select length(?), length(?)'
  const large = { sql, args: Array<string>(2).fill('x'.repeat(3_900_000)) }
  const codeOf = (done: Promise<unknown>): Promise<string> =>
    done.then(
      () => 'done',
      (error: LibsqlError) => error.code,
    )
  const codes = await Promise.all(
    clients.map(async (client) => {
      const transaction = await client.transaction('deferred')
      await transaction.execute('select 1')
      const codes = [await codeOf(transaction.execute(large)), await codeOf(client.execute(large))]
      await transaction.execute('select 1')
      await transaction.commit()
      await client.execute('select 1')
      client.close()
      return codes
    }),
  )
  expect(['done', 'OVERLOADED']).toEqual(expect.arrayContaining(codes.flat()))
  expect(codes.flat()).toContain('done')
})

/** 9 MB. */
const LARGE_ROW = 'select hex(zeroblob(2250000)), hex(zeroblob(2250000))'

async function readByCursor(socket: HranaSocket): Promise<number> {
  const batch = { steps: [{ stmt: { sql: LARGE_ROW } }] }
  await socket.insist({ type: 'open_cursor', stream_id: 1, cursor_id: 1, batch })
  const next = await socket.insist({ type: 'fetch_cursor', cursor_id: 1, max_count: 10 })
  const { entries, done } = next as { entries: { type: string }[]; done: boolean }
  // It stays open: nothing of what was read may stay with it.
  expect(done).toBe(false)
  return entries.filter(({ type }) => type === 'row').length
}

test.each<[string, (socket: HranaSocket) => Promise<number>]>([
  [
    'answers',
    async (socket) =>
      ((await socket.insist(execute(LARGE_ROW))) as { result: { rows: unknown[] } }).result.rows.length,
  ],
  ['rows of cursors', readByCursor],
])(`${AT_ONCE} %s of 9 MB end nothing, and all come`, async (_, read) => {
  const sockets = await Promise.all(Array.from({ length: AT_ONCE }, connect))
  expect(await Promise.all(sockets.map(read))).toEqual(Array(AT_ONCE).fill(1))
  for (const socket of sockets) socket.close()
})

test(`${AT_ONCE} strangers who send as much behind a made-up token end nothing`, async () => {
  const closed = await Promise.all(Array.from({ length: AT_ONCE }, intrude))
  // Refused by the database, or since there was no room.
  expect([1008, 1013]).toEqual(expect.arrayContaining(closed))
  const socket = await connect()
  await socket.insist(execute('commit'))
  socket.close()
})

/** @returns the code that it is closed with */
function intrude(): Promise<number> {
  const socket = new WebSocket(url, ['hrana3'])
  socket.addEventListener('open', () => {
    socket.send(JSON.stringify({ type: 'hello', jwt: 'made.up.token' }))
    socket.send(`"${'x'.repeat(7_900_000)}`)
  })
  return new Promise((resolve) => socket.addEventListener('close', ({ code }) => resolve(code)))
}
