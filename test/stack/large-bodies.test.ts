/** What is large, many at once, in an isolate with as much memory as Cloudflare gives it. */
import { writeFile } from 'node:fs/promises'
import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { fieldOf, workerPids, workerStatuses } from '../support/stack/processes.ts'
import { startStack, type Stack } from '../support/stack/stack.ts'
import { signUp, type Signup } from './worker-and-turso.ts'

const MB = 1024 * 1024
/** Of each, nearly 8 MB. */
const AT_ONCE = 20

let stack: Stack
let tenant: Signup

async function setUp(limits: Readonly<Record<string, number>>): Promise<void> {
  stack = await startStack(0, { inspected: true, limits })
  tenant = await signUp(stack, 'large')
}

const text = 'x'.repeat(7.9 * MB)
const close = { type: 'close' }
const execute = (sql: string, ...args: string[]): object => ({
  type: 'execute',
  stmt: { sql, args: args.map((value) => ({ type: 'text', value })) },
})
const pipeline = (baton: string | null, ...requests: object[]): Buffer =>
  Buffer.from(JSON.stringify({ baton, requests }))
const small = pipeline(null, execute('select 1'), close)
const large = pipeline(null, execute('select length(?)', text), close)

interface Options {
  body: Buffer
  token?: string
  /** Default `v3/pipeline`. */
  path?: string
  /** How much of it is sent; all unless said otherwise. */
  sent?: number
}

/** By a connection of its own, which can be left. */
function send({
  body,
  token = tenant.token.jwt,
  path = 'v3/pipeline',
  sent = body.length,
}: Options): ClientRequest {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-length': body.length,
  }
  const client = request(`${tenant.database.gateway_url}${path}`, {
    method: 'POST',
    headers,
    agent: false,
  })
  client.on('error', () => undefined)
  onTestFinished(() => void client.destroy())
  if (sent === body.length) client.end(body)
  else client.write(body.subarray(0, sent))
  return client
}

const answerOf = (client: ClientRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => client.on('response', resolve).on('error', reject))

interface Read {
  status: number | undefined
  headers: IncomingMessage['headers']
  body: { code?: string; message?: string; baton: string | null; results?: unknown[] }
  bytes: number
}

async function read(client: ClientRequest): Promise<Read> {
  const answer = await answerOf(client)
  const pieces: Buffer[] = []
  for await (const piece of answer) pieces.push(piece as Buffer)
  const whole = Buffer.concat(pieces)
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: JSON.parse(whole.toString()) as Read['body'],
    bytes: whole.length,
  }
}

/** Megabytes. */
const memory = async (field: 'VmHWM' | 'VmRSS'): Promise<number> =>
  Math.max(...(await workerStatuses()).map((status) => Number(fieldOf(status, field)) / 1024))

async function forgetPeak(): Promise<void> {
  for (const pid of await workerPids()) await writeFile(`/proc/${pid}/clear_refs`, '5')
}

async function isAlive(): Promise<void> {
  expect((await fetch(`${stack.url}/health`)).status).toBe(200)
  expect((await read(send({ body: small }))).status).toBe(200)
}

describe('many at once', () => {
  // However slow the machine is.
  beforeAll(() => setUp({ ROOM_WAIT_MS: 60_000 }))
  afterAll(() => stack.close())

  const begin = execute('begin')
  const bodies = {
    'requests that need no stream': large,
    'requests of sessions': pipeline(null, begin, execute('select length(?)', text)),
    'answers to sessions': pipeline(
      null,
      begin,
      execute('select hex(zeroblob(2000000)), hex(zeroblob(2000000))'),
    ),
  }

  const endless = execute(
    'with recursive n(i) as (select 1 union all select i + 1 from n) select hex(zeroblob(10000)) from n',
  )
  const steps = (...executes: object[]): Buffer =>
    Buffer.from(
      JSON.stringify({
        baton: null,
        batch: { steps: executes.map((each) => ({ stmt: (each as { stmt: object }).stmt })) },
      }),
    )
  test('batches of cursors are not kept for as long as those pass', async () => {
    const isLinux = (await workerPids()).length > 0
    await forgetPeak()
    const before = await memory('VmRSS')
    const ofSession = steps(begin, execute('select length(?)', text), endless)
    const ofItsOwn = steps(execute('select length(?)', text), endless)
    const clients = Array.from({ length: 2 * AT_ONCE }, (_, index) =>
      send({ body: index % 2 === 0 ? ofSession : ofItsOwn, path: 'v3/cursor' }),
    )
    for (const { statusCode } of await Promise.all(clients.map(answerOf))) expect(statusCode).toBe(200)
    await isAlive()
    // Their bodies alone are 316 MB.
    expect(isLinux ? (await memory('VmHWM')) - before : 0).toBeLessThan(384)
  })

  test.each(Object.entries(bodies))('%s take their turn, and no more memory than some', async (_, body) => {
    const isLinux = (await workerPids()).length > 0
    await forgetPeak()
    const before = await memory('VmRSS')
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => read(send({ body }))))
    for (const answer of answers) {
      expect(answer.status).toBe(200)
      expect(answer.body.results).toHaveLength(2)
    }
    await isAlive()
    // All of them are 160 MB, and twice that as long as their texts are kept, or what their parts are made from.
    expect(isLinux ? (await memory('VmHWM')) - before : 0).toBeLessThan(256)
  })

  test('whether a token is one is asked once, also for bodies that are refused', async () => {
    const { database, token } = await signUp(stack, 'asked-once')
    const refused = async (): Promise<void> => {
      const headers = { authorization: `Bearer ${token.jwt}`, 'content-type': 'application/json' }
      const body = `[${' '.repeat(100_000)}]`
      const response = await fetch(`${database.gateway_url}v3/pipeline`, { method: 'POST', headers, body })
      expect(response.status).toBe(400)
    }
    await refused()
    expect(stack.lastPipeline()).not.toContain('select 1')
    await read(send({ body: small }))
    await refused()
    expect(stack.lastPipeline()).toContain('select 1')
  })

  test('those of strangers are not even read', async () => {
    const clients = Array.from({ length: AT_ONCE }, () =>
      send({ body: large, token: 'made.up.token', sent: 1_000 }),
    )
    for (const answer of await Promise.all(clients.map(read))) expect(answer.status).toBe(401)
    await isAlive()
  })
})

