import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect } from '../../src/index.ts'
import { advance, decide } from '../../worker/saga/machine.ts'
import type { Effect } from '../../worker/saga/state.ts'
import type { FirstTenantRecord } from '../../worker/record/stored.ts'
import { beginSignup, hurry, type TenantRecord } from '../../worker/record/tenant.ts'
import { clearFaults, failNext, holdNext, localPlatform, requestsSeen } from '../support/turso.ts'
import { call, signUp, signUpNow, type ProblemBody } from './client.ts'
import { resetPace } from './pace-control.ts'

beforeEach(clearFaults)
afterEach(clearFaults)

interface TenantAnswer {
  tenant: { status: string; step?: string; attempts?: number; failure?: { step: string; detail: string } }
  database?: { name: string }
  timeline: { step: string; attempt: number; outcome: string; detail: string | null }[]
  orphans: { database: string; since: string; attempts: number }[]
}

const authorization = 'Bearer signup-key'
const tenantObject = (id: string) => env.TENANTS.getByName(id)

async function read(id: string): Promise<TenantAnswer> {
  return await (await call(`/v1/tenants/${id}`, { headers: { authorization } })).json()
}

const retry = (id: string): Promise<Response> =>
  call(`/v1/tenants/${id}/retry`, { method: 'POST', headers: { authorization } })

/** The databases whose name begins with a slug. */
async function databasesOf(slug: string): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of localPlatform().databases.list())
    if (name.startsWith(`${slug}-`)) names.push(name)
  return names
}

/** What the clock would do: each alarm of the object, as long as there is one and it has something to do. */
async function runAlarms(id: string): Promise<void> {
  for (let count = 0; count < 10; count++) {
    if (!(await runDurableObjectAlarm(tenantObject(id)))) return
    if ((await read(id)).tenant.status !== 'provisioning') return
  }
}

const alarmOf = (id: string): Promise<number | null> =>
  runInDurableObject(tenantObject(id), async (_, state) => await state.storage.getAlarm())

/** Changes what is stored, as if time had passed. */
const makeDue = (id: string): Promise<void> =>
  runInDurableObject(tenantObject(id), async (_, { storage }) => {
    const record = storage.kv.get<{ retryAt: number | null; orphans: { retryAt: number }[] }>('tenant')!
    for (const orphan of record.orphans) orphan.retryAt = 0
    storage.kv.put('tenant', { ...record, retryAt: null })
  })

