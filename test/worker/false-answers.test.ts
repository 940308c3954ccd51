/** Answers that have the form of one, and are not about what was asked. */
import { env } from 'cloudflare:workers'
import { createScheduledController, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Fault } from '../../local/faults/script.ts'
import { migrateDirectory } from '../../worker/directory/schema.ts'
import worker from '../../worker/index.ts'
import { Upstream } from '../../worker/objects/upstream.ts'
import type { TenantRecord } from '../../worker/record/tenant.ts'
import { clearFaults, failNext, localPlatform } from '../support/turso.ts'
import { call, signUpNow } from './client.ts'

beforeAll(async () => {
  await migrateDirectory(env.DIRECTORY)
  // The group is made on the way to the first database.
  await signUpNow({ id: 'first-of-all' })
})
beforeEach(clearFaults)
afterEach(async () => {
  vi.restoreAllMocks()
  await clearFaults()
})

const headers = { authorization: 'Bearer admin-key' }
const directory = env.DIRECTORY
const tenantObject = (id: string) => env.TENANTS.getByName(id)

interface History {
  tenant: { status: string }
  timeline: { step: string; outcome: string }[]
  orphans: { database: string; attempts: number }[]
}

const ask = (path: string, method = 'GET'): Promise<Response> => call(path, { method, headers })
const read = async (id: string): Promise<History> => await (await ask(`/v1/tenants/${id}`)).json()
const sweep = () => worker.scheduled(createScheduledController({ scheduledTime: Date.now() }), env)

async function databasesOf(slug: string): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of localPlatform().databases.list())
    if (name.startsWith(`${slug}-`)) names.push(name)
  return names
}

async function runAlarm(id: string): Promise<void> {
  await runInDurableObject(tenantObject(id), (_, { storage }) => {
    const record = storage.kv.get<TenantRecord>('tenant')
    const orphans = record?.orphans.map((orphan) => ({ ...orphan, retryAt: 0 }))
    if (record) storage.kv.put('tenant', { ...record, orphans })
  })
  await runDurableObjectAlarm(tenantObject(id))
}

const strangers = [
  ['a page', '<html><body><h1>404 Not Found</h1></body></html>'],
  ['a page about a database', '<html><body>Error establishing a database connection</body></html>'],
  ['an organization that it does not know', '{"error":"organization not found"}'],
  ['a route that it does not know', 'Cannot DELETE /v1/organizations/local/databases/some'],
  ['nothing', ''],
] as const

describe('a 404 that is not about the database', () => {
  test.each(strangers)('does not make a tenant forget the one that it deletes: %s', async (what, body) => {
    const id = `kept-${what.replaceAll(' ', '-').slice(0, 20)}`
    await signUpNow({ id })
    await failNext({ kind: 'respond', on: 'databases.delete', status: 404, body, times: 2 })
    expect((await ask(`/v1/tenants/${id}?purge=true`, 'DELETE')).status).toBe(202)
    await runAlarm(id)
    await runAlarm(id)
    const [name] = await databasesOf(id)
    expect(name).toBeDefined()
    expect((await read(id)).orphans).toMatchObject([{ database: name }])
    await runAlarm(id)
    expect(await databasesOf(id)).toEqual([])
    await expect.poll(async () => (await ask(`/v1/tenants/${id}`)).status).toBe(404)
  })

  test('does not have an operator believe that an orphan is gone', async () => {
    const name = 'unseen-abcdefghij'
    await localPlatform().databases.create(name, { location: 'aws-eu-west-1' })
    await directory.prepare('insert into orphans (database, since) values (?, 1)').bind(name).run()
    const body = strangers[0][1]
    await failNext({ kind: 'respond', on: 'databases.retrieve', status: 404, body })
    expect((await ask(`/v1/orphans/${name}`, 'DELETE')).status).toBe(503)
    expect(await (await ask(`/v1/orphans/${name}`, 'DELETE')).json()).toMatchObject({ outcome: 'deleted' })
  })

  test.each(['databases.create', 'databases.createToken', 'pipeline'])(
    'does not end a signup: %s',
    async (on) => {
      const id = `waits-${on.replace('.', '-').toLowerCase()}`
      await failNext({ kind: 'respond', on, status: 404, body: strangers[0][1] })
      expect((await signUpNow({ id })).tenant.status).toBe('active')
      expect((await read(id)).timeline).toContainEqual(expect.objectContaining({ outcome: 'retried' }))
    },
  )
})

