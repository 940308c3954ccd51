import { env } from 'cloudflare:workers'
import { createScheduledController, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect } from '../../src/index.ts'
import { auditId } from '../../worker/directory/audit.ts'
import { migrateDirectory } from '../../worker/directory/schema.ts'
import worker from '../../worker/index.ts'
import { AUDIT_RETENTION_MS, MAX_LIST_PAGES } from '../../worker/limits.ts'
import { findStrays, readWalk } from '../../worker/sweeper/strays.ts'
import { clearFaults, failNext, localPlatform, requestsSeen } from '../support/turso.ts'
import { call, signUp, signUpNow, type ProblemBody } from './client.ts'

beforeAll(() => migrateDirectory(env.DIRECTORY))
beforeEach(clearFaults)
afterEach(clearFaults)

const directory = env.DIRECTORY
const tenantObject = (id: string) => env.TENANTS.getByName(id)
const admin = { authorization: 'Bearer admin-key' }
const get = (path: string): Promise<Response> => call(path, { headers: admin })
const sweep = () => worker.scheduled(createScheduledController({ scheduledTime: Date.now() }), env)

const column = async (sql: string, ...args: (string | number)[]): Promise<unknown> =>
  await directory
    .prepare(sql)
    .bind(...args)
    .first(/select (\w+)/.exec(sql)![1]!)
const statusOf = (id: string) => column('select status from tenants where id = ?', id)
const isStuck = (id: string) =>
  directory.prepare('update tenants set expected_by = 1 where id = ?').bind(id).run()

async function delivered(id: string): Promise<void> {
  await expect
    .poll(() =>
      runInDurableObject(tenantObject(id), (_, { storage }) => {
        const outbox = storage.kv.get<{ retryAt: number | null }>('outbox')
        return outbox?.retryAt ?? null
      }),
    )
    .toBeNull()
}

/** A database at Turso that no tenant has, in the schema of our names. */
async function makeStray(name: string, owner?: { database: string; tenant: string }): Promise<void> {
  const { hostname } = await localPlatform().databases.create(name, { location: 'aws-eu-west-1' })
  if (owner === undefined) return
  const authToken = await localPlatform().databases.createToken(name)
  await connect({ url: `https://${hostname}`, authToken }).batch([
    'create table _turso_edge_owner (database text primary key, tenant text, nonce text)',
    {
      sql: 'insert into _turso_edge_owner values (?, ?, ?)',
      args: [owner.database, owner.tenant, 'n'],
    },
  ])
}

/** As if it had been found long ago. */
const age = (name: string) =>
  directory.prepare('update orphans set since = 1 where database = ?').bind(name).run()

async function databases(): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of localPlatform().databases.list()) names.push(name)
  return names
}

async function orphans(query = ''): Promise<{ database: string; tenant: string | null }[]> {
  const { orphans } = (await (await get(`/v1/orphans${query}`)).json()) as {
    orphans: { database: string; tenant: string | null; found_by: string }[]
  }
  return orphans
}

const removeOrphan = (name: string, query = ''): Promise<Response> =>
  call(`/v1/orphans/${name}${query}`, { method: 'DELETE', headers: admin })

describe('a tenant that should have changed and has not', () => {
  test('whose alarm was lost is woken, and its signup goes on', async () => {
    const headers = { 'retry-after': '60' }
    await failNext({ kind: 'respond', on: 'databases.createToken', status: 503, headers })
    expect((await signUp({ id: 'asleep' })).status).toBe(202)
    await delivered('asleep')
    await runInDurableObject(tenantObject('asleep'), async (_, { storage }) => {
      storage.kv.put('tenant', { ...storage.kv.get<object>('tenant'), retryAt: null })
      await storage.deleteAlarm()
    })
    await sweep()
    // Its time has not come yet.
    expect(await statusOf('asleep')).toBe('provisioning')
    await isStuck('asleep')
    await sweep()
    await expect.poll(() => statusOf('asleep')).toBe('active')
  })

  test('that its object knows nothing of is not in the directory any more', async () => {
    await directory.exec(
      "insert into tenants (id, revision, status, group_name, location, database, schema_version, created_at, published_at, expected_by) values ('ghost', 9, 'provisioning', 'g', 'l', 'ghost-abcdefghij', 0, '', 0, 1)",
    )
    await sweep()
    expect(await statusOf('ghost')).toBeNull()
    // Nor did looking for it leave a trace, and a signup of that id is known again.
    await runInDurableObject(tenantObject('ghost'), (_, { storage }) => {
      expect([...storage.kv.list()]).toEqual([])
    })
    await signUpNow({ id: 'ghost' })
    await expect.poll(() => statusOf('ghost')).toBe('active')
  })

  test('whose object fails each time keeps nobody else from being looked at', async () => {
    await runInDurableObject(tenantObject('broken'), (_, { storage }) =>
      storage.kv.put('tenant', { version: 99 }),
    )
    await directory.exec(
      "insert into tenants (id, revision, status, group_name, location, database, schema_version, created_at, published_at, expected_by) values ('broken', 1, 'provisioning', 'g', 'l', 'broken-abcdefghij', 0, '', 0, 1)",
    )
    await sweep()
    expect(await column('select expected_by from tenants where id = ?', 'broken')).toBeGreaterThan(Date.now())
    await directory.exec("delete from tenants where id = 'broken'")
  })
})

