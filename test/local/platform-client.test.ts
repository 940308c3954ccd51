/** The platform client over whole fleets, over the traps of the local Turso, and with tokens that may do little. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createLocalTurso, type LocalTursoOptions } from '../../local/index.ts'
import { openCatalogue } from '../../local/storage/catalogue.ts'
import { openDataFolder } from '../../local/storage/data-folder.ts'
import {
  connect,
  createPlatform,
  isTursoError,
  permissions,
  type Fetch,
  type PlatformOptions,
} from '../../src/index.ts'
import { createClock } from './harness.ts'

const location = 'aws-eu-west-1'

function start(options: LocalTursoOptions = {}, clientOptions: Partial<PlatformOptions> = {}) {
  const local = createLocalTurso(options)
  onTestFinished(local.close)
  const requests: string[] = []
  const fetch: Fetch = (url, init) => {
    requests.push(`${init.method} ${new URL(url).pathname}`)
    return local.fetch(new Request(url, init as RequestInit))
  }
  const turso = createPlatform({
    token: 'local-platform-token',
    organization: 'local',
    fetch,
    ...clientOptions,
  })
  return { local, turso, fetch, requests }
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (isTursoError(error) ? error.code : error),
  )

const claimsOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString())

/** A folder with so many databases, every tenth of them in a second group, made without a request. */
function folderWith(count: number): string {
  const data = mkdtempSync(join(tmpdir(), 'local-turso-fleet-'))
  onTestFinished(() => rmSync(data, { recursive: true, force: true }))
  const folder = openDataFolder(data)
  const owner = { username: 'local', email: 'local@users.invalid', role: 'owner' }
  // Nobody asks them anything, so their files may be empty.
  const createDatabase = (id: string) => writeFileSync(join(data, 'databases', `${id}.db`), '')
  const catalogue = openCatalogue(
    { ...folder, createDatabase },
    { organization: 'local', owner, now: Date.now },
  )
  const { id } = catalogue.organizations.primary()
  const groups = ['default', 'second'].map((name) => catalogue.groups.create(id, name, location))
  catalogue.transaction(() => {
    for (let index = 0; index < count; index++) {
      const group = groups[index % 10 === 0 ? 1 : 0]!
      const name = `tenant-${String(index).padStart(6, '0')}`
      catalogue.databases.create({ name, group, isDraft: true, createdAtMs: 0 })
    }
  })
  catalogue.close()
  folder.close()
  return data
}

describe('10,000 databases', () => {
  const COUNT = 10_000

  test('are listed, paged and filtered, and only one page of them is held', async () => {
    const { turso, requests } = start({ data: folderWith(COUNT) })
    const names = new Set<string>()
    let first: WeakRef<object> | undefined
    let isFirstHeld: boolean | undefined
    for await (const database of turso.databases.list()) {
      first ??= new WeakRef(database)
      names.add(database.name)
      // The next page is asked for when this one is used up.
      if (requests.length !== Math.ceil(names.size / 1_000)) break
      if (names.size === 3_500) {
        await collectGarbage()
        isFirstHeld = first.deref() !== undefined
      }
    }
    expect(isFirstHeld).toBe(false)
    expect(names.size).toBe(COUNT)
    expect(requests).toHaveLength(10)

    let inSecond = 0
    for await (const { group } of turso.databases.list({ group: 'second', limit: 300 }))
      inSecond += group === 'second' ? 1 : Number.NaN
    expect(inSecond).toBe(COUNT / 10)
    expect(requests).toHaveLength(14)

    const { items, next } = await turso.databases.list({ limit: 7 }).page()
    expect(items.map(({ name }) => name)).toEqual([0, 1, 2, 3, 4, 5, 6].map((n) => `tenant-00000${n}`))
    const second = await turso.databases.list({ limit: 7 }).page(next ?? undefined)
    expect(second.items[0]?.name).toBe('tenant-000007')
    const found: string[] = []
    for await (const { name } of turso.databasesById.list({ search: 'tenant-00999', limit: 4 }))
      found.push(name)
    expect(found).toHaveLength(10)
  })

  test('are not listed in part: a server that cuts the list at 1,000 without a word is an error', async () => {
    const { turso } = start({ data: folderWith(1_001), traps: { listCutAt: 1_000 } })
    expect(await codeOf(turso.databases.list().page())).toBe('protocol')
  })
})

