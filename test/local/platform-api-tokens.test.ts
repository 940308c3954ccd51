import { describe, expect, test } from 'vitest'
import { start } from './harness.ts'

const SCOPES = [
  'read',
  'db:create',
  'db:delete',
  'db:configure',
  'db:mint-token',
  'db:rotate-creds',
  'group:configure',
  'group:mint-token',
  'group:rotate-creds',
]

/** A call that needs exactly one scope, for each of them. */
const CALLS: [scope: string, method: string, path: string, body?: unknown][] = [
  ['read', 'GET', 'databases'],
  ['read', 'GET', 'databases/acme'],
  ['read', 'GET', 'databases/acme/configuration'],
  ['read', 'GET', 'databases/acme/instances'],
  ['read', 'GET', 'databases/acme/usage'],
  ['read', 'GET', 'databases/acme/stats'],
  ['read', 'GET', 'groups'],
  ['read', 'GET', 'groups/default'],
  ['read', 'GET', 'groups/default/configuration'],
  ['db:create', 'POST', 'databases', { name: 'new', group: 'default' }],
  ['db:delete', 'DELETE', 'databases/victim'],
  ['db:configure', 'PATCH', 'databases/acme/configuration', { block_reads: false }],
  ['db:mint-token', 'POST', 'databases/acme/auth/tokens'],
  ['db:rotate-creds', 'POST', 'databases/acme/auth/rotate'],
  ['group:configure', 'PATCH', 'groups/default/configuration', { delete_protection: false }],
  ['group:configure', 'POST', 'groups/default/unarchive'],
  ['group:configure', 'POST', 'groups/default/update'],
  ['group:mint-token', 'POST', 'groups/default/auth/tokens'],
  ['group:rotate-creds', 'POST', 'groups/default/auth/rotate'],
]

/** What no group-scoped token can do. */
const NEVER: [method: string, path: string, body?: unknown][] = [
  ['POST', 'groups', { name: 'b', location: 'lhr' }],
  ['DELETE', 'groups/default'],
  ['POST', 'groups/default/transfer', { organization: 'team' }],
  ['GET', 'members'],
  ['GET', 'audit-logs'],
  ['GET', 'usage'],
  ['PATCH', '/local', { overages: true }],
  ['GET', 'api-tokens'],
]

const startWith = async () => {
  const local = await start()
  await local.create('acme')
  await local.create('victim')
  await local.api('POST', 'groups', { name: 'other', location: 'aws-us-east-1' })
  await local.api('POST', 'databases', { name: 'foreign', group: 'other' })
  const mint = async (name: string, body?: unknown) => {
    const answer = await local.call('POST', `/v1/auth/api-tokens/${name}`, body)
    if (answer.status !== 200) throw new Error(answer.text)
    return answer.body as { name: string; id: string; token: string }
  }
  const mintScopes = async (...scopes: string[]) =>
    (
      await mint(`t-${scopes.join('.').replaceAll(':', '-')}`, {
        organization: 'local',
        group: 'default',
        scopes,
      })
    ).token
  return { ...local, mint, mintScopes }
}

describe('tokens of the Platform API', () => {
  test('are created, shown once, listed, and revoked', async () => {
    const { api, call, mint } = await startWith()
    const made = await mint('ci', { organization: 'local', group: 'default', scopes: ['read-only'] })
    expect(made).toEqual({
      name: 'ci',
      id: expect.any(String),
      token: expect.stringMatching(/^[^.]+\.[^.]+\.[^.]+$/),
    })
    const wire = {
      name: 'ci',
      id: made.id,
      organization: 'local',
      group: 'default',
      scopes: ['read'],
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
    }
    const listed = await call('GET', '/v1/auth/api-tokens')
    expect(listed.body).toEqual({ tokens: [wire] })
    const owner = { username: 'local', email: 'local@users.invalid' }
    expect((await api('GET', 'api-tokens')).body).toEqual({ tokens: [{ ...wire, owner }] })
    expect(listed.text).not.toContain(made.token.split('.')[2])

    expect((await api('GET', 'databases', undefined, made.token)).status).toBe(200)
    expect((await call('DELETE', '/v1/auth/api-tokens/ci')).body).toEqual({ token: 'ci' })
    const revoked = await api('GET', 'databases', undefined, made.token)
    expect([revoked.status, revoked.body]).toEqual([401, { error: 'token has been revoked' }])
    expect((await call('DELETE', '/v1/auth/api-tokens/ci')).status).toBe(404)
  })

  test('have another shape in version 2, and are revoked by the organization by their id', async () => {
    const { api, call } = await startWith()
    const { token } = (await call('POST', '/v2/auth/api-tokens/cli', { organization: 'local' })).body
    expect(token).toEqual({ name: 'cli', id: expect.any(String), value: expect.any(String) })
    expect((await api('DELETE', `api-tokens/${token.id}`)).body).toEqual({ token: token.id })
    expect((await call('GET', '/v1/auth/validate', undefined, token.value)).status).toBe(401)
  })

  test('never expire, which validation shows as -1', async () => {
    const { call, mint } = await startWith()
    const { token } = await mint('ci', { organization: 'local' })
    for (const bearer of [token, 'local-platform-token']) {
      expect((await call('GET', '/v1/auth/validate', undefined, bearer)).body).toEqual({ exp: -1 })
    }
    const bad = await call('GET', '/v1/auth/validate', undefined, `${token.slice(0, -4)}AAAA`)
    expect([bad.status, bad.body]).toEqual([401, { error: 'signature is invalid' }])
  })

  test('are no tokens of databases, nor the other way round', async () => {
    const { api, call, mint, use } = await startWith()
    const database = await use('acme')
    const { status, body } = await api('GET', 'databases', undefined, database.jwt)
    expect([status, body]).toEqual([401, { error: 'could not parse jwt id' }])
    const { token } = await mint('ci')
    expect((await database.send({ requests: [] }, { jwt: token })).status).toBe(404)
    expect((await call('GET', '/v1/organizations', undefined, token)).status).toBe(200)
  })

  test.each([
    [{ organization: 'nope' }, 404],
    [{ group: 'default', scopes: ['read'] }, 400],
    [{ organization: 'local', group: 'nope', scopes: ['read'] }, 404],
    [{ organization: 'local', group: 'default' }, 400],
    [{ organization: 'local', group: 'default', scopes: ['db:everything'] }, 400],
    [{ organization: 'local', scopes: ['read'] }, 400],
    [{ organization: 1 }, 400],
    [{ organization: 'local', group: 'default', scopes: [1] }, 400],
  ])('%j is refused with %d', async (body, status) => {
    const { call } = await startWith()
    expect((await call('POST', '/v1/auth/api-tokens/ci', body)).status).toBe(status)
  })

  test('a name is taken once, and has to be one', async () => {
    const { call, mint } = await startWith()
    await mint('ci')
    expect((await call('POST', '/v1/auth/api-tokens/ci')).status).toBe(409)
    expect((await call('POST', '/v1/auth/api-tokens/%0a')).status).toBe(400)
  })
})

