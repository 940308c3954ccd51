import { describe, expect, test } from 'vitest'
import { createClock, start } from './harness.ts'

const GROUP = { name: 'default', location: 'aws-eu-west-1' }
const READ = { requests: [{ type: 'execute', stmt: { sql: 'select 1' } }, { type: 'close' }] }

describe('a group', () => {
  test('goes with its databases, and their connections are cut first', async () => {
    const { api, create, turso } = await start()
    const database = await create('acme')
    await create('beta')
    const { baton } = await database.run([{ type: 'execute', stmt: { sql: 'begin' } }], { keep: true })
    expect(turso.streams()).toHaveLength(1)
    const group = (await api('GET', 'groups/default')).body
    const deleted = await api('DELETE', 'groups/default')
    expect([deleted.status, deleted.body]).toEqual([200, group])
    expect(turso.streams()).toEqual([])
    expect((await api('GET', 'databases')).body.databases).toEqual([])
    expect((await database.send({ baton, requests: [] })).status).toBe(404)
    expect((await api('DELETE', 'groups/default')).body).toEqual({ error: 'group not found' })
  })

  test('has a configuration, which protects it from deletion', async () => {
    const { api } = await start()
    await api('POST', 'groups', GROUP)
    expect((await api('GET', 'groups/default/configuration')).body).toEqual({ delete_protection: false })
    const patched = await api('PATCH', 'groups/default/configuration', { delete_protection: true })
    expect(patched.body).toEqual({ delete_protection: true })
    expect((await api('GET', 'groups/default')).body.group.delete_protection).toBe(true)
    const { status, body } = await api('DELETE', 'groups/default')
    expect([status, body]).toEqual([400, { error: 'group [default] has delete protection enabled' }])
  })

  test('takes locations and gives them back, but never its primary one', async () => {
    const { api } = await start()
    await api('POST', 'groups', GROUP)
    const added = await api('POST', 'groups/default/locations/lhr')
    expect(added.body.group).toMatchObject({ primary: 'aws-eu-west-1', locations: ['aws-eu-west-1', 'lhr'] })
    const unknown = await api('POST', 'groups/default/locations/amss')
    expect([unknown.status, unknown.body]).toEqual([400, { error: 'invalid location: amss' }])
    expect((await api('GET', 'groups/default/locations/lhr/wait')).text).toBe('')
    const removed = await api('DELETE', 'groups/default/locations/lhr')
    expect(removed.body.group.locations).toEqual(['aws-eu-west-1'])
    const primary = await api('DELETE', 'groups/default/locations/aws-eu-west-1')
    expect([primary.status, primary.body]).toEqual([400, { error: 'Invalid location code' }])
  })

  test('is unarchived with itself, updated with an empty body, renamed with its databases', async () => {
    const { api, create } = await start()
    await create('acme')
    const { group } = (await api('GET', 'groups/default')).body
    expect((await api('POST', 'groups/default/unarchive')).body).toEqual({ group })
    const updated = await api('POST', 'groups/default/update')
    expect([updated.status, updated.text]).toEqual([200, ''])
    const renamed = await api('POST', 'groups/default/rename', { name: 'main' })
    expect(renamed.body).toEqual({ group: { ...group, name: 'main' } })
    expect((await api('GET', 'databases/acme')).body.database.group).toBe('main')
    expect((await api('POST', 'groups/default/unarchive')).body).toEqual({ error: 'group not found' })
  })

  test('checks the extensions that are asked for', async () => {
    const { api } = await start()
    expect((await api('POST', 'groups', { ...GROUP, extensions: ['magic'] })).status).toBe(400)
    expect((await api('POST', 'groups', { ...GROUP, extensions: ['vector', 'uuid'] })).status).toBe(200)
    expect((await api('POST', 'groups', { ...GROUP, name: 'b', extensions: 'all' })).status).toBe(200)
  })

  test('of an older server has host names without the location', async () => {
    const { api, use } = await start()
    await api('POST', 'groups', { name: 'fly', location: 'lhr' })
    const { body } = await api('POST', 'databases', { name: 'acme', group: 'fly' })
    expect(body.database.Hostname).toBe('acme-local.turso.io')
    expect((await (await use('acme')).send(READ)).status).toBe(200)
  })
})

