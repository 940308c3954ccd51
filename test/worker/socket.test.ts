import { env } from 'cloudflare:workers'
import {
  evictDurableObject,
  listDurableObjectIds,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Socket } from '../../worker/index.ts'
import { clearFaults, failNext, holdNext, openStreams, requestsSeen } from '../support/turso.ts'
import { BEFORE_IDLE_MS } from '../support/patience.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { putClockForward, resetClock } from './clock.ts'
import { greet, openSocket, upgrade, type SocketClient } from './socket-client.ts'

let acme: SignupAnswer
let other: SignupAnswer

beforeAll(async () => {
  acme = await signUpNow({ id: 'socket-acme' })
  other = await signUpNow({ id: 'socket-other' })
})
beforeEach(clearFaults)

const open = (streamId = 1): object => ({ type: 'open_stream', stream_id: streamId })
const close = (streamId = 1): object => ({ type: 'close_stream', stream_id: streamId })
const execute = (sql: string, streamId = 1): object => ({
  type: 'execute',
  stream_id: streamId,
  stmt: { sql },
})
const executeStored = (sqlId: number, streamId = 1): object => ({
  type: 'execute',
  stream_id: streamId,
  stmt: { sql_id: sqlId },
})
const insert = (title: string, streamId = 1): object =>
  execute(`insert into notes (title) values ('${title}')`, streamId)
const request = (requestId: number, request: object): object => ({
  type: 'request',
  request_id: requestId,
  request,
})

interface StatementResponse {
  type: string
  result: { rows: { value: string }[][] }
}

async function valueOf(client: SocketClient, ask: object): Promise<string> {
  const { result } = (await client.get(ask)) as unknown as StatementResponse
  return result.rows[0]![0]!.value
}

/** Over HTTP, so that it says what others see. */
async function titles(): Promise<string[]> {
  const requests = [
    { type: 'execute', stmt: { sql: 'select title from notes order by id' } },
    { type: 'close' },
  ]
  const response = await call('/t/socket-acme/v3/pipeline', {
    method: 'POST',
    headers: { authorization: `Bearer ${acme.token.jwt}` },
    body: JSON.stringify({ baton: null, requests }),
  })
  const { results } = await response.json<{ results: [{ response: StatementResponse }] }>()
  return results[0].response.result.rows.map(([title]) => title!.value)
}

const streamsOfAcme = async (): Promise<{ inTransaction: boolean }[]> =>
  (await openStreams()).filter(({ database }) => database === acme.database.name)

/** The object of a socket that was opened meanwhile. */
async function objectOf<T>(action: () => Promise<T>): Promise<[T, DurableObjectStub<Socket>]> {
  const before = new Set((await listDurableObjectIds(env.SOCKETS)).map(String))
  const result = await action()
  const id = (await listDurableObjectIds(env.SOCKETS)).find((candidate) => !before.has(candidate.toString()))
  return [result, env.SOCKETS.get(id!)]
}

const greeted = (): Promise<SocketClient> => greet(acme.token.jwt, 'socket-acme')

describe('an upgrade', () => {
  test('is answered with the newest subprotocol that both know', async () => {
    for (const [offered, chosen] of [
      ['hrana2, hrana1', 'hrana2'],
      ['hrana3-protobuf, hrana3, hrana2, hrana1', 'hrana3'],
    ]) {
      const response = await upgrade('socket-acme', offered)
      expect(response.status).toBe(101)
      expect(response.headers.get('sec-websocket-protocol')).toBe(chosen)
      response.webSocket!.accept()
      response.webSocket!.close()
    }
  })

  test('is refused without one, saying which there are', async () => {
    for (const offered of [null, 'hrana1', 'graphql-ws']) {
      const response = await upgrade('socket-acme', offered)
      expect(response.status).toBe(400)
      expect(await response.json()).toEqual({
        code: 'SUBPROTOCOL_UNSUPPORTED',
        message: 'Sec-WebSocket-Protocol must have one of these subprotocols: hrana3, hrana2',
      })
    }
  })

  test('of a malformed id is 400, and wakes no object', async () => {
    const before = await listDurableObjectIds(env.SOCKETS)
    expect((await upgrade('-bad-')).status).toBe(400)
    expect(await listDurableObjectIds(env.SOCKETS)).toEqual(before)
  })

  test('is needed: a plain GET is 426', async () => {
    for (const path of ['/t/socket-acme', '/t/socket-acme/']) {
      const response = await call(path)
      expect([response.status, response.headers.get('upgrade')]).toEqual([426, 'websocket'])
    }
  })
})

