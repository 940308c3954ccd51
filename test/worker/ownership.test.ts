import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm } from 'cloudflare:test'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, type Database } from '../../src/index.ts'
import { clearFaults, failNext, localPlatform, requestsSeen } from '../support/turso.ts'
import { call, signUp, signUpNow, type ProblemBody } from './client.ts'

// A group is made on the way to its first database, which is another request than those that are looked at here.
beforeAll(async () => void (await signUpNow({ id: 'first-of-all' })))
beforeEach(clearFaults)
afterEach(clearFaults)

const authorization = 'Bearer admin-key'
const tenantObject = (id: string) => env.TENANTS.getByName(id)

interface History {
  tenant: { status: string }
  orphans: { database: string }[]
}

async function read(id: string): Promise<History> {
  return await (await call(`/v1/tenants/${id}`, { headers: { authorization } })).json()
}

async function databasesOf(slug: string): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of localPlatform().databases.list())
    if (name.startsWith(`${slug}-`)) names.push(name)
  return names
}

async function open(name: string): Promise<Database> {
  const { hostname } = await localPlatform().databases.retrieve(name)
  const authToken = await localPlatform().databases.createToken(name)
  return connect({ url: `https://${hostname}`, authToken })
}

const fill = async (name: string): Promise<void> =>
  void (await (await open(name)).batch(['create table secrets (x)', "insert into secrets values ('theirs')"]))

const secretsOf = async (name: string) => (await (await open(name)).execute('select x from secrets')).rows
const tablesOf = async (name: string) =>
  (await (await open(name)).execute("select name from sqlite_schema where type = 'table'")).rows.map(
    (row) => row['name'],
  )

/** Long enough for the request to be answered, and for the test to do something before it is tried again. */
const forLater = { 'retry-after': '60' }
const exists = '{"error":"database with same name already exists"}'

/** A request that arrives twice does its work once, and is answered by what the second one met. */
const doubled = { kind: 'respond', on: 'databases.create', status: 400, body: exists, effect: true } as const
/** Whether it was done is not known. */
const lost = {
  kind: 'respond',
  on: 'databases.create',
  status: 504,
  headers: forLater,
  effect: true,
} as const

/** A signup that has a database of its name at Turso, and has not looked into it yet. */
async function begin(id: string, fault: typeof doubled | typeof lost): Promise<string> {
  await failNext(fault)
  if (fault === doubled)
    await failNext({ kind: 'respond', on: 'databases.retrieve', status: 503, headers: forLater })
  expect((await signUp({ id })).status).toBe(202)
  const [name] = await databasesOf(id)
  return name!
}

const remove = async (id: string): Promise<void> => {
  const response = await call(`/v1/tenants/${id}?purge=true`, {
    method: 'DELETE',
    headers: { authorization },
  })
  expect(response.status).toBe(202)
}

/** Of a tenant that is deleted: until nothing of it is to be done any more, or `looks` alarms have gone off. */
async function settle(id: string, looks: number): Promise<void> {
  for (let alarms = 0; alarms < looks; alarms++) await runDurableObjectAlarm(tenantObject(id))
}

test('a creation that arrives twice, and says that the database is there already, makes one, which is the tenant’s', async () => {
  await failNext(doubled)
  await requestsSeen()
  const { database } = await signUpNow({ id: 'sent-twice' })
  const creations = (await requestsSeen()).filter((line) => /^POST .*\/databases$/.test(line))
  expect(creations).toHaveLength(1)
  expect(await databasesOf('sent-twice')).toEqual([database.name])
  const { rows } = await (await open(database.name)).execute('select tenant from _turso_edge_owner')
  expect(rows).toEqual([{ tenant: 'sent-twice' }])
})

describe.each([
  ['that is there before the first creation is answered', doubled, 'met'],
  ['that is there after a lost answer', lost, 'lost'],
] as const)('a database %s', (_, fault, slug) => {
  test('and is empty becomes that of the tenant', async () => {
    const name = await begin(`${slug}-empty`, fault)
    expect((await signUpNow({ id: `${slug}-empty` })).database.name).toBe(name)
  })

  test('and has tables, but no mark, is not adopted, not changed and not deleted', async () => {
    const id = `${slug}-full`
    const name = await begin(id, fault)
    await fill(name)
    await requestsSeen()
    const refused = await signUp({ id })
    expect(refused.status).toBe(502)
    expect(((await refused.json()) as ProblemBody).detail).toContain('not of this signup')
    expect((await requestsSeen()).some((line) => line.startsWith('DELETE'))).toBe(false)
    expect(await read(id)).toMatchObject({ tenant: { status: 'failed' }, orphans: [] })
    expect(await tablesOf(name)).toEqual(['secrets'])
    expect((await signUpNow({ id })).database.name).not.toBe(name)
    expect(await secretsOf(name)).toEqual([{ x: 'theirs' }])
  })

  test('and is full is not deleted either when the tenant is deleted', async () => {
    const id = `${slug}-deleted`
    const name = await begin(id, fault)
    await fill(name)
    await remove(id)
    await settle(id, 5)
    await expect
      .poll(async () => (await call(`/v1/tenants/${id}`, { headers: { authorization } })).status)
      .toBe(404)
    expect(await secretsOf(name)).toEqual([{ x: 'theirs' }])
    expect(await tablesOf(name)).toEqual(['secrets'])
  })

  test('and is empty is deleted with the tenant', async () => {
    const id = `${slug}-emptied`
    await begin(id, fault)
    await remove(id)
    await settle(id, 1)
    await expect.poll(() => databasesOf(id)).toEqual([])
  })

  test('and cannot be asked yet is kept, as an orphan, until it can', async () => {
    const id = `${slug}-unserved`
    const name = await begin(id, fault)
    await failNext({ kind: 'respond', on: 'pipeline', status: 404, body: '{"error":"not found"}' })
    await remove(id)
    await settle(id, 1)
    expect(await databasesOf(id)).toEqual([name])
    expect((await read(id)).orphans).toMatchObject([{ database: name }])
  })

  test("and is marked as another tenant's is not adopted, not changed and not deleted", async () => {
    const id = `${slug}-marked`
    const name = await begin(id, fault)
    await (
      await open(name)
    ).batch([
      'create table _turso_edge_owner (database text primary key, tenant text, nonce text)',
      { sql: "insert into _turso_edge_owner values (?, 'somebody', 'n')", args: [name] },
    ])
    await requestsSeen()
    const refused = await signUp({ id })
    expect(refused.status).toBe(502)
    expect(((await refused.json()) as ProblemBody).detail).toContain("another tenant's")
    expect((await requestsSeen()).some((line) => line.startsWith('DELETE'))).toBe(false)
    expect(await read(id)).toMatchObject({ tenant: { status: 'failed' }, orphans: [] })
    expect(await tablesOf(name)).toEqual(['_turso_edge_owner'])
    expect((await signUpNow({ id })).database.name).not.toBe(name)
  })

  test('and carries the mark of what it was copied from, and no more, is none of ours: we have asked for no copy', async () => {
    const id = `${slug}-copied`
    const name = await begin(id, fault)
    await (
      await open(name)
    ).batch([
      'create table _turso_edge_owner (database text primary key, tenant text, nonce text)',
      "insert into _turso_edge_owner values ('another', 'another', 'n')",
    ])
    expect((await signUp({ id })).status).toBe(502)
    expect(await databasesOf(id)).toContain(name)
  })
})
