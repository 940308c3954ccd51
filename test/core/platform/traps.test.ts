/** What has gone wrong with the Platform API for others, each by the name of what goes wrong. */
import { describe, expect, test } from 'vitest'
import { isTursoError, path } from '../../../src/index.ts'
import { createTestDatabase, localPlatform, uniqueName } from '../../support/turso.ts'
import { answeredWith, codeOf, refusedWith, wireDatabase } from './answers.ts'

const created = { body: { database: wireDatabase() } }
const down = new TypeError('connection cut')

describe('a database that exists', () => {
  test.each([
    [400, 'database with same name already exists'],
    [409, 'database with name acme already exists'],
    [409, 'conflict'],
  ])('is refused with %d "%s" (turso-docs#409, turso-api-client-ts#16)', async (status, words) => {
    const { turso } = answeredWith([refusedWith(status, words)])
    expect(await codeOf(turso.databases.create('acme'))).toBe('already_exists')
    const ensured = answeredWith([refusedWith(status, words), created])
    expect(await ensured.turso.databases.ensure('acme')).toMatchObject({ id: 'id-1' })
  })

  test('is in another group: ensure does not take it', async () => {
    const found = { body: { database: wireDatabase({ group: 'other' }) } }
    const { turso } = answeredWith([refusedWith(400, 'database with same name already exists'), found])
    const error = await turso.databases.ensure('acme').catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'already_exists',
      message: expect.stringContaining('its group is "other" instead of "default"'),
    })
  })

  test('is a copy of another one than was asked for: ensure does not take it', async () => {
    const parent = { id: 'x', name: 'old-template', branched_at: '2026-01-01T00:00:00Z' }
    const found = { body: { database: wireDatabase({ parent }) } }
    const { turso } = answeredWith([refusedWith(409, 'already exists'), found])
    const seed = { type: 'database', name: 'template' } as const
    expect(await codeOf(turso.databases.ensure('acme', { seed }))).toBe('already_exists')
  })

  test('is deleted between the refusal and the look: ensure asks again', async () => {
    const { turso, sent } = answeredWith([
      refusedWith(409, 'already exists'),
      refusedWith(404, 'gone'),
      created,
    ])
    expect(await turso.databases.ensure('acme')).toMatchObject({ id: 'id-1' })
    expect(sent.map(({ method }) => method)).toEqual(['POST', 'GET', 'POST'])
  })
})

describe('a creation whose answer is lost', () => {
  test.each([
    ['a cut connection', down],
    ['a 500', refusedWith(500, 'oops')],
    ['a page of a proxy', { status: 502, body: '<html>Bad gateway</html>' }],
    ['half an answer', { body: '{"database":{"Na' }],
  ])('after %s: create looks, and asks again when there is none', async (_, trouble) => {
    const { turso, sent } = answeredWith([trouble, refusedWith(404, 'not found'), created])
    expect(await turso.databases.create('acme')).toMatchObject({ id: 'id-1' })
    expect(sent.map(({ method }) => method)).toEqual(['POST', 'GET', 'POST'])
  })

  test('and a database that is there then may be a stranger: create does not take it, ensure does', async () => {
    const { turso, sent } = answeredWith([down, created])
    expect(await codeOf(turso.databases.create('acme'))).toBe('network')
    expect(sent).toHaveLength(2)
    expect(await answeredWith([down, created]).turso.databases.ensure('acme')).toMatchObject({ id: 'id-1' })
  })

  test('a refusal afterwards does not prove that nothing was made (turso-cli#169)', async () => {
    for (const refusal of [
      refusedWith(400, 'database with same name already exists'),
      refusedWith(402, 'pay'),
    ]) {
      const { turso } = answeredWith([refusedWith(503, 'busy'), refusedWith(404, 'not found'), refusal])
      expect(await codeOf(turso.databases.create('acme'))).toBe('unavailable')
    }
  })

  test('without retries, create sends one request, and ensure looks', async () => {
    const { turso, sent } = answeredWith([down], { retry: false })
    expect(await codeOf(turso.databases.create('acme'))).toBe('network')
    expect(sent).toHaveLength(1)
    const ensured = answeredWith([down, created], { retry: false })
    expect(await ensured.turso.databases.ensure('acme')).toMatchObject({ id: 'id-1' })
  })

  test('the whole creation has one time limit and one signal', async () => {
    const { turso } = answeredWith([], { fetch: () => new Promise(() => {}) })
    expect(await codeOf(turso.databases.ensure('acme', { timeoutMs: 20 }))).toBe('timeout')
    const reason = new Error('the user left')
    const signal = AbortSignal.abort(reason)
    await expect(turso.databases.create('acme', { signal })).rejects.toBe(reason)
  })
})