describe('a signup that cannot be finished now', () => {
  test('is 202 with Location and Retry-After, and the alarm finishes it', async () => {
    await failNext({ kind: 'rate_limited', on: 'databases.createToken', retryAfter: 60 })
    const accepted = await signUp({ id: 'later' })
    expect(accepted.status).toBe(202)
    expect(accepted.headers.get('location')).toBe('/v1/tenants/later')
    expect(Number(accepted.headers.get('retry-after'))).toBeGreaterThanOrEqual(59)
    expect(await alarmOf('later')).toBeGreaterThan(Date.now() + 50_000)
    await makeDue('later')
    await resetPace()
    await runAlarms('later')
    expect((await read('later')).tenant).toMatchObject({ status: 'active' })
    // Without a key, but it has never given a token to anybody.
    expect((await signUp({ id: 'later' })).status).toBe(201)
    expect((await signUp({ id: 'later' })).status).toBe(409)
  })

  test('an alarm that comes too early or twice does nothing but wait', async () => {
    await failNext({ kind: 'rate_limited', on: 'databases.create', retryAfter: 60 })
    expect((await signUp({ id: 'early' })).status).toBe(202)
    await requestsSeen()
    expect(await runDurableObjectAlarm(tenantObject('early'))).toBe(true)
    expect(await runDurableObjectAlarm(tenantObject('early'))).toBe(true)
    expect(await requestsSeen()).toEqual([])
    expect(await alarmOf('early')).toBeGreaterThan(Date.now())
  })

  test('whoever wants no more than to wait so long is answered then, and it goes on', async () => {
    for (const [id, prefer] of [
      ['prefers-async', 'respond-async'],
      ['prefers-wait', 'handling=lenient, wait=0'],
    ] as const) {
      const hold = await holdNext('databases.create')
      const accepted = await signUp({ id }, { prefer })
      expect(accepted.status).toBe(202)
      expect(await accepted.json()).toMatchObject({ tenant: { id, status: 'provisioning' } })
      await hold.letGo()
      await expect.poll(async () => (await read(id)).tenant.status).toBe('active')
      expect(await databasesOf(id)).toHaveLength(1)
    }
  })

  test('is retried in the request as long as that lasts', async () => {
    await failNext({ kind: 'server_error', on: 'databases.create', times: 2, effect: true })
    await signUpNow({ id: 'patient' })
    const { timeline } = await read('patient')
    expect(timeline.map(({ step, attempt, outcome }) => `${step} ${attempt} ${outcome}`)).toEqual([
      'create_database 1 retried',
      'create_database 2 retried',
      'create_database 3 retried',
      'find_database 4 done',
      'create_token 1 done',
      'migrate 1 done',
    ])
    expect(await databasesOf('patient')).toHaveLength(1)
  })

  test.each([
    ['a page', { kind: 'html', status: 502, effect: true }],
    ['the wrong shape', { kind: 'wrong_shape', effect: true }],
    ['half of an answer', { kind: 'truncated' }],
    ['a cut connection', { kind: 'reset_after' }],
  ] as const)('an answer that makes no sense is none: %s', async (what, fault) => {
    const id = `nonsense-${what.replaceAll(' ', '-')}`
    for (const on of ['databases.create', 'databases.createToken', 'pipeline'])
      await failNext({ ...fault, on })
    const { database } = await signUpNow({ id })
    expect(await databasesOf(id)).toEqual([database.name])
    const outcomes = (await read(id)).timeline.map(({ outcome }) => outcome)
    expect(outcomes.filter((outcome) => outcome === 'retried').length).toBeGreaterThanOrEqual(3)
  })

  test('a token that the database does not know yet is minted again', async () => {
    await failNext({ kind: 'respond', on: 'pipeline', status: 401, body: '{"error":"unknown token"}' })
    expect((await signUpNow({ id: 'new-token' })).tenant.status).toBe('active')
  })
})

