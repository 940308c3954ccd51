/**
 * Whatever a Tenant object does about its database, it is gone in the middle of each of its calls to Turso in turn: before
 * the call is done, and after, when nobody is there to hear of it.
 */
import { env } from 'cloudflare:workers'
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, isTursoError } from '../../src/index.ts'
import type { TenantRecord } from '../../worker/record/tenant.ts'
import { clearFaults, failNext, holdNext, localPlatform, requestsSeen } from '../support/turso.ts'
import { call, signUp, signUpNow, type SignupAnswer } from './client.ts'

beforeEach(clearFaults)
afterEach(clearFaults)

const headers = { authorization: 'Bearer admin-key' }
const tenantObject = (id: string) => env.TENANTS.getByName(id)

interface History {
  tenant: { status: string }
}

const read = async (id: string): Promise<History> =>
  await (await call(`/v1/tenants/${id}`, { headers })).json()
const statusOf = async (id: string): Promise<number> => (await call(`/v1/tenants/${id}`, { headers })).status
const patch = (id: string, body: object): Promise<Response> =>
  call(`/v1/tenants/${id}`, { method: 'PATCH', headers, body: JSON.stringify(body) })
const remove = (id: string, query = ''): Promise<Response> =>
  call(`/v1/tenants/${id}${query}`, { method: 'DELETE', headers })

async function databasesOf(slug: string): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of localPlatform().databases.list())
    if (name.startsWith(`${slug}-`)) names.push(name)
  return names
}

/** The call of whose end nobody has heard. */
const inFlight = (id: string): Promise<TenantRecord['inFlight']> =>
  runInDurableObject(tenantObject(id), (_, { storage }) => storage.kv.get<TenantRecord>('tenant')!.inFlight)

/** What waits is due, as if its time had come. */
const makeDue = (id: string): Promise<void> =>
  runInDurableObject(tenantObject(id), (_, { storage }) => {
    const record = storage.kv.get<TenantRecord>('tenant')
    if (record === undefined) return
    const orphans = record.orphans.map((orphan) => ({ ...orphan, retryAt: 0 }))
    const access = { ...record.access, retryAt: null }
    storage.kv.put('tenant', { ...record, orphans, access, retryAt: null })
  })

/** What the clock would do, until nothing is to be done any more. */
async function runAlarms(id: string): Promise<void> {
  for (let count = 0; count < 20; count++) {
    await makeDue(id)
    if (!(await runDurableObjectAlarm(tenantObject(id)))) return
  }
  throw new Error(`${id} does not come to rest`)
}

/** Whether Turso answers what is sent to the database. */
async function isOpen({ database, token }: SignupAnswer): Promise<boolean> {
  try {
    await connect({ url: database.http_url, authToken: token.jwt }).execute('select count(*) from notes')
    return true
  } catch (error) {
    if (isTursoError(error, 'sql_error') && error.sqlCode === 'BLOCKED') return false
    throw error
  }
}

interface Saga {
  what: string
  /** What the ids of its tenants begin with. */
  slug: string
  /** The calls to Turso that it makes, in order, as a fault names them. */
  calls: readonly string[]
  /** What is there before. */
  begin?: (id: string) => Promise<SignupAnswer | void>
  run: (id: string) => Promise<unknown>
  /** How it must end. */
  expectEnd: (id: string, before: SignupAnswer | void) => Promise<void>
}

async function expectOneDatabase(id: string, body: object): Promise<void> {
  const { tenant } = await read(id)
  expect(tenant.status).toBe('active')
  // Nobody has been given a token yet, so the same signup gets it.
  const claimed: SignupAnswer = await (await signUp(body, { 'idempotency-key': id })).json()
  expect(await databasesOf(id)).toEqual([claimed.database.name])
  const db = connect({ url: claimed.database.http_url, authToken: claimed.token.jwt })
  expect((await db.execute('select * from notes')).rows).toEqual([])
}