test('a name that was deleted lately is not free: asked for again some times, then a clear error (turso-cli#670)', async () => {
  const refusal = refusedWith(422, 'database name acme is not available')
  const { turso, sent } = answeredWith([refusal])
  const error = await turso.databases.create('acme').catch((reason: unknown) => reason)
  expect(error).toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining('deleted so lately'),
  })
  expect(sent).toHaveLength(3)
  expect(await answeredWith([refusal, created]).turso.databases.create('acme')).toMatchObject({ id: 'id-1' })
})

test('a missing group is a 400 and not a 404', async () => {
  const { turso, sent } = answeredWith([
    refusedWith(400, 'group not found'),
    { body: { group: { name: 'default', uuid: 'g', primary: 'lhr' } } },
    created,
  ])
  await turso.databases.create('acme', { location: 'lhr' })
  expect(sent.map(({ url }) => url.split('/').at(-1))).toEqual(['databases', 'groups', 'databases'])
})

describe('databases on AWS', () => {
  test('refuse a token request that has empty permissions, so there is no body (turso-api-client-ts#20, PR#21, #30, #34)', async () => {
    const { turso, sent } = answeredWith([{ body: { jwt: 'j' } }])
    await turso.databases.createToken('acme', { permissions: {} })
    await turso.databases.createToken('acme', { permissions: { readAttach: { databases: [] } } })
    await turso.groups.createToken('default', { expiration: '1d', authorization: 'read-only' })
    for (const { body, headers } of sent) {
      expect(body).toBeUndefined()
      expect(headers).not.toHaveProperty('content-type')
    }
    expect(sent[2]!.url).toMatch(/\/auth\/tokens\?expiration=1d&authorization=read-only$/)
  })

  test('refuse size limits, ATTACH and permissions: unsupported', async () => {
    const turso = localPlatform()
    const { name } = await createTestDatabase()
    for (const refused of [
      turso.databases.create(uniqueName('sized'), { sizeLimit: '500mb' }),
      turso.databases.update(name, { allowAttach: true }),
      turso.databases.update(name, { sizeLimit: '500mb' }),
      turso.databases.createToken(name, { fineGrainedPermissions: [{ t: null, a: ['data_read'] }] }),
    ])
      expect(await codeOf(refused)).toBe('unsupported')
  })
})

describe('what is wrong before it is sent', () => {
  test.each(['soon', '', '0d', '5', '1y', '10s', '1d ', 'NEVER', '-1d', '1.5h'])(
    'the expiration "%s"',
    async (expiration) => {
      const { turso, sent } = answeredWith([{ body: { jwt: 'j' } }])
      await expect(turso.databases.createToken('acme', { expiration })).rejects.toThrow(
        /^"expiration" must be/,
      )
      expect(sent).toEqual([])
    },
  )

  test.each(['never', '2w1d30m', '1w2d6h3m', '5m', '90d'])(
    'is not the expiration "%s"',
    async (expiration) => {
      const { turso, sent } = answeredWith([{ body: { jwt: 'j' } }])
      await turso.databases.createToken('acme', { expiration })
      expect(new URL(sent[0]!.url).searchParams.get('expiration')).toBe(expiration)
    },
  )

  test.each(['much', '', '1.5gb', '500 mb', -1, Number.NaN])('the size %j', async (sizeLimit) => {
    const { turso, sent } = answeredWith([created])
    await expect(turso.databases.update('acme', { sizeLimit })).rejects.toThrow(/^"sizeLimit" must be/)
    await expect(turso.databases.create('acme', { sizeLimit })).rejects.toThrow(/^"sizeLimit" must be/)
    expect(sent).toEqual([])
  })

  test('permissions that permit nothing, since a token without any can do everything', async () => {
    const { turso, sent } = answeredWith([{ body: { jwt: 'j' } }])
    const token = turso.databases.createToken('acme', { fineGrainedPermissions: [] })
    await expect(token).rejects.toThrow(/rules that permit something/)
    expect(sent).toEqual([])
  })
})

