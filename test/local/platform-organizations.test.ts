import { describe, expect, test } from 'vitest'
import { createClock, start } from './harness.ts'

const GROUP = { name: 'default', location: 'aws-eu-west-1' }

describe('organizations', () => {
  test('are a bare array in version 1 and wrapped in version 2', async () => {
    const { call, api } = await start()
    const { status, body } = await call('GET', '/v1/organizations')
    expect([status, body]).toEqual([
      200,
      [
        {
          id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          name: 'personal',
          slug: 'local',
          type: 'personal',
          overages: false,
          require_mfa: false,
          restore_enabled: true,
          blocked_reads: false,
          blocked_writes: false,
          plan_id: 'scaler',
          plan_timeline: 'monthly',
          platform: '',
        },
      ],
    ])
    expect((await call('GET', '/v2/organizations')).body).toEqual({ organizations: body })
    expect((await api('GET', '/local')).body).toEqual({ organization: body[0] })
    expect((await api('GET', '/nope')).body).toEqual({ error: 'organization not found' })
  })

  test('change by what is given', async () => {
    const { api } = await start()
    const { body } = await api('PATCH', '/local', { overages: true, require_mfa: true })
    expect(body.organization).toMatchObject({ overages: true, require_mfa: true, restore_enabled: true })
    expect((await api('GET', 'subscription')).body).toEqual({
      subscription: { name: 'scaler', plan: 'scaler', overages: true, timeline: 'monthly' },
    })
    expect((await api('PATCH', '/local', { overages: 'yes' })).status).toBe(400)
  })

  test('are made and removed, but not the primary one, nor one with groups', async () => {
    const { api, call } = await start()
    expect((await call('POST', '/v1/organizations?dry_run=true', { name: 'team' })).status).toBe(200)
    expect((await api('GET', '/team')).status).toBe(404)
    const made = await call('POST', '/v1/organizations', { name: 'Team' })
    expect(made.body.organization).toMatchObject({ slug: 'team', type: 'team' })
    expect((await call('POST', '/v1/organizations', { name: 'team' })).status).toBe(409)
    await api('POST', '/team/groups', GROUP)
    expect((await api('DELETE', '/team')).status).toBe(400)
    expect((await api('DELETE', '/local')).status).toBe(400)
    await call('POST', '/v1/organizations', { name: 'empty' })
    expect((await api('DELETE', '/empty')).status).toBe(200)
    expect((await call('GET', '/v1/organizations')).body).toHaveLength(2)
  })

  test('have names of their own for groups and databases', async () => {
    const { api, call, create } = await start()
    await create('acme')
    await call('POST', '/v1/organizations', { name: 'team' })
    await api('POST', '/team/groups', GROUP)
    const { status, body } = await api('POST', '/team/databases', { name: 'acme', group: 'default' })
    expect([status, body.database.Hostname]).toEqual([200, 'acme-team.aws-eu-west-1.turso.io'])
    expect((await api('GET', 'databases')).body.databases).toHaveLength(1)
  })

  test('have plans, invoices and a user', async () => {
    const { api, call } = await start({ plan: 'pro' })
    const { plans } = (await api('GET', 'plans')).body
    expect(plans.map(({ name }: { name: string }) => name)).toEqual(['starter', 'developer', 'scaler', 'pro'])
    expect(plans[0]).toMatchObject({
      price: '0',
      quotas: { databases: 100, rowsRead: 500_000_000, groups: 1 },
    })
    expect((await api('GET', 'invoices?type=issued')).body).toEqual({ invoices: [] })
    expect((await api('GET', 'invoices?type=x')).status).toBe(400)
    expect((await call('GET', '/v1/user')).body).toEqual({
      user: {
        username: 'local',
        name: 'local',
        email: 'local@users.invalid',
        avatarUrl: '',
        plan: 'pro',
        mfa: false,
        has_pending_invites: false,
      },
    })
    expect((await call('GET', '/v1/current-user')).body.user.username).toBe('local')
  })
})

