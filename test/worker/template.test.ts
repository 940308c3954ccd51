import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connect, type Database } from '../../src/index.ts'
import { applyMigrations, type Migration } from '../../worker/schema/migrate.ts'
import type { TenantRecord } from '../../worker/record/tenant.ts'
import { migrations } from '../../worker/schema/migrations.generated.ts'
import {
  clearFaults,
  createTestDatabase,
  failNext,
  holdNext,
  localPlatform,
  requestsSeen,
} from '../support/turso.ts'
import { call, signUp, signUpNow, type ProblemBody, type SignupAnswer } from './client.ts'

beforeEach(clearFaults)
afterEach(clearFaults)

/** A database of that name, made by hand. */
async function makeTemplate(name: string, prepare: (db: Database) => Promise<unknown>): Promise<void> {
  const { hostname } = await localPlatform().databases.create(name, { location: 'aws-eu-west-1' })
  const authToken = await localPlatform().databases.createToken(name)
  await prepare(connect({ url: `https://${hostname}`, authToken }))
}

const owner = { database: 'template', tenant: 'template', nonce: 'n' }

const migrated = (changed: (all: readonly Migration[]) => readonly Migration[]) => (db: Database) =>
  applyMigrations(db, changed(migrations), owner, 'fresh', true)

const open = ({ database, token }: SignupAnswer): Database =>
  connect({ url: database.http_url, authToken: token.jwt })

const databasesOf = async (slug: string): Promise<string[]> => {
  const names: string[] = []
  for await (const { name } of localPlatform().databases.list())
    if (name.startsWith(`${slug}-`)) names.push(name)
  return names
}

const later: Migration = {
  version: 9_999,
  name: 'later',
  checksum: '9'.repeat(64),
  statements: ['create table later (x)'],
}

