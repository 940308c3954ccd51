import { env, exports } from 'cloudflare:workers'
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { TenantsService } from '../../src/index.ts'
import { migrateDirectory } from '../../worker/directory/schema.ts'
import { Tenants } from '../../worker/index.ts'
import openapi from '../../worker/openapi.json'
import { clearFaults, failNext } from '../support/turso.ts'
import { call, signUp, signUpNow } from './client.ts'
import { answerOf, execute, sessionOf } from './gateway-client.ts'
import { objectsOf } from './objects.ts'
import { greet } from './socket-client.ts'

beforeAll(() => migrateDirectory(env.DIRECTORY))
beforeEach(clearFaults)
afterEach(clearFaults)

interface AuditRow {
  at: string
  actor: string
  action: string
  tenant: string | null
  database: string | null
  outcome: string
  request_id: string | null
}

/** Something that there is to be done, and the row that it has to leave. */
interface Deed {
  /** For the names in braces. */
  parameters?: Record<string, string>
  body?: object
  row: { action: string; tenant: string | null; database?: string; session?: string }
}

const admin = { authorization: 'Bearer admin-key' }
const remove = (id: string): Promise<Response> =>
  call(`/v1/tenants/${id}`, { method: 'DELETE', headers: admin })

/** A tenant that is there, and what is done to it. */
async function toTenant(id: string, action: string, body?: object): Promise<Deed> {
  await signUpNow({ id })
  return { parameters: { id }, row: { action, tenant: id }, ...(body === undefined ? {} : { body }) }
}

async function failedSignup(id: string): Promise<void> {
  await failNext({ kind: 'respond', on: 'databases.create', status: 402, body: '{"error":"plan"}' })
  expect((await signUp({ id })).status).toBe(502)
}

async function stray(database: string, action: string): Promise<Deed> {
  await env.DIRECTORY.prepare('insert into orphans (database, since) values (?, 1)').bind(database).run()
  return { parameters: { database }, row: { action, tenant: null, database } }
}