describe('hello', () => {
  test('may have requests behind it, which wait for the answer', async () => {
    const client = await openSocket('socket-acme')
    client.send({ type: 'hello', jwt: acme.token.jwt })
    client.send(request(-1, open()))
    client.send(request(0, execute('select 1')))
    client.send(request(2147483647, close()))
    expect([
      await client.next(),
      await client.next(),
      await client.next(),
      await client.next(),
    ]).toMatchObject([
      { type: 'hello_ok' },
      { type: 'response_ok', request_id: -1, response: { type: 'open_stream' } },
      { type: 'response_ok', request_id: 0, response: { type: 'execute' } },
      { type: 'response_ok', request_id: 2147483647, response: { type: 'close_stream' } },
    ])
    // One asks whether the token is good; the other opens the stream, runs and closes it.
    expect(await requestsSeen()).toHaveLength(2)
  })

  test.each([
    ['of another tenant', () => other.token.jwt, 'UPSTREAM_REFUSED', /40[134]|exist|Unauthorized/],
    ['that is none', () => 'nonsense', 'AUTH_REJECTED', /./],
    ['that is none in a header either', () => 'n\u00f6nsense', 'AUTH_REJECTED', /printable/],
    ['that is an API key', () => 'admin-key', 'AUTH_REJECTED', /not passed on/],
    ['that is missing', () => null, 'AUTH_HEADER_NOT_FOUND', /"jwt"/],
  ])(
    'with a token %s is refused in the words of the database, and the socket closed',
    async (_, jwt, code, message) => {
      const client = await openSocket('socket-acme')
      client.send({ type: 'hello', jwt: jwt() })
      client.send(request(1, open()))
      const refused = await client.next()
      expect(refused).toMatchObject({
        type: 'hello_error',
        error: { code, message: expect.stringMatching(message) },
      })
      expect(await client.closed).toMatchObject({ code: 1008 })
    },
  )

  test('without a token takes that of the Authorization header', async () => {
    const authorization = `Bearer ${acme.token.jwt}`
    const client = await openSocket('socket-acme', 'hrana2', { authorization })
    client.send({ type: 'hello', jwt: null })
    expect(await client.next()).toEqual({ type: 'hello_ok' })
    client.close()
  })

  test('again takes another token from then on, and a bad one ends the socket', async () => {
    const renewed = await call('/v1/tenants/socket-acme', { headers: { authorization: 'Bearer signup-key' } })
    expect(renewed.status).toBe(200)
    const client = await greeted()
    await client.get(open())
    await client.get(execute('begin'))
    client.send({ type: 'hello', jwt: acme.token.jwt })
    client.send(request(1, insert('second hello')))
    expect(await client.next()).toEqual({ type: 'hello_ok' })
    expect(await client.next()).toMatchObject({ type: 'response_ok', request_id: 1 })
    client.send({ type: 'hello', jwt: other.token.jwt })
    expect(await client.next()).toMatchObject({ type: 'hello_error' })
    expect(await client.closed).toMatchObject({ code: 1008 })
    await expect.poll(streamsOfAcme).toEqual([])
    expect(await titles()).not.toContain('second hello')
  })

  test('that does not come in time ends the socket by an alarm, and leaves nothing', async () => {
    const [client, object] = await objectOf(() => openSocket('socket-acme'))
    await runInDurableObject(object, (_, state) => {
      const [socket] = state.getWebSockets()
      const attachment = socket!.deserializeAttachment() as object
      socket!.serializeAttachment({ ...attachment, helloBy: Date.now() - 1 })
    })
    expect(await runDurableObjectAlarm(object)).toBe(true)
    expect(await client.closed).toEqual({ code: 1008, reason: 'No valid hello came within 5000 ms' })
    const kept = await runInDurableObject(object, async (_, state) => [
      ...(await state.storage.list()).keys(),
      await state.storage.getAlarm(),
    ])
    expect(kept).toEqual([null])
  })

  test('that the database has not answered in time is an error that says so', async () => {
    const [client, object] = await objectOf(() => openSocket('socket-acme'))
    await requestsSeen()
    await failNext({ kind: 'latency', on: 'pipeline', ms: 5_000 })
    client.send({ type: 'hello', jwt: acme.token.jwt })
    client.send(request(1, open()))
    await expect.poll(requestsSeen).toHaveLength(1)
    putClockForward(5_000)
    expect(await runDurableObjectAlarm(object)).toBe(true)
    resetClock()
    expect(await Promise.race([client.next(), client.closed])).toMatchObject({
      type: 'hello_error',
      error: {
        code: 'NO_ANSWER',
        message: expect.stringMatching(/No answer came from the tenant's database/),
      },
    })
    expect(await client.closed).toMatchObject({ code: 1008 })
  })

  test('that was accepted counts at once, whatever waits behind it', async () => {
    const [client, object] = await objectOf(() => openSocket('socket-acme'))
    client.send({ type: 'hello', jwt: acme.token.jwt })
    expect(await client.next()).toEqual({ type: 'hello_ok' })
    const hold = await holdNext('pipeline')
    client.send({ type: 'hello', jwt: acme.token.jwt })
    await hold.reached()
    putClockForward(6_000)
    expect(await runDurableObjectAlarm(object)).toBe(true)
    resetClock()
    await hold.letGo()
    expect(await Promise.race([client.next(), client.closed])).toEqual({ type: 'hello_ok' })
    client.close()
  })

  test('that the database cannot answer is an error, and nothing is kept', async () => {
    await failNext({ kind: 'server_error', on: 'pipeline', status: 503 })
    const client = await openSocket('socket-acme')
    client.send({ type: 'hello', jwt: acme.token.jwt })
    expect(await client.next()).toMatchObject({ type: 'hello_error', error: { code: 'UPSTREAM_REFUSED' } })
    expect(await client.closed).toMatchObject({ code: 1008 })
  })
})

describe('a client that breaks the protocol is cut off, and its transaction rolled back', () => {
  test.each<[number, string, (client: SocketClient) => void]>([
    [1007, 'what is not JSON', (client) => client.send('{')],
    [1003, 'a binary message', (client) => client.send(new ArrayBuffer(1))],
    [1007, 'a message of no known type', (client) => client.send({ type: 'goodbye' })],
    [1008, 'a stream in use', (client) => client.send(request(1, open()))],
    [
      1008,
      'a stored text in use',
      (client) => {
        client.send(request(1, { type: 'store_sql', sql_id: 1, sql: 'select 1' }))
        client.send(request(2, { type: 'store_sql', sql_id: 1, sql: 'select 2' }))
      },
    ],
  ])('%i: %s', async (code, _, offend) => {
    const client = await greeted()
    await client.get(open())
    await client.get(execute('begin immediate'))
    await client.get(insert('offended'))
    offend(client)
    expect(await client.closed).toMatchObject({ code })
    await expect.poll(streamsOfAcme).toEqual([])
    expect(await titles()).not.toContain('offended')
  })

  test('1008: a request before any hello, which reaches no database', async () => {
    const client = await openSocket('socket-acme')
    client.send(request(1, open()))
    expect(await client.closed).toEqual({ code: 1008, reason: 'The first message must be a hello' })
    expect(await requestsSeen()).toEqual([])
  })

  test('1008: a first message that is longer than any hello, which is not even read', async () => {
    const client = await openSocket('socket-acme')
    client.send({ type: 'hello', jwt: acme.token.jwt, and: 'x'.repeat(40_000) })
    expect(await client.closed).toEqual({ code: 1008, reason: 'The first message must be a hello' })
    expect(await requestsSeen()).toEqual([])
  })

  test('1007: what is not JSON behind a hello, once that is answered; behind one that is refused it is ignored', async () => {
    const client = await openSocket('socket-acme')
    client.send({ type: 'hello', jwt: acme.token.jwt })
    client.send('{')
    expect(await client.next()).toEqual({ type: 'hello_ok' })
    expect(await client.closed).toMatchObject({ code: 1007 })
    const refused = await openSocket('socket-acme')
    refused.send({ type: 'hello', jwt: other.token.jwt })
    refused.send('{')
    expect(await refused.next()).toMatchObject({ type: 'hello_error' })
    expect(await refused.closed).toMatchObject({ code: 1008 })
  })

  test('1008: more requests at once than can be held', async () => {
    const client = await openSocket('socket-acme')
    client.send({ type: 'hello', jwt: acme.token.jwt })
    for (let id = 0; id < 4_200; id++) client.send(request(id, open(id)))
    expect(await client.closed).toMatchObject({ code: 1008 })
  })
})

describe('a request that is wrong in itself is refused, and the socket goes on', () => {
  test.each([
    ['INVALID_REQUEST', { type: 'vacuum' }],
    [
      'INVALID_REQUEST',
      { type: 'execute', stream_id: 1, stmt: { sql: 'select ?', args: [{ type: 'date' }] } },
    ],
    ['STREAM_NOT_OPEN', execute('select 1', 7)],
    ['SQL_NOT_STORED', executeStored(7)],
    ['CURSOR_NOT_OPEN', { type: 'fetch_cursor', cursor_id: 7, max_count: 1 }],
    ['SQLITE_UNKNOWN', execute('select * from nowhere')],
  ])('%s', async (code, wrong) => {
    const client = await greeted()
    await client.get(open())
    await client.get(execute('begin'))
    expect(await client.ask(wrong)).toMatchObject({ type: 'response_error', error: { code } })
    expect(await client.get({ type: 'get_autocommit', stream_id: 1 })).toMatchObject({ is_autocommit: false })
    client.close()
  })

  test('closing what is not open is no mistake', async () => {
    const client = await greeted()
    expect(await client.get(close(5))).toEqual({ type: 'close_stream' })
    expect(await client.get({ type: 'close_sql', sql_id: 5 })).toEqual({ type: 'close_sql' })
    expect(await client.get({ type: 'close_cursor', cursor_id: 5 })).toEqual({ type: 'close_cursor' })
    client.close()
  })

  test('hundreds of streams too many do no harm to those that are open', async () => {
    const client = await greeted()
    for (let id = 1; id < 512; id++) await client.get(open(2 ** 31 - id))
    await client.get(open(-1))
    await client.get(execute('begin', -1))
    const answers = await Promise.all(Array.from({ length: 400 }, (_, id) => client.ask(open(1_000 + id))))
    for (const answer of answers) expect(answer).toMatchObject({ error: { code: 'TOO_MANY_STREAMS' } })
    expect(await client.get({ type: 'get_autocommit', stream_id: -1 })).toMatchObject({
      is_autocommit: false,
    })
    client.close()
  })

  test('as many streams and cursors as there may be outlive the instance, whatever became of them', async () => {
    const tenant = await signUpNow({ id: `socket-${'x'.repeat(121)}` })
    const [client, object] = await objectOf(() =>
      greet(tenant.token.jwt, tenant.tenant.id, 'hrana3', { 'x-request-id': 'y'.repeat(128) }),
    )
    const streamOf = (index: number): number => -(2 ** 31) + index
    const refused = {
      kind: 'respond',
      on: 'pipeline',
      status: 401,
      body: '{"error":"old"}',
      times: 512,
    } as const
    const ids = Array.from({ length: 512 }, (_, index) => streamOf(index))
    await Promise.all(ids.map((id) => client.get(open(id))))
    await failNext(refused)
    await Promise.all(ids.map((id) => client.ask(execute('select 1', id))))
    await clearFaults()
    const batch = { steps: [{ stmt: { sql: 'select 1' } }] }
    await Promise.all(
      ids
        .slice(0, 128)
        .map((id) => client.ask({ type: 'open_cursor', stream_id: id, cursor_id: -1 - id, batch })),
    )
    await evictDurableObject(object)
    expect(await client.ask(execute('select 1', streamOf(511)))).toMatchObject({
      error: { message: expect.stringMatching(/turned away/) },
    })
    expect(await client.ask({ type: 'fetch_cursor', cursor_id: 2 ** 31 - 1, max_count: 1 })).toMatchObject({
      error: { code: 'CURSOR_LOST' },
    })
    client.close()
  })

  test('a stream too many stays unopened until it is closed', async () => {
    const client = await greeted()
    for (let id = 0; id < 512; id++) await client.get(open(id))
    expect(await client.ask(open(1_000))).toMatchObject({ error: { code: 'TOO_MANY_STREAMS' } })
    // Clients show what is said of a request, and not what was said of its stream.
    expect(await client.ask(execute('select 1', 1_000))).toMatchObject({
      error: { code: 'TOO_MANY_STREAMS' },
    })
    await client.get(close(0))
    expect(await client.ask(execute('select 1', 1_000))).toMatchObject({ error: { code: 'STREAM_NOT_OPEN' } })
    await client.get(close(1_000))
    await client.get(open(1_000))
    expect(await valueOf(client, execute('select 1', 1_000))).toBe('1')
    client.close()
  })
})

describe('a stream that was turned away at the door', () => {
  test('takes nothing that was sent behind: it would run outside the transaction that it counts on', async () => {
    const client = await greeted()
    await client.get(open())
    await failNext({ kind: 'rate_limited', on: 'pipeline', retryAfter: 1 })
    const [begun, inserted] = await Promise.all([client.ask(execute('begin')), client.ask(insert('outside'))])
    expect(begun).toMatchObject({ type: 'response_error' })
    expect(inserted).toMatchObject({ error: { code: 'STREAM_NOT_OPEN' } })
    expect(await client.ask(insert('outside, later'))).toMatchObject({ error: { code: 'STREAM_NOT_OPEN' } })
    await client.get(close())
    await client.get(open())
    expect(await valueOf(client, execute('select 1'))).toBe('1')
    client.close()
    expect((await titles()).filter((title) => title.startsWith('outside'))).toEqual([])
  })

  test('also behind another hello, which its client may have said before it heard of that', async () => {
    const client = await greeted()
    await client.get(open())
    await failNext({
      kind: 'respond',
      on: 'pipeline',
      containing: 'begin',
      status: 401,
      body: '{"error":"old"}',
    })
    expect(await client.ask(execute('begin'))).toMatchObject({ error: { code: 'AUTH_REJECTED' } })
    client.send({ type: 'hello', jwt: acme.token.jwt })
    client.send(request(1, insert('outside, with another token')))
    expect(await client.next()).toEqual({ type: 'hello_ok' })
    expect(await client.next()).toMatchObject({ request_id: 1, error: { code: 'STREAM_NOT_OPEN' } })
    client.close()
    expect(await titles()).not.toContain('outside, with another token')
  })
})

describe('streams', () => {
  test('are apart from each other, and each in order', async () => {
    const client = await greeted()
    const answers: string[] = []
    const ask = async (name: string, wanted: object): Promise<void> => {
      await client.get(wanted)
      answers.push(name)
    }
    await Promise.all([client.get(open(1)), client.get(open(2))])
    await client.get(execute('begin immediate', 1))
    await Promise.all([
      // Waits for the write lock that the other one has.
      ask('second begins', execute('begin immediate', 2)),
      ask('second writes', insert('two', 2)),
      ask('second commits', execute('commit', 2)),
      ask('first writes', insert('one', 1)),
      ask('first commits', execute('commit', 1)),
    ])
    expect(answers).toEqual([
      'first writes',
      'first commits',
      'second begins',
      'second writes',
      'second commits',
    ])
    expect((await titles()).slice(-2)).toEqual(['one', 'two'])
    client.close()
  })

  test('that wait for the write lock do not keep its holder from committing', async () => {
    const client = await greeted()
    const ids = Array.from({ length: 20 }, (_, id) => id)
    await Promise.all(
      ids.map(async (id) => {
        await client.get(open(id))
        await client.get(execute('begin immediate', id))
        await client.get(insert(`writer ${id}`, id))
        await client.get(execute('commit', id))
        await client.get(close(id))
      }),
    )
    expect((await titles()).filter((title) => title.startsWith('writer'))).toHaveLength(20)
    expect(await streamsOfAcme()).toEqual([])
    client.close()
  })

  test('that begin to write in their transactions do not keep the first of them from committing', async () => {
    const client = await greeted()
    const ids = Array.from({ length: 9 }, (_, id) => id)
    for (const id of ids) {
      await client.get(open(id))
      await client.get(execute('begin', id))
    }
    await Promise.all(
      ids.map(async (id) => {
        await client.get(insert(`deferred ${id}`, id))
        await client.get(execute('commit', id))
        await client.get(close(id))
      }),
    )
    expect((await titles()).filter((title) => title.startsWith('deferred'))).toHaveLength(9)
    client.close()
  })

  test('are closed and rolled back with the socket, at once, and also while a request is under way', async () => {
    const client = await greeted()
    for (const id of [1, 2, 3]) await client.get(open(id))
    await client.get(execute('begin', 2))
    await client.get(execute('begin immediate', 1))
    await client.get(insert('never', 1))
    client.send(request(1, execute('begin immediate', 3)))
    client.close()
    await expect.poll(streamsOfAcme).toEqual([])
    expect(await titles()).not.toContain('never')
  })

  test('are rolled back when their client leaves while an answer is on its way, whose baton is needed for it', async () => {
    const client = await greeted()
    await client.get(open())
    await client.get(execute('begin immediate'))
    await requestsSeen()
    await failNext({ kind: 'slow_body', on: 'pipeline', containing: 'on its way', ms: 100, bytes: 64 })
    client.send(request(1, insert('on its way')))
    await expect.poll(requestsSeen).not.toEqual([])
    client.close()
    // Long before the limit of the database.
    await expect.poll(streamsOfAcme, { timeout: BEFORE_IDLE_MS }).toEqual([])
    expect(await titles()).not.toContain('on its way')
  })

  test('that are for one request cost one request upstream', async () => {
    const client = await greeted()
    await requestsSeen()
    client.send(request(1, open()))
    client.send(request(2, execute('select 1')))
    client.send(request(3, close()))
    client.send(request(4, open(2)))
    client.send(request(5, insert('in one', 2)))
    client.send(request(6, close(2)))
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => client.next()))
    expect(answers.every(({ type }) => type === 'response_ok')).toBe(true)
    expect(await requestsSeen()).toHaveLength(2)
    client.close()
  })

  test('take nothing that comes behind their close', async () => {
    const client = await greeted()
    await client.get(open())
    const answers = await Promise.all([
      client.ask(execute('select 1')),
      client.ask(close()),
      client.ask(execute('select 2')),
      client.ask(close()),
    ])
    expect(answers).toMatchObject([
      { type: 'response_ok' },
      { type: 'response_ok' },
      { error: { code: 'STREAM_NOT_OPEN' } },
      { type: 'response_ok' },
    ])
    await client.get(open())
    expect(await valueOf(client, execute('select 3'))).toBe('3')
    client.close()
  })

  test('a number can be used again once it is closed', async () => {
    const client = await greeted()
    await client.get(open())
    await client.get(execute('begin'))
    await client.get(close())
    await client.get(open())
    expect(await client.get({ type: 'get_autocommit', stream_id: 1 })).toMatchObject({ is_autocommit: true })
    client.close()
  })
})