describe('when there is no room', () => {
  beforeAll(() => setUp({ ROOM_WAIT_MS: 600, LARGE_ANSWER_MS: 5_000, SESSION_IDLE_MS: 600_000 }))
  afterAll(() => stack.close())

  /** They announce what they do not send. */
  const fill = async (): Promise<ClientRequest[]> => {
    const holders = [1, 2].map(() => send({ body: large, sent: 100_000 }))
    // Until there is no room: whatever comes is refused.
    await expect.poll(async () => (await read(send({ body: large }))).status).toBe(503)
    return holders
  }

  test('what is small goes on, and what is large is told that it did not run', async () => {
    await fill()
    await isAlive()
    const { status, headers, body } = await read(send({ body: large }))
    expect(status).toBe(503)
    expect(body.code).toBe('OVERLOADED')
    expect(body.message).toMatch(/did not run/)
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  })

  test('a transaction goes on after a request of it was turned away', async () => {
    const begun = await read(
      send({ body: pipeline(null, execute('begin'), execute("insert into notes (title) values ('kept')")) }),
    )
    const { baton } = begun.body
    const holders = await fill()
    expect((await read(send({ body: pipeline(baton, execute('select length(?)', text)) }))).status).toBe(503)
    for (const holder of holders) holder.destroy()
    expect((await read(send({ body: pipeline(baton, execute('commit'), close) }))).status).toBe(200)
    const { body } = await read(send({ body: pipeline(null, execute('select title from notes'), close) }))
    expect(JSON.stringify(body.results)).toContain('kept')
  })

  test('whoever hangs up leaves room for the next, also for those behind whom it waits', async () => {
    const holders = await fill()
    const leaving = send({ body: large, sent: 100_000 })
    for (const client of [leaving, ...holders]) client.destroy()
    expect((await read(send({ body: large }))).status).toBe(200)
  })

  test('whoever hangs up while the database takes its time leaves room for the next', async () => {
    stack.turso.faults.add({
      kind: 'latency',
      on: 'pipeline',
      ms: 600_000,
      containing: 'slow',
      nth: 1,
      times: 2,
    })
    const body = pipeline(null, execute('select length(?) as slow', text), close)
    const holders = [1, 2].map(() => send({ body }))
    await expect.poll(async () => (await read(send({ body: large }))).status).toBe(503)
    for (const holder of holders) holder.socket!.resetAndDestroy()
    await expect.poll(async () => (await read(send({ body: large }))).status).toBe(200)
  })

  /** Of a session, 14 MB. */
  const many = pipeline(
    null,
    execute('begin'),
    ...[1, 2, 3].map(() => execute('select hex(zeroblob(2400000))')),
  )

  test('an answer that nobody reads is cut off, and the next has its room', async () => {
    const unread = [1, 2].map(() => send({ body: many }))
    const answers = await Promise.all(unread.map(answerOf))
    const { status, body } = await read(send({ body: many }))
    expect({ status, ...body }).toMatchObject({ status: 503, code: 'OVERLOADED', outcome: 'unknown' })
    await isAlive()
    await expect.poll(async () => (await read(send({ body: many }))).status).toBe(200)
    for (const answer of answers) {
      const rest = (async () => {
        for await (const _ of answer);
      })()
      await expect(rest).rejects.toThrow(/aborted/)
    }
  })

  test('whoever hangs up before it has taken an answer that is held for it leaves room for the next', async () => {
    stack.turso.faults.add({
      kind: 'base_url',
      on: 'sql',
      url: `${stack.tursoUrl}/db/elsewhere/`,
      containing: 'addressed',
    })
    const addressed = pipeline(
      null,
      ...[1, 2, 3].map(() => execute('select hex(zeroblob(2400000)) as addressed')),
      close,
    )
    const leaving = [1, 2].map(() => send({ body: addressed }))
    for (const { statusCode } of await Promise.all(leaving.map(answerOf))) expect(statusCode).toBe(200)
    for (const client of leaving) client.socket!.resetAndDestroy()
    await expect.poll(async () => (await read(send({ body: many }))).status).toBe(200)
  })
})