/** The whole thing, in a program that was not started with --expose-gc. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  // A WeakRef holds on to what it was made of until the current job is over.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
}

/** 1,000 by `TURSO_EDGE_FLEET=1000`, which takes a while. */
const FLEET = Number(process.env['TURSO_EDGE_FLEET'] ?? 200)

describe(`a fleet of ${FLEET} creations`, () => {
  const faults = [
    { on: 'databases.create', kind: 'rate_limited', retryAfter: 0, probability: 0.1 },
    { on: 'databases.create', kind: 'server_error', probability: 0.05 },
    { on: 'databases.create', kind: 'server_error', effect: true, probability: 0.05 },
    { on: 'databases.create', kind: 'html', effect: true, probability: 0.03 },
    { on: 'databases.create', kind: 'reset_before', probability: 0.05 },
    { on: 'databases.create', kind: 'reset_after', probability: 0.05 },
    { on: 'databases.create', kind: 'truncated', probability: 0.03 },
    { on: 'databases.retrieve', kind: 'server_error', probability: 0.1 },
    { on: 'databases.retrieve', kind: 'reset_before', probability: 0.05 },
  ] as const
  const names = Array.from({ length: FLEET }, (_, index) => `tenant-${index}`)
  const inPages = async (each: (name: string) => Promise<unknown>): Promise<void> => {
    for (let from = 0; from < names.length; from += 20)
      await Promise.all(names.slice(from, from + 20).map(each))
  }

  async function namesIn(turso: ReturnType<typeof start>['turso']): Promise<string[]> {
    const found: string[] = []
    for await (const { name } of turso.databases.list()) found.push(name)
    return found
  }

  test('under 429, 5xx, pages of a proxy and cut connections ends with exactly that many databases', async () => {
    const retry = { attempts: 30, minDelayMs: 0, budget: 10_000 }
    const { local, turso } = start({ faults: { seed: 7, faults: [...faults] } }, { retry })
    await inPages((name) => turso.databases.ensure(name, { location }))
    expect(local.faults.fired().length).toBeGreaterThan(FLEET / 10)
    local.faults.clear()
    expect((await namesIn(turso)).toSorted()).toEqual(names.toSorted())
  }, 300_000)

  test('by create alone: what it resolves with is new, and what it leaves open it says', async () => {
    const retry = { attempts: 30, minDelayMs: 0, budget: 10_000 }
    const { local, turso } = start({ faults: { seed: 11, faults: [...faults] } }, { retry })
    const created = new Map<string, string>()
    const open = new Set<unknown>()
    const unsure: string[] = []
    await inPages(async (name) => {
      try {
        created.set(name, (await turso.databases.create(name, { location })).id)
      } catch (error) {
        unsure.push(name)
        open.add(isTursoError(error) ? error.code : error)
      }
    })
    local.faults.clear()
    expect(unsure.length).toBeGreaterThan(0)
    expect([...open].every((code) => /^(network|unavailable|protocol)$/.test(String(code)))).toBe(true)
    for (const [name, id] of created) expect((await turso.databases.retrieve(name)).id).toBe(id)
    // Those that were left open are settled by looking, and nothing else was made.
    for (const name of unsure) await turso.databases.ensure(name, { location })
    expect((await namesIn(turso)).toSorted()).toEqual(names.toSorted())
  }, 300_000)
})