test('options of the caller are not written to', async () => {
  const seed = Object.freeze({ type: 'database', name: 'a', timestamp: new Date(0) } as const)
  const options = Object.freeze({ seed, group: 'g' })
  const { turso, sent } = answeredWith([created])
  await turso.databases.create('acme', options)
  expect(JSON.parse(sent[0]!.body!).seed.timestamp).toBe('1970-01-01T00:00:00.000Z')
  expect(seed.timestamp).toEqual(new Date(0))
})

describe('tokens of the wrong kind', () => {
  test('a database token as a platform token is called one (turso-api-client-ts#17)', async () => {
    const { turso } = answeredWith([refusedWith(401, 'could not parse jwt id')])
    await expect(turso.user.retrieve()).rejects.toThrow(
      /answered 401: could not parse jwt id \(this is the token of a database or group/,
    )
    const other = answeredWith([refusedWith(401, 'token contains an invalid number of segments')])
    expect(await codeOf(other.turso.user.retrieve())).toBe('unauthorized')
  })

  test('a missing scope is named', async () => {
    const { turso } = answeredWith([refusedWith(403, 'forbidden')])
    await expect(turso.databases.list().page()).rejects.toThrow(/\(the token may lack the scope read\)$/)
    await expect(turso.databases.create('acme')).rejects.toThrow(/lack the scope db:create\)$/)
    await expect(turso.databases.createToken('acme')).rejects.toThrow(/lack the scope db:mint-token\)$/)
    await expect(turso.groups.invalidateTokens('g')).rejects.toThrow(/lack the scope group:rotate-creds\)$/)
    // Without one it may as well be the role of a member.
    await expect(turso.groups.delete('g')).rejects.toThrow(/: forbidden$/)
  })

  test('validate asks the route that exists, and -1 is no time (turso-api-client-ts#17)', async () => {
    const { turso, sent } = answeredWith([{ body: { exp: -1 } }, { body: { exp: 1_800_000_000 } }])
    expect(await turso.apiTokens.validate()).toMatchObject({ expiresAtMs: null })
    expect(await turso.apiTokens.validate()).toMatchObject({ expiresAtMs: 1_800_000_000_000 })
    expect(sent[0]!.url).toBe('https://api.turso.tech/v1/auth/validate')
  })

  test('a token from a function is asked for again once, after a 401', async () => {
    const tokens = ['old', 'new']
    const { turso, sent } = answeredWith(
      [refusedWith(401, 'expired'), { body: { user: { username: 'u' } } }],
      {
        token: () => tokens.shift()!,
      },
    )
    await turso.user.retrieve()
    expect(sent.map(({ headers }) => headers['authorization'])).toEqual(['Bearer old', 'Bearer new'])
  })
})

test.each([
  [402, 'payment required'],
  [403, 'Audit logs is not available on the starter plan'],
  [403, 'maximum database count of 1 reached'],
  [400, 'jwks count limit(2) exceeded'],
  [403, 'allow rules are available on paid plans only'],
])('a limit of the plan is %d "%s"', async (status, words) => {
  const { turso } = answeredWith([refusedWith(status, words)])
  expect(await codeOf(turso.databases.create('acme'))).toBe('plan_limit')
})

test('a database named after a plan or a count is not a limit of the plan', async () => {
  for (const name of ['plan', 'my-plans', 'quota', 'count-limit'])
    expect(
      await codeOf(
        answeredWith([
          refusedWith(400, `database [${name}] has delete protection enabled`),
        ]).turso.databases.delete(name),
      ),
    ).toBe('invalid_request')
})