test.each([
  ['without a code, as clients do', undefined, undefined, { code: 1005, reason: '' }],
  ['with a code and a reason', 4001, 'enough', { code: 4001, reason: 'enough' }],
])('a client that closes %s is answered likewise', async (_, code, reason, closed) => {
  const client = await greeted()
  client.close(code, reason)
  expect(await client.closed).toEqual(closed)
})

describe('what the end of a socket overtakes', () => {
  const keptBy = (object: DurableObjectStub<Socket>): Promise<unknown[]> =>
    runInDurableObject(object, async (_, state) => [
      ...(await state.storage.list()).keys(),
      await state.storage.getAlarm(),
    ])

  test('requests that wait for a connection are never sent', async () => {
    const holder = await greeted()
    await holder.get(open())
    await holder.get(execute('begin immediate'))
    const [client, object] = await objectOf(greeted)
    const ids = Array.from({ length: 8 }, (_, id) => id)
    await Promise.all(ids.map((id) => client.get(open(id))))
    await requestsSeen()
    // Five of them wait for the write lock, and three for one of the five.
    for (const id of ids) client.send(request(id, insert(`${id} of eight`, id)))
    const sent: string[] = []
    await expect.poll(async () => sent.push(...(await requestsSeen()))).toBe(5)
    client.close()
    await expect.poll(() => keptBy(object)).toEqual([null])
    await holder.get(execute('commit'))
    await holder.get(close())
    holder.close()
    await expect.poll(streamsOfAcme).toEqual([])
    const written = (await titles()).filter((title) => title.endsWith('of eight'))
    expect(written.filter((title) => /[567]/.test(title))).toEqual([])
  })

  test('a hello that the database accepts later leaves no token', async () => {
    const [client, object] = await objectOf(() => openSocket('socket-acme'))
    client.send({ type: 'hello', jwt: acme.token.jwt })
    client.close()
    await client.closed
    for (const next of [await greeted(), await greeted()]) next.close()
    expect(await keptBy(object)).toEqual([null])
  })

  test('a place among the sessions that comes later is given back', async () => {
    const tenant = await signUpNow({ id: 'socket-places' })
    const registry = env.TENANT_SESSIONS.getByName('socket-places')
    const [client, object] = await objectOf(() => greet(tenant.token.jwt, 'socket-places'))
    await client.get(open())
    let isHeld = false
    let mayAnswer = false
    const held = runInDurableObject(registry, (_, state) =>
      state.blockConcurrencyWhile(async () => {
        isHeld = true
        while (!mayAnswer) await scheduler.wait(1)
      }),
    )
    await expect.poll(() => isHeld).toBe(true)
    client.send(request(1, execute('begin immediate')))
    await expect
      .poll(async () => (await openStreams()).some(({ database }) => database === tenant.database.name))
      .toBe(true)
    client.close()
    await expect.poll(() => keptBy(object)).toEqual([null])
    mayAnswer = true
    await held
    const next = await greet(tenant.token.jwt, 'socket-places')
    await next.get(open())
    await next.get(execute('begin immediate'))
    await next.get(close())
    next.close()
    await expect.poll(() => registry.list('', 10)).toEqual([])
  })
})