describe('a signup that Turso refuses for good', () => {
  const planLimit = {
    kind: 'respond',
    status: 403,
    body: '{"error":"the plan allows no more databases"}',
  } as const

  test('what Turso calls a request is remembered up to a length', async () => {
    const headers = { 'x-request-id': 'r'.repeat(10_000), 'retry-after': '60' }
    await failNext({ kind: 'respond', on: 'databases.create', status: 503, headers })
    expect((await signUp({ id: 'long-name' })).status).toBe(202)
    const { timeline } = (await read('long-name')) as unknown as { timeline: { request_id: string }[] }
    expect(timeline[0]?.request_id).toHaveLength(500)
  })

  test('at the plan limit nothing is made, and the tenant says why', async () => {
    await failNext({ ...planLimit, on: 'databases.create' })
    const refused = await signUp({ id: 'limit' })
    expect(refused.status).toBe(502)
    expect((await refused.json()) as ProblemBody).toMatchObject({
      code: 'upstream_refused',
      step: 'create_database',
    })
    const { tenant, database, orphans } = await read('limit')
    expect(tenant).toMatchObject({
      status: 'failed',
      failure: { step: 'create_database', detail: expect.stringContaining('plan allows') },
    })
    expect([database, orphans, await databasesOf('limit')]).toEqual([undefined, [], []])
  })

  test('what cannot be deleted is an orphan with an age, and the alarm deletes it', async () => {
    await failNext({ ...planLimit, on: 'databases.createToken' })
    await failNext({ kind: 'server_error', on: 'databases.delete', times: 2 })
    expect((await signUp({ id: 'orphaned' })).status).toBe(502)
    const [name] = await databasesOf('orphaned')
    expect((await read('orphaned')).orphans).toEqual([
      { database: name, since: expect.stringMatching(/^\d{4}-/), attempts: 1 },
    ])
    for (const attempts of [2, undefined]) {
      await makeDue('orphaned')
      expect(await runDurableObjectAlarm(tenantObject('orphaned'))).toBe(true)
      expect((await read('orphaned')).orphans[0]?.attempts).toBe(attempts)
    }
    expect(await databasesOf('orphaned')).toEqual([])
  })

  test('over and over does not have all that is left of it deleted each time', async () => {
    await failNext({ ...planLimit, on: 'databases.createToken', times: 4 })
    await failNext({ kind: 'server_error', on: 'databases.delete', times: 7 })
    for (let count = 1; count <= 4; count++) {
      await requestsSeen()
      expect((await signUp({ id: 'hopeless' })).status).toBe(502)
      // That of the signup before once more, and its own.
      const deletions = (await requestsSeen()).filter((line) => line.startsWith('DELETE'))
      expect(deletions).toHaveLength(Math.min(count, 2))
      expect((await read('hopeless')).orphans).toHaveLength(count)
    }
    const left = await databasesOf('hopeless')
    expect(left).toHaveLength(4)
    const known = (): Promise<unknown> =>
      env.DIRECTORY.prepare(
        "select count(*) as n from orphans where tenant = 'hopeless' and since > 0",
      ).first('n')
    await expect.poll(known).toBe(4)
    await makeDue('hopeless')
    await runDurableObjectAlarm(tenantObject('hopeless'))
    expect(await databasesOf('hopeless')).toEqual([])
    await expect.poll(known).toBe(0)
  })

  test('can be tried again by an operator, and the token is for whoever signed up', async () => {
    const body = { id: 'again-by-operator', name: 'Again' }
    await failNext({ ...planLimit, on: 'databases.create' })
    expect((await signUp(body, { 'idempotency-key': 'k' })).status).toBe(502)
    const response = await retry(body.id)
    expect(response.status).toBe(200)
    const answer = await response.json()
    expect(answer).toMatchObject({ tenant: { ...body, status: 'active' } })
    expect(answer).not.toHaveProperty('token')
    expect((await signUp(body, { 'idempotency-key': 'k' })).status).toBe(201)
    expect(await databasesOf(body.id)).toHaveLength(1)
  })

  test('is forgotten after a week, and not before', async () => {
    await failNext({ ...planLimit, on: 'databases.create' })
    expect((await signUp({ id: 'forgotten' })).status).toBe(502)
    expect(await alarmOf('forgotten')).toBeGreaterThan(Date.now() + 6 * 86_400_000)
    expect(await runDurableObjectAlarm(tenantObject('forgotten'))).toBe(true)
    expect((await read('forgotten')).tenant.status).toBe('failed')
    await runInDurableObject(tenantObject('forgotten'), (_, { storage }) => {
      storage.kv.put('tenant', { ...storage.kv.get<object>('tenant'), forgetAt: 0 })
    })
    expect(await runDurableObjectAlarm(tenantObject('forgotten'))).toBe(true)
    await expect
      .poll(() =>
        runInDurableObject(tenantObject('forgotten'), async (_, { storage }) => [
          [...storage.kv.list()],
          await storage.getAlarm(),
        ]),
      )
      .toEqual([[], null])
  })
})

describe('a retry', () => {
  test('of a tenant that is not there is 404, of one that is ready changes nothing', async () => {
    expect((await retry('nowhere')).status).toBe(404)
    const { tenant, database } = await signUpNow({ id: 'ready' })
    await requestsSeen()
    const response = await retry('ready')
    expect([response.status, await response.json()]).toEqual([200, { tenant, database }])
    expect(await requestsSeen()).toEqual([])
  })

  test('of a signup that waits does not wait any longer', async () => {
    const headers = { 'retry-after': '60' }
    await failNext({ kind: 'respond', on: 'databases.create', status: 503, headers, body: '{}' })
    expect((await signUp({ id: 'impatient' })).status).toBe(202)
    expect((await retry('impatient')).status).toBe(200)
  })

  test('needs an API key, and is a POST', async () => {
    expect((await call('/v1/tenants/x/retry', { method: 'POST' })).status).toBe(401)
    const response = await call('/v1/tenants/x/retry', { headers: { authorization } })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
  })
})

