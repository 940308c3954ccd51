import { env } from 'cloudflare:workers'
import { listDurableObjectIds, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { migrateDirectory } from '../../worker/directory/schema.ts'
import { clearFaults, failNext } from '../support/turso.ts'
import { call, signUp, signUpNow, type ProblemBody } from './client.ts'

beforeEach(clearFaults)
afterEach(clearFaults)

const directory = env.DIRECTORY
const admin = { authorization: 'Bearer admin-key' }
const post = (path: string, body: unknown): Promise<Response> =>
  call(path, { method: 'POST', headers: admin, body: JSON.stringify(body) })

interface Rebuilt {
  at: string
  published: number
  empty: number
  failed: { object: string; detail: string }[]
}

const rebuild = async (objects: string[]): Promise<Rebuilt> =>
  await (await post('/v1/directory/rebuild', { objects })).json()

const idsOf = (tenants: string[]): string[] => tenants.map((id) => env.TENANTS.idFromName(id).toString())

const statusOf = async (id: string): Promise<unknown> =>
  await directory.prepare('select status from tenants where id = ?').bind(id).first('status')

async function delivered(id: string): Promise<void> {
  await expect.poll(() => statusOf(id)).not.toBeNull()
}

describe('a directory that was lost', () => {
  test('is made again from the objects that there are, as it was', async () => {
    await signUpNow({ id: 'rebuilt-a', name: 'A' })
    await signUpNow({ id: 'rebuilt-b' })
    await failNext({ kind: 'respond', on: 'databases.createToken', status: 400, body: '{"error":"no"}' })
    await failNext({ kind: 'server_error', on: 'databases.delete' })
    expect((await signUp({ id: 'rebuilt-c' })).status).toBe(502)
    for (const id of ['rebuilt-a', 'rebuilt-b', 'rebuilt-c']) await delivered(id)
    await expect.poll(() => statusOf('rebuilt-c')).toBe('failed')
    const read = async () => {
      const { results } = await directory
        .prepare(
          "select id, name, status, database, created_at from tenants where id like 'rebuilt-%' order by id",
        )
        .all()
      const { results: orphans } = await directory
        .prepare("select database, tenant, since from orphans where tenant = 'rebuilt-c'")
        .all()
      return { results, orphans }
    }
    const before = await read()
    expect(before.orphans).toHaveLength(1)

    const { results: tables } = await directory
      .prepare(
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' and name not like 'tenant_search_%' and name not like '\\_cf%' escape '\\'",
      )
      .all<{ name: string }>()
    for (const { name } of tables) await directory.exec(`drop table ${name}`)

    const ids = await listDurableObjectIds(env.TENANTS)
    const objects = ids.map(String)
    const wanted = idsOf(['rebuilt-a', 'rebuilt-b', 'rebuilt-c'])
    expect(objects).toEqual(expect.arrayContaining(wanted))
    // The row of the audit comes first, and finds that there are no tables.
    expect(await rebuild(wanted)).toMatchObject({ published: 3, empty: 0, failed: [] })
    expect(await read()).toEqual(before)
    const list = await call('/v1/tenants?q=rebuilt-', { headers: admin })
    expect(((await list.json()) as { tenants: object[] }).tenants).toHaveLength(3)
  })

  test('an object of an id that was only looked up is empty, and stays so', async () => {
    await call('/v1/tenants/only-looked-up', { headers: admin })
    const [object] = idsOf(['only-looked-up'])
    expect(await rebuild([object!])).toMatchObject({ published: 0, empty: 1, failed: [] })
    await runInDurableObject(env.TENANTS.getByName('only-looked-up'), (_, { storage }) => {
      expect([...storage.kv.list()]).toEqual([])
    })
  })

  test('what cannot be published is named, and the rest is', async () => {
    await signUpNow({ id: 'rebuilt-d' })
    await runInDurableObject(env.TENANTS.getByName('unreadable'), (_, { storage }) =>
      storage.kv.put('tenant', { version: 99 }),
    )
    const [good, bad] = idsOf(['rebuilt-d', 'unreadable'])
    const foreign = 'ab'.repeat(32)
    const { published, failed } = await rebuild([good!, bad!, foreign])
    expect(published).toBe(1)
    expect(failed).toEqual(
      expect.arrayContaining([
        { object: bad, detail: expect.stringContaining('later version') },
        { object: foreign, detail: expect.any(String) },
      ]),
    )
    await runInDurableObject(env.TENANTS.getByName('unreadable'), async (_, { storage }) => {
      await storage.deleteAll()
    })
  })

  test('D1 that is still down is said', async () => {
    await signUpNow({ id: 'rebuilt-e' })
    await delivered('rebuilt-e')
    await migrateDirectory(directory)
    await directory.exec('alter table tenants rename to hidden')
    try {
      expect(await rebuild(idsOf(['rebuilt-e']))).toMatchObject({
        published: 0,
        failed: [{ detail: 'D1 did not take it' }],
      })
    } finally {
      await directory.exec('alter table hidden rename to tenants')
    }
    expect(await rebuild(idsOf(['rebuilt-e']))).toMatchObject({ published: 1, failed: [] })
  })
})

test('rows of tenants that are not there are dropped once they are older than a rebuild, and no others', async () => {
  await signUpNow({ id: 'checked' })
  await delivered('checked')
  await directory.exec("update tenants set published_at = 1 where id = 'checked'")
  await directory.exec(
    "insert into tenants (id, revision, status, group_name, location, database, schema_version, created_at, published_at) values ('imagined', 9, 'active', 'g', 'l', 'imagined-abcdefghij', 0, '', 1)",
  )
  const { at } = await rebuild(idsOf(['rebuilt-a']))
  let known = 0
  let removed = 0
  for (let cursor: string | null = ''; cursor !== null;) {
    const body = { published_before: at, ...(cursor === '' ? {} : { cursor }) }
    const answer = (await (await post('/v1/directory/check', body)).json()) as {
      known: number
      removed: number
      next_cursor: string | null
    }
    known += answer.known
    removed += answer.removed
    cursor = answer.next_cursor
  }
  expect(known).toBeGreaterThanOrEqual(1)
  expect(removed).toBeGreaterThanOrEqual(1)
  expect(await statusOf('imagined')).toBeNull()
  expect(await statusOf('checked')).toBe('active')
})

test.each([
  ['nothing', {}, 'objects'],
  ['no ids', { objects: [] }, 'objects'],
  ['what is no id', { objects: ['acme'] }, 'objects.0'],
  ['too many', { objects: Array.from({ length: 51 }, () => 'ab'.repeat(32)) }, 'objects'],
])('%s is refused', async (_, body, field) => {
  const response = await post('/v1/directory/rebuild', body)
  expect(response.status).toBe(400)
  expect(((await response.json()) as ProblemBody).errors).toMatchObject([{ field }])
})