describe('when the database', () => {
  test('restarts, a stream that holds nothing goes on, and a transaction is told that it is rolled back', async () => {
    const client = await greeted()
    await client.get(open(1))
    await client.get(open(2))
    await client.get(execute('select 1', 1))
    await client.get(execute('begin immediate', 2))
    await client.get(insert('restarted', 2))
    await failNext({ kind: 'restart', on: 'pipeline' })
    expect(await valueOf(client, execute('select 1', 1))).toBe('1')
    expect(await client.ask(execute('select 1', 2))).toMatchObject({
      error: { code: 'STREAM_EXPIRED', outcome: 'rolled_back' },
    })
    expect(await client.ask(insert('restarted', 2))).toMatchObject({ error: { code: 'STREAM_EXPIRED' } })
    expect(await titles()).not.toContain('restarted')
    client.close()
  })

  test('sends a stream to a host that is not its own, the token does not go there', async () => {
    const client = await greeted()
    await client.get(open())
    await failNext({
      kind: 'replace',
      on: 'pipeline',
      from: '"base_url":null',
      to: '"base_url":"https://evil.example/"',
    })
    await client.get(execute('begin')).catch(() => undefined)
    await client.ask(insert('elsewhere'))
    expect((await requestsSeen()).filter((line) => line.includes('evil'))).toEqual([])
    await client.get(close())
    client.close()
  })

  test('does not know the token any more, another hello brings one that it knows', async () => {
    const tenant = await signUpNow({ id: 'socket-rotated' })
    const admin = { authorization: 'Bearer admin-key', 'content-type': 'application/json' }
    const client = await greet(tenant.token.jwt, 'socket-rotated')
    await client.get(open())
    expect(
      (await call('/v1/tenants/socket-rotated/tokens', { method: 'DELETE', headers: admin })).status,
    ).toBeLessThan(300)
    expect(await client.ask(execute('select 1'))).toMatchObject({ error: { code: 'AUTH_REJECTED' } })
    const minted = await call('/v1/tenants/socket-rotated/tokens', {
      method: 'POST',
      headers: admin,
      body: '{}',
    })
    const { token } = await minted.json<{ token: { jwt: string } }>()
    client.send({ type: 'hello', jwt: token.jwt })
    expect(await client.next()).toEqual({ type: 'hello_ok' })
    await client.get(close())
    await client.get(open())
    expect(await valueOf(client, execute('select 1'))).toBe('1')
    client.close()
  })
})