describe('a deleted tenant', () => {
  const admin = 'Bearer admin-key'
  const remove = (id: string): Promise<Response> =>
    call(`/v1/tenants/${id}`, { method: 'DELETE', headers: { authorization: admin } })
  const restore = (id: string): Promise<Response> =>
    call(`/v1/tenants/${id}/restore`, { method: 'POST', headers: { authorization: admin } })
  const graceIsOver = (id: string): Promise<void> =>
    runInDurableObject(tenantObject(id), (_, { storage }) => {
      storage.kv.put('tenant', { ...storage.kv.get<object>('tenant'), purgeAt: 0 })
    })
  const pipeline = (url: string, token: string): Promise<Response> =>
    call(`${new URL(url).pathname}v3/pipeline`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: '{"requests":[{"type":"execute","stmt":{"sql":"select 1"}},{"type":"close"}]}',
    })

  test('cannot be reached or signed up again, keeps its database for a week, and can be restored', async () => {
    const { database, token } = await signUpNow({ id: 'removed' })
    const response = await remove('removed')
    expect(response.status).toBe(202)
    const { tenant } = (await response.json()) as { tenant: { status: string; delete_at: string } }
    expect(tenant.status).toBe('deleting')
    expect(Date.parse(tenant.delete_at)).toBeGreaterThan(Date.now() + 6 * 86_400_000)
    expect((await pipeline(database.gateway_url, token.jwt)).status).toBe(404)
    expect(await (await signUp({ id: 'removed' })).json()).toMatchObject({ code: 'tenant_deleting' })
    expect((await retry('removed')).status).toBe(409)
    // An alarm before its time does nothing but wait.
    await expect.poll(() => alarmOf('removed')).toBeGreaterThan(Date.now() + 6 * 86_400_000)
    expect(await runDurableObjectAlarm(tenantObject('removed'))).toBe(true)
    expect(await alarmOf('removed')).toBeGreaterThan(Date.now() + 6 * 86_400_000)
    expect(await databasesOf('removed')).toEqual([database.name])
    const restored = await restore('removed')
    expect([restored.status, await restored.json()]).toMatchObject([
      200,
      { tenant: { status: 'active' }, database: { name: database.name } },
    ])
    expect((await pipeline(database.gateway_url, token.jwt)).status).toBe(200)
    await runAlarms('removed')
    expect(await databasesOf('removed')).toEqual([database.name])
  })

  test('is gone after the grace period, and its id gets another database', async () => {
    const { database } = await signUpNow({ id: 'purged' })
    expect((await remove('purged')).status).toBe(202)
    expect((await remove('purged')).status).toBe(202)
    // The alarm that finds out when there is something to do has come by itself.
    await expect.poll(() => alarmOf('purged')).toBeGreaterThan(Date.now() + 6 * 86_400_000)
    await graceIsOver('purged')
    await failNext({ kind: 'server_error', on: 'databases.delete' })
    expect(await runDurableObjectAlarm(tenantObject('purged'))).toBe(true)
    expect(await (await restore('purged')).json()).toMatchObject({ code: 'tenant_deleting' })
    expect((await read('purged')).orphans).toMatchObject([{ database: database.name, attempts: 1 }])
    await makeDue('purged')
    expect(await runDurableObjectAlarm(tenantObject('purged'))).toBe(true)
    expect(await databasesOf('purged')).toEqual([])
    expect((await remove('purged')).status).toBe(404)
    expect((await restore('purged')).status).toBe(404)
    expect((await signUpNow({ id: 'purged' })).database.name).not.toBe(database.name)
  })

  test('is gone at once when that is asked for, and its old token opens neither it nor what has its id next', async () => {
    const { database, token } = await signUpNow({ id: 'purged-now' })
    const purge = () =>
      call('/v1/tenants/purged-now?purge=true', { method: 'DELETE', headers: { authorization: admin } })
    // Also when it is deleted already, with its grace period.
    expect((await remove('purged-now')).status).toBe(202)
    const response = await purge()
    expect([response.status, await response.json()]).toMatchObject([202, { tenant: { status: 'deleting' } }])
    await expect.poll(() => databasesOf('purged-now')).toEqual([])
    await expect.poll(async () => (await restore('purged-now')).status).toBe(404)
    const next = await signUpNow({ id: 'purged-now' })
    expect(next.database.name).not.toBe(database.name)
    // A database knows its own tokens only, and is not there for those of another.
    expect([401, 404]).toContain((await pipeline(next.database.gateway_url, token.jwt)).status)
    const direct = connect({ url: next.database.http_url, authToken: token.jwt })
    await expect(direct.execute('select 1')).rejects.toMatchObject({
      code: expect.stringMatching(/^(unauthorized|not_found)$/),
    })
    expect((await pipeline(next.database.gateway_url, next.token.jwt)).status).toBe(200)
  })

  test('is not purged for a parameter that is not understood', async () => {
    await signUpNow({ id: 'kept' })
    for (const search of ['?purge=yes', '?purge', '?force=true', '?purge=true&purge=false']) {
      const response = await call(`/v1/tenants/kept${search}`, {
        method: 'DELETE',
        headers: { authorization: admin },
      })
      expect(response.status).toBe(400)
    }
    expect((await read('kept')).tenant.status).toBe('active')
  })

  test('in the middle of its signup: the deletion wins, and nothing is left', async () => {
    const hold = await holdNext('databases.create', { holds: 'answer' })
    const answer = signUp({ id: 'won' })
    await hold.reached()
    expect(await databasesOf('won')).toHaveLength(1)
    expect((await remove('won')).status).toBe(202)
    await hold.letGo()
    expect(await (await answer).json()).toMatchObject({ code: 'tenant_deleting' })
    for (let count = 0; count < 6 && (await read('won')).orphans !== undefined; count++) {
      await makeDue('won')
      await runDurableObjectAlarm(tenantObject('won'))
    }
    expect(await databasesOf('won')).toEqual([])
    expect((await remove('won')).status).toBe(404)
  })

  test('needs a key of an admin', async () => {
    for (const [path, method] of [
      ['/v1/tenants/x', 'DELETE'],
      ['/v1/tenants/x/restore', 'POST'],
    ] as const)
      expect((await call(path, { method, headers: { authorization } })).status).toBe(403)
  })
})

