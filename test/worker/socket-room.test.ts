/** What is large on all WebSockets of an isolate together: some of it, and the rest is refused without harm. */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { clearFaults, holdNext, type Hold } from '../support/turso.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { greet, openSocket, type ServerMessage, type SocketClient } from './socket-client.ts'

let tenant: SignupAnswer

beforeAll(async () => {
  tenant = await signUpNow({ id: 'socket-room' })
})
beforeEach(clearFaults)

const clients: SocketClient[] = []
const greeted = async (): Promise<SocketClient> => {
  const client = await greet(tenant.token.jwt, 'socket-room')
  clients.push(client)
  return client
}
afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})

const open = (stream_id = 1): object => ({ type: 'open_stream', stream_id })
const close = (stream_id = 1): object => ({ type: 'close_stream', stream_id })
const execute = (sql: string, stream_id = 1, ...args: string[]): object => ({
  type: 'execute',
  stream_id,
  stmt: { sql, args: args.map((value) => ({ type: 'text', value })) },
})
/** A message with two of them fills half of the room. */
const TEXT = 'x'.repeat(4_000_000)
const large = (stream_id = 1): object => execute('select length(?), length(?)', stream_id, TEXT, TEXT)
const insert = (title: string, stream_id = 1): object =>
  execute('insert into notes (title) values (?)', stream_id, title)

const OVERLOADED = {
  type: 'response_error',
  error: {
    code: 'OVERLOADED',
    message: 'Too many large requests are on their way. This one did not run.',
  },
}
const DONE = { type: 'response_ok' }