describe('answers in another form than the reference has', () => {
  test.each([
    ['of the service', wireDatabase()],
    ['of the Turso CLI', { ...wireDatabase(), DbId: undefined, dbId: 'id-1' }],
    [
      'in lower case',
      { name: 'acme', dbId: 'id-1', hostname: 'acme-acme-inc.aws-eu-west-1.turso.io', group: 'default' },
    ],
  ])('the casing %s', async (_, database) => {
    const { turso } = answeredWith([{ body: { database } }])
    expect(await turso.databases.retrieve('acme')).toMatchObject({
      id: 'id-1',
      name: 'acme',
      hostname: 'acme-acme-inc.aws-eu-west-1.turso.io',
      blockReads: false,
    })
  })

  const counters = { rows_read: 1, rows_written: 2, storage_bytes: 3 }
  test.each([
    ['database.usage', { database: { uuid: 'u', usage: counters }, total: {} }],
    ['database.total', { database: { uuid: 'u', total: counters } }],
    ['total', { database: { uuid: 'u' }, total: counters }],
  ])('usage as %s', async (_, body) => {
    const { turso } = answeredWith([{ body }])
    const usage = await turso.databases.usage('acme')
    expect(usage).toMatchObject({ id: 'u', usage: { rowsRead: 1, rowsWritten: 2, storageBytes: 3 } })
    expect(usage.raw).toEqual(body)
  })

  test('organizations as a bare array, and wrapped', async () => {
    const organization = { name: 'Acme', slug: 'acme', type: 'team' }
    for (const body of [[organization], { organizations: [organization] }])
      expect(await answeredWith([{ body }]).turso.organizations.list()).toMatchObject([{ slug: 'acme' }])
  })

  test('a group bare, and wrapped', async () => {
    const group = { name: 'g', uuid: 'u', primary: 'lhr' }
    for (const body of [group, { group }])
      expect(await answeredWith([{ body }]).turso.groups.transfer('g', 'o')).toMatchObject({
        id: 'u',
        primaryLocation: 'lhr',
      })
  })

  test('an API token of version 1 and of version 2', async () => {
    for (const body of [{ name: 'n', id: 'i', token: 'v' }, { token: { name: 'n', id: 'i', value: 'v' } }])
      expect(await answeredWith([{ body }]).turso.apiTokens.create('n')).toMatchObject({
        id: 'i',
        token: 'v',
      })
  })

  test('locations are a map, statistics and lists may be null', async () => {
    const { turso } = answeredWith([
      { body: { locations: { lhr: 'London' } } },
      { body: { top_queries: null } },
      { body: { groups: null } },
    ])
    expect(await turso.locations.list()).toMatchObject([{ code: 'lhr', description: 'London' }])
    expect(await turso.databases.stats('acme')).toEqual([])
    expect(await turso.groups.list()).toEqual([])
  })

  test('members that are new are kept, and the names in data and failures are left alone', async () => {
    const log = { code: 'db-create', data: { Some_Key: 1 }, brand_new: { inner_thing: true } }
    const { turso } = answeredWith([{ body: { audit_logs: [log], pagination: { page: 1, total_pages: 1 } } }])
    const { items } = await turso.auditLogs.list().page()
    expect(items).toEqual([
      { code: 'db-create', data: { Some_Key: 1 }, brandNew: { innerThing: true }, raw: log },
    ])
  })

  test('an error that is no JSON keeps its status', async () => {
    const { turso } = answeredWith([{ status: 502, body: '<html><h1>Bad gateway</h1></html>' }], {
      retry: false,
    })
    const error = await turso.groups.list().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'unavailable', status: 502, serverMessage: 'Bad gateway' })
  })

  test('the body of a rotation, and of other successes, is empty', async () => {
    const { turso } = answeredWith([{ body: '' }])
    await turso.databases.invalidateTokens('acme')
    await turso.groups.invalidateTokens('g')
    await turso.invites.delete('a@b.example')
    expect(await codeOf(turso.databases.retrieve('acme'))).toBe('protocol')
  })

  test.each([
    [[]],
    [{}],
    ['"text"'],
    ['12'],
    ['null'],
    [{ database: null }],
    [{ database: 'acme' }],
    [{ database: [wireDatabase()] }],
    [{ database: wireDatabase({ DbId: 7 }) }],
    [{ databases: 'none' }],
    [{ tokens: [1] }],
    [{ locations: null }],
    ['['.repeat(20_000) + ']'.repeat(20_000)],
  ])('%j is a protocol error wherever something is awaited', async (body) => {
    const { turso } = answeredWith([{ body }])
    const calls = [
      turso.databases.retrieve('a'),
      turso.databases.createToken('a'),
      turso.databases.list().page(),
      turso.databases.usage('a'),
      turso.apiTokens.list(),
      turso.apiTokens.create('a'),
      turso.locations.list(),
      turso.databases.restore('i', { organizationId: 'o' }),
    ]
    expect(new Set(await Promise.all(calls.map(codeOf)))).toEqual(new Set(['protocol']))
  })
})