async function openSession(tenant: string): Promise<string> {
  const { token } = await signUpNow({ id: tenant })
  const { baton } = await answerOf(
    call(`/t/${tenant}/v3/pipeline`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token.jwt}` },
      body: JSON.stringify({ baton: null, requests: [execute('begin')] }),
    }),
  )
  return sessionOf(baton!).id.toString()
}

/** By the id of the operation. Whoever adds a route that changes something adds here how to have it do so. */
const DEEDS: Record<string, () => Promise<Deed>> = {
  signUp: async () => ({ body: { id: 'audited' }, row: { action: 'signup', tenant: 'audited' } }),
  updateTenant: () => toTenant('audited-update', 'update', { name: 'B' }),
  deleteTenant: () => toTenant('audited-delete', 'delete'),
  createToken: () => toTenant('audited-token', 'token', {}),
  invalidateTokens: () => toTenant('audited-invalidate', 'invalidate_tokens'),
  async restoreTenant() {
    const deed = await toTenant('audited-restore', 'restore')
    await remove('audited-restore')
    return deed
  },
  async retrySignup() {
    await failedSignup('audited-retry')
    return { parameters: { id: 'audited-retry' }, row: { action: 'retry', tenant: 'audited-retry' } }
  },
  drainSessions: () => toTenant('audited-drain', 'drain_sessions', { tenant: 'audited-drain' }),
  async killSession() {
    const id = await openSession('audited-kill')
    return { parameters: { id }, row: { action: 'kill_session', tenant: 'audited-kill', session: id } }
  },
  deleteOrphan: () => stray('audited-abcdefghij', 'delete_orphan'),
  ignoreOrphan: () => stray('ignored-abcdefghij', 'ignore_orphan'),
  rebuildDirectory: async () => ({
    body: { objects: [env.TENANTS.idFromName('audited-rebuild').toString()] },
    row: { action: 'rebuild_directory', tenant: null },
  }),
  checkDirectory: async () => ({
    body: { published_before: new Date(0).toISOString() },
    row: { action: 'check_directory', tenant: null },
  }),
}

type Documented = { operationId: string; security?: Record<string, string[]>[] }

/** What a key may do, and changes something. What a database token may do is for the database to note. */
const mutations = Object.entries(
  openapi.paths as object as Record<string, Record<string, Documented>>,
).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, { operationId, security = [] }]) => {
    const scope = security.flatMap(({ apiKey = [] }) => apiKey)[0]
    const isDatabases = security.some(({ databaseToken }) => databaseToken !== undefined)
    return method === 'get' || isDatabases ? [] : [{ operationId, method, path, scope }]
  }),
)

async function rowsOf(requestId: string | null, actor: string): Promise<AuditRow[]> {
  const response = await call(`/v1/audit?actor=${actor}&limit=200`, { headers: admin })
  const { audit } = (await response.json()) as { audit: AuditRow[] }
  return audit.filter(({ request_id }) => requestId === null || request_id === requestId)
}

describe('whoever changes something by', () => {
  test('a route is asked for a key', () => {
    expect(mutations.filter(({ scope }) => scope !== 'signup' && scope !== 'admin')).toEqual([])
    expect(mutations.length).toBeGreaterThanOrEqual(Object.keys(DEEDS).length)
  })

  test.each(mutations.map((mutation) => [mutation.operationId, mutation] as const))(
    '%s is in the audit, with what was done, to whom, when and by which request',
    async (operationId, { method, path, scope }) => {
      const make = DEEDS[operationId]
      if (make === undefined) throw new Error(`Nothing in DEEDS says how to ${operationId}`)
      const { parameters = {}, body, row } = await make()
      const requestId = `audited-${operationId}`
      const before = Date.now()
      const response = await call(
        path.replaceAll(/\{(\w+)\}/g, (_, name: string) => parameters[name]!),
        {
          method: method.toUpperCase(),
          headers: { authorization: `Bearer ${scope}-key`, 'x-request-id': requestId },
          body: body === undefined ? null : JSON.stringify(body),
        },
      )
      expect([response.status, await response.text()]).toEqual([
        expect.toSatisfy(isSuccess),
        expect.any(String),
      ])
      const actor = scope === 'admin' ? 'key:ops' : 'key:app'
      await expect
        .poll(() => rowsOf(requestId, actor))
        .toContainEqual(
          expect.objectContaining({ ...row, actor, outcome: expect.stringMatching(/^[a-z]+$/) as string }),
        )
      for (const { at } of await rowsOf(requestId, actor)) {
        expect(Date.parse(at)).toBeGreaterThanOrEqual(before)
        expect(Date.parse(at)).toBeLessThanOrEqual(Date.now())
      }
    },
  )
})

test('who ends a session is in the audit with its tenant, also when its object has been away', async () => {
  const id = await openSession('audited-evicted')
  await evictDurableObject(env.SESSIONS.get(env.SESSIONS.idFromString(id)))
  const killed = await call(`/v1/sessions/${id}`, { method: 'DELETE', headers: admin })
  expect(await killed.json()).toEqual({ id, tenant: 'audited-evicted', status: 'killed' })
  const { token } = await signUpNow({ id: 'audited-socket' })
  const client = await greet(token.jwt, 'audited-socket')
  const [socket] = objectsOf(env.SOCKETS)
  await evictDurableObject(env.SOCKETS.get(socket!))
  const closed = await call(`/v1/sessions/${socket!.toString()}`, { method: 'DELETE', headers: admin })
  expect(await closed.json()).toMatchObject({ tenant: 'audited-socket' })
  await client.closed
  for (const [tenant, session] of [
    ['audited-evicted', id],
    ['audited-socket', socket!.toString()],
  ])
    await expect
      .poll(() => rowsOf(null, 'key:ops'))
      .toContainEqual(expect.objectContaining({ action: 'kill_session', tenant, session }))
})

test('what is done about a tenant that is not there has its row all the same', async () => {
  const headers = { ...admin, 'x-request-id': 'audited-nobody' }
  const body = JSON.stringify({ tenant: 'audited-nobody' })
  expect((await call('/v1/sessions/drain', { method: 'POST', headers, body })).status).toBe(202)
  expect(await rowsOf('audited-nobody', 'key:ops')).toMatchObject([
    { action: 'drain_sessions', tenant: 'audited-nobody' },
  ])
})

test('what would have no row is not done', async () => {
  const headers = { ...admin, 'x-request-id': 'audited-down' }
  const [object] = objectsOf(env.TENANTS)
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
  await env.DIRECTORY.exec('alter table audit rename column outcome to hidden')
  try {
    const body = JSON.stringify({ objects: [object!.toString()] })
    const response = await call('/v1/directory/rebuild', { method: 'POST', headers, body })
    expect([response.status, await response.json()]).toMatchObject([503, { code: 'directory_unavailable' }])
    // Nor is a session ended of which nobody can say whose it is.
    const id = await openSession('audited-forgotten')
    await runInDurableObject(env.TENANTS.getByName('audited-forgotten'), (_, { storage }) => {
      storage.kv.delete('tenant')
    })
    expect((await call(`/v1/sessions/${id}`, { method: 'DELETE', headers })).status).toBe(503)
    const { sessions } = (await (
      await call('/v1/sessions?tenant=audited-forgotten', { headers })
    ).json()) as {
      sessions: object[]
    }
    expect(sessions).toMatchObject([{ id, status: 'in_transaction' }])
  } finally {
    await env.DIRECTORY.exec('alter table audit rename column hidden to outcome')
    vi.restoreAllMocks()
  }
  expect(await rowsOf('audited-down', 'key:ops')).toEqual([])
})

const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** What changes nothing. */
const READERS = ['get', 'usage'] as const

/** By the name of the method, which is called with the id of a tenant that is there. */
const BINDING: Record<
  Exclude<keyof TenantsService, (typeof READERS)[number]>,
  { action: string; call: (id: string) => Promise<unknown> }
> = (() => {
  const service = (exports as unknown as { Tenants: (options: { props: unknown }) => TenantsService }).Tenants
  const bound = service({ props: { name: 'audited' } })
  return {
    signup: { action: 'signup', call: (id) => bound.signup({ id: `${id}-new` }) },
    retry: {
      action: 'retry',
      async call(id) {
        await failedSignup(`${id}-failed`)
        return await bound.retry(`${id}-failed`)
      },
    },
    update: { action: 'update', call: (id) => bound.update(id, { name: 'B' }) },
    suspend: { action: 'suspend', call: (id) => bound.suspend(id) },
    resume: {
      action: 'resume',
      async call(id) {
        await bound.suspend(id)
        return await bound.resume(id)
      },
    },
    delete: { action: 'delete', call: (id) => bound.delete(id) },
    restore: {
      action: 'restore',
      async call(id) {
        await bound.delete(id)
        return await bound.restore(id)
      },
    },
    createToken: { action: 'token', call: (id) => bound.createToken(id) },
    invalidateTokens: { action: 'invalidate_tokens', call: (id) => bound.invalidateTokens(id) },
    // By the token that it needs.
    session: {
      action: 'token',
      async call(id) {
        using session = await bound.session(id)
        await session.execute('select 1')
      },
    },
  }
})()

const methods = Object.getOwnPropertyNames(Tenants.prototype).filter((name) => name !== 'constructor')
const rowsOfTenants = async (prefix: string): Promise<AuditRow[]> =>
  (await rowsOf(null, 'binding:audited')).filter(({ tenant }) => tenant!.startsWith(prefix))

describe('whoever calls the binding', () => {
  test.each(methods.filter((name) => !(READERS as readonly string[]).includes(name)))(
    'for %s is in the audit',
    async (name) => {
      const deed = BINDING[name as keyof typeof BINDING]
      if (deed === undefined) throw new Error(`Nothing in BINDING says how to call ${name}`)
      const id = `bound-${name.toLowerCase()}`
      await signUpNow({ id })
      await deed.call(id)
      const request_id = expect.stringMatching(/^[\da-f-]{36}$/) as string
      await expect
        .poll(() => rowsOfTenants(id))
        .toContainEqual(expect.objectContaining({ action: deed.action, request_id }))
    },
  )
})
