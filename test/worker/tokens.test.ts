import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connect } from '../../src/index.ts'
import { parseToken } from '../../worker/http/schemas.ts'
import type { TenantRecord } from '../../worker/record/tenant.ts'
import { clearFaults, failNext, holdNext, requestsSeen } from '../support/turso.ts'
import { call, signUp, signUpNow, type ProblemBody, type SignupAnswer } from './client.ts'

beforeEach(clearFaults)
afterEach(clearFaults)

const signup = { authorization: 'Bearer signup-key' }
const admin = { authorization: 'Bearer admin-key' }

const mint = (id: string, body?: unknown): Promise<Response> =>
  call(`/v1/tenants/${id}/tokens`, {
    method: 'POST',
    headers: signup,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })

const invalidate = (id: string): Promise<Response> =>
  call(`/v1/tenants/${id}/tokens`, { method: 'DELETE', headers: admin })

const query = ({ database }: SignupAnswer, jwt: string, sql: string): Promise<unknown> =>
  connect({ url: database.http_url, authToken: jwt, retry: false }).execute(sql)

const rotations = async (): Promise<number> =>
  (await requestsSeen()).filter((line) => line.endsWith('/auth/rotate')).length

interface TokenAnswer {
  token: { jwt: string; authorization: string; expires_at: string | null }
}

describe('a token of a tenant', () => {
  test('is what was asked for, is stored nowhere, and must not be kept on the way', async () => {
    const tenant = await signUpNow({ id: 'minted' })
    const response = await mint('minted', { expiration: '15m', authorization: 'read-only' })
    expect([response.status, response.headers.get('cache-control')]).toEqual([201, 'no-store'])
    const { token }: TokenAnswer = await response.json()
    expect(token.authorization).toBe('read-only')
    const lifeMs = Date.parse(token.expires_at!) - Date.now()
    expect(lifeMs).toBeGreaterThan(14 * 60_000)
    expect(lifeMs).toBeLessThan(16 * 60_000)
    await query(tenant, token.jwt, 'select count(*) from notes')
    await expect(query(tenant, token.jwt, "insert into notes (title) values ('x')")).rejects.toMatchObject({
      code: 'forbidden',
    })
    await runInDurableObject(env.TENANTS.getByName('minted'), (_, { storage }) => {
      expect(JSON.stringify([...storage.kv.list()])).not.toContain(token.jwt)
    })
  })

  test('is a full one for a day unless the request says otherwise, also without a body', async () => {
    await signUpNow({ id: 'by-default' })
    for (const body of [undefined, {}]) {
      const { token }: TokenAnswer = await (await mint('by-default', body)).json()
      expect(token.authorization).toBe('full-access')
      expect(Date.parse(token.expires_at!) - Date.now()).toBeGreaterThan(86_000_000)
    }
  })

  test('may be asked for some tables and actions only', () => {
    expect(parseToken('{"permissions":{"notes":["data_read","data_add"],"*":["data_read"]}}')).toEqual({
      authorization: 'full-access',
      expiration: '1d',
      fineGrainedPermissions: [
        { t: ['notes'], a: ['data_read', 'data_add'] },
        { t: null, a: ['data_read'] },
      ],
    })
  })

  test('with permissions, of a database on AWS, which knows none, is 400 and says so', async () => {
    await signUpNow({ id: 'coarse' })
    const response = await mint('coarse', { permissions: { notes: ['data_read'] } })
    const { detail, errors }: ProblemBody = await response.json()
    expect([response.status, errors]).toEqual([
      400,
      [{ field: 'permissions', detail: 'was not accepted by Turso' }],
    ])
    expect(detail).toContain('not supported')
  })

  test.each([
    ['an unknown field', { ttl: 1 }, 'ttl'],
    ['an unknown action', { permissions: { notes: ['drop'] } }, 'permissions'],
    ['no action', { permissions: { notes: [] } }, 'permissions'],
    ['no table', { permissions: {} }, 'permissions'],
    ['a list as permissions', { permissions: ['notes'] }, 'permissions'],
    ['an expiration without a unit', { expiration: '90' }, 'expiration'],
    ['other rights', { authorization: 'root' }, 'authorization'],
    ['no JSON', '{', ''],
  ])('with %s is 400 and names it, before anything is sent', async (_, body, field) => {
    const response = await mint('nobody', body)
    const { errors }: ProblemBody = await response.json()
    expect([response.status, errors?.map((error) => error.field)]).toEqual([400, [field]])
  })

  test('is not given of a tenant that is not there, not ready, suspended or deleted', async () => {
    const codeOf = async (id: string): Promise<unknown> => {
      const { status, code }: ProblemBody = await (await mint(id)).json()
      return [status, code]
    }
    expect(await codeOf('nowhere')).toEqual([404, 'not_found'])
    await failNext({ kind: 'respond', on: 'databases.create', status: 503, headers: { 'retry-after': '60' } })
    expect((await signUp({ id: 'not-ready' })).status).toBe(202)
    expect(await codeOf('not-ready')).toEqual([409, 'tenant_not_ready'])
    await signUpNow({ id: 'closed' })
    await call('/v1/tenants/closed', { method: 'PATCH', headers: admin, body: '{"suspended":true}' })
    expect(await codeOf('closed')).toEqual([409, 'tenant_suspended'])
    await call('/v1/tenants/closed', { method: 'DELETE', headers: admin })
    expect(await codeOf('closed')).toEqual([409, 'tenant_deleting'])
  })

  test('that was on its way when the tenant was suspended is not given either', async () => {
    await signUpNow({ id: 'overtaken' })
    const hold = await holdNext('databases.createToken')
    const minting = mint('overtaken')
    await hold.reached()
    await call('/v1/tenants/overtaken', { method: 'PATCH', headers: admin, body: '{"suspended":true}' })
    await hold.letGo()
    expect(((await (await minting).json()) as ProblemBody).code).toBe('tenant_suspended')
  })

  test('that was on its way while the tenant was changed takes nothing of that back', async () => {
    await signUpNow({ id: 'changed-meanwhile', metadata: { plan: 'old' } })
    const hold = await holdNext('databases.createToken')
    const minting = mint('changed-meanwhile')
    await hold.reached()
    const body = '{"metadata":{"plan":"new"}}'
    expect(
      (await call('/v1/tenants/changed-meanwhile', { method: 'PATCH', headers: admin, body })).status,
    ).toBe(200)
    await hold.letGo()
    expect((await minting).status).toBe(201)
    expect(await (await call('/v1/tenants/changed-meanwhile', { headers: admin })).json()).toMatchObject({
      tenant: { metadata: { plan: 'new' } },
    })
  })

  test('that is given out while Turso is told something of the tenant is not the last that is known of it', async () => {
    expect((await signUp({ id: 'given-meanwhile' }, { prefer: 'respond-async' })).status).toBe(202)
    const object = env.TENANTS.getByName('given-meanwhile')
    const statusOf = () =>
      runInDurableObject(object, (_, { storage }) => storage.kv.get<TenantRecord>('tenant')?.status)
    await expect.poll(statusOf).toBe('active')
    // As if the answer to an earlier call had been lost: it is made again.
    await runInDurableObject(object, async (_, { storage }) => {
      const record = storage.kv.get<TenantRecord>('tenant')!
      storage.kv.put('tenant', { ...record, access: { ...record.access, mayChange: true } })
      await storage.setAlarm(Date.now() + 60_000)
    })
    await failNext({ kind: 'latency', ms: 600, on: 'databases.configuration' })
    await requestsSeen()
    const alarm = runDurableObjectAlarm(object)
    await expect.poll(async () => (await requestsSeen()).join()).toContain('/configuration')
    expect((await mint('given-meanwhile')).status).toBe(201)
    await alarm
    expect((await signUp({ id: 'given-meanwhile' })).status).toBe(409)
  })

  test('when Turso is unavailable is 503, and the same request may be sent again', async () => {
    await signUpNow({ id: 'no-turso' })
    await failNext({
      kind: 'respond',
      on: 'databases.createToken',
      status: 503,
      headers: { 'retry-after': '7' },
    })
    const response = await mint('no-turso')
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '7'])
    expect((await mint('no-turso')).status).toBe(201)
  })
})