describe('a refusal by something that stands before Turso', () => {
  const page = '<html><body><h1>Access denied</h1></body></html>'

  test.each([
    ['databases.create', 403],
    ['databases.create', 400],
    ['databases.createToken', 423],
    ['databases.createToken', 451],
  ])('does not end a signup: %s, %d', async (on, status) => {
    const id = `denied-${status}`
    await failNext({ kind: 'respond', on, status, body: page, headers: { 'content-type': 'text/html' } })
    const { database } = await signUpNow({ id })
    expect(await databasesOf(id)).toEqual([database.name])
    expect((await read(id)).timeline).toContainEqual(expect.objectContaining({ outcome: 'retried' }))
  })

  test('leaves it unknown whether a database was made', async () => {
    await failNext({ kind: 'respond', on: 'databases.create', status: 403, body: page, effect: true })
    const { database } = await signUpNow({ id: 'made-behind-a-page' })
    expect(await databasesOf('made-behind-a-page')).toEqual([database.name])
  })

  test.each([401, 302])('does not stop the calls of all tenants, nor end a signup: %d', async (status) => {
    const id = `passing-${status}`
    await failNext({ kind: 'respond', on: 'databases.create', status, body: page, effect: true })
    const refused = vi.spyOn(Upstream.prototype, 'refused')
    const { database } = await signUpNow({ id })
    expect(await databasesOf(id)).toEqual([database.name])
    expect(refused).not.toHaveBeenCalled()
  })

  test.each([400, 409])('is no word of a name that is taken: %d', async (status) => {
    const id = `untaken-${status}`
    const body = '<html>This account already exists</html>'
    await failNext({ kind: 'respond', on: 'databases.create', status, body })
    await signUpNow({ id })
    expect((await read(id)).timeline.map(({ step }) => step)).not.toContain('find_database')
  })

  test('does not end a signup whose database is behind it', async () => {
    await failNext({ kind: 'respond', on: 'pipeline', status: 403, body: page })
    expect((await signUpNow({ id: 'walled-database' })).tenant.status).toBe('active')
  })

  test('leaves it unknown whether the tokens were ended', async () => {
    await signUpNow({ id: 'rotated-behind-a-page' })
    await failNext({
      kind: 'respond',
      on: 'databases.invalidateTokens',
      status: 403,
      body: page,
      effect: true,
    })
    const response = await ask('/v1/tenants/rotated-behind-a-page/tokens', 'DELETE')
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ outcome: 'unknown' })
  })

  test('gives no token, and may pass', async () => {
    await signUpNow({ id: 'walled-token' })
    await failNext({ kind: 'respond', on: 'databases.createToken', status: 403, body: page })
    const response = await ask('/v1/tenants/walled-token/tokens', 'POST')
    expect(response.status).toBe(503)
  })

  test('is not what Turso itself says, which ends it', async () => {
    const body = '{"error":"databases of this kind are forbidden"}'
    const headers = { 'content-type': 'application/json' }
    await failNext({ kind: 'respond', on: 'databases.create', status: 403, body, headers })
    const response = await call('/v1/tenants', {
      method: 'POST',
      headers: { authorization: 'Bearer signup-key', 'content-type': 'application/json' },
      body: JSON.stringify({ id: 'forbidden-by-turso' }),
    })
    expect(response.status).toBe(502)
  })
})

test.each(['databases.createToken', 'pipeline'])(
  'a conflict that is about nothing that was created does not end a signup: %s',
  async (on) => {
    const id = `busy-${on.replace('.', '-').toLowerCase()}`
    await failNext({ kind: 'respond', on, status: 409, body: '{"error":"another operation is in progress"}' })
    const { database } = await signUpNow({ id })
    expect(await databasesOf(id)).toEqual([database.name])
  },
)

test.each([
  ['of another name', { Name: 'another', DbId: 'd', Hostname: 'another-local.turso.io' }],
  ['at no address', { Name: null, DbId: 'd', Hostname: 'a host/../of no name' }],
])('a new database %s is no answer, and looked for', async (what, database) => {
  const id = `elsewhere-${what.replaceAll(' ', '-')}`
  const answer: Fault =
    database.Name === null
      ? { kind: 'replace', on: 'databases.create', from: `-local.aws`, to: ' /../' }
      : { kind: 'wrong_shape', on: 'databases.create', body: { database }, effect: true }
  await failNext(answer)
  expect((await signUpNow({ id })).database.hostname).toContain(id)
  expect((await read(id)).timeline.map(({ step, outcome }) => `${step} ${outcome}`).slice(0, 3)).toEqual([
    'create_database retried',
    'create_database retried',
    'find_database done',
  ])
})

test('a list of nothing does not take away what is known of orphans', async () => {
  const name = 'unlisted-abcdefghij'
  await localPlatform().databases.create(name, { location: 'aws-eu-west-1' })
  await sweep()
  await directory.prepare('update orphans set since = 1, seen_at = 2 where database = ?').bind(name).run()
  expect((await ask(`/v1/orphans/${name}/ignore`, 'POST')).status).toBe(200)
  const row = (): Promise<unknown> =>
    directory.prepare('select * from orphans where database = ?').bind(name).first()
  const before = await row()
  await failNext({ kind: 'respond', on: 'databases.list', status: 200, body: '{"databases":[]}' })
  await sweep()
  expect(await row()).toEqual({ ...(before as object), seen_at: expect.any(Number) })
  await localPlatform().databases.delete(name)
  // In another millisecond, or it would have been seen in this walk.
  await directory.prepare('update orphans set seen_at = 2 where database = ?').bind(name).run()
  await sweep()
  expect(await row()).toBeNull()
})

test('of D1, fewer than it was asked for are a failure, and not asked for again at once', async () => {
  const batch = vi.spyOn(Object.getPrototypeOf(directory) as D1Database, 'batch').mockResolvedValue([])
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  await signUpNow({ id: 'short' })
  const attempts = (): Promise<unknown> =>
    runInDurableObject(
      tenantObject('short'),
      (_, { storage }) => storage.kv.get<{ attempts: number }>('outbox')?.attempts,
    )
  await expect.poll(attempts).toBeGreaterThan(0)
  const calls = batch.mock.calls.length
  // One for each time that something is stored, and not one after the other without end.
  expect(calls).toBeLessThanOrEqual(20)
  batch.mockRestore()
  await runDurableObjectAlarm(tenantObject('short'))
  expect(await attempts()).toBe(0)
})
