/** Answers that make no sense, to every call: what is said then, and what is the case. */
import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { migrateDirectory } from '../../worker/directory/schema.ts'
import type { TenantRecord } from '../../worker/record/tenant.ts'
import { clearFaults, failNext, localPlatform, requestsSeen } from '../support/turso.ts'
import { call, signUp, signUpNow } from './client.ts'

const lines: string[] = []

beforeAll(async () => {
  await migrateDirectory(env.DIRECTORY)
  // The group is made on the way to the first database.
  await signUpNow({ id: 'first-of-all' })
})
beforeEach(async () => {
  await clearFaults()
  lines.length = 0
  for (const level of ['info', 'warn', 'error'] as const)
    vi.spyOn(console, level).mockImplementation((...words: unknown[]) => void lines.push(words.join(' ')))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await clearFaults()
})

const headers = { authorization: 'Bearer admin-key' }
const ask = (path: string, method = 'GET', body?: string): Promise<Response> =>
  call(path, { method, headers, ...(body === undefined ? {} : { body }) })
const tenantObject = (id: string) => env.TENANTS.getByName(id)

/** Somebody's, which is none of the request's. */
const SECRET = 'eyJhbGciOiJFZERTQSJ9.eyJhIjoicncifQ.c29tZWJvZHlzLXNpZ25hdHVyZQ'

interface Answer {
  status: number
  body?: string
}

const answer = async (on: string, { status, body }: Answer, more: object = {}): Promise<void> => {
  const type = body?.startsWith('<') ? 'text/html' : 'application/json'
  const headers = { 'content-type': type }
  await failNext({ kind: 'respond', on, status, headers, ...(body === undefined ? {} : { body }), ...more })
}

async function databasesOf(slug: string): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of localPlatform().databases.list())
    if (name.startsWith(`${slug}-`)) names.push(name)
  return names
}

const successes: [string, Answer][] = [
  ['a page', { status: 200, body: `<html>${SECRET}</html>` }],
  ['nothing', { status: 200 }],
  ['204', { status: 204 }],
  ['null', { status: 200, body: 'null' }],
  ['a list', { status: 201, body: '[]' }],
  ['an error', { status: 200, body: `{"error":"${SECRET}"}` }],
  ['other types', { status: 200, body: '{"database":{"Name":1,"DbId":{},"Hostname":[]},"jwt":["x"]}' }],
  ['another database', { status: 200, body: '{"database":{"Name":"other","DbId":"d","Hostname":"o.io"}}' }],
]

describe('a signup ends with one database, and says nothing of what it was told, when a call is answered with', () => {
  const failures: [string, Answer][] = [
    ['a page that says blocked', { status: 500, body: `<html>This request was blocked ${SECRET}</html>` }],
    ['a token of two lines', { status: 200, body: '{"jwt":"a token\\nof two lines"}' }],
  ]
  test.each([...successes, ...failures])('%s', async (what, nonsense) => {
    for (const [index, on] of ['databases.create', 'databases.createToken', 'pipeline'].entries()) {
      const id = `${what.replaceAll(' ', '-')}-${index}`
      await answer(on, nonsense, { effect: true })
      const { database } = await signUpNow({ id })
      expect(await databasesOf(id)).toEqual([database.name])
      const stored = await runInDurableObject(tenantObject(id), (_, { storage }) =>
        JSON.stringify([...storage.kv.list()]),
      )
      expect(stored + lines.join()).not.toContain(SECRET)
    }
  })
})

test('what Turso says in its own form is passed on and kept, without what looks like a secret', async () => {
  await answer('databases.create', { status: 403, body: `{"error":"not with ${SECRET}"}` })
  const response = await signUp({ id: 'told-a-secret' })
  const text = await response.text()
  expect([response.status, text]).toEqual([502, expect.stringContaining('not with [secret]')])
  const stored = await runInDurableObject(tenantObject('told-a-secret'), (_, { storage }) =>
    JSON.stringify([...storage.kv.list()]),
  )
  expect(stored).toContain('not with [secret]')
  expect(text + stored + lines.join()).not.toContain(SECRET)
})