async function titles(): Promise<string[]> {
  const requests = [
    { type: 'execute', stmt: { sql: 'select title from notes order by id' } },
    { type: 'close' },
  ]
  const response = await call('/t/socket-room/v3/pipeline', {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.token.jwt}` },
    body: JSON.stringify({ baton: null, requests }),
  })
  const { results } = await response.json<{
    results: [{ response: { result: { rows: { value: string }[][] } } }]
  }>()
  return results[0].response.result.rows.map(([title]) => title!.value)
}

interface Crowd {
  client: SocketClient
  /** Has the database answer what it keeps waiting, and what waits behind. */
  letGo: () => Promise<ServerMessage[]>
}

/** Fills the room: with what waits on a stream behind a request that the database does not answer. */
async function crowd(): Promise<Crowd> {
  const client = await greeted()
  await client.get(open())
  const hold = await holdNext('pipeline')
  const asked = [client.ask(execute('select 1')), client.ask(large()), client.ask(large())]
  // It may be closed before.
  const answers = Promise.all(asked).catch(() => [])
  await hold.reached()
  return {
    client,
    async letGo() {
      await hold.letGo()
      return await answers
    },
  }
}

describe('when there is no room for a large message', () => {
  test('it is refused on a stream in a transaction, which goes on', async () => {
    const client = await greeted()
    await client.get(open())
    await client.get(execute('begin'))
    const { letGo } = await crowd()
    expect(await client.ask(large())).toMatchObject(OVERLOADED)
    expect(await client.ask(insert('in the transaction'))).toMatchObject(DONE)
    expect(await client.ask(large())).toMatchObject(OVERLOADED)
    expect(await client.ask(execute('commit'))).toMatchObject(DONE)
    expect(await titles()).toContain('in the transaction')
    expect((await letGo()).map(({ type }) => type)).toEqual(['response_ok', 'response_ok', 'response_ok'])
    expect(await client.ask(large())).toMatchObject(DONE)
  })

  test('what is sent behind it on a stream without a transaction does not run, as it may count on a BEGIN', async () => {
    const client = await greeted()
    await client.get(open())
    const { letGo } = await crowd()
    const asked = [large(), insert('behind'), insert('elsewhere', 2)]
    client.send({ type: 'request', request_id: 2, request: open(2) })
    const [refused, behind, elsewhere] = await Promise.all(asked.map((request) => client.ask(request)))
    expect(refused).toMatchObject(OVERLOADED)
    expect(behind).toMatchObject({ error: { code: 'STREAM_NOT_OPEN' } })
    expect(elsewhere).toMatchObject(DONE)
    await client.get(close())
    await client.get(open())
    expect(await client.ask(insert('on the next stream'))).toMatchObject(DONE)
    await letGo()
    expect(await titles()).not.toContain('behind')
  })

  test('it is answered in its turn, behind what was sent before it, and has no say in that', async () => {
    const client = await greeted()
    await client.get(open())
    const { letGo } = await crowd()
    const asked = [execute('begin'), insert('before'), large(), execute('commit')]
    const answers = await Promise.all(asked.map((request) => client.ask(request)))
    expect(answers).toMatchObject([DONE, DONE, OVERLOADED, DONE])
    expect(await titles()).toContain('before')
    await letGo()
  })

  test('members may come in any order, and a cursor that would have been opened by it says why it was not', async () => {
    const client = await greeted()
    await client.get(open())
    const { letGo } = await crowd()
    const batch = `{"steps":[{"stmt":{"sql":"select '${TEXT}'"}}]}`
    client.send(
      `{"request":{"batch":${batch},"cursor_id":5,"stream_id":1,"type":"open_cursor"},"request_id":77,"type":"request"}`,
    )
    expect(await client.next()).toMatchObject({ request_id: 77, ...OVERLOADED })
    expect(await client.ask({ type: 'fetch_cursor', cursor_id: 5, max_count: 1 })).toMatchObject(OVERLOADED)
    expect(await client.ask({ type: 'store_sql', sql_id: 1, sql: TEXT })).toMatchObject(OVERLOADED)
    await letGo()
  })

  test('a short one is refused too, if it is long with the stored texts that it names', async () => {
    const client = await greeted()
    await client.get(open())
    await client.get({ type: 'store_sql', sql_id: 1, sql: `select '${'x'.repeat(60_000)}'` })
    const { letGo } = await crowd()
    const batch = { steps: Array(100).fill({ stmt: { sql_id: 1 } }) }
    expect(await client.ask({ type: 'batch', stream_id: 1, batch })).toMatchObject(OVERLOADED)
    await client.get(close())
    await client.get(open())
    expect(await client.ask({ type: 'execute', stream_id: 1, stmt: { sql_id: 1 } })).toMatchObject(DONE)
    await letGo()
  })

  test('it is refused behind another hello as well, and the stream in a transaction goes on', async () => {
    const client = await greeted()
    await client.get(open())
    await client.get(execute('begin'))
    const { letGo } = await crowd()
    client.send({ type: 'hello', jwt: tenant.token.jwt })
    const asked = [large(), insert('behind another hello'), execute('commit')]
    const answers = await Promise.all(asked.map((request) => client.ask(request)))
    expect(answers).toMatchObject([OVERLOADED, DONE, DONE])
    await letGo()
  })
})

describe('there is room again', () => {
  test('when the socket that had it is closed by its client, though the database has not answered', async () => {
    const { client: other, letGo } = await crowd()
    const client = await greeted()
    await client.get(open())
    expect(await client.ask(large())).toMatchObject(OVERLOADED)
    await client.get(close())
    await client.get(open())
    other.close()
    await other.closed
    expect(await client.ask(large())).toMatchObject(DONE)
    await letGo()
  })

  test('when it is closed for what it sent', async () => {
    const { client: other, letGo } = await crowd()
    const client = await greeted()
    await client.get(open())
    other.send('{')
    expect(await other.closed).toMatchObject({ code: 1007 })
    expect(await client.ask(large())).toMatchObject(DONE)
    await letGo()
  })

  test('after any number of large messages that are refused for what is in them', async () => {
    const client = await greeted()
    await client.get(open())
    for (const wrong of [
      execute('select ?, ?', 9, TEXT, TEXT),
      { type: 'vacuum', text: TEXT },
      { type: 'store_sql', sql_id: 1, sql: TEXT },
      { type: 'execute', stream_id: 1, stmt: { sql: 'select ?', args: [{ type: 'date', text: TEXT }] } },
      { type: 'open_cursor', stream_id: 9, cursor_id: 1, batch: { steps: [{ stmt: { sql: TEXT } }] } },
    ])
      for (let n = 0; n < 3; n++) {
        const { error } = await client.ask(wrong)
        expect(error!.code).not.toBe('OVERLOADED')
        await client.get({ type: 'close_cursor', cursor_id: 1 })
      }
    expect(await client.ask(large())).toMatchObject(DONE)
  })
})

describe('a stranger, whose hello the database has not answered,', () => {
  test('is cut off when there is no room for what comes behind, and takes none from those who were let in', async () => {
    const strangers = await Promise.all([openSocket('socket-room'), openSocket('socket-room')])
    const client = await greeted()
    await client.get(open())
    const hold = await holdNext('pipeline')
    const [first, second] = strangers
    first!.send({ type: 'hello', jwt: tenant.token.jwt })
    await hold.reached()
    first!.send({ type: 'request', request_id: 1, request: open() })
    first!.send({ type: 'request', request_id: 2, request: large() })
    second!.send({ type: 'hello', jwt: 'made.up.token' })
    second!.send({ type: 'request', request_id: 1, request: large() })
    expect(await second!.closed).toEqual({
      code: 1013,
      reason: 'Too much is on its way at once. What this connection has sent last did not run',
    })
    expect(await client.ask(large())).toMatchObject(DONE)
    await hold.letGo()
    expect(await first!.next()).toEqual({ type: 'hello_ok' })
    expect(await first!.next()).toMatchObject({ request_id: 1, ...DONE })
    expect(await first!.next()).toMatchObject({ request_id: 2, ...DONE })
    first!.close()
  })

  test('leaves none of it when it goes', async () => {
    const sendLarge = async (): Promise<[SocketClient, Hold]> => {
      const stranger = await openSocket('socket-room')
      const hold = await holdNext('pipeline')
      stranger.send({ type: 'hello', jwt: tenant.token.jwt })
      await hold.reached()
      stranger.send({ type: 'request', request_id: 1, request: large() })
      return [stranger, hold]
    }
    for (let n = 0; n < 3; n++) {
      const [gone, hold] = await sendLarge()
      gone.close()
      await gone.closed
      await hold.letGo()
    }
    const [stranger, hold] = await sendLarge()
    await hold.letGo()
    expect(await stranger.next()).toEqual({ type: 'hello_ok' })
    expect(await stranger.next()).toMatchObject({ error: { code: 'STREAM_NOT_OPEN' } })
    stranger.close()
  })
})