describe('a tenant that an earlier version has stored', () => {
  const first: FirstTenantRecord = {
    id: 'of-old',
    name: null,
    metadata: {},
    group: 'default',
    location: 'aws-eu-west-1',
    nonce: 'n',
    status: 'provisioning',
    step: 'create_database',
    attempts: 1,
    mayHaveDatabase: true,
    databaseName: 'of-old-aaaaaaaaaa',
    leftovers: ['of-old-bbbbbbbbbb'],
    databaseId: null,
    hostname: null,
    schemaVersion: 0,
    createdAt: '2026-11-01T00:00:00.000Z',
    fingerprint: 'f',
    idempotencyKeys: [],
  }
  const store = (record: object): Promise<void> =>
    runInDurableObject(tenantObject('of-old'), (_, { storage }) => storage.kv.put('tenant', record))

  test('unfinished: can be read, and is finished with its own database, its leftovers deleted', async () => {
    for (const name of [first.databaseName, ...first.leftovers])
      await localPlatform().databases.create(name, { location: first.location })
    await store(first)
    expect((await read('of-old')).tenant).toMatchObject({ status: 'provisioning', step: 'create_database' })
    expect((await retry('of-old')).status).toBe(200)
    expect(await databasesOf('of-old')).toEqual([first.databaseName])
  })

  test('active: is what it was', async () => {
    const { databaseName } = first
    const { id, hostname } = await localPlatform().databases.retrieve(databaseName)
    const ready = { status: 'active', step: 'migrate', databaseId: id, hostname, schemaVersion: 1 }
    await store({ ...first, ...ready, leftovers: [] })
    expect(await read('of-old')).toMatchObject({
      tenant: { status: 'active' },
      database: { name: databaseName },
    })
    expect((await signUp({ id: 'of-old' })).status).toBe(409)
  })

  test('before it knew what must be proven: what was its own by name still is', async () => {
    const { database } = await signUpNow({ id: 'of-third' })
    await runInDurableObject(tenantObject('of-third'), (_, { storage }) => {
      const { isProven: _isProven, ...record } = storage.kv.get<TenantRecord>('tenant')!
      const { unproven: _unproven, ...orphan } = {
        name: 'of-third-bbbbbbbbbb',
        since: 1,
        attempts: 0,
        retryAt: 1,
        mayAppear: false,
        absences: 0,
        unproven: null,
      }
      storage.kv.put('tenant', { ...record, version: 3, orphans: [orphan] })
    })
    await localPlatform().databases.create('of-third-bbbbbbbbbb', { location: first.location })
    expect(await read('of-third')).toMatchObject({ tenant: { status: 'active' }, database })
    const response = await call('/v1/tenants/of-third?purge=true', {
      method: 'DELETE',
      headers: { authorization: 'Bearer admin-key' },
    })
    expect(response.status).toBe(202)
    await runDurableObjectAlarm(tenantObject('of-third'))
    await expect.poll(() => databasesOf('of-third')).toEqual([])
  })

  test('later than this one: nothing of it is written over', async () => {
    await store({ ...first, version: 99 })
    expect((await call('/v1/tenants/of-old', { headers: { authorization } })).status).toBe(500)
    expect((await signUp({ id: 'of-old' })).status).toBe(500)
    await runInDurableObject(tenantObject('of-old'), (_, { storage }) => {
      expect(storage.kv.get('tenant')).toMatchObject({ version: 99 })
    })
  })
})