describe('locations', () => {
  test('are a map, one has its neighbours, and the closest one is on a host of its own', async () => {
    const { call, turso } = await start()
    const { locations } = (await call('GET', '/v1/locations')).body
    expect(locations['aws-eu-west-1']).toBe('AWS EU West (Ireland)')
    expect((await call('GET', '/v1/locations/lhr')).body.location).toMatchObject({
      code: 'lhr',
      description: 'London, United Kingdom',
    })
    expect((await call('GET', '/v1/locations/amss')).status).toBe(404)
    const grouped = (await call('GET', '/v2/organizations/local/locations')).body.locations
    expect(Object.keys(grouped)).toEqual(['aws', 'fly'])
    const closest = await turso.fetch(new Request('https://region.turso.io'))
    expect(await closest.json()).toEqual({ server: 'aws-eu-west-1', client: 'fra' })
  })
})

describe('members', () => {
  test('are added, listed, changed and removed', async () => {
    const { api } = await start()
    const owner = { username: 'local', role: 'owner', email: 'local@users.invalid' }
    expect((await api('GET', 'members')).body).toEqual({ members: [owner] })
    const added = await api('POST', 'members', { username: 'iku', role: 'member' })
    expect([added.status, added.body]).toEqual([200, { member: 'iku', role: 'member' }])
    const again = await api('POST', 'members', { username: 'iku', role: 'member' })
    expect([again.status, again.body]).toEqual([
      409,
      { error: 'user iku is already a member of organization local' },
    ])
    const member = { username: 'iku', role: 'admin', email: 'iku@users.invalid' }
    expect((await api('PATCH', 'members/iku', { role: 'admin' })).body).toEqual({ member })
    expect((await api('GET', 'members/iku')).body).toEqual({ member })
    expect((await api('DELETE', 'members/iku')).body).toEqual({ member: 'iku' })
  })

  test.each([
    ['POST', 'members', { username: 'no one', role: 'member' }, 404, 'could not find user no one'],
    ['POST', 'members', { username: 'iku', role: 'owner' }, 400, 'invalid role'],
    ['GET', 'members/iku', undefined, 404, 'could not find member'],
    ['PATCH', 'members/iku', { role: 'member' }, 404, 'could not find user iku'],
    ['PATCH', 'members/local', { role: 'member' }, 403, 'the role of the owner cannot be changed'],
    ['DELETE', 'members/iku', undefined, 404, 'user iku is not a member of org local'],
    ['DELETE', 'members/local', undefined, 403, 'the owner cannot be removed'],
  ])('%s %s %j is %d', async (method, path, body, status, error) => {
    const { api } = await start()
    const answer = await api(method, path, body)
    expect([answer.status, answer.body]).toEqual([status, { error }])
  })

  test('are invited by address or by name, and an invite is withdrawn with an empty body', async () => {
    const clock = createClock()
    const { call } = await start({ now: clock.now })
    const invites = '/v2/organizations/local/invites'
    const invited = await call('POST', invites, { email: 'iku@turso.tech', role: 'member' })
    expect(invited.body).toEqual({
      invited: { email: 'iku@turso.tech', role: 'member', organization: 'local' },
    })
    expect((await call('POST', invites, { username: 'iku', role: 'viewer' })).status).toBe(200)
    const listed = (await call('GET', invites)).body.invites
    expect(listed[0]).toEqual({
      id: 1,
      email: 'iku@turso.tech',
      role: 'member',
      created_at: new Date(clock.now()).toISOString(),
    })
    const removed = await call('DELETE', `${invites}/iku%40turso.tech`)
    expect([removed.status, removed.text]).toEqual([200, ''])
    const gone = await call('DELETE', `${invites}/iku%40turso.tech`)
    expect([gone.status, gone.body]).toEqual([404, { error: 'invite not found' }])
    for (const body of [
      { role: 'member' },
      { email: 'a@b', username: 'a', role: 'member' },
      { email: 'a', role: 'member' },
    ]) {
      expect((await call('POST', invites, body)).status).toBe(400)
    }
  })
})