describe('traps of the service', () => {
  test('a new database is not served yet (libsql-client-ts#189, #346)', async () => {
    const { local, turso, fetch } = start({ traps: { createToServeGapMs: 200 } })
    const { name, hostname } = await turso.databases.create('acme', { location })
    const authToken = await turso.databases.createToken(name)
    const database = connect({ url: `libsql://${hostname}`, authToken, fetch })
    expect(await codeOf(database.execute('select 1'))).toBe('not_found')
    await database.waitUntilReady({ timeoutMs: 10_000 })
    expect((await database.execute('select 1 as one')).rows).toEqual([{ one: 1 }])
    expect(local.streams()).toEqual([])
  })

  test.each([400, 409] as const)('a duplicate is %d (turso-docs#409)', async (duplicateCreate) => {
    const { turso } = start({ traps: { duplicateCreate } })
    const { id } = await turso.databases.create('acme', { location })
    expect(await codeOf(turso.databases.create('acme'))).toBe('already_exists')
    expect((await turso.databases.ensure('acme')).id).toBe(id)
    await turso.groups.create('second', { location })
    expect(await codeOf(turso.databases.ensure('acme', { group: 'second' }))).toBe('already_exists')
  })

  test.each([402, 403] as const)('no more databases is %d: plan_limit', async (status) => {
    const { turso } = start({ traps: { databaseQuota: { databases: 1, status } } })
    await turso.databases.create('acme', { location })
    expect(await codeOf(turso.databases.create('beta'))).toBe('plan_limit')
  })

  test('the name of a deleted database is not free (turso-cli#670)', async () => {
    const clock = createClock()
    const { turso } = start(
      { now: clock.now, traps: { recreateRefusedMs: 5_000 } },
      { retry: { minDelayMs: 0 } },
    )
    await turso.databases.create('acme', { location })
    await turso.databases.delete('acme')
    expect(await codeOf(turso.databases.ensure('acme'))).toBe('invalid_request')
    clock.advance(5_000)
    await turso.databases.ensure('acme')
  })

  test('too many requests: Retry-After is waited for', async () => {
    const { turso, requests } = start({
      traps: { rateLimit: { requests: 1, windowMs: 100, retryAfter: true } },
    })
    await turso.groups.list()
    await turso.groups.list()
    expect(requests).toHaveLength(3)
  })

  test('delete protection keeps a database, and a group', async () => {
    const { turso } = start()
    await turso.databases.create('acme', { location })
    await turso.databases.update('acme', { deleteProtection: true })
    expect(await codeOf(turso.databases.delete('acme'))).toBe('invalid_request')
    await turso.databases.update('acme', { deleteProtection: false })
    await turso.groups.update('default', { deleteProtection: true })
    expect(await codeOf(turso.groups.delete('default'))).toBe('invalid_request')
  })

  test('on the free plan what costs is plan_limit', async () => {
    const { turso } = start({ plan: 'starter' })
    await turso.databases.create('acme', { location })
    for (const call of [
      turso.auditLogs.list().page(),
      turso.invites.list(),
      turso.databases.listDeleted().page(),
      turso.groups.create('second', { location }),
      turso.databases.update('acme', { allowedIps: ['10.0.0.0/8'] }),
    ])
      expect(await codeOf(call)).toBe('plan_limit')
  })

  test('on the older servers a rotation ends the tokens of the whole group (turso-cli PR#940, #1064)', async () => {
    const { turso, fetch } = start({ traps: { generation: 'legacy' } })
    await turso.databases.create('acme', { location })
    const { hostname } = await turso.databases.create('beta')
    const database = connect({
      url: `libsql://${hostname}`,
      authToken: await turso.databases.createToken('beta'),
      fetch,
    })
    await database.execute('select 1')
    await turso.databases.invalidateTokens('acme')
    expect(await codeOf(database.execute('select 1'))).toBe('unauthorized')
  })

  test('on the older servers permissions, size limits and ATTACH can be had', async () => {
    const { turso } = start({ traps: { generation: 'legacy' } })
    await turso.databases.create('acme', { location, sizeLimit: '500mb' })
    await turso.databases.create('beta')
    expect(await turso.databases.update('acme', { allowAttach: true })).toMatchObject({
      sizeLimit: '500mb',
      allowAttach: true,
    })
    const fineGrainedPermissions = permissions({ notes: ['data_read', 'data_add'], '*': ['data_read'] })
    expect(claimsOf(await turso.databases.createToken('acme', { fineGrainedPermissions })).perm).toEqual([
      { t: ['notes'], a: ['data_read', 'data_add'] },
      { t: null, a: ['data_read'] },
    ])
  })

  test('a token of a group that may attach has no rights but those in p, which the service reads too narrowly (libsql#1581)', async () => {
    const { turso } = start({ traps: { generation: 'legacy' } })
    const { id } = await turso.databases.create('acme', { location })
    const group = await turso.groups.retrieve('default')
    const attaching = { permissions: { readAttach: { databases: ['acme'] } } }
    const { a, p } = claimsOf(await turso.groups.createToken('default', attaching))
    expect([a, p]).toEqual([undefined, { rw: { tags: [group.id] }, roa: { ns: [id] } }])
    expect(claimsOf(await turso.groups.createToken('default', { permissions: {} }))).toMatchObject({
      a: 'rw',
    })
  })
})