describe('a transfer', () => {
  test('answers with the bare group; old tokens and host names keep working, new names are there as well', async () => {
    const { api, call, create, turso } = await start()
    const database = await create('acme')
    await call('POST', '/v1/organizations', { name: 'team' })
    const before = (await api('GET', 'groups/default')).body.group
    const { status, body } = await api('POST', 'groups/default/transfer', { organization: 'team' })
    expect([status, body]).toEqual([200, before])
    expect((await api('GET', 'groups/default')).status).toBe(404)

    const moved = (await api('GET', '/team/databases/acme')).body.database
    expect(moved.Hostname).toBe('acme-team.aws-eu-west-1.turso.io')
    for (const host of [moved.Hostname, 'acme-local.aws-eu-west-1.turso.io']) {
      const response = await turso.fetch(
        new Request(`https://${host}/v3/pipeline`, {
          method: 'POST',
          headers: { authorization: `Bearer ${database.jwt}` },
          body: JSON.stringify(READ),
        }),
      )
      expect(response.status).toBe(200)
    }
    // The name is free again, and its host name goes to whoever has the name now.
    const { DbId } = moved
    await create('acme')
    expect((await api('GET', 'databases/acme')).body.database.DbId).not.toBe(DbId)
    expect((await database.send(READ)).status).toBe(404)
  })

  test('is refused to a token of one organization when it goes to another', async () => {
    const { api, call } = await start()
    await call('POST', '/v1/organizations', { name: 'team' })
    await api('POST', '/team/groups', GROUP)
    const { token } = (await call('POST', '/v1/auth/api-tokens/ci', { organization: 'team' })).body
    const { status, body } = await api(
      'POST',
      `/team/groups/${GROUP.name}/transfer`,
      { organization: 'local' },
      token,
    )
    expect([status, body]).toEqual([403, { error: 'the token is scoped to another organization' }])
    expect((await api('GET', `/team/groups/${GROUP.name}`)).status).toBe(200)
  })

  test('is refused to nobody, to itself, and to where a name is taken', async () => {
    const { api, call, create } = await start()
    await create('acme')
    const transfer = async (organization: string) => {
      const { status, body } = await api('POST', 'groups/default/transfer', { organization })
      return [status, body.error]
    }
    expect(await transfer('nobody')).toEqual([404, 'organization not found'])
    expect(await transfer('local')).toEqual([400, 'group default is already in organization local'])
    await call('POST', '/v1/organizations', { name: 'team' })
    await api('POST', '/team/groups', { ...GROUP, name: 'other' })
    await api('POST', '/team/databases', { name: 'acme', group: 'other' })
    expect(await transfer('team')).toEqual([409, 'database with name acme already exists'])
    expect((await api('GET', 'groups/default')).status).toBe(200)
  })
})