describe('ending all tokens', () => {
  test('makes those that were given out worthless, and new ones are good', async () => {
    const tenant = await signUpNow({ id: 'rotated' })
    const response = await invalidate('rotated')
    expect([response.status, await response.json()]).toEqual([
      200,
      { tenant: tenant.tenant, database: tenant.database },
    ])
    await expect(query(tenant, tenant.token.jwt, 'select 1')).rejects.toMatchObject({ code: 'unauthorized' })
    const { token }: TokenAnswer = await (await mint('rotated')).json()
    await query(tenant, token.jwt, 'select 1')
  })

  test('takes the rights of a running session away', async () => {
    const { database, token } = await signUpNow({ id: 'in-session' })
    const pipeline = (baton: string | null, sql: string): Promise<Response> =>
      call(`${new URL(database.gateway_url).pathname}v3/pipeline`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token.jwt}` },
        body: JSON.stringify({ baton, requests: [{ type: 'execute', stmt: { sql } }] }),
      })
    const { baton } = (await (await pipeline(null, 'begin')).json()) as { baton: string }
    expect((await invalidate('in-session')).status).toBe(200)
    expect((await pipeline(baton, 'select 1')).status).toBe(401)
  })

  test('is sent once, whatever Turso answers, and what is not known is said', async () => {
    const tenant = await signUpNow({ id: 'unknown' })
    await requestsSeen()
    await failNext({ kind: 'respond', on: 'databases.invalidateTokens', status: 504, effect: true })
    const lost = await invalidate('unknown')
    expect([lost.status, await lost.json()]).toMatchObject([
      503,
      { code: 'upstream_unavailable', outcome: 'unknown', detail: expect.stringContaining('not known') },
    ])
    expect(await rotations()).toBe(1)
    await expect(query(tenant, tenant.token.jwt, 'select 1')).rejects.toMatchObject({ code: 'unauthorized' })
    // It does no harm to ask again.
    expect((await invalidate('unknown')).status).toBe(200)
  })

  test('whose tenant is forgotten meanwhile is in the audit to its end', async () => {
    const id = 'rotated-gone'
    await signUpNow({ id })
    const held = await holdNext('databases.invalidateTokens')
    const ended = invalidate(id)
    await held.reached()
    expect((await call(`/v1/tenants/${id}?purge=true`, { method: 'DELETE', headers: admin })).status).toBe(
      202,
    )
    const isGone = async (): Promise<boolean> => {
      await runDurableObjectAlarm(env.TENANTS.getByName(id))
      return (await call(`/v1/tenants/${id}`, { headers: admin })).status === 404
    }
    await expect.poll(isGone).toBe(true)
    const stored = () =>
      runInDurableObject(env.TENANTS.getByName(id), (_, { storage }) => [...storage.kv.list()].length)
    await expect.poll(stored).toBe(0)
    await held.letGo()
    // The database is gone.
    expect((await ended).status).toBe(502)
    const outcomes = async (): Promise<string[]> => {
      const response = await call(`/v1/audit?tenant=${id}&action=invalidate_tokens`, { headers: admin })
      const { audit }: { audit: { outcome: string }[] } = await response.json()
      return audit.map(({ outcome }) => outcome)
    }
    await expect.poll(outcomes).toEqual(['refused', 'begun'])
    await expect.poll(stored).toBe(0)
  })

  test('that certainly did not happen is said to have not', async () => {
    const tenant = await signUpNow({ id: 'certain' })
    await failNext({ kind: 'rate_limited', on: 'databases.invalidateTokens', retryAfter: 3 })
    const limited = await invalidate('certain')
    const problem = await limited.json()
    expect([limited.status, problem]).toMatchObject([
      503,
      { detail: expect.stringContaining('No token was ended') },
    ])
    expect(problem).not.toHaveProperty('outcome')
    await query(tenant, tenant.token.jwt, 'select 1')
  })

  test('works while the tenant is suspended or can be restored, and not for one that has no database', async () => {
    await signUpNow({ id: 'rotated-closed' })
    await call('/v1/tenants/rotated-closed', { method: 'PATCH', headers: admin, body: '{"suspended":true}' })
    expect((await invalidate('rotated-closed')).status).toBe(200)
    await call('/v1/tenants/rotated-closed', { method: 'DELETE', headers: admin })
    expect((await invalidate('rotated-closed')).status).toBe(200)
    expect((await invalidate('nowhere')).status).toBe(404)
  })
})

describe('usage', () => {
  const usage = (id: string, search = ''): Promise<Response> =>
    call(`/v1/tenants/${id}/usage${search}`, { headers: admin })

  test('is what Turso counts of the database, from and to when it was asked for', async () => {
    const tenant = await signUpNow({ id: 'used' })
    await query(tenant, tenant.token.jwt, "insert into notes (title) values ('x')")
    const response = await usage('used')
    const answer = (await response.json()) as { usage: Record<string, number>; from: null; to: null }
    expect(answer).toEqual({
      usage: {
        rows_read: expect.any(Number),
        rows_written: expect.any(Number),
        storage_bytes: expect.any(Number),
        bytes_synced: 0,
      },
      from: null,
      to: null,
    })
    expect(answer.usage['rows_written']).toBeGreaterThan(0)
    const past = await usage('used', '?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00%2B01:00')
    expect(await past.json()).toMatchObject({
      usage: { rows_read: 0, rows_written: 0 },
      from: '2020-01-01T00:00:00Z',
      to: '2020-02-01T00:00:00+01:00',
    })
  })

  test.each([
    ['?from=yesterday', 'from'],
    ['?to=2026-11-01', 'to'],
    ['?from=2026-11-01T00:00:00', 'from'],
    ['?from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z', 'from'],
    ['?since=2026-11-01T00:00:00Z', 'since'],
  ])('%s is 400 and names the parameter', async (search, field) => {
    const { status, errors }: ProblemBody = await (await usage('used', search)).json()
    expect([status, errors?.map((error) => error.field)]).toEqual([400, [field]])
  })

  test('of nobody is 404, without Turso 503', async () => {
    expect((await usage('nowhere')).status).toBe(404)
    await failNext({ kind: 'server_error', on: 'databases.usage' })
    expect((await usage('used')).status).toBe(503)
  })
})
