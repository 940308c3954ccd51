import { env } from 'cloudflare:workers'
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { TenantSessions } from '../../worker/index.ts'
import { clearFaults, holdNext, openStreams } from '../support/turso.ts'
import { behaviour } from './behaviour.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { putClockForward, resetClock } from './clock.ts'
import { greet } from './socket-client.ts'
import { alarmAfter, answerOf, close, execute, insert, refusalOf, sessionOf } from './gateway-client.ts'

const tenants = new Map<string, SignupAnswer>()

beforeAll(async () => {
  for (const id of ['limited', 'operated', 'drained', 'sockets-killed', 'sockets-drained'])
    tenants.set(id, await signUpNow({ id }))
})
beforeEach(clearFaults)
afterEach(resetClock)

function send(tenant: string, requests: object[], baton: string | null = null): Promise<Response> {
  return call(`/t/${tenant}/v3/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenants.get(tenant)!.token.jwt}` },
    body: JSON.stringify({ baton, requests }),
  })
}
async function sendCursor(tenant: string, sql: string): Promise<{ baton: string | null }> {
  const response = await call(`/t/${tenant}/v3/cursor`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenants.get(tenant)!.token.jwt}` },
    body: JSON.stringify({ baton: null, batch: { steps: [{ stmt: { sql } }] } }),
  })
  return JSON.parse((await response.text()).split('\n')[0]!) as { baton: string | null }
}
const begin = async (tenant: string, ...more: object[]): Promise<string> =>
  (await answerOf(send(tenant, [execute('begin'), ...more]))).baton!

const streamsOf = async (tenant: string): Promise<unknown[]> =>
  (await openStreams()).filter(({ database }) => database === tenants.get(tenant)!.database.name)

function operate(path: string, method = 'GET', body?: object): Promise<Response> {
  const headers = { authorization: 'Bearer admin-key', 'content-type': 'application/json' }
  return call(`/v1/sessions${path}`, {
    method,
    headers,
    body: body === undefined ? null : JSON.stringify(body),
  })
}

interface List {
  sessions: {
    id: string
    stream_id: string | null
    kind: string
    tenant: string
    status: string
    in_transaction: boolean
    rows: number
    bytes: number
    age_ms: number
    idle_ms: number
    location_hint: string | null
  }[]
  next_cursor: string | null
}
const list = async (query = ''): Promise<List> => await (await operate(query)).json()

const titles = async (tenant: string): Promise<string[]> => {
  const { results } = await answerOf(send(tenant, [execute('select title from notes order by id'), close]))
  return results[0]!.response!.result!.rows.map(([title]) => title!.value)
}

describe("a tenant's sessions", () => {
  test('are as many as it may have: one more is told when to come back, and nothing of it stays', async () => {
    const [one, two] = await Promise.all([begin('limited'), begin('limited')])
    const notBegun = [execute('pragma foreign_keys = off'), insert('not begun')]
    const steps = [{ stmt: { sql: 'BEGIN IMMEDIATE', want_rows: false } }]
    const byTheLibrary = [{ type: 'batch', batch: { steps } }, insert('begun by a batch')]
    for (const requests of [[execute('begin'), insert('begun')], byTheLibrary, notBegun]) {
      const response = await send('limited', requests)
      expect(response.headers.get('retry-after')).toBe('2')
      expect(await refusalOf(Promise.resolve(response))).toMatchObject({ status: 429, code: 'SESSION_LIMIT' })
    }
    await expect.poll(() => streamsOf('limited')).toHaveLength(2)
    expect(await titles('limited')).toEqual([])
    // What has ended by itself needs no place any more.
    await answerOf(send('limited', [execute('begin deferred'), execute('select 1'), execute('commit')]))
    await expect.poll(() => streamsOf('limited')).toHaveLength(2)
    // Another place is there as soon as one of them ends.
    await answerOf(send('limited', [close], one))
    await expect.poll(async () => (await send('limited', [execute('begin'), close])).status).toBe(200)
    const three = await begin('limited')
    await answerOf(send('limited', [close], two))
    await answerOf(send('limited', [close], three))
  })

  test('are no more by a BEGIN that fails, whose stream has no place', async () => {
    const [one, two] = await Promise.all([begin('limited'), begin('limited')])
    const { baton, results } = await answerOf(
      send('limited', [execute('begin nothing'), execute('select 1')]),
    )
    expect(results.map(({ type }) => type)).toEqual(['error', 'ok'])
    await expect.poll(() => streamsOf('limited')).toHaveLength(2)
    expect(await refusalOf(send('limited', [execute('begin')], baton))).toMatchObject({
      code: 'SESSION_LIMIT',
    })
    for (const other of [one, two, baton]) await answerOf(send('limited', [close], other))
  })

  test('are not called rolled back when a part of what they sent was committed', async () => {
    await answerOf(send('limited', [execute('create table only (v unique on conflict rollback)'), close]))
    await answerOf(send('limited', [execute('insert into only values (1)'), close]))
    const places = await Promise.all([begin('limited'), begin('limited')])
    // The second statement ends the transaction, the third is its own, and the last begins another.
    const twice = ['begin', 'insert into only values (1)', 'delete from only', '\nbegin'].map(execute)
    expect(await refusalOf(send('limited', twice))).not.toHaveProperty('outcome')
    const { results } = await answerOf(send('limited', [execute('select v from only'), close]))
    expect(results[0]!.response!.result!.rows).toHaveLength(1)
    for (const baton of places) await answerOf(send('limited', [close], baton))
  })

  test('count only as long as they hold a stream', async () => {
    const { baton: idle } = await answerOf(send('limited', [execute('select 1')]))
    await alarmAfter(9_000, idle!)
    const [one, two] = await Promise.all([begin('limited'), begin('limited')])
    // It wants a stream again, and has to wait for it with its baton.
    const refused = { status: 429, code: 'SESSION_LIMIT' }
    expect(await refusalOf(send('limited', [execute('begin')], idle))).toMatchObject(refused)
    await answerOf(send('limited', [close], one))
    const again = await answerOf(send('limited', [execute('begin')], idle))
    for (const baton of [two, again.baton]) await answerOf(send('limited', [close], baton))
  })

  test('that need no place run without one, and keep no stream: nobody is turned away for a plain statement', async () => {
    const [one, two] = await Promise.all([begin('limited'), begin('limited')])
    const plain = [execute("insert into notes (title) values ('plain')"), { type: 'get_autocommit' }]
    const { baton: parked } = await answerOf(send('limited', plain))
    const cursor = await sendCursor('limited', "insert into notes (title) values ('by cursor')")
    const batons = [parked, cursor.baton]
    await expect.poll(() => streamsOf('limited')).toHaveLength(2)
    expect(await titles('limited')).toEqual(['plain', 'by cursor'])
    // What was not kept is not made up.
    for (const baton of batons)
      expect(await refusalOf(send('limited', [execute('select changes()')], baton))).toMatchObject({
        code: 'STREAM_EXPIRED',
      })
    for (const baton of [one, two]) await answerOf(send('limited', [close], baton))
    await answerOf(send('limited', [execute('delete from notes'), close]))
  })

  test('that need no place leave half of them to transactions', async () => {
    const inserts = await Promise.all(
      Array.from({ length: 30 }, () => sendCursor('limited', 'insert into notes (title) values (1)')),
    )
    expect(inserts.filter(({ baton }) => baton !== null)).toHaveLength(30)
    await expect.poll(() => streamsOf('limited')).toHaveLength(1)
    const baton = await begin('limited')
    await answerOf(send('limited', [execute('delete from notes'), execute('commit'), close], baton))
    for (const { baton: left } of inserts) await answerOf(send('limited', [close], left))
    await expect.poll(() => streamsOf('limited')).toEqual([])
  })

  test('that end without a word take no place for long', async () => {
    const batons = await Promise.all([begin('limited'), begin('limited')])
    for (const baton of batons) await evictDurableObject(sessionOf(baton))
    expect(await refusalOf(send('limited', [execute('begin')]))).toMatchObject({ status: 429 })
    putClockForward(180_000)
    const baton = await begin('limited')
    await answerOf(send('limited', [close], baton))
  })
})

describe('operators', () => {
  test('list sessions, of one tenant or of all, page by page', async () => {
    const batons = [await begin('operated', insert('one')), await begin('operated'), await begin('drained')]
    const { sessions } = await list('?tenant=operated')
    expect(sessions.map(({ id }) => id).toSorted()).toEqual(
      batons
        .slice(0, 2)
        .map((baton) => sessionOf(baton).id.toString())
        .toSorted(),
    )
    const written = sessions.find(({ rows }) => rows > 0)
    expect(written).toMatchObject({
      tenant: 'operated',
      status: 'in_transaction',
      in_transaction: true,
      location_hint: 'weur',
    })
    expect(written!.bytes).toBeGreaterThan(100)
    const ids: string[] = []
    let cursor: string | null = ''
    for (let pages = 0; cursor !== null && pages < 20; pages++) {
      const page: List = await list(`?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`)
      ids.push(...page.sessions.map(({ id }) => id))
      cursor = page.next_cursor
    }
    expect(ids).toEqual(expect.arrayContaining(batons.map((baton) => sessionOf(baton).id.toString())))
    expect(new Set(ids).size).toBe(ids.length)
    for (const [index, baton] of batons.entries())
      await answerOf(send(index < 2 ? 'operated' : 'drained', [close], baton))
    const registry = env.TENANT_SESSIONS.getByName('operated')
    await expect.poll(() => registry.list('', 10)).toEqual([])
    // The list of all does not keep a tenant whose sessions have all ended.
    expect(await runDurableObjectAlarm(registry)).toBe(true)
    const { results } = await env.DIRECTORY.prepare('select tenant from live_tenants').all()
    expect(results).not.toContainEqual({ tenant: 'operated' })
  })

  test('see what a cursor over HTTP has sent and changed', async () => {
    const { baton } = await sendCursor(
      'operated',
      "insert into notes (title) values ('a'), ('b'), ('c') returning id",
    )
    await expect
      .poll(async () => (await list('?tenant=operated')).sessions)
      .toMatchObject([{ kind: 'http', status: 'idle', rows: 6 }])
    await answerOf(send('operated', [close], baton))
    await expect.poll(async () => (await list('?tenant=operated')).sessions).toEqual([])
  })

  test('kill a session: its transaction is rolled back, and its client is told', async () => {
    const baton = await begin('operated', insert('killed'))
    const id = sessionOf(baton).id.toString()
    expect((await operate(`/${id}`, 'DELETE')).status).toBe(200)
    await expect.poll(() => streamsOf('operated')).toEqual([])
    const killed = { status: 400, code: 'SESSION_KILLED', outcome: 'rolled_back' }
    expect(await refusalOf(send('operated', [execute('commit')], baton))).toMatchObject(killed)
    expect(await titles('operated')).not.toContain('killed')
    expect((await operate(`/${id}`, 'DELETE')).status).toBe(404)
    for (const none of ['nonsense', '0'.repeat(64)])
      expect((await operate(`/${none}`, 'DELETE')).status).toBe(404)
  })

  test('kill a session in the middle of a request: what that did is not known', async () => {
    const baton = await begin('operated')
    const hold = await holdNext('pipeline')
    const running = refusalOf(send('operated', [insert('in flight')], baton))
    await hold.reached()
    expect((await list('?tenant=operated')).sessions).toMatchObject([{ status: 'in_flight' }])
    expect((await operate(`/${sessionOf(baton).id.toString()}`, 'DELETE')).status).toBe(200)
    await hold.letGo()
    expect(await running).toMatchObject({ status: 400, code: 'SESSION_KILLED', outcome: 'unknown' })
  })

  test('drain a tenant: transactions may end, the others let go at once, and none begins', async () => {
    const busy = await begin('drained', insert('let through'))
    const late = await begin('drained')
    const { baton: idle } = await answerOf(send('drained', [execute('select 1')]))
    const drain = { tenant: 'drained', within_seconds: 5, for_seconds: 60 }
    const response = await operate('/drain', 'POST', drain)
    const body = (await response.json()) as { until: string }
    // Turso Cloud keeps no stream that holds nothing.
    const sessions = behaviour === 'cloud' ? 2 : 3
    expect([response.status, body]).toMatchObject([202, { tenant: 'drained', sessions }])
    await expect
      .poll(async () => {
        const audit = await call('/v1/audit?tenant=drained&action=drain_sessions', {
          headers: { authorization: 'Bearer admin-key' },
        })
        return ((await audit.json()) as { audit: object[] }).audit
      })
      .toMatchObject([{ actor: 'key:ops', outcome: 'accepted' }])
    await expect.poll(() => streamsOf('drained')).toHaveLength(2)
    const { until } = body
    const refused = { status: 503, code: 'SESSIONS_DRAINED', message: expect.stringContaining(until) }
    expect(await refusalOf(send('drained', [execute('begin')]))).toMatchObject(refused)
    expect(await refusalOf(send('drained', [execute('begin')], idle))).toMatchObject(refused)
    // It keeps no stream.
    const { baton: still } = await answerOf(send('drained', [execute('select 1')], idle))
    const committed = await answerOf(send('drained', [execute('commit')], busy))
    await expect.poll(() => streamsOf('drained')).toHaveLength(1)
    await alarmAfter(5_000, late)
    const killed = { code: 'SESSION_KILLED', outcome: 'rolled_back' }
    expect(await refusalOf(send('drained', [execute('commit')], late))).toMatchObject(killed)
    expect(await titles('drained')).toEqual(['let through'])
    // Over, and both go on.
    expect((await operate('/drain', 'POST', { ...drain, for_seconds: 0 })).status).toBe(202)
    for (const baton of [committed.baton, still]) {
      const next = await answerOf(send('drained', [execute('begin')], baton))
      await answerOf(send('drained', [close], next.baton))
    }
  })

  test('are those with a key of the scope admin, who ask for what there is', async () => {
    for (const [path, method] of [
      ['', 'GET'],
      ['/drain', 'POST'],
      [`/${'0'.repeat(64)}`, 'DELETE'],
    ] as const) {
      const headers = { authorization: 'Bearer signup-key' }
      expect((await call(`/v1/sessions${path}`, { method, headers })).status).toBe(403)
    }
    expect((await operate('?tenant=a/b')).status).toBe(400)
    expect((await operate('/drain', 'POST', { tenant: 'drained', within_seconds: -1 })).status).toBe(400)
    expect((await operate('', 'POST')).status).toBe(405)
  })
})

describe('who counts the sessions of a tenant', () => {
  const registry = (): DurableObjectStub<TenantSessions> => env.TENANT_SESSIONS.getByName('nobody-counted')
  const request = { id: 'f'.repeat(64), kind: 'http', hint: null } as const

  test('keeps to a drain that begins while it forgets a tenant without any', async () => {
    const until = Date.now() + 300_000
    const answers = await runInDurableObject(registry(), async (instance) => {
      const forgetting = instance.alarm()
      await instance.drain(until, until)
      await forgetting
      return instance.admit(request, false)
    })
    expect(answers).toEqual({ kind: 'draining', until })
    putClockForward(300_000)
    expect(await runDurableObjectAlarm(registry())).toBe(true)
    expect(await runInDurableObject(registry(), (_, { storage }) => [...storage.kv.list()])).toEqual([])
  })
})

describe('operators of WebSockets', () => {
  const on = (stream_id: number, sql: string): object => ({ ...execute(sql), stream_id })
  const open = (stream_id: number): object => ({ type: 'open_stream', stream_id })
  const connect = (tenant: string): ReturnType<typeof greet> => greet(tenants.get(tenant)!.token.jwt, tenant)

  test('list their streams and kill the socket: everything on it is rolled back, and its client is told', async () => {
    const client = await connect('sockets-killed')
    for (const id of [1, 2]) await client.get(open(id))
    await client.get(on(1, 'begin'))
    await client.get(on(1, "insert into notes (title) values ('killed')"))
    await client.get(on(2, 'pragma foreign_keys = on'))
    putClockForward(3_000)
    const { sessions } = await list('?tenant=sockets-killed')
    const [written, read, ...others] = sessions.toSorted((a, b) => Number(a.stream_id) - Number(b.stream_id))
    expect([written?.stream_id, read?.stream_id, others]).toEqual(['1', '2', []])
    expect(written).toMatchObject({
      kind: 'websocket',
      tenant: 'sockets-killed',
      status: 'in_transaction',
      in_transaction: true,
      location_hint: 'weur',
      requests: 2,
    })
    expect(written!.rows).toBeGreaterThan(0)
    expect(written!.bytes).toBeGreaterThan(100)
    expect(written!.idle_ms).toBeGreaterThanOrEqual(3_000)
    expect(written!.age_ms).toBeGreaterThanOrEqual(written!.idle_ms)
    expect(read).toMatchObject({ id: written!.id, status: 'idle', in_transaction: false })
    expect((await operate(`/${written!.id}`, 'DELETE')).status).toBe(200)
    const reason =
      'SESSION_KILLED: closed by an operator. Open transactions are rolled back, a request under way may have taken effect'
    expect(await client.closed).toMatchObject({ code: 1001, reason })
    await expect.poll(() => streamsOf('sockets-killed')).toEqual([])
    expect(await titles('sockets-killed')).toEqual([])
    await expect.poll(async () => (await list('?tenant=sockets-killed')).sessions).toEqual([])
    expect((await operate(`/${written!.id}`, 'DELETE')).status).toBe(404)
  })

  test("count a cursor's rows and bytes while they pass", async () => {
    const client = await connect('sockets-killed')
    await client.get(open(1))
    await client.get(on(1, 'begin'))
    const view = async (): Promise<List['sessions'][number]> =>
      (await list('?tenant=sockets-killed')).sessions[0]!
    const before = await view()
    const sql = `with recursive c(n) as (select 1 union all select n + 1 from c where n < 20000)
      select n, printf('%200d', 1) from c`
    const batch = {
      steps: [{ stmt: { sql } }, { stmt: { sql: 'insert into notes (title) values (1), (2)' } }],
    }
    await client.get({ type: 'open_cursor', stream_id: 1, cursor_id: 1, batch })
    const fetchSome = async (max_count: number): Promise<boolean> =>
      (await client.get({ type: 'fetch_cursor', cursor_id: 1, max_count }))['done'] === true
    await fetchSome(100)
    // Not all of it fits into what is on its way.
    await expect.poll(async () => (await view()).rows - before.rows).toBeGreaterThanOrEqual(100)
    const passing = await view()
    expect(passing).toMatchObject({ status: 'in_flight' })
    expect(passing.rows - before.rows).toBeLessThan(20_000)
    expect(passing.bytes - before.bytes).toBeGreaterThan(20_000)
    while (!(await fetchSome(10_000)));
    await client.get({ type: 'close_cursor', cursor_id: 1 })
    await expect.poll(async () => (await view()).status).toBe('in_transaction')
    const after = await view()
    expect(after.rows - before.rows).toBe(20_002)
    expect(after.bytes - before.bytes).toBeGreaterThan(20_000 * 200)
    client.close()
    await expect.poll(() => streamsOf('sockets-killed')).toEqual([])
  })

  test('drain them: a transaction may end within its time, and no other begins', async () => {
    const client = await connect('sockets-drained')
    for (const id of [1, 2, 3, 4]) await client.get(open(id))
    // Deferred: the second waits for no lock.
    await client.get(on(1, 'begin'))
    await client.get(on(1, "insert into notes (title) values ('let through')"))
    await client.get(on(2, 'begin'))
    await client.get(on(2, 'select 1'))
    await client.get(on(3, 'select 1'))
    const drain = { tenant: 'sockets-drained', within_seconds: 5, for_seconds: 60 }
    expect((await operate('/drain', 'POST', drain)).status).toBe(202)
    await expect.poll(() => streamsOf('sockets-drained')).toHaveLength(2)
    for (const id of [3, 4])
      expect(await client.ask(on(id, 'begin'))).toMatchObject({ error: { code: 'SESSIONS_DRAINED' } })
    await client.get(on(1, 'commit'))
    await expect.poll(() => streamsOf('sockets-drained')).toHaveLength(1)
    const late = (await list('?tenant=sockets-drained')).sessions.find(({ stream_id }) => stream_id === '2')!
    expect(late).toMatchObject({ status: 'draining', in_transaction: true })
    putClockForward(5_000)
    expect(await runDurableObjectAlarm(env.SOCKETS.get(env.SOCKETS.idFromString(late.id)))).toBe(true)
    const killed = { code: 'SESSION_KILLED', outcome: 'rolled_back' }
    expect(await client.ask(on(2, 'commit'))).toMatchObject({ error: killed })
    expect(await titles('sockets-drained')).toEqual(['let through'])
    // Over: a stream that was let go of goes on.
    expect((await operate('/drain', 'POST', { ...drain, for_seconds: 0 })).status).toBe(202)
    await client.get(on(1, 'select 1'))
    client.close()
  })
})
