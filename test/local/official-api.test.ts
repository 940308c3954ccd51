/** @tursodatabase/api 2.0.5, unmodified, over a real socket: every method that it has. */
import { createClient } from '@tursodatabase/api'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { serveLocalTurso, type LocalTursoOptions } from '../../local/index.ts'
import { rowsOf, start, statement, toAnswer } from './harness.ts'

const EMPTY_BODY = { name: 'SyntaxError', message: 'Unexpected end of JSON input' }

async function connect(options: LocalTursoOptions = {}) {
  const { turso, api } = await start(options)
  const server = await serveLocalTurso(turso, { port: 0 })
  onTestFinished(server.close)
  const baseUrl = `${server.url}/v1/`
  const client = createClient({ org: 'local', token: 'local-platform-token', baseUrl })
  const query = async (database: string, jwt: string, sql: string) => {
    const body = JSON.stringify({ requests: [statement(sql), { type: 'close' }] })
    const headers = { authorization: `Bearer ${jwt}` }
    return toAnswer(
      await fetch(`${server.url}/db/${database}/v3/pipeline`, { method: 'POST', headers, body }),
    )
  }
  return { turso, api, client, query, baseUrl }
}

/** With a group, on the generation of servers whose tokens this client can mint. */
async function connectLegacy() {
  const connected = await connect({ traps: { generation: 'legacy' } })
  await connected.client.groups.create('default', 'aws-eu-west-1')
  return connected
}

test('locations: list and closest', async () => {
  const { client, turso } = await connect()
  expect(await client.locations.list()).toContainEqual({
    code: 'aws-eu-west-1',
    description: expect.stringContaining('Ireland'),
  })
  // It asks a host of its own, whatever the base URL is.
  const networkFetch = globalThis.fetch
  vi.stubGlobal('fetch', (input: string | URL | Request, init?: RequestInit) => {
    const request = new Request(input, init)
    return new URL(request.url).hostname === 'region.turso.io' ? turso.fetch(request) : networkFetch(request)
  })
  onTestFinished(() => void vi.unstubAllGlobals())
  expect(await client.locations.closest()).toMatchObject({ server: expect.stringMatching(/^aws-/) })
})

describe('groups', () => {
  test('create, get, list, delete', async () => {
    const { client } = await connect()
    const group = await client.groups.create('default', 'aws-eu-west-1', { extensions: 'all' })
    expect(group).toMatchObject({ name: 'default', primary: 'aws-eu-west-1', locations: ['aws-eu-west-1'] })
    expect(await client.groups.get('default')).toEqual(group)
    expect(await client.groups.list()).toEqual([group])
    const again = client.groups.create('default', 'aws-eu-west-1')
    await expect(again).rejects.toMatchObject({
      name: 'TursoClientError',
      status: 409,
      message: 'group already exists',
    })
    expect(await client.groups.delete('default')).toMatchObject({ name: 'default' })
    await expect(client.groups.get('default')).rejects.toMatchObject({
      status: 404,
      message: 'group not found',
    })
  })

  test('addLocation and removeLocation', async () => {
    const { client } = await connect()
    await client.groups.create('default', 'aws-eu-west-1')
    const both = ['aws-eu-west-1', 'aws-us-east-1']
    expect((await client.groups.addLocation('default', 'aws-us-east-1')).locations).toEqual(both)
    expect((await client.groups.removeLocation('default', 'aws-us-east-1')).locations).toEqual(
      both.slice(0, 1),
    )
  })

  test('createToken and rotateTokens, which fails on the empty body after it has rotated', async () => {
    const { client, query } = await connectLegacy()
    await client.databases.create('acme', { group: 'default' })
    const { jwt } = await client.groups.createToken('default', {
      expiration: '1d',
      authorization: 'read-only',
    })
    expect((await query('acme', jwt, 'select 1')).status).toBe(200)
    expect((await query('acme', jwt, 'create table t (a)')).status).toBe(403)
    await expect(client.groups.rotateTokens('default')).rejects.toMatchObject(EMPTY_BODY)
    expect((await query('acme', jwt, 'select 1')).status).toBe(401)
  })
})