test('a group that somebody else has just made, and that is not to be seen yet, is waited for', async () => {
  await answer('groups.create', { status: 409, body: '{"error":"group already exists"}' })
  expect((await signUpNow({ id: 'early', group: 'new-group' })).tenant.group).toBe('new-group')
})

describe('a database is gone when Turso does not have it any more, whatever it has said of the deletion:', () => {
  const untrue: [string, Answer][] = [
    ...successes,
    ['that there is none', { status: 404, body: '{"error":"database not found"}' }],
  ]

  test.each(untrue)('%s', async (what, nonsense) => {
    const id = `deleted-by-${what.replaceAll(' ', '-')}`
    const { database } = await signUpNow({ id })
    await answer('databases.delete', nonsense)
    expect((await ask(`/v1/tenants/${id}?purge=true`, 'DELETE')).status).toBe(202)
    await runDurableObjectAlarm(tenantObject(id))
    expect(await (await ask(`/v1/tenants/${id}`)).json()).toMatchObject({
      tenant: { status: 'deleting' },
      orphans: [{ database: database.name }],
    })
    await runInDurableObject(tenantObject(id), (_, { storage }) => {
      const record = storage.kv.get<TenantRecord>('tenant')!
      storage.kv.put('tenant', { ...record, orphans: record.orphans.map((one) => ({ ...one, retryAt: 0 })) })
    })
    await runDurableObjectAlarm(tenantObject(id))
    expect(await databasesOf(id)).toEqual([])
    expect((await ask(`/v1/tenants/${id}`)).status).toBe(404)
  })

  test('in whatever words it says so', async () => {
    const id = 'gone-in-other-words'
    await signUpNow({ id })
    await answer('databases.retrieve', { status: 404, body: '{"error":"no such thing"}' })
    await ask(`/v1/tenants/${id}?purge=true`, 'DELETE')
    await runDurableObjectAlarm(tenantObject(id))
    expect((await ask(`/v1/tenants/${id}`)).status).toBe(404)
    expect(await databasesOf(id)).toEqual([])
  })

  test('also to an operator', async () => {
    const name = 'said-gone-abcdefghij'
    await localPlatform().databases.create(name, { location: 'aws-eu-west-1' })
    await env.DIRECTORY.prepare('insert into orphans (database, since) values (?, 1)').bind(name).run()
    await answer('databases.delete', { status: 200, body: '{}' })
    expect((await ask(`/v1/orphans/${name}`, 'DELETE')).status).toBe(503)
    expect((await ask(`/v1/orphans/${name}`, 'DELETE')).status).toBe(200)
    expect(await databasesOf('said-gone')).toEqual([])
  })
})

describe('a database is blocked, and open again, when Turso says so of it:', () => {
  test.each(successes)('%s', async (what, nonsense) => {
    const id = `blocked-by-${what.replaceAll(' ', '-')}`
    const { database } = await signUpNow({ id })
    for (const isBlocked of [true, false]) {
      await answer('PATCH /v1/organizations/*/databases/*/configuration', nonsense)
      const body = JSON.stringify({ suspended: isBlocked })
      await ask(`/v1/tenants/${id}`, 'PATCH', body)
      const told = async () => {
        await runDurableObjectAlarm(tenantObject(id))
        const record = await runInDurableObject(tenantObject(id), (_, { storage }) =>
          storage.kv.get<TenantRecord>('tenant'),
        )
        const { blockReads, blockWrites } = await localPlatform().databases.retrieve(database.name)
        return [record!.access.isBlocked, blockReads, blockWrites]
      }
      await expect.poll(told).toEqual([isBlocked, isBlocked, isBlocked])
    }
  })
})

describe('a token', () => {
  test.each([
    ['of two lines', { status: 200, body: '{"jwt":"a token\\nof two lines"}' }],
    ['that is asked for while Turso is busy', { status: 409, body: '{"error":"another operation"}' }],
    ['that a page says is blocked', { status: 500, body: '<html>blocked</html>' }],
  ])('%s is given to nobody, and may be there later', async (what, nonsense) => {
    const id = `token-${what.replaceAll(' ', '-')}`
    await signUpNow({ id })
    await answer('databases.createToken', nonsense)
    expect((await ask(`/v1/tenants/${id}/tokens`, 'POST')).status).toBe(503)
    expect((await ask(`/v1/tenants/${id}/tokens`, 'POST')).status).toBe(201)
  })
})

