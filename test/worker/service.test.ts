/** The entrypoint for service bindings, called as a binding calls it: by RPC. */
import { env, exports } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connect, type SignupOrder, type TenantsError, type TenantsService } from '../../src/index.ts'
import { clearFaults, failNext, holdNext } from '../support/turso.ts'
import { call, ORIGIN, signUpNow } from './client.ts'

beforeEach(clearFaults)
afterEach(clearFaults)

type Entrypoint = (options: { props: unknown }) => TenantsService

const bound = (props: unknown = { name: 'backend' }): TenantsService =>
  (exports as unknown as { Tenants: Entrypoint }).Tenants({ props })

/** As a Worker without types calls it. */
type Untyped = Record<
  'signup' | 'get' | 'delete' | 'createToken' | 'usage',
  (...args: unknown[]) => Promise<unknown>
>

const failure = async (answer: Promise<unknown>): Promise<TenantsError> => {
  try {
    await answer
  } catch (error) {
    return error as TenantsError
  }
  throw new Error('it did not fail')
}

const admin = { authorization: 'Bearer admin-key' }

describe('the Tenants entrypoint', () => {
  test('signs a tenant up as the route does, and answers with the names of TypeScript', async () => {
    const answer = await bound().signup({ id: 'bound', metadata: { snake_case: 1 } })
    expect(answer).toEqual({
      tenant: {
        id: 'bound',
        name: null,
        status: 'active',
        location: 'aws-eu-west-1',
        group: 'default',
        schemaVersion: 1,
        createdAt: expect.any(String),
        metadata: { snake_case: 1 },
      },
      database: {
        name: expect.stringMatching(/^bound-/),
        hostname: expect.any(String),
        url: expect.stringMatching(/^libsql:/),
        httpUrl: expect.stringMatching(/^https:.*\/$/),
        gatewayUrl: null,
      },
      token: { jwt: expect.any(String), authorization: 'full-access', expiresAt: expect.any(String) },
      isReplayed: false,
    })
    const db = connect({ url: answer.database!.httpUrl, authToken: answer.token!.jwt })
    expect((await db.execute('select * from notes')).rows).toEqual([])
    const overHttp = await (await call('/v1/tenants/bound', { headers: admin })).json()
    expect(overHttp).toMatchObject({ tenant: { schema_version: 1, metadata: { snake_case: 1 } } })
  })

  test('gives the same tenant to the same key, and says where it is when the caller does not wait', async () => {
    const first = await bound().signup({ id: 'bound-key' }, { idempotencyKey: 'k' })
    const again = await bound().signup({ id: 'bound-key' }, { idempotencyKey: 'k' })
    expect(again).toMatchObject({ database: first.database, isReplayed: true })
    const hold = await holdNext('databases.create')
    const early = await bound().signup({ id: 'bound-early' }, { waitMs: 0 })
    expect(early).toMatchObject({ token: null, retryAfterMs: 5000, tenant: { status: 'provisioning' } })
    await hold.letGo()
    await expect.poll(async () => (await bound().get('bound-early')).tenant.status).toBe('active')
  })

  test('has the whole life of a tenant', async () => {
    const service = bound()
    await service.signup({ id: 'bound-life', name: 'A' })
    expect(await service.suspend('bound-life', 'unpaid')).toMatchObject({
      tenant: { status: 'suspended', suspension: { reason: 'unpaid', isDatabaseBlocked: true } },
      isPending: false,
    })
    expect((await failure(service.createToken('bound-life'))).code).toBe('tenant_suspended')
    expect((await service.resume('bound-life')).tenant.status).toBe('active')
    expect((await service.update('bound-life', { name: null, metadata: { a: 1 } })).tenant).toMatchObject({
      name: null,
      metadata: { a: 1 },
    })
    expect(await service.createToken('bound-life', { expiration: '1h' })).toMatchObject({
      authorization: 'full-access',
    })
    expect((await service.usage('bound-life')).usage.rowsWritten).toBeGreaterThan(0)
    expect((await service.invalidateTokens('bound-life')).tenant.id).toBe('bound-life')
    expect((await service.retry('bound-life')).tenant.status).toBe('active')
    expect((await service.delete('bound-life')).tenant.deleteAt).toEqual(expect.any(String))
    expect((await service.restore('bound-life')).tenant.status).toBe('active')
    expect((await service.delete('bound-life', { purge: true })).tenant).not.toHaveProperty('deleteAt')
    await expect.poll(async () => (await failure(service.get('bound-life'))).code).toBe('not_found')
  })

  test('refuses what the routes refuse, with codes, fields and times that cross the binding', async () => {
    const service = bound()
    expect(
      await failure(service.signup({ id: '../x', plan: 'gold' } as unknown as SignupOrder)),
    ).toMatchObject({
      code: 'invalid_request',
      requestId: expect.any(String),
      errors: expect.arrayContaining([
        { field: 'id', detail: expect.any(String) },
        { field: 'plan', detail: 'is not known' },
      ]),
    })
    const { tenant } = await service.signup({ id: 'bound-twice' })
    expect(await failure(service.signup({ id: 'bound-twice' }))).toMatchObject({
      code: 'tenant_exists',
      message: expect.stringContaining('"bound-twice" exists'),
      tenant: { id: 'bound-twice', createdAt: tenant.createdAt },
    })
    await failNext({
      kind: 'respond',
      on: 'databases.createToken',
      status: 503,
      headers: { 'retry-after': '7' },
    })
    expect(await failure(service.createToken('bound-twice'))).toMatchObject({
      code: 'upstream_unavailable',
      retryAfterMs: 7_000,
    })
  })

  test.each<[string, (service: TenantsService) => Promise<unknown>, string]>([
    ['no id', (service) => service.get(undefined as unknown as string), 'invalid_request'],
    ['an id that is an object', (service) => service.get({} as unknown as string), 'invalid_request'],
    ['no order', (service) => service.signup(undefined as unknown as SignupOrder), 'invalid_request'],
    ['a bigint', (service) => service.signup({ id: 'a', metadata: { n: 1n } }), 'invalid_request'],
    [
      'too much',
      (service) => service.signup({ id: 'a', metadata: { t: 'x'.repeat(70_000) } }),
      'payload_too_large',
    ],
    ['an empty key', (service) => service.signup({ id: 'a' }, { idempotencyKey: '' }), 'invalid_request'],
    ['a range that is none', (service) => service.usage('a', { from: 'yesterday' }), 'invalid_request'],
    ['nobody', (service) => service.get('bound-nobody'), 'not_found'],
  ])('with %s fails by its code', async (_, work, code) => {
    expect((await failure(work(bound()))).code).toBe(code)
  })

  test.each([
    [
      'a key that is no text',
      'Idempotency-Key',
      (to: Untyped) => to.signup({ id: 'x' }, { idempotencyKey: 7 }),
    ],
    ['an id that is no text', 'id', (to: Untyped) => to.get({ id: 'x' })],
    ['no order', '', (to: Untyped) => to.signup(undefined)],
    ['a range of numbers', 'from', (to: Untyped) => to.usage('x', { from: 1 })],
  ])('is told what is wrong with %s', async (_, field, ask) => {
    const { code, errors } = await failure(ask(bound() as unknown as Untyped))
    expect([code, errors?.map((error) => error.field)]).toEqual(['invalid_request', [field]])
  })

  test('takes null for options that are left out', async () => {
    const untyped = bound() as unknown as Untyped
    expect(await failure(untyped.signup({ id: '-' }, null))).toMatchObject({ code: 'invalid_request' })
    expect(await failure(untyped.delete('nobody', null))).toMatchObject({ code: 'not_found' })
    expect(await failure(untyped.createToken('nobody', null))).toMatchObject({ code: 'not_found' })
    expect(await failure(untyped.usage('nobody', null))).toMatchObject({ code: 'not_found' })
  })

  test('is known in the audit by the name that its binding has, if that is one', async () => {
    await bound({ name: 'my-backend' }).signup({ id: 'audited-a' })
    await bound({ name: 'key:ops\n' }).signup({ id: 'audited-b' })
    await bound({}).signup({ id: 'audited-c' })
    const actorOf = async (tenant: string): Promise<unknown> => {
      const response = await call(`/v1/audit?tenant=${tenant}&action=signup`, { headers: admin })
      return ((await response.json()) as { audit: { actor: string }[] }).audit.map(({ actor }) => actor)
    }
    await expect.poll(() => actorOf('audited-a')).toEqual(['binding:my-backend'])
    await expect.poll(() => actorOf('audited-b')).toEqual(['binding:service'])
    await expect.poll(() => actorOf('audited-c')).toEqual(['binding:service'])
  })

  test('sees the same tenants as the API', async () => {
    const { tenant, database } = await signUpNow({ id: 'both-ways' })
    expect(await bound().get('both-ways')).toMatchObject({
      tenant: { id: tenant.id, schemaVersion: tenant.schema_version },
      database: { name: database.name, httpUrl: database.http_url },
    })
    expect(database.gateway_url).toBe(`${ORIGIN}/t/both-ways/`)
    expect(env.PUBLIC_URL).toBe('')
  })
})