describe('databases', () => {
  test('create, get, list, delete', async () => {
    const { client } = await connectLegacy()
    const created = await client.databases.create('acme', { group: 'default' })
    expect(created).toEqual({
      name: 'acme',
      id: expect.any(String),
      hostname: 'acme-local.aws-eu-west-1.turso.io',
    })
    expect(await client.databases.get('acme')).toMatchObject({
      ...created,
      group: 'default',
      sleeping: false,
    })
    expect(await client.databases.list()).toMatchObject([created])
    expect(await client.databases.list({ group: 'default' })).toHaveLength(1)
    expect(await client.databases.list({ group: 'other' })).toEqual([])
    const again = client.databases.create('acme', { group: 'default' })
    await expect(again).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('already exists'),
    })
    expect(await client.databases.delete('acme')).toEqual({ database: 'acme' })
    await expect(client.databases.get('acme')).rejects.toMatchObject({
      name: 'TursoClientError',
      status: 404,
      message: 'could not find database with name [acme]: record not found',
    })
  })

  test('create from another database', async () => {
    const { client, query } = await connectLegacy()
    await client.databases.create('template', { group: 'default' })
    const { jwt } = await client.databases.createToken('template')
    await query('template', jwt, "create table t as select 'seeded' as a")
    await client.databases.create('copy', { group: 'default', seed: { type: 'database', name: 'template' } })
    const { jwt: copyJwt } = await client.databases.createToken('copy')
    const { body } = await query('copy', copyJwt, 'select a from t')
    expect(rowsOf(body.results[0])).toEqual([[{ type: 'text', value: 'seeded' }]])
  })

  test.each([
    ['a point in time', { seed: { type: 'database', name: 'acme', timestamp: new Date(0) } }],
    ['a dump', { seed: { type: 'dump', url: 'https://dumps.example/1' } }],
    ['a schema database', { is_schema: true }],
    ['encryption', { remote_encryption: { encryption_key: 'AAAA', encryption_cipher: 'aes256gcm' } }],
    ['the other engine', { useTursoDb: true }],
  ] as const)('create refuses what it cannot do: %s', async (_, options) => {
    const { client } = await connectLegacy()
    await client.databases.create('acme', { group: 'default' })
    const created = client.databases.create('other', { group: 'default', ...options })
    await expect(created).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('not supported'),
    })
    expect(await client.databases.list()).toHaveLength(1)
  })

  test('createToken and rotateTokens, which fails on the empty body after it has rotated', async () => {
    const { client, query } = await connectLegacy()
    await client.databases.create('acme', { group: 'default' })
    const { jwt } = await client.databases.createToken('acme', {
      expiration: '2w',
      authorization: 'full-access',
    })
    expect((await query('acme', jwt, 'create table t (a)')).status).toBe(200)
    await expect(client.databases.rotateTokens('acme')).rejects.toMatchObject(EMPTY_BODY)
    expect((await query('acme', jwt, 'select 1')).status).toBe(401)
  })

  test('createToken cannot be used on AWS: it always sends permissions', async () => {
    const { client } = await connect()
    await client.groups.create('default', 'aws-eu-west-1')
    await client.databases.create('acme', { group: 'default' })
    const refused = { status: 400, message: 'Permissions are not supported for db-api controlled databases' }
    await expect(client.databases.createToken('acme')).rejects.toMatchObject(refused)
    await expect(client.groups.createToken('default')).rejects.toMatchObject(refused)
  })

  test('listInstances, getInstance, usage', async () => {
    const { client, query } = await connectLegacy()
    const { hostname, id } = await client.databases.create('acme', { group: 'default' })
    const [instance] = await client.databases.listInstances('acme')
    expect(instance).toMatchObject({ type: 'primary', region: 'aws-eu-west-1', hostname })
    expect(await client.databases.getInstance('acme', instance!.name)).toEqual(instance)
    const { jwt } = await client.databases.createToken('acme')
    await query('acme', jwt, 'create table t as select 1 as a')
    const usage = await client.databases.usage('acme', { from: new Date(0), to: '2100-01-01T00:00:00Z' })
    expect(usage).toMatchObject({ uuid: id, instances: [{ uuid: instance!.uuid }] })
    expect(usage.usage.storage_bytes).toBeGreaterThan(0)
  })

  test('updateVersion asks for a route that is gone', async () => {
    const { client } = await connectLegacy()
    await client.databases.create('acme', { group: 'default' })
    await expect(client.databases.updateVersion('acme')).rejects.toMatchObject({ status: 404 })
  })

  test('a name is not escaped: what it asks for is something else', async () => {
    const { client } = await connectLegacy()
    await client.databases.create('b', { group: 'default' })
    expect(await client.databases.get('a/../b')).toMatchObject({ name: 'b' })
  })
})