describe('stored texts', () => {
  test('belong to the connection, whichever stream names them, and are gone when closed', async () => {
    const client = await greeted()
    await client.get({ type: 'store_sql', sql_id: -5, sql: 'select 7' })
    await client.get(open(1))
    await client.get(open(2))
    expect(await valueOf(client, executeStored(-5, 1))).toBe('7')
    expect(await valueOf(client, executeStored(-5, 2))).toBe('7')
    const batch = { steps: [{ stmt: { sql_id: -5 } }, { stmt: { sql: 'select 8' } }] }
    expect(await client.get({ type: 'batch', stream_id: 1, batch })).toMatchObject({
      result: { step_results: [{ rows: [[{ value: '7' }]] }, { rows: [[{ value: '8' }]] }] },
    })
    expect(await client.get({ type: 'describe', stream_id: 1, sql_id: -5 })).toMatchObject({
      result: { is_readonly: true },
    })
    expect(await client.get({ type: 'sequence', stream_id: 1, sql_id: -5 })).toEqual({ type: 'sequence' })
    // What was sent before keeps its text.
    const before = valueOf(client, executeStored(-5, 1))
    const closed = client.get({ type: 'close_sql', sql_id: -5 })
    expect([await before, await closed]).toEqual(['7', { type: 'close_sql' }])
    expect(await client.ask(executeStored(-5))).toMatchObject({ error: { code: 'SQL_NOT_STORED' } })
    client.close()
  })

  test('that are too long are refused alone', async () => {
    const client = await greeted()
    const sql = `select '${'x'.repeat(70_000)}'`
    expect(await client.ask({ type: 'store_sql', sql_id: 1, sql })).toMatchObject({
      error: { code: 'SQL_STORE_TOO_LARGE' },
    })
    await client.get({ type: 'store_sql', sql_id: 1, sql: 'select 1' })
    client.close()
  })
})