describe('audit logs', () => {
  test('have an entry for every mutation, the latest first, in pages', async () => {
    const clock = createClock()
    const { api, create } = await start({ now: clock.now })
    await create('acme')
    await api('PATCH', 'databases/acme/configuration', { delete_protection: true })
    await api('DELETE', 'databases/acme')
    await api('PATCH', 'databases/acme/configuration', { delete_protection: false })
    await api('DELETE', 'databases/acme')
    const { body } = await api('GET', 'audit-logs?page=1&page_size=100')
    expect(body.audit_logs.map(({ code }: { code: string }) => code)).toEqual([
      'db-delete',
      'db-unprotect',
      'db-protect',
      'db-token-create',
      'db-create',
      'group-create',
    ])
    expect(body.pagination).toEqual({ page: 1, page_size: 100, total_pages: 1, total_rows: 6 })
    expect(body.audit_logs[4]).toEqual({
      code: 'db-create',
      message: 'database acme created',
      origin: 'api',
      author: 'local',
      created_at: new Date(clock.now()).toISOString(),
      data: { database: 'acme', id: expect.any(String), group: 'default' },
    })
    const last = (await api('GET', 'audit-logs?page=2&page_size=4')).body
    expect(last.audit_logs).toHaveLength(2)
    expect(last.pagination).toMatchObject({ total_pages: 2 })
  })

  test('hold no token', async () => {
    const { api, call, use, create } = await start()
    const { jwt } = await create('acme')
    const { token } = (await call('POST', '/v1/auth/api-tokens/ci', { organization: 'local' })).body
    await use('acme')
    const { text } = await api('GET', 'audit-logs?page_size=100')
    for (const secret of [jwt, token, jwt.split('.')[2]!, token.split('.')[2]!])
      expect(text).not.toContain(secret)
  })

  test('and invites are for the Scaler plan, and the refusal says so with its code', async () => {
    const { api, call } = await start({ plan: 'starter' })
    const { status, body } = await api('GET', 'audit-logs')
    expect([status, body]).toEqual([
      403,
      {
        error: 'Audit logs is not available on the starter plan',
        code: 'feature_not_available_for_starter_plan',
      },
    ])
    expect((await call('GET', '/v2/organizations/local/invites')).status).toBe(403)
  })
})

describe('key sets', () => {
  const KEY_SETS = '/v2/organizations/local/jwks'

  test('are saved and removed with empty bodies, and listed', async () => {
    const { call } = await start()
    const jwks_url = 'https://example.com/.well-known/jwks.json'
    const saved = await call('PUT', `${KEY_SETS}/clerk`, { jwks_url, region: 'aws-eu-west-1' })
    expect([saved.status, saved.text]).toEqual([200, ''])
    expect((await call('GET', KEY_SETS)).body).toEqual({ jwks: [{ jwks_name: 'clerk', jwks_url }] })
    expect((await call('DELETE', `${KEY_SETS}/clerk`, { region: 'aws-eu-west-1' })).text).toBe('')
    expect((await call('DELETE', `${KEY_SETS}/clerk`)).status).toBe(404)
    expect((await call('PUT', `${KEY_SETS}/clerk`, { jwks_url: 'http://example.com' })).status).toBe(400)
  })

  test('are two on the free plan', async () => {
    const { call } = await start({ plan: 'starter' })
    const jwks_url = 'https://example.com/jwks'
    for (const name of ['a', 'b']) await call('PUT', `${KEY_SETS}/${name}`, { jwks_url })
    const { status, body } = await call('PUT', `${KEY_SETS}/c`, { jwks_url })
    expect([status, body]).toEqual([400, { error: 'jwks count limit(2) exceeded' }])
  })

  test('have a template of the claims that open a database or a group', async () => {
    const { api, call, create } = await start()
    await create('acme')
    const { DbId } = (await api('GET', 'databases/acme')).body.database
    const template = async (body: unknown) =>
      (await call('POST', '/v2/organizations/local/jwks-template', body)).body.template
    expect(await template({ database: 'acme', group: null, scope: 'read-only', permissions: [] })).toEqual({
      a: 'ro',
      id: DbId,
      perm: [],
      rid: expect.any(String),
    })
    expect(await template({ database: null, group: 'default' })).toMatchObject({
      a: 'rw',
      gid: expect.any(String),
    })
  })
})