const sagas: readonly Saga[] = [
  {
    what: 'a signup',
    slug: 'gone-plain',
    calls: ['databases.create', 'databases.createToken', 'pipeline'],
    run: (id) => signUp({ id }, { 'idempotency-key': id }),
    expectEnd: (id) => expectOneDatabase(id, { id }),
  },
  {
    what: 'a signup from a template',
    slug: 'gone-copied',
    calls: ['databases.create', 'databases.createToken', 'pipeline'],
    run: (id) => signUp({ id, template: 'template-original' }, { 'idempotency-key': id }),
    expectEnd: (id) => expectOneDatabase(id, { id, template: 'template-original' }),
  },
  {
    what: 'a signup whose database is there already',
    slug: 'gone-there',
    calls: ['databases.retrieve', 'databases.createToken', 'pipeline'],
    async begin() {
      const body = '{"error":"database with same name already exists"}'
      await failNext({ kind: 'respond', on: 'databases.create', status: 400, body, effect: true })
    },
    run: (id) => signUp({ id }, { 'idempotency-key': id }),
    expectEnd: (id) => expectOneDatabase(id, { id }),
  },
  {
    what: 'a signup that deletes what a failed one has left',
    slug: 'gone-again',
    calls: ['databases.delete', 'databases.create', 'databases.createToken', 'pipeline'],
    async begin(id) {
      await failNext({ kind: 'respond', on: 'databases.createToken', status: 400, body: '{"error":"no"}' })
      await failNext({ kind: 'respond', on: 'databases.delete', status: 503 })
      expect((await signUp({ id }, { 'idempotency-key': id })).status).toBe(502)
      expect(await databasesOf(id)).toHaveLength(1)
      await clearFaults()
    },
    run: (id) => signUp({ id }, { 'idempotency-key': id }),
    expectEnd: (id) => expectOneDatabase(id, { id }),
  },
  {
    what: 'a suspension',
    slug: 'gone-closed',
    calls: ['databases.configuration'],
    begin: (id) => signUpNow({ id }),
    run: (id) => patch(id, { suspended: true }),
    async expectEnd(id, before) {
      expect((await read(id)).tenant.status).toBe('suspended')
      expect(await isOpen(before!)).toBe(false)
    },
  },
  {
    what: 'a resumption',
    slug: 'gone-opened',
    calls: ['databases.configuration'],
    async begin(id) {
      const signup = await signUpNow({ id })
      expect((await patch(id, { suspended: true })).status).toBe(200)
      return signup
    },
    run: (id) => patch(id, { suspended: false }),
    async expectEnd(id, before) {
      expect((await read(id)).tenant.status).toBe('active')
      expect(await isOpen(before!)).toBe(true)
    },
  },
  {
    what: 'a restoration of a tenant that is suspended meanwhile',
    slug: 'gone-restored',
    calls: ['databases.configuration'],
    async begin(id) {
      const signup = await signUpNow({ id })
      expect((await remove(id)).status).toBe(202)
      return signup
    },
    async run(id) {
      expect((await call(`/v1/tenants/${id}/restore`, { method: 'POST', headers })).status).toBe(200)
      await patch(id, { suspended: true })
    },
    async expectEnd(id, before) {
      expect((await read(id)).tenant.status).toBe('suspended')
      expect(await isOpen(before!)).toBe(false)
    },
  },
  {
    what: 'a deletion',
    slug: 'gone-deleted',
    calls: ['databases.delete'],
    begin: (id) => signUpNow({ id }),
    async run(id) {
      expect((await remove(id, '?purge=true')).status).toBe(202)
      await runDurableObjectAlarm(tenantObject(id))
    },
    async expectEnd(id) {
      expect(await databasesOf(id)).toEqual([])
      await expect.poll(() => statusOf(id)).toBe(404)
    },
  },
  {
    what: 'a deletion of what is not proven to be its own',
    slug: 'gone-unproven',
    calls: ['databases.retrieve', 'databases.createToken', 'pipeline', 'databases.delete'],
    async begin(id) {
      const later = { 'retry-after': '60' }
      await failNext({ kind: 'respond', on: 'databases.create', status: 504, headers: later, effect: true })
      expect((await signUp({ id })).status).toBe(202)
      expect(await databasesOf(id)).toHaveLength(1)
    },
    async run(id) {
      expect((await remove(id, '?purge=true')).status).toBe(202)
      await runDurableObjectAlarm(tenantObject(id))
    },
    async expectEnd(id) {
      expect(await databasesOf(id)).toEqual([])
      await expect.poll(() => statusOf(id)).toBe(404)
    },
  },
]

const moments = [
  ['before it is done', 'request'],
  ['after it is done', 'answer'],
] as const

const REQUESTS: Readonly<Record<string, RegExp>> = {
  'databases.create': /^POST .*\/databases$/,
  'databases.createToken': /^POST .*\/auth\/tokens$/,
  'databases.retrieve': /^GET .*\/databases\/[^/]+$/,
  'databases.delete': /^DELETE .*\/databases\/[^/]+$/,
  'databases.configuration': /^PATCH .*\/configuration$/,
  pipeline: /^POST .*\/v3\/pipeline$/,
}

beforeAll(async () => {
  // A template has what this Worker has made of it.
  const { database } = await signUpNow({ id: 'original' })
  const platform = localPlatform()
  await platform.databases.create('template-original', {
    location: 'aws-eu-west-1',
    seed: { type: 'database', name: database.name },
  })
})

describe.each(sagas)('$what', ({ slug, calls, begin, run, expectEnd }) => {
  test('makes these calls', async () => {
    const id = `${slug}-calls`
    await begin?.(id)
    await requestsSeen()
    await run(id)
    const made = (await requestsSeen()).map((line) => calls.find((on) => REQUESTS[on]!.test(line)) ?? line)
    const own = made.filter((line) => calls.includes(line))
    expect([...new Set(own)]).toEqual(calls)
  })

  for (const on of calls)
    for (const [when, holds] of moments)
      test(`is gone in ${on}, ${when}, and ends right`, async () => {
        const id = `${slug}-${calls.indexOf(on)}${holds === 'request' ? 'b' : 'a'}`
        const before = await begin?.(id)
        const hold = await holdNext(on, { holds })
        const running = run(id).catch(() => undefined)
        await hold.reached()
        await abortAllDurableObjects()
        await running
        expect(await inFlight(id)).not.toBeNull()
        await runAlarms(id)
        await expectEnd(id, before)
      })
})