test.each([
  ['none', '{"database":{}}'],
  ['of words', '{"database":{"uuid":"u","usage":{"rows_read":"many","rows_written":0,"storage_bytes":0}}}'],
])('a usage that is %s is not passed on, and told in words of ours', async (what, body) => {
  const id = `used-${what.replaceAll(' ', '-')}`
  await signUpNow({ id })
  await answer('databases.usage', { status: 200, body })
  const response = await ask(`/v1/tenants/${id}/usage`)
  expect([response.status, await response.json()]).toMatchObject([
    503,
    { detail: expect.stringMatching(/^(Turso|The Platform API) /) },
  ])
})

test.each(['databases.create', 'pipeline'])(
  'more than anybody could have to say is read no further: %s',
  async (on) => {
    const id = `endless-${on.replace('.', '-')}`
    await answer(on, { status: 200, body: ' '.repeat(5_000_000) })
    await signUpNow({ id })
    const { timeline }: { timeline: { detail: string | null }[] } = await (
      await ask(`/v1/tenants/${id}`)
    ).json()
    expect(timeline.map(({ detail }) => detail)).toContainEqual(expect.stringMatching(/more than \d+ bytes/))
  },
)

describe('the address of a new database', () => {
  const address = (to: string) =>
    failNext({ kind: 'replace', on: 'databases.create', from: '-local.aws-eu-west-1.turso.io', to })

  test.each([
    ['that no URL can have', '.99'],
    ['with a port that there is not', '-local.turso.io:99999'],
    ['of a megabyte', `.${'a'.repeat(1_000_000)}.turso.io`],
    ['with a path', '-local.turso.io/v1'],
    ['with somebody before it', '@elsewhere.example'],
    ['of two lines', '\\n.turso.io'],
  ])('%s is no answer, and looked for', async (what, to) => {
    const id = `address-${what.replaceAll(' ', '-')}`
    await address(to)
    const { database } = await signUpNow({ id })
    expect(database.hostname).toMatch(/^address-[a-z0-9-]+\.aws-eu-west-1\.turso\.io$/)
    expect((await ask(`/v1/tenants/${id}`)).status).toBe(200)
    expect(await databasesOf('address')).toContain(database.name)
  })
})

describe('a database that is asked for before it is taken, or deleted,', () => {
  const other = (name: string): string =>
    JSON.stringify({
      database: {
        Name: name,
        DbId: 'd',
        Hostname: 'other-local.aws-eu-west-1.turso.io',
        group: 'default',
        parent: { id: 'p', name: 'original', branched_at: '2026-01-01T00:00:00Z' },
      },
    })

  test('is not the one that Turso answers with by mistake', async () => {
    await answer('databases.create', { status: 504 }, { effect: true })
    await answer('databases.retrieve', { status: 200, body: other('other') })
    const { database } = await signUpNow({ id: 'mistaken' })
    expect(await databasesOf('mistaken')).toEqual([database.name])
  })

  test.each([
    ['is another one', other('other')],
    ['is at no address', other('at-no-address-abcdefghij').replace('other-local', 'a host/../')],
  ])('and that %s by Turso’s answer, is not deleted by an operator', async (_, body) => {
    const name = 'at-no-address-abcdefghij'
    await localPlatform().databases.create(name, { location: 'aws-eu-west-1' })
    await env.DIRECTORY.prepare('insert into orphans (database, since) values (?, 1)').bind(name).run()
    await answer('databases.retrieve', { status: 200, body })
    expect((await ask(`/v1/orphans/${name}`, 'DELETE')).status).toBe(503)
    expect((await requestsSeen()).filter((line) => line.startsWith('DELETE'))).toEqual([])
    expect((await ask(`/v1/orphans/${name}`, 'DELETE')).status).toBe(200)
  })
})