describe('lists', () => {
  const pageOf = (count: number, next?: string | null) => ({
    body: {
      databases: Array.from({ length: count }, (_, index) => wireDatabase({ Name: `d${index}` })),
      ...(next !== undefined && { pagination: { next } }),
    },
  })

  test('have a next page, which must not be forgotten (turso-cli#968)', async () => {
    const { turso, sent } = answeredWith([pageOf(2, 'c=1&d'), pageOf(1, null)])
    const names: string[] = []
    for await (const { name } of turso.databases.list({ group: 'g' })) names.push(name)
    expect(names).toEqual(['d0', 'd1', 'd0'])
    expect(sent.map(({ url }) => new URL(url).search)).toEqual(['?group=g', '?group=g&cursor=c%3D1%26d'])
  })

  test('are cut at 1,000 without a word (turso-cli#983)', async () => {
    const cut = answeredWith([pageOf(1_000)])
    await expect(cut.turso.databases.list().page()).rejects.toThrow(/more may be missing/)
    expect((await cut.turso.databases.list({ limit: 1_000 }).page()).items).toHaveLength(1_000)
    expect(
      (
        await answeredWith([pageOf(999)])
          .turso.databases.list()
          .page()
      ).next,
    ).toBeNull()
  })

  test('name a page as the next of itself', async () => {
    const { turso, sent } = answeredWith([pageOf(1, 'again')])
    const walk = async () => {
      for await (const _ of turso.databases.list()) continue
    }
    expect(await codeOf(walk())).toBe('protocol')
    expect(sent).toHaveLength(2)
  })

  test('are asked for no further than they are walked', async () => {
    const { turso, sent } = answeredWith([pageOf(3, 'more')])
    const list = turso.databases.list()
    expect(sent).toHaveLength(0)
    for await (const _ of list) break
    expect(sent).toHaveLength(1)
  })

  test('of audit logs have numbers instead of a cursor', async () => {
    const pageNumber = (page: number) => ({
      body: {
        audit_logs: [{ code: `c${page}` }],
        pagination: { page, page_size: 1, total_pages: 2, total_rows: 2 },
      },
    })
    const { turso, sent } = answeredWith([pageNumber(1), pageNumber(2)])
    const codes: string[] = []
    for await (const { code } of turso.auditLogs.list({ pageSize: 1 })) codes.push(code)
    expect(codes).toEqual(['c1', 'c2'])
    expect(sent.map(({ url }) => new URL(url).search)).toEqual(['?page_size=1', '?page_size=1&page=2'])
  })
})

describe('retries', () => {
  const trouble = [refusedWith(503, 'busy'), refusedWith(429, 'slow down'), down]

  test.each(trouble)('reads and createToken are sent again', async (answer) => {
    for (const call of ['retrieve', 'createToken', 'configuration'] as const) {
      const { turso, sent } = answeredWith([answer, { body: { jwt: 'j', database: wireDatabase() } }])
      await turso.databases[call]('acme')
      expect(sent).toHaveLength(2)
    }
  })

  test.each(trouble)('a rotation never is: each one cuts everybody off', async (answer) => {
    const { turso, sent } = answeredWith([answer])
    expect(await codeOf(turso.databases.invalidateTokens('acme'))).not.toBe('no error')
    expect(await codeOf(turso.groups.invalidateTokens('g'))).not.toBe('no error')
    expect(await codeOf(turso.apiTokens.invalidateSessions())).not.toBe('no error')
    expect(sent).toHaveLength(3)
  })

  test('what is neither is sent again only when it had no effect', async () => {
    const lost = answeredWith([down, { body: {} }])
    expect(await codeOf(lost.turso.databases.delete('acme'))).toBe('network')
    expect(lost.sent).toHaveLength(1)
    const refused = answeredWith([refusedWith(429, 'slow down'), { body: {} }])
    await refused.turso.databases.delete('acme')
    expect(refused.sent).toHaveLength(2)
  })

  test('to ensure what is there already costs no retry', async () => {
    const there = [refusedWith(400, 'database with same name already exists'), created]
    const { turso } = answeredWith(
      Array.from({ length: 30 }, () => there)
        .flat()
        .concat([refusedWith(503, 'busy'), created]),
      { retry: { minDelayMs: 0, budget: 1 } },
    )
    for (let count = 0; count < 30; count++) await turso.databases.ensure('acme')
    expect(await turso.databases.retrieve('acme')).toMatchObject({ id: 'id-1' })
  })

  test('Retry-After is a minimum; what does not fit into the time of the call ends it', async () => {
    const { turso, sent } = answeredWith([{ status: 429, headers: { 'retry-after': '60' } }])
    const error = await turso.groups.list({ timeoutMs: 5_000 }).catch((reason: unknown) => reason)
    expect(isTursoError(error, 'rate_limited') && error.retryAfterMs).toBe(60_000)
    expect(sent).toHaveLength(1)
  })
})