describe('organizations', () => {
  test('list is empty: it looks for an object where there is an array', async () => {
    const { client } = await connect()
    expect(await client.organizations.list()).toEqual([])
  })

  test('update, members, removeMember, invoices, delete', async () => {
    const { client } = await connect()
    expect(await client.organizations.update({ overages: true })).toMatchObject({
      slug: 'local',
      overages: true,
    })
    expect(await client.organizations.members()).toMatchObject([{ username: 'local', role: 'owner' }])
    await expect(client.organizations.removeMember('nobody')).rejects.toMatchObject({ status: 404 })
    expect(await client.organizations.invoices()).toEqual([])
    await expect(client.organizations.delete()).rejects.toMatchObject({ status: 400 })
  })

  test('addMember asks for a route that does not exist', async () => {
    const { client } = await connect()
    await expect(client.organizations.addMember('bob', 'admin')).rejects.toMatchObject({ status: 404 })
  })

  test('inviteUser, listInvites and deleteInvite, which fails on the empty body after it has deleted', async () => {
    const { client } = await connect()
    const invite = { email: 'a@b.example', role: 'admin' }
    expect(await client.organizations.inviteUser(invite.email, 'admin')).toMatchObject({
      ...invite,
      organization: 'local',
    })
    expect(await client.organizations.listInvites()).toMatchObject([invite])
    await expect(client.organizations.deleteInvite(invite.email)).rejects.toMatchObject(EMPTY_BODY)
    expect(await client.organizations.listInvites()).toEqual([])
  })
})

describe('API tokens', () => {
  test('create, list, revoke', async () => {
    const { client, baseUrl } = await connect()
    const { token, ...created } = await client.apiTokens.create('ci')
    expect(await client.apiTokens.list()).toMatchObject([created])
    const other = createClient({ org: 'local', token: async () => token, baseUrl })
    expect(await other.groups.list()).toEqual([])
    expect(await client.apiTokens.revoke('ci')).toEqual({ token: 'ci' })
    await expect(other.groups.list()).rejects.toMatchObject({ status: 401 })
  })

  test('validate asks for a route that does not exist', async () => {
    const { client } = await connect()
    await expect(client.apiTokens.validate('local-platform-token')).rejects.toMatchObject({ status: 404 })
  })
})

test('version 3 of the API, by ids', async () => {
  const { client, baseUrl, api } = await connect()
  const { uuid } = (await client.groups.create('default', 'aws-eu-west-1')) as { uuid?: string }
  const { id: orgId } = (await api('GET', '/local')).body.organization as { id: string }
  const version3 = createClient({
    orgId,
    token: 'local-platform-token',
    baseUrl: baseUrl.replace('/v1/', '/v3/'),
  })
  const { id } = await version3.databases.create('acme', { groupId: uuid! })
  expect(await version3.groups.list()).toMatchObject([{ name: 'default' }])
  expect(await version3.databases.list()).toMatchObject([{ name: 'acme', id }])
  expect(await version3.databases.get(id)).toMatchObject({ name: 'acme' })
})

test('what is no JSON loses its status', async () => {
  const { client, turso } = await connect()
  turso.faults.add({ kind: 'html', on: 'groups.list' })
  const error = await client.groups.list().catch((reason: unknown) => reason)
  expect(error).toMatchObject({ message: 'Something went wrong! Status 502' })
  expect(error).not.toHaveProperty('status')
})