describe('tokens for SQL', () => {
  test('are minted once, kept, and minted again when they have expired (turso-docs#188, turso-cli#452)', async () => {
    const clock = createClock()
    const { turso, fetch, requests } = start({ now: clock.now })
    const { name, hostname } = await turso.databases.create('acme', { location })
    const authToken = () => turso.databases.createToken(name, { expiration: '5m' })
    const database = connect({ url: `libsql://${hostname}`, authToken, fetch })
    const minted = () => requests.filter((request) => request.endsWith('/auth/tokens')).length
    for (let count = 0; count < 5; count++) await database.execute('select 1')
    expect(minted()).toBe(1)
    clock.advance(10 * 60_000)
    for (let count = 0; count < 5; count++) await database.execute('select 1')
    expect(minted()).toBe(2)
  })

  test('end all together: none is revoked by itself (turso-cli#452)', async () => {
    const { turso, fetch } = start()
    const { name, hostname } = await turso.databases.create('acme', { location })
    const databases = [await turso.databases.createToken(name), await turso.databases.createToken(name)].map(
      (authToken) => connect({ url: `libsql://${hostname}`, authToken, fetch }),
    )
    for (const database of databases) await database.execute('select 1')
    await turso.databases.invalidateTokens(name)
    for (const database of databases) expect(await codeOf(database.execute('select 1'))).toBe('unauthorized')
  })
})

describe('tokens of the Platform API', () => {
  test('that lack a scope are told which one, and may do the rest', async () => {
    const { turso, fetch } = start()
    await turso.databases.create('acme', { location })
    const { token } = await turso.apiTokens.create('worker', {
      organization: 'local',
      group: 'default',
      scopes: ['read', 'db:create', 'db:mint-token'],
    })
    const worker = createPlatform({ token, organization: 'local', fetch })
    await worker.databases.ensure('acme')
    await worker.databases.createToken('acme')
    await expect(worker.databases.delete('acme')).rejects.toThrow(/scope db:delete\)$/)
    await expect(worker.databases.invalidateTokens('acme')).rejects.toThrow(/scope db:rotate-creds\)$/)
    await expect(worker.groups.delete('default')).rejects.toThrow(/not allowed with a group-scoped token/)
  })

  test('that are tokens of a database are called that (turso-api-client-ts#17)', async () => {
    const { turso, fetch } = start()
    await turso.databases.create('acme', { location })
    const token = await turso.databases.createToken('acme')
    const mistaken = createPlatform({ token, organization: 'local', fetch })
    await expect(mistaken.databases.list().page()).rejects.toThrow(/this is the token of a database or group/)
  })
})