test('a network failure is not an invalid token (turso-cli#933)', async () => {
  const { turso } = answeredWith([down], { retry: false })
  expect(await codeOf(turso.apiTokens.validate())).toBe('network')
})

test('a new filter or route does not need a new version (turso-api-client-ts PR#24)', async () => {
  const { turso, sent } = answeredWith([{ body: { databases: [], anything: 1 } }])
  await turso.databases.list({ newFilter: 'x', from: new Date(0) } as object).page()
  const answer = await turso.request('POST', path`/v1/new/${'a/b'}`, {
    query: { q: '&' },
    body: { as_is: null },
  })
  expect(answer).toEqual({ databases: [], anything: 1 })
  expect(sent.map(({ url }) => url.slice('https://api.turso.tech'.length))).toEqual([
    '/v1/organizations/acme-inc/databases?new_filter=x&from=1970-01-01T00%3A00%3A00.000Z',
    '/v1/new/a%2Fb?q=%26',
  ])
  expect(sent[1]!.body).toBe('{"as_is":null}')
  for (const wrong of ['v1/user', '@evil.example/', '', '.evil.example', undefined as unknown as string])
    await expect(turso.request('GET', wrong)).rejects.toThrow(/"path" must begin with a slash/)
  expect(sent).toHaveLength(2)
})

test('the template of a key set is a GET with a body, so it is made here', () => {
  const { turso, sent } = answeredWith([])
  expect(turso.jwks.template({ id: 'db' }, { authorization: 'read-only', rid: 'r' })).toEqual({
    a: 'ro',
    id: 'db',
    rid: 'r',
    perm: [],
  })
  const permissions = [{ t: ['notes'], a: ['data_read' as const] }]
  expect(turso.jwks.template({ groupId: 'g' }, { fineGrainedPermissions: permissions })).toEqual({
    a: 'rw',
    gid: 'g',
    perm: permissions,
  })
  expect(sent).toEqual([])
})

test('the closest location is asked without the token, and of another host', async () => {
  const { turso, sent } = answeredWith([{ body: { server: 'aws-eu-west-1', client: 'fra' } }])
  expect(await turso.locations.closest()).toMatchObject({ server: 'aws-eu-west-1', client: 'fra' })
  expect(sent).toMatchObject([{ url: 'https://region.turso.io' }])
  // Whatever it is asked with, it stays there.
  await turso.locations.closest({ organization: 'x' } as object)
  expect(sent[1]).toMatchObject({ url: 'https://region.turso.io?organization=x' })
  for (const { headers } of sent) expect(headers).not.toHaveProperty('authorization')
  for (const regionUrl of ['http://localhost:8080/region', 'http://[fe80::a1]:8080/region']) {
    const local = answeredWith([{ body: { server: 'lhr' } }], { regionUrl })
    await local.turso.locations.closest()
    expect(local.sent).toMatchObject([{ url: regionUrl }])
  }
})

test('version 3 knows an organization by its id, which is looked up once', async () => {
  const organization = { id: 'org-id', name: 'n', slug: 's' }
  const { turso, sent } = answeredWith([
    { body: { organization, databases: [], groups: [], pagination: {} } },
  ])
  await turso.databases.listDeleted({ search: 'x', limit: 5 }).page()
  await turso.groups.listDeleted().page()
  await turso.groupsById.list({ organizationId: 'given' })
  expect(sent.map(({ url }) => url.slice('https://api.turso.tech'.length))).toEqual([
    '/v1/organizations/acme-inc',
    '/v3/organizations/org-id/databases?deleted=true&search=x&limit=5',
    '/v3/organizations/org-id/deleted-groups',
    '/v3/organizations/given/groups',
  ])
})
