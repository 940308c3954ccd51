import { env } from 'cloudflare:workers'
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect, isTursoError } from '../../src/index.ts'
import { TenantSessions } from '../../worker/objects/tenant-sessions.ts'
import { accessBegun, accessEnded, OPEN } from '../../worker/saga/access.ts'
import { advance, decide } from '../../worker/saga/machine.ts'
import { CONFIRMATIONS } from '../../worker/saga/policy.ts'
import type { Effect } from '../../worker/saga/state.ts'
import { beginSignup, remove, type TenantRecord } from '../../worker/record/tenant.ts'
import { clearFaults, failNext, holdNext, requestsSeen } from '../support/turso.ts'
import { putClockForward, resetClock } from './clock.ts'
import { call, signUp, signUpNow, type SignupAnswer } from './client.ts'
import { greet } from './socket-client.ts'

beforeEach(clearFaults)
afterEach(clearFaults)
afterEach(resetClock)
afterEach(() => void vi.restoreAllMocks())

const admin = { authorization: 'Bearer admin-key' }

const patch = (id: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  call(`/v1/tenants/${id}`, {
    method: 'PATCH',
    headers: { ...admin, 'content-type': 'application/merge-patch+json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

interface TenantAnswer {
  tenant: {
    status: string
    name: string | null
    metadata: unknown
    suspension?: { since: string; reason: string | null; is_database_blocked: boolean }
  }
  timeline: { step: string; outcome: string }[]
}

const read = async (id: string): Promise<TenantAnswer> =>
  await (await call(`/v1/tenants/${id}`, { headers: admin })).json()

/** Whether Turso answers the database's own token, at its own address. */
async function isOpen({ database, token }: SignupAnswer): Promise<boolean> {
  try {
    await connect({ url: database.http_url, authToken: token.jwt }).execute('select count(*) from notes')
    return true
  } catch (error) {
    if (isTursoError(error, 'sql_error') && error.sqlCode === 'BLOCKED') return false
    throw error
  }
}

const throughGateway = ({ database, token }: SignupAnswer): Promise<Response> =>
  call(`${new URL(database.gateway_url).pathname}v3/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token.jwt}` },
    body: '{"requests":[{"type":"execute","stmt":{"sql":"select 1"}},{"type":"close"}]}',
  })

const stored = (id: string): Promise<TenantRecord> =>
  runInDurableObject(env.TENANTS.getByName(id), (_, { storage }) => storage.kv.get<TenantRecord>('tenant')!)

/** What waits is due, as if its time had come. */
const makeDue = (id: string): Promise<void> =>
  runInDurableObject(env.TENANTS.getByName(id), (_, { storage }) => {
    const record = storage.kv.get<TenantRecord>('tenant')!
    storage.kv.put('tenant', { ...record, retryAt: null, access: { ...record.access, retryAt: null } })
  })

async function runAlarm(id: string): Promise<void> {
  await makeDue(id)
  await runDurableObjectAlarm(env.TENANTS.getByName(id))
}

describe('a suspended tenant', () => {
  test('is closed at Turso and in the gateway, gets no token, and is as before when it is resumed', async () => {
    const signup = await signUpNow({ id: 'suspended' })
    const response = await patch('suspended', { suspended: true, reason: 'unpaid' })
    expect([response.status, await response.json()]).toMatchObject([
      200,
      {
        tenant: {
          status: 'suspended',
          suspension: {
            since: expect.stringMatching(/^\d{4}-.*Z$/),
            reason: 'unpaid',
            is_database_blocked: true,
          },
        },
        database: signup.database,
      },
    ])
    expect(await isOpen(signup)).toBe(false)
    const refused = await throughGateway(signup)
    expect([refused.status, await refused.json()]).toMatchObject([403, { code: 'TENANT_SUSPENDED' }])
    expect(await (await signUp({ id: 'suspended' })).json()).toMatchObject({ code: 'tenant_suspended' })

    const resumed = await patch('suspended', { suspended: false })
    const { tenant } = (await resumed.json()) as TenantAnswer
    expect([resumed.status, tenant.status, tenant.suspension]).toEqual([200, 'active', undefined])
    expect(await isOpen(signup)).toBe(true)
    expect((await throughGateway(signup)).status).toBe(200)
    expect((await read('suspended')).timeline.map(({ step }) => step).slice(-2)).toEqual([
      'block_database',
      'unblock_database',
    ])
  })

  test('has no session left: a transaction that was open is rolled back', async () => {
    const signup = await signUpNow({ id: 'in-session' })
    const pipeline = (baton: string | null, sql: string): Promise<Response> =>
      call(`${new URL(signup.database.gateway_url).pathname}v3/pipeline`, {
        method: 'POST',
        headers: { authorization: `Bearer ${signup.token.jwt}` },
        body: JSON.stringify({
          baton,
          requests: ['begin', sql].map((text) => ({ type: 'execute', stmt: { sql: text } })),
        }),
      })
    expect((await pipeline(null, "insert into notes (title) values ('never')")).status).toBe(200)
    const sessions = async (): Promise<number> => {
      const response = await call('/v1/sessions?tenant=in-session', { headers: admin })
      return ((await response.json()) as { sessions: unknown[] }).sessions.length
    }
    await expect.poll(sessions).toBe(1)
    expect((await patch('in-session', { suspended: true })).status).toBe(200)
    await expect.poll(sessions).toBe(0)
    await patch('in-session', { suspended: false })
    const db = connect({ url: signup.database.http_url, authToken: signup.token.jwt })
    expect((await db.execute('select title from notes')).rows).toEqual([])
    // Others may begin at once.
    expect((await pipeline(null, 'select 1')).status).toBe(200)
  })

  test('that an operator drains stays drained when it is resumed', async () => {
    const signup = await signUpNow({ id: 'drained-and-resumed' })
    const body = JSON.stringify({ tenant: 'drained-and-resumed', for_seconds: 3_600 })
    const drained = await call('/v1/sessions/drain', { method: 'POST', headers: admin, body })
    expect(drained.status).toBe(202)
    for (const suspended of [true, false])
      expect((await patch('drained-and-resumed', { suspended })).status).toBe(200)
    const begun = await call(`${new URL(signup.database.gateway_url).pathname}v3/pipeline`, {
      method: 'POST',
      headers: { authorization: `Bearer ${signup.token.jwt}` },
      body: '{"requests":[{"type":"execute","stmt":{"sql":"begin"}}]}',
    })
    expect([begun.status, await begun.json()]).toMatchObject([503, { code: 'SESSIONS_DRAINED' }])
  })

  test('whose sessions do not answer is closed all the same, and they are told again', async () => {
    const signup = await signUpNow({ id: 'sessions-hang' })
    const drain = vi.spyOn(TenantSessions.prototype, 'drain')
    drain.mockImplementationOnce(() => new Promise(() => {}))
    const response = await patch('sessions-hang', { suspended: true })
    expect([response.status, await response.json()]).toMatchObject([202, { tenant: { status: 'suspended' } }])
    expect(await isOpen(signup)).toBe(false)
    expect(drain).toHaveBeenCalledTimes(2)
    // Nobody waits for the call that was given up.
    for (let count = 0; count < CONFIRMATIONS; count++) await runAlarm('sessions-hang')
    expect((await read('sessions-hang')).tenant.suspension).toMatchObject({ is_database_blocked: true })
    expect((await stored('sessions-hang')).access.mayChange).toBe(false)
  })

  test('that is deleted while its sessions do not answer is deleted in time', async () => {
    await signUpNow({ id: 'deleted-hanging' })
    vi.spyOn(TenantSessions.prototype, 'drain').mockImplementation(() => new Promise(() => {}))
    const response = await call('/v1/tenants/deleted-hanging', { method: 'DELETE', headers: admin })
    expect(response.status).toBe(202)
  })

  test.each([
    ['suspended', (id: string) => patch(id, { suspended: true }), 'TENANT_SUSPENDED'],
    [
      'deleted',
      (id: string) => call(`/v1/tenants/${id}`, { method: 'DELETE', headers: admin }),
      'TENANT_NOT_FOUND',
    ],
  ])(
    'that is %s loses its WebSockets too, within a minute, also those on which nothing is open',
    async (what, end, code) => {
      const id = `socket-${what}`
      const { token } = await signUpNow({ id })
      const client = await greet(token.jwt, id)
      await client.get({ type: 'open_stream', stream_id: 1 })
      await client.get({ type: 'close_stream', stream_id: 1 })
      expect((await end(id)).status).toBeLessThan(300)
      putClockForward(60_000)
      client.send({ type: 'request', request_id: 1, request: { type: 'open_stream', stream_id: 2 } })
      expect(await client.closed).toEqual({ code: 1008, reason: expect.stringMatching(`^${code}`) })
    },
  )

  test('is refused by the gateway while Turso does not answer, and closed there by an alarm', async () => {
    const signup = await signUpNow({ id: 'unreachable' })
    await failNext({
      kind: 'respond',
      on: 'databases.configuration',
      status: 503,
      headers: { 'retry-after': '60' },
    })
    const response = await patch('unreachable', { suspended: true })
    expect([response.status, await response.json()]).toMatchObject([
      202,
      { tenant: { status: 'suspended', suspension: { reason: null, is_database_blocked: false } } },
    ])
    expect((await throughGateway(signup)).status).toBe(403)
    expect(await isOpen(signup)).toBe(true)
    await runAlarm('unreachable')
    expect(await isOpen(signup)).toBe(false)
  })

  test('whose answer from Turso was lost is told again until nothing can come in between', async () => {
    const signup = await signUpNow({ id: 'lost-answer' })
    await failNext({ kind: 'respond', on: 'databases.configuration', status: 504, effect: true })
    expect((await patch('lost-answer', { suspended: true })).status).toBe(202)
    expect(await isOpen(signup)).toBe(false)
    // The answer to the second was there; three more follow it.
    for (const pending of [true, true, false]) {
      await runAlarm('lost-answer')
      expect((await stored('lost-answer')).access.mayChange).toBe(pending)
    }
    await requestsSeen()
    await runDurableObjectAlarm(env.TENANTS.getByName('lost-answer'))
    expect(await requestsSeen()).toEqual([])
  })

  test('whose object is gone in the middle is closed by the alarm', async () => {
    const signup = await signUpNow({ id: 'gone' })
    const hold = await holdNext('databases.configuration')
    const answer = patch('gone', { suspended: true })
    await hold.reached()
    expect((await stored('gone')).inFlight?.effect).toBe('block_database')
    await abortAllDurableObjects()
    expect((await answer).status).toBeGreaterThanOrEqual(500)
    expect((await throughGateway(signup)).status).toBe(403)
    await runAlarm('gone')
    expect(await isOpen(signup)).toBe(false)
    expect((await read('gone')).timeline.map(({ outcome }) => outcome)).toContain('interrupted')
  })

  test('that is resumed while Turso still works at it ends open: the last word counts', async () => {
    const signup = await signUpNow({ id: 'raced' })
    const hold = await holdNext('databases.configuration')
    const suspended = patch('raced', { suspended: true })
    await hold.reached()
    expect((await stored('raced')).inFlight?.effect).toBe('block_database')
    // The call that closes it arrives after the one that opens it.
    const resumed = await patch('raced', { suspended: false })
    expect((await resumed.json()) as TenantAnswer).toMatchObject({ tenant: { status: 'active' } })
    expect(resumed.status).toBe(202)
    await hold.letGo()
    await suspended
    expect(await isOpen(signup)).toBe(false)
    for (let count = 0; count < 3; count++) await runAlarm('raced')
    expect(await isOpen(signup)).toBe(true)
    expect((await stored('raced')).access).toMatchObject({ isBlocked: false, mayChange: false })
  })

  test('in the middle of its signup gets its database and its schema, and no token', async () => {
    const hold = await holdNext('databases.createToken')
    const answer = signUp({ id: 'midway' })
    await hold.reached()
    expect((await stored('midway')).inFlight?.effect).toBe('create_token')
    expect((await patch('midway', { suspended: true })).status).toBe(202)
    await hold.letGo()
    expect(await (await answer).json()).not.toHaveProperty('token')
    await expect.poll(async () => (await read('midway')).tenant.suspension?.is_database_blocked).toBe(true)
    const { tenant } = await read('midway')
    expect(tenant).toMatchObject({ status: 'suspended', schema_version: 1 })
    expect((await signUp({ id: 'midway' })).status).toBe(409)
    expect((await patch('midway', { suspended: false })).status).toBe(200)
    // Nobody has been given a token yet.
    expect(await isOpen(await signUpNow({ id: 'midway' }))).toBe(true)
  })

  test('stays suspended when it is deleted and restored, and can be resumed in between', async () => {
    const signup = await signUpNow({ id: 'restored' })
    await patch('restored', { suspended: true })
    const remove = () => call('/v1/tenants/restored', { method: 'DELETE', headers: admin })
    const restore = () => call('/v1/tenants/restored/restore', { method: 'POST', headers: admin })
    expect((await remove()).status).toBe(202)
    expect(await (await restore()).json()).toMatchObject({ tenant: { status: 'suspended' } })
    expect(await isOpen(signup)).toBe(false)
    await remove()
    expect(await (await patch('restored', { suspended: false })).json()).toMatchObject({
      tenant: { status: 'deleting' },
    })
    expect(await (await restore()).json()).toMatchObject({ tenant: { status: 'active' } })
    expect(await isOpen(signup)).toBe(true)
  })

  test('whose signup had failed stays suspended when an operator tries it again', async () => {
    await failNext({ kind: 'respond', on: 'databases.create', status: 403, body: '{"error":"no more"}' })
    expect((await signUp({ id: 'failed' })).status).toBe(502)
    expect((await patch('failed', { suspended: true })).status).toBe(200)
    expect((await signUp({ id: 'failed' })).status).toBe(409)
    await call('/v1/tenants/failed/retry', { method: 'POST', headers: admin })
    expect((await read('failed')).tenant).toMatchObject({
      status: 'suspended',
      suspension: { is_database_blocked: true },
    })
  })

  test('is asked again at once when its operator insists', async () => {
    const signup = await signUpNow({ id: 'insisted' })
    const body = '{"error":"the token has no scope db:configure"}'
    await failNext({ kind: 'respond', on: 'databases.configuration', status: 403, body, times: 10 })
    const prefer = { prefer: 'wait=0' }
    expect((await patch('insisted', { suspended: true }, prefer)).status).toBe(202)
    await expect.poll(async () => (await stored('insisted')).access.retryAt).toBeGreaterThan(0)
    await clearFaults()
    expect((await patch('insisted', { suspended: true })).status).toBe(200)
    expect(await isOpen(signup)).toBe(false)
  })
})

describe('a change of a tenant', () => {
  test('is a JSON Merge Patch: members are merged, and null takes them away', async () => {
    await signUpNow({
      id: 'patched',
      name: 'Old',
      metadata: { plan: 'gold', limits: { seats: 5, rooms: 2 } },
    })
    const changes = [
      [{ name: 'New' }, { name: 'New', metadata: { plan: 'gold', limits: { seats: 5, rooms: 2 } } }],
      [
        { metadata: { plan: null, limits: { seats: 9 } } },
        { name: 'New', metadata: { limits: { seats: 9, rooms: 2 } } },
      ],
      [
        { metadata: { limits: [1], list: [{ a: null }] } },
        { name: 'New', metadata: { limits: [1], list: [{ a: null }] } },
      ],
      [
        { name: null, metadata: null },
        { name: null, metadata: {} },
      ],
      [{}, { name: null, metadata: {} }],
    ] as const
    for (const [body, tenant] of changes) {
      const response = await patch('patched', body, { 'content-type': 'application/json' })
      expect([response.status, await response.json()]).toMatchObject([200, { tenant }])
      expect((await read('patched')).tenant.metadata).toEqual(tenant.metadata)
    }
  })

  test('keeps what the signup was: the same key still leads to the same tenant', async () => {
    const key = { 'idempotency-key': 'k' }
    const first: SignupAnswer = await (await signUp({ id: 'same-key', name: 'A' }, key)).json()
    await patch('same-key', { name: 'B' })
    const again = await signUp({ id: 'same-key', name: 'A' }, key)
    expect(again.status).toBe(201)
    expect(await again.json()).toMatchObject({ tenant: { name: 'B' }, database: first.database })
  })

  test.each([
    ['an unknown field', { status: 'active' }, 'status'],
    ['no boolean', { suspended: 'yes' }, 'suspended'],
    ['null for suspended', { suspended: null }, 'suspended'],
    ['a reason for nothing', { reason: 'because' }, 'reason'],
    ['a reason to resume', { suspended: false, reason: 'paid' }, 'reason'],
    ['an overlong reason', { suspended: true, reason: 'x'.repeat(501) }, 'reason'],
    ['an empty name', { name: '' }, 'name'],
    ['a list as metadata', { metadata: [] }, 'metadata'],
    ['a JSON Patch', [{ op: 'remove', path: '/name' }], ''],
    ['a prototype', '{"metadata":{"__proto__":{"x":1}}}', ''],
  ])('with %s is 400 and names it', async (_, body, field) => {
    const response = await patch('nobody', body)
    const { errors } = (await response.json()) as { errors: { field: string }[] }
    expect([response.status, errors.map((error) => error.field)]).toEqual([400, [field]])
  })

  test('that would make the metadata too large is 413, and changes nothing', async () => {
    await signUpNow({ id: 'growing', metadata: { a: 'x'.repeat(40_000) } })
    const response = await patch('growing', { metadata: { b: 'y'.repeat(40_000) } })
    expect([response.status, await response.json()]).toMatchObject([413, { code: 'payload_too_large' }])
    expect((await read('growing')).tenant.metadata).toEqual({ a: 'x'.repeat(40_000) })
  })

  test('suspends whatever the metadata is', async () => {
    // Written in full these are three times as long as they were sent.
    const body = `{"id":"sprawling","metadata":{"all":[${Array(12_000).fill('1e15').join()}]}}`
    expect((await signUp(body)).status).toBe(201)
    expect((await patch('sprawling', { suspended: true })).status).toBe(200)
  })

  test('of nobody is 404, of one that is being purged 409, with a key for signups 403', async () => {
    expect((await patch('nobody', { name: 'x' })).status).toBe(404)
    await failNext({
      kind: 'respond',
      on: 'databases.createToken',
      status: 503,
      headers: { 'retry-after': '60' },
    })
    expect((await signUp({ id: 'purging' })).status).toBe(202)
    await failNext({ kind: 'server_error', on: 'databases.delete', times: 5 })
    await call('/v1/tenants/purging', { method: 'DELETE', headers: admin })
    expect(await (await patch('purging', { suspended: true })).json()).toMatchObject({
      code: 'tenant_deleting',
    })
    expect((await patch('nobody', {}, { authorization: 'Bearer signup-key' })).status).toBe(403)
  })
})

test('closing a database that waited with everybody, for hours, comes as soon as the others', () => {
  const effect = { kind: 'block_database', name: 'a', tenant: 'a' } as const
  const result = {
    kind: 'failed',
    reason: 'held',
    detail: '',
    isHarmless: true,
    isInvalid: false,
    retryAfterMs: 300_000,
    requestId: null,
  } as const
  let access = OPEN
  for (let count = 0; count < 50; count++) access = accessEnded(accessBegun(access), effect, result, 0, 1)
  expect(access.retryAt).toBeGreaterThan(300_000)
  expect(access.retryAt).toBeLessThan(301_000)
})

test('a deletion that waited with everybody, for hours, is no attempt, and comes when the others do', () => {
  const order = {
    id: 'a',
    name: null,
    metadata: {},
    group: 'g',
    location: 'l',
    template: null,
    fingerprint: '',
    idempotencyKeys: [],
  }
  const result = {
    kind: 'failed',
    reason: 'held',
    detail: '',
    isHarmless: true,
    isInvalid: false,
    retryAfterMs: 15_000,
    requestId: null,
  } as const
  const active = beginSignup(order, { nonce: 'n', databaseName: 'a-n' }, undefined, 0)
  let record = remove({ ...active, status: 'active', databaseId: 'd', isProven: true }, 0, 0)
  for (let now = 0; now < 3_600_000; now = record.orphans[0]!.retryAt) {
    const effect = decide(record, now, false) as Effect
    expect(effect.kind).toBe('delete_database')
    record = { ...record, ...advance(record, { kind: 'begun', effect, now }) }
    record = { ...record, ...advance(record, { kind: 'ended', effect, result, now, random: 1 }) }
    expect(record.orphans[0]!.retryAt - now).toBeLessThan(20_000)
  }
  expect(record.orphans[0]!.attempts).toBe(0)
})