test('a tenant that a later version has stored is left alone, and not forgotten', async () => {
  await signUpNow({ id: 'of-later' })
  const record = await runInDurableObject(tenantObject('of-later'), async (_, { storage }) => {
    const later = { ...storage.kv.get<object>('tenant'), version: 99 }
    storage.kv.put('tenant', later)
    await storage.setAlarm(Date.now() + 3_600_000)
    return later
  })
  vi.spyOn(console, 'error').mockImplementation(() => {})
  expect(await runDurableObjectAlarm(tenantObject('of-later'))).toBe(true)
  vi.restoreAllMocks()
  // An alarm that fails is repeated six times, and then never again.
  expect(await alarmOf('of-later')).toBeGreaterThan(Date.now())
  await runInDurableObject(tenantObject('of-later'), (_, { storage }) => {
    expect(storage.kv.get('tenant')).toEqual(record)
    storage.kv.put('tenant', { ...record, version: 4 })
  })
  expect((await read('of-later')).tenant.status).toBe('active')
})

test('a caller that repeats a signup over and over while Turso is unavailable does not use its attempts up', () => {
  const order = {
    id: 'impatient',
    name: null,
    metadata: {},
    group: 'g',
    location: 'l',
    template: null,
    fingerprint: '',
    idempotencyKeys: [],
  }
  const unavailable = {
    kind: 'failed',
    reason: 'unavailable',
    detail: '',
    isHarmless: true,
    isInvalid: false,
    retryAfterMs: null,
    requestId: null,
  } as const
  let record = beginSignup(order, { nonce: 'n', databaseName: 'impatient-n' }, undefined, 0)
  const attempt = (now: number): void => {
    record = { ...record, ...advance(record, { kind: 'woken', now }) }
    const effect = decide(record, now, false) as Effect
    record = { ...record, ...advance(record, { kind: 'begun', effect, now }) }
    const ended = { kind: 'ended', effect, result: unavailable, now, random: 1 } as const
    record = { ...record, ...advance(record, ended) }
  }
  for (let now = 0; now < 100_000; now += 1_000) {
    record = hurry(record, now)
    attempt(now)
  }
  expect(record.status).toBe('provisioning')
  // By itself it comes to an end.
  for (let count = 0; count < 40 && record.status === 'provisioning'; count++) attempt(record.retryAt!)
  expect(record.status).toBe('failed')
})