describe('what was deleted', () => {
  const startDeleted = async () => {
    const clock = createClock()
    const local = await start({ now: clock.now })
    const database = await local.create('acme')
    await database.execute('create table t (a)', 'insert into t values (1)')
    const { organization } = (await local.call('GET', '/v1/organizations/local')).body
    const v3 = (method: string, path: string, body?: unknown) =>
      local.call(method, `/v3/organizations/${organization.id}/${path}`, body)
    return { ...local, clock, database, v3, organization }
  }

  test('is listed for five days, with its ids and times', async () => {
    const { api, clock, v3, organization } = await startDeleted()
    const { DbId, Hostname } = (await api('GET', 'databases/acme')).body.database
    const { uuid } = (await api('GET', 'groups/default')).body.group
    const deletedAt = new Date(clock.now()).toISOString()
    await api('DELETE', 'databases/acme')
    const { status, body } = await v3('GET', 'databases?deleted=true')
    expect([status, body]).toEqual([
      200,
      {
        databases: [
          {
            Name: 'acme',
            DbId,
            Hostname,
            group: 'default',
            group_id: uuid,
            organization_id: organization.id,
            regions: ['aws-eu-west-1'],
            primaryRegion: 'aws-eu-west-1',
            delete_protection: false,
            deleted_at: deletedAt,
            group_deleted_at: null,
          },
        ],
        pagination: { next: null },
      },
    ])
    expect((await v3('GET', 'databases?deleted=true&search=acm')).body.databases).toHaveLength(1)
    expect((await v3('GET', 'databases?deleted=true&search=zzz')).body.databases).toHaveLength(0)
    clock.advance(5 * 86_400_000)
    expect((await v3('GET', 'databases?deleted=true')).body.databases).toEqual([])
    expect((await v3('POST', `databases/${DbId}/restore`)).status).toBe(404)
  })

  test('comes back with its data and tokens, under its old name or another one', async () => {
    const { api, create, database, use, v3 } = await startDeleted()
    const { DbId } = (await api('GET', 'databases/acme')).body.database
    await api('DELETE', 'databases/acme')
    expect((await database.send(READ)).status).toBe(404)
    const restored = await v3('POST', `databases/${DbId}/restore`)
    expect(restored.body.database).toMatchObject({ Name: 'acme', DbId, deleted_at: null })
    expect((await database.execute('select * from t'))[0]).toMatchObject({ type: 'ok' })

    await api('DELETE', 'databases/acme')
    await create('acme')
    const taken = await v3('POST', `databases/${DbId}/restore`)
    expect([taken.status, taken.body]).toEqual([400, { error: 'database with same name already exists' }])
    expect((await v3('POST', `databases/${DbId}/restore`, { name: 'No' })).status).toBe(400)
    expect((await v3('POST', `databases/${DbId}/restore`, { name: 'acme-2' })).status).toBe(200)
    expect((await (await use('acme-2')).execute('select * from t'))[0]).toMatchObject({ type: 'ok' })
  })

  test('comes back group by group; what cannot is named, and the rest does not wait for it', async () => {
    const { api, clock, create, v3 } = await startDeleted()
    await create('beta')
    await create('gamma')
    await api('DELETE', 'databases/gamma')
    clock.advance(1_000)
    const { uuid } = (await api('GET', 'groups/default')).body.group
    const { DbId } = (await api('GET', 'databases/beta')).body.database
    await api('DELETE', 'groups/default')
    const listed = await v3('GET', 'deleted-groups')
    expect(listed.body).toEqual({
      groups: [
        { uuid, name: 'default', deleted_at: new Date(clock.now()).toISOString(), cascade_databases: 2 },
      ],
      pagination: { next: null },
    })
    // Its databases cannot come back before it.
    expect((await v3('POST', `databases/${DbId}/restore`)).status).toBe(400)

    await api('POST', 'groups', { name: 'other', location: 'aws-us-east-1' })
    await api('POST', 'databases', { name: 'beta', group: 'other' })
    const { status, body } = await v3('POST', `groups/${uuid}/restore`)
    expect(status).toBe(200)
    expect(body.group).toMatchObject({ uuid, name: 'default' })
    expect(body.databases.map(({ Name }: { Name: string }) => Name)).toEqual(['acme'])
    expect(body.failures).toEqual({ [DbId]: 'database with same name already exists' })
    expect((await api('GET', 'databases?group=default')).body.databases).toHaveLength(1)
  })

  test('is listed but not restored while recovery is off, and neither on the free plan', async () => {
    const { api, v3 } = await startDeleted()
    const { DbId } = (await api('GET', 'databases/acme')).body.database
    await api('DELETE', 'databases/acme')
    const patched = await api('PATCH', '/local', { restore_enabled: false })
    expect(patched.body.organization.restore_enabled).toBe(false)
    expect((await v3('GET', 'databases?deleted=true')).body.databases).toHaveLength(1)
    const { status, body } = await v3('POST', `databases/${DbId}/restore`)
    expect([status, body]).toEqual([400, { error: 'recovery is disabled for the organization' }])

    const free = await start({ plan: 'starter' })
    const { id } = (await free.api('GET', '/local')).body.organization
    expect((await free.call('GET', `/v3/organizations/${id}/databases?deleted=true`)).status).toBe(403)
  })

  test('has its pages', async () => {
    const { api, v3 } = await startDeleted()
    for (const name of ['a', 'b', 'c']) {
      await api('POST', 'databases', { name, group: 'default' })
      await api('DELETE', `databases/${name}`)
    }
    const first = (await v3('GET', 'databases?deleted=true&limit=2')).body
    const cursor = encodeURIComponent(first.pagination.next)
    const second = (await v3('GET', `databases?deleted=true&limit=2&cursor=${cursor}`)).body
    const names = [...first.databases, ...second.databases].map(({ Name }: { Name: string }) => Name)
    expect(names.toSorted()).toEqual(['a', 'b', 'c'])
    expect(second.pagination.next).toBeNull()
  })
})

describe('version 3', () => {
  test('addresses organizations, groups and databases by their ids', async () => {
    const { api, call } = await start()
    await api('POST', 'groups', GROUP)
    const { id } = (await api('GET', '/local')).body.organization
    const base = `/v3/organizations/${id}`
    const { groups } = (await call('GET', `${base}/groups`)).body
    const group_id = groups[0].uuid
    expect((await call('GET', `${base}/groups/${group_id}`)).body).toEqual({ group: groups[0] })
    const { database } = (await call('POST', `${base}/databases`, { name: 'acme', group_id })).body
    expect(database).toMatchObject({ Name: 'acme', group_id, organization_id: id })
    const one = await call('GET', `${base}/databases/${database.DbId}`)
    expect(one.body.database.allow_rules_config).toEqual({ allowed_ips: [], allowed_aws_vpc_ids: [] })
    expect((await call('GET', `${base}/databases?group_id=${group_id}`)).body.databases).toHaveLength(1)
    for (const path of [`databases/${database.DbId}`, `groups/${group_id}`]) {
      const { jwt } = (await call('POST', `${base}/${path}/auth/tokens?expiration=1h`)).body
      expect(jwt.split('.')).toHaveLength(3)
    }
    expect((await call('DELETE', `${base}/databases/${database.DbId}`)).body).toEqual({ database: 'acme' })
    expect((await call('GET', `${base}/databases/${database.DbId}`)).status).toBe(404)
    expect((await call('GET', '/v3/organizations/nope/databases')).body).toEqual({
      error: 'organization not found',
    })
  })
})