describe('a database that no tenant is known to have', () => {
  test('is noted if its name is one of ours, shown after a day, and never deleted by itself', async () => {
    const { database } = await signUpNow({ id: 'has-its-own' })
    await delivered('has-its-own')
    await makeStray('lost-abcdefghij')
    await makeStray('somebodys-database')
    await sweep()
    const { results } = await directory.prepare('select database from orphans where tenant is null').all()
    const noted = results.map((row) => row['database'])
    expect(noted).toContain('lost-abcdefghij')
    expect(noted).not.toContain('somebodys-database')
    expect(noted).not.toContain(database.name)
    expect((await orphans()).map(({ database }) => database)).not.toContain('lost-abcdefghij')
    await age('lost-abcdefghij')
    expect(await orphans()).toContainEqual({
      database: 'lost-abcdefghij',
      tenant: null,
      found_by: 'sweeper',
      since: '1970-01-01T00:00:00.001Z',
      attempts: 0,
      next_attempt_at: null,
      ignored_at: null,
    })
    await sweep()
    expect(await databases()).toContain('lost-abcdefghij')
  })

  test('is forgotten when a whole walk has not come across it', async () => {
    await makeStray('passing-abcdefghij')
    await sweep()
    await localPlatform().databases.delete('passing-abcdefghij')
    await sweep()
    expect(await column('select database from orphans where database = ?', 'passing-abcdefghij')).toBeNull()
  })

  test('is looked for page by page, so many in one run, from where the last run was', async () => {
    for (let index = 0; index < MAX_LIST_PAGES + 2; index++) await makeStray(`page-${index}-abcdefghij`)
    await sweep()
    await directory.exec('delete from orphans')
    await requestsSeen()
    expect(await findStrays(env, Date.now(), 1)).toMatchObject({ databases: MAX_LIST_PAGES })
    expect(await requestsSeen()).toHaveLength(MAX_LIST_PAGES)
    expect((await readWalk(directory))?.cursor).not.toBeNull()
    for (let runs = 0; (await readWalk(directory))?.cursor !== null; runs++) {
      expect(runs).toBeLessThan(100)
      await findStrays(env, Date.now(), 20)
    }
    const { results } = await directory
      .prepare("select database from orphans where database like 'page-%'")
      .all()
    expect(results).toHaveLength(MAX_LIST_PAGES + 2)
  })

  describe('in a list', () => {
    const name = 'unlisted-abcdefghij'
    const page = (next: string): string => JSON.stringify({ databases: [], pagination: { next } })
    const list = (body: string, nth = 1) =>
      failNext({ kind: 'respond', on: 'databases.list', status: 200, body, nth })
    const row = () => column('select database from orphans where database = ?', name)

    /** A row that a walk which has come to its end drops, since the database is not there. */
    async function beginWalk(): Promise<void> {
      await directory.exec('delete from sweeper; delete from orphans')
      await directory
        .prepare('insert into orphans (database, since, seen_at) values (?, 1, 1)')
        .bind(name)
        .run()
    }

    test.each([
      ['a page that names itself', ['a', 'a', 'a']],
      ['two pages that name each other', ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b']],
      ['a circle behind other pages', ['x', 'y', 'z', 'a', 'b', 'c', 'a', 'b', 'c', 'a', 'b', 'c', 'a']],
    ])('with %s the walk begins anew, says so, and takes nothing away', async (_, nexts) => {
      const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
      onTestFinished(() => warn.mockRestore())
      await beginWalk()
      for (const [index, next] of nexts.entries()) await list(page(next), index + 1)
      const warned = () => warn.mock.calls.some(([line]) => String(line).includes('"strays_walk_circular"'))
      for (let runs = 0; !warned(); runs++) {
        expect(runs).toBeLessThan(5)
        await sweep()
        expect(await row()).toBe(name)
      }
      expect(await readWalk(directory)).toMatchObject({ cursor: null, startedAt: null, completedAt: null })
      await clearFaults()
      await sweep()
      expect(await row()).toBeNull()
      expect(await readWalk(directory)).toMatchObject({ completedAt: expect.any(Number) })
    })

    test('whose next page Turso does not know any more the walk begins anew', async () => {
      const error = vi.spyOn(console, 'error').mockImplementation(() => {})
      onTestFinished(() => error.mockRestore())
      await beginWalk()
      await list(page('no cursor of this list'))
      await sweep()
      expect(await row()).toBe(name)
      await sweep()
      expect(await row()).toBeNull()
    })
  })

  test('while Turso does not answer, the run does the rest, and the next one goes on', async () => {
    await failNext({ kind: 'respond', on: 'databases.list', status: 503 })
    await directory
      .prepare("insert into audit (id, actor, action, outcome) values ('0', 'key:a', 'signup', 'begun')")
      .run()
    await sweep()
    expect(await column("select id from audit where id = '0'")).toBeNull()
  })

  test('is deleted by an operator, and the audit says by whom', async () => {
    await makeStray('unmarked-abcdefghij')
    await sweep()
    // It may be that of a signup under way.
    expect((await removeOrphan('unmarked-abcdefghij')).status).toBe(404)
    await age('unmarked-abcdefghij')
    expect(await (await removeOrphan('unmarked-abcdefghij')).json()).toEqual({
      database: 'unmarked-abcdefghij',
      outcome: 'deleted',
    })
    expect(await databases()).not.toContain('unmarked-abcdefghij')
    expect((await removeOrphan('unmarked-abcdefghij')).status).toBe(404)
    const { audit } = (await (await get('/v1/audit?action=delete_orphan')).json()) as { audit: object[] }
    expect(audit).toMatchObject([{ actor: 'key:ops', database: 'unmarked-abcdefghij', tenant: null }])
  })

  test("is not deleted when it is marked as a tenant's, unless that is what the operator says", async () => {
    const name = 'marked-abcdefghij'
    await makeStray(name, { database: name, tenant: 'elsewhere' })
    await sweep()
    await age(name)
    const refused = await removeOrphan(name)
    expect(refused.status).toBe(409)
    expect(await refused.json()).toMatchObject({ code: 'orphan_has_owner', owner: 'elsewhere' })
    expect((await removeOrphan(name, '?owner=another')).status).toBe(409)
    expect(await databases()).toContain(name)
    expect((await removeOrphan(name, '?owner=elsewhere')).status).toBe(200)
    expect(await databases()).not.toContain(name)
  })

  test('is not deleted when it is a copy, such as of a point in time, unless the operator says of what', async () => {
    const name = 'copied-abcdefghij'
    await makeStray(name, { database: 'the-original', tenant: 'elsewhere' })
    await sweep()
    await age(name)
    for (const query of ['', '?owner=elsewhere', '?unmarked=true', '?copy_of=another']) {
      const refused = await removeOrphan(name, query)
      expect([refused.status, await refused.json()]).toMatchObject([
        409,
        { code: 'orphan_is_copy', copy_of: ['the-original'] },
      ])
    }
    expect(await databases()).toContain(name)
    expect((await removeOrphan(name, '?copy_of=the-original')).status).toBe(200)
    expect(await databases()).not.toContain(name)
  })

  test('is not deleted when its tenant turns up, which is then known again', async () => {
    const { database } = await signUpNow({ id: 'unknown-to-d1' })
    await delivered('unknown-to-d1')
    await directory.exec("delete from tenants where id = 'unknown-to-d1'")
    await sweep()
    expect(await column('select database from orphans where database = ?', database.name)).toBe(database.name)
    await age(database.name)
    const refused = await removeOrphan(database.name, '?owner=unknown-to-d1')
    expect((await refused.json()) as ProblemBody).toMatchObject({ status: 409, code: 'database_in_use' })
    await expect.poll(() => statusOf('unknown-to-d1')).toBe('active')
    expect(await column('select database from orphans where database = ?', database.name)).toBeNull()
    expect(await databases()).toContain(database.name)
  })

  test('is not deleted when it only has a name like ours, unless that is what the operator says', async () => {
    const { hostname } = await localPlatform().databases.create('shop-production', {
      location: 'aws-eu-west-1',
    })
    const authToken = await localPlatform().databases.createToken('shop-production')
    await connect({ url: `https://${hostname}`, authToken }).execute('create table orders (id integer)')
    await sweep()
    await age('shop-production')
    const refused = await removeOrphan('shop-production')
    expect((await refused.json()) as ProblemBody).toMatchObject({ status: 409, code: 'orphan_unmarked' })
    expect((await removeOrphan('shop-production', '?owner=shop')).status).toBe(409)
    expect(await databases()).toContain('shop-production')
    expect((await removeOrphan('shop-production', '?unmarked=true')).status).toBe(200)
    expect(await databases()).not.toContain('shop-production')
  })

  test('is not deleted when it cannot be asked whose it is', async () => {
    await makeStray('silent-abcdefghij')
    await sweep()
    await age('silent-abcdefghij')
    await failNext({ kind: 'respond', on: 'pipeline', status: 503 })
    expect((await removeOrphan('silent-abcdefghij')).status).toBe(503)
    expect(await databases()).toContain('silent-abcdefghij')
  })

  test('can be ignored, and is shown only to who asks for it', async () => {
    await makeStray('ignored-abcdefghij')
    await sweep()
    await age('ignored-abcdefghij')
    const response = await call('/v1/orphans/ignored-abcdefghij/ignore', { method: 'POST', headers: admin })
    expect(await response.json()).toMatchObject({ orphan: { ignored_at: expect.any(String) } })
    await sweep()
    const names = async (query: string) => (await orphans(query)).map(({ database }) => database)
    expect(await names('')).not.toContain('ignored-abcdefghij')
    expect(await names('?ignored=true')).toContain('ignored-abcdefghij')
    const stats = await (await get('/v1/stats')).json()
    expect(stats).toMatchObject({
      orphans: { ignored: 1 },
      sweeper: { walk_completed_at: expect.any(String) },
    })
  })
})

test("a tenant's own orphan is listed, and deleted at once when an operator wants it", async () => {
  await failNext({ kind: 'respond', on: 'databases.createToken', status: 400, body: '{"error":"no"}' })
  await failNext({ kind: 'server_error', on: 'databases.delete' })
  expect((await signUp({ id: 'leaves-one' })).status).toBe(502)
  await delivered('leaves-one')
  const [orphan] = (await orphans()).filter(({ tenant }) => tenant === 'leaves-one')
  expect(orphan).toMatchObject({ found_by: 'tenant', attempts: 1, next_attempt_at: expect.any(String) })
  const { database } = orphan!
  const ignored = await call(`/v1/orphans/${database}/ignore`, { method: 'POST', headers: admin })
  expect(ignored.status).toBe(409)
  expect(await (await removeOrphan(database)).json()).toEqual({ database, outcome: 'hurried' })
  await expect.poll(databases).not.toContain(database)
  await expect.poll(() => orphans()).not.toContainEqual(expect.objectContaining({ database }))
})

test('an orphan that its tenant knows nothing of any more is deleted as one that nobody has', async () => {
  await signUpNow({ id: 'set-back' })
  await makeStray('set-back-abcdefghij')
  await directory.exec(
    "insert into orphans (database, tenant, since) values ('set-back-abcdefghij', 'set-back', 1)",
  )
  expect(await (await removeOrphan('set-back-abcdefghij')).json()).toMatchObject({ outcome: 'deleted' })
  expect(await databases()).not.toContain('set-back-abcdefghij')
  expect((await removeOrphan('set-back-abcdefghij')).status).toBe(404)
})

test('rows of the audit go after their time, and no earlier', async () => {
  const ids = [0, 1000].map((ms) => auditId(Date.now() - AUDIT_RETENTION_MS - 500 + ms, 0, 'old'))
  await directory.batch(
    ids.map((id) =>
      directory
        .prepare("insert into audit (id, actor, action, outcome) values (?, 'key:a', 'signup', 'x')")
        .bind(id),
    ),
  )
  await worker.scheduled(createScheduledController({ scheduledTime: Date.now() }), env)
  expect(await column('select id from audit where id = ?', ids[0]!)).toBeNull()
  expect(await column('select id from audit where id = ?', ids[1]!)).toBe(ids[1])
})