describe('a signup from a template', () => {
  test('begins with what is in it, as a database of its own', async () => {
    await makeTemplate('template', async (db) => {
      await migrated((all) => all)(db)
      await db.execute("insert into notes (title) values ('from the template')")
    })
    const signup = await signUpNow({ id: 'copied', template: 'template' })
    expect(signup.tenant).toMatchObject({ template: 'template', schema_version: migrations.at(-1)!.version })
    const db = open(signup)
    expect((await db.execute('select title from notes')).rows).toEqual([{ title: 'from the template' }])
    await db.execute('delete from notes')
    const another = await signUpNow({ id: 'copied-too', template: 'template' })
    expect((await open(another).execute('select title from notes')).rows).toHaveLength(1)
  })

  test('is migrated forward when the template is behind', async () => {
    const first: Migration = { version: 1, name: 'first', checksum: 'a', statements: ['create table a (x)'] }
    const second: Migration = {
      version: 2,
      name: 'second',
      checksum: 'b',
      statements: ['create table b (y)'],
    }
    const { database } = await createTestDatabase()
    expect(await applyMigrations(database, [first], owner, 'fresh', true)).toBe(1)
    expect(await applyMigrations(database, [first, second], owner, 'seeded', true)).toBe(2)
    expect((await database.execute('select * from b')).rows).toEqual([])
  })

  test('that is not listed is 400, and nothing is asked of Turso: no database of the organisation can be copied', async () => {
    const { database } = await signUpNow({ id: 'victim' })
    await requestsSeen()
    const response = await signUp({ id: 'thief', template: database.name })
    expect([response.status, ((await response.json()) as ProblemBody).errors]).toEqual([
      400,
      [{ field: 'template', detail: 'is none of the templates' }],
    ])
    expect(await requestsSeen()).toEqual([])
  })

  test.each([
    ['is missing', 'template-missing', null, /does not have the template "template-missing"/],
    ['is of a later Worker', 'template-later', migrated((all) => [...all, later]), /9999_later\.sql.*later/],
    [
      'has a migration that was changed since',
      'template-changed',
      migrated(([first, ...rest]) => [{ ...first!, checksum: '0'.repeat(64) }, ...rest]),
      /0001_\w+\.sql was changed after it was applied/,
    ],
    [
      'is none of ours',
      'template-foreign',
      (db: Database) => db.execute('create table notes (x)'),
      /no migrations in it/,
    ],
  ] as const)('that %s fails, says why, and leaves nothing behind', async (_, template, prepare, reason) => {
    if (prepare !== null) await makeTemplate(template, prepare)
    const id = `of-${template}`
    const response = await signUp({ id, template })
    expect([response.status, await response.json()]).toMatchObject([
      502,
      { code: 'upstream_refused', detail: expect.stringMatching(reason) },
    ])
    const tenant = await (
      await call(`/v1/tenants/${id}`, { headers: { authorization: 'Bearer signup-key' } })
    ).json()
    expect(tenant).toMatchObject({ tenant: { status: 'failed' }, orphans: [] })
    expect(await databasesOf(id)).toEqual([])
  })

  test('whose answer was lost is still one copy', async () => {
    await failNext({ kind: 'server_error', on: 'databases.create', effect: true })
    const signup = await signUpNow({ id: 'copied-once', template: 'template' })
    expect(await databasesOf('copied-once')).toEqual([signup.database.name])
    expect((await open(signup).execute('select title from notes')).rows).toHaveLength(1)
  })

  const exists = '{"error":"database with same name already exists"}'

  test('whose creation arrives twice is still one copy', async () => {
    await failNext({ kind: 'respond', on: 'databases.create', status: 400, body: exists, effect: true })
    const signup = await signUpNow({ id: 'copied-twice', template: 'template' })
    expect(await databasesOf('copied-twice')).toEqual([signup.database.name])
    expect((await open(signup).execute('select title from notes')).rows).toHaveLength(1)
  })

  test.each([
    ['another database', { seed: { type: 'database', name: 'template-later' } }],
    ['none', {}],
  ] as const)('does not take what is a copy of %s, and leaves it alone', async (what, options) => {
    const id = `copy-of-${what.replaceAll(' ', '-')}`
    const held = await holdNext('databases.create')
    const answer = signUp({ id, template: 'template' })
    await held.reached()
    const record = await runInDurableObject(env.TENANTS.getByName(id), (_, { storage }) =>
      storage.kv.get<TenantRecord>('tenant'),
    )
    const { name } = await localPlatform().databases.create(record!.databaseName, options)
    await requestsSeen()
    await held.letGo()
    expect((await answer).status).toBe(502)
    expect(await databasesOf(id)).toEqual([name])
    expect((await requestsSeen()).some((line) => line.startsWith('DELETE'))).toBe(false)
    expect((await signUpNow({ id, template: 'template' })).database.name).not.toBe(name)
  })
})

describe('a history of migrations', () => {
  const first: Migration = { version: 1, name: 'first', checksum: 'a', statements: ['create table a (x)'] }
  const third: Migration = { version: 3, name: 'third', checksum: 'c', statements: ['create table c (z)'] }
  const second: Migration = { version: 2, name: 'second', checksum: 'b', statements: ['create table b (y)'] }

  test('that was changed is refused by the name of the file, and nothing is applied', async () => {
    const { database } = await createTestDatabase()
    await applyMigrations(database, [first], owner, 'fresh', true)
    await expect(
      applyMigrations(database, [{ ...first, checksum: 'x' }, second], owner, 'unknown', true),
    ).rejects.toThrow('0001_first.sql was changed after it was applied')
    await expect(database.execute('select * from b')).rejects.toThrow('no such table')
  })

  test('with a hole is refused by the name of the file', async () => {
    const { database } = await createTestDatabase()
    await applyMigrations(database, [first, third], owner, 'fresh', true)
    await expect(applyMigrations(database, [first, second, third], owner, 'unknown', true)).rejects.toThrow(
      'later migrations than 0002_second.sql',
    )
  })

  test('that is finished already is left alone', async () => {
    const { database } = await createTestDatabase()
    await applyMigrations(database, [first], owner, 'fresh', true)
    expect(await applyMigrations(database, [first], owner, 'unknown', true)).toBe(1)
    // As a request that came twice.
    expect(await applyMigrations(database, [first], owner, 'fresh', true)).toBe(1)
  })
})