describe('scopes', () => {
  test.each(SCOPES)(
    'a token with %s alone does what it allows and is refused everything else',
    async (scope) => {
      const { api, mintScopes } = await startWith()
      const token = await mintScopes(scope)
      for (const [needed, method, path, body] of CALLS) {
        const { status } = await api(method, path, body, token)
        expect([`${method} ${path}`, status]).toEqual([`${method} ${path}`, needed === scope ? 200 : 403])
      }
      for (const [method, path, body] of NEVER) {
        expect([path, (await api(method, path, body, token)).status]).toEqual([path, 403])
      }
    },
  )

  test('all of them together do all of it, and none of what is above a group', async () => {
    const { api, call, mintScopes } = await startWith()
    const token = await mintScopes('full-access')
    for (const [, method, path, body] of CALLS)
      expect((await api(method, path, body, token)).status).toBe(200)
    for (const [method, path, body] of NEVER) expect((await api(method, path, body, token)).status).toBe(403)
    expect((await call('POST', '/v1/auth/api-tokens/more', {}, token)).status).toBe(403)
    expect((await call('GET', '/v1/auth/validate', undefined, token)).status).toBe(200)
  })

  test('end at the group: other ones are not seen, used, copied from or created in', async () => {
    const { api, mintScopes } = await startWith()
    const token = await mintScopes('full-access')
    const get = async (path: string) => (await api('GET', path, undefined, token)).body
    expect((await get('databases')).databases.map(({ Name }: { Name: string }) => Name)).toEqual([
      'acme',
      'victim',
    ])
    expect((await get('databases?group=other')).databases).toEqual([])
    expect((await get('groups')).groups).toHaveLength(1)
    for (const [method, path, body] of [
      ['GET', 'databases/foreign'],
      ['DELETE', 'databases/foreign'],
      ['POST', 'databases/foreign/auth/tokens'],
      ['GET', 'groups/other'],
      ['POST', 'groups/other/auth/rotate'],
      ['POST', 'databases', { name: 'x', group: 'other' }],
    ] as const) {
      expect([path, (await api(method, path, body, token)).status]).toEqual([path, 403])
    }
    const seed = { type: 'database', name: 'foreign' }
    expect((await api('POST', 'databases', { name: 'x', group: 'default', seed }, token)).status).toBe(400)
  })

  test('go with their group', async () => {
    const { api, mintScopes } = await startWith()
    const token = await mintScopes('read')
    await api('DELETE', 'groups/default')
    expect((await api('GET', 'groups', undefined, token)).status).toBe(401)
  })

  test('a token of one organization does nothing in another, and mints none for it', async () => {
    const { api, call, mint } = await startWith()
    await call('POST', '/v1/organizations', { name: 'team' })
    const { token } = await mint('ci', { organization: 'local' })
    expect((await api('POST', 'groups', { name: 'b', location: 'lhr' }, token)).status).toBe(200)
    expect((await api('GET', '/team/groups', undefined, token)).status).toBe(403)
    expect((await call('GET', '/v1/organizations', undefined, token)).body).toHaveLength(1)
    expect((await call('POST', '/v1/organizations', { name: 'x' }, token)).status).toBe(403)
    for (const body of [undefined, { organization: 'team' }]) {
      expect((await call('POST', '/v1/auth/api-tokens/wider', body, token)).status).toBe(403)
    }
    expect((await call('POST', '/v1/auth/api-tokens/same', { organization: 'local' }, token)).status).toBe(
      200,
    )
  })
})