describe('a socket that hibernates', () => {
  test('goes on where it was: transaction, streams, stored texts and token', async () => {
    const [client, object] = await objectOf(greeted)
    await client.get({ type: 'store_sql', sql_id: 3, sql: 'select count(*) from notes' })
    await client.get(open(1))
    await client.get(open(2))
    await client.get(execute('begin immediate'))
    const before = Number(await valueOf(client, executeStored(3)))
    await evictDurableObject(object)
    await client.get(insert('hibernated'))
    await evictDurableObject(object)
    expect(await valueOf(client, executeStored(3))).toBe(String(before + 1))
    await evictDurableObject(object)
    expect(await valueOf(client, executeStored(3, 2))).toBe(String(before))
    await client.get(execute('commit'))
    await evictDurableObject(object)
    await client.get(close(1))
    await client.get(open(1))
    expect(await valueOf(client, executeStored(3))).toBe(String(before + 1))
    client.close()
    await expect.poll(streamsOfAcme).toEqual([])
  })

  test('says goodbye to its streams although it slept when the client left', async () => {
    const [client, object] = await objectOf(greeted)
    await client.get(open())
    await client.get(execute('begin immediate'))
    await client.get(insert('asleep'))
    await evictDurableObject(object)
    client.close()
    await expect.poll(streamsOfAcme).toEqual([])
    expect(await titles()).not.toContain('asleep')
    await vi.waitFor(async () => {
      const kept = await runInDurableObject(object, async (_, state) => [
        ...(await state.storage.list()).keys(),
      ])
      expect(kept).toEqual([])
    }, 20_000)
  })

  test('is forgotten when it was dropped without a word, as by a deploy', async () => {
    const [client, object] = await objectOf(greeted)
    await client.get({ type: 'store_sql', sql_id: 1, sql: 'select 1' })
    await evictDurableObject(object, { webSockets: 'close' })
    await client.closed
    expect(await runDurableObjectAlarm(object)).toBe(true)
    const kept = await runInDurableObject(object, async (_, state) => [
      ...(await state.storage.list()).keys(),
      await state.storage.getAlarm(),
    ])
    expect(kept).toEqual([null])
  })

  test('keeps no token and no text of a query that could be read', async () => {
    const [client, object] = await objectOf(greeted)
    await client.get(open())
    await client.get(execute('begin immediate'))
    const seen = await runInDurableObject(object, async (_, state) => {
      const attached = state.getWebSockets().map((socket) => socket.deserializeAttachment() as unknown)
      const stored = [...(await state.storage.list<unknown>()).entries()]
      return JSON.stringify([attached, stored], (_, value: unknown) =>
        value instanceof Uint8Array
          ? Array.from(value, (byte) => String.fromCharCode(byte)).join('')
          : value instanceof Map
            ? [...value]
            : value,
      )
    })
    expect(seen).toContain('"token"')
    expect(seen).not.toContain(acme.token.jwt.slice(0, 20))
    expect(seen).not.toContain(acme.token.jwt.split('.')[2]!)
    client.close()
  })

  test('ends when its token cannot be read any more', async () => {
    const [client, object] = await objectOf(greeted)
    await runInDurableObject(object, (_, state) => {
      const sealed = state.storage.kv.get<Uint8Array>('token')!
      sealed[20]! ^= 1
      state.storage.kv.put('token', sealed)
    })
    await evictDurableObject(object)
    client.send(request(1, open()))
    expect(await client.closed).toMatchObject({ code: 1012 })
  })

  test('ends when it is gone in the middle of a request, since nobody can tell what it did', async () => {
    const [client, object] = await objectOf(greeted)
    await client.get(open())
    await client.get(execute('begin immediate'))
    await runInDurableObject(object, (_, state) => {
      const [socket] = state.getWebSockets()
      socket!.serializeAttachment({ ...(socket!.deserializeAttachment() as object), isBusy: true })
    })
    await evictDurableObject(object)
    client.send(request(1, execute('commit')))
    expect(await client.closed).toMatchObject({ code: 1012, reason: /may have taken effect/ })
    await expect.poll(streamsOfAcme).toEqual([])
  })
})
