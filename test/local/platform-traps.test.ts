import { describe, expect, test } from 'vitest'
import { createClock, rowsOf, start } from './harness.ts'

const READ = { requests: [{ type: 'execute', stmt: { sql: 'select 1' } }, { type: 'close' }] }

describe('traps', () => {
  test('a duplicate can be 409 with the text of the documentation', async () => {
    const { api, create } = await start({ traps: { duplicateCreate: 409 } })
    await create('acme')
    const { status, body } = await api('POST', 'databases', { name: 'acme', group: 'default' })
    expect([status, body]).toEqual([409, { error: 'database with name acme already exists' }])
  })

  test('a list can be cut without a word', async () => {
    const { api, create } = await start({ traps: { listCutAt: 2 } })
    for (const name of ['a', 'b', 'c']) await create(name)
    const { body } = await api('GET', 'databases?limit=100')
    expect(body.databases).toHaveLength(2)
    expect(Object.keys(body)).toEqual(['databases'])
  })

  test('too many requests are 429 until the window is over, with Retry-After if asked for', async () => {
    const clock = createClock()
    for (const retryAfter of [true, false]) {
      const rateLimit = { requests: 2, windowMs: 10_000, retryAfter }
      const { api } = await start({ now: clock.now, traps: { rateLimit } })
      for (let count = 0; count < 2; count++) expect((await api('GET', 'groups')).status).toBe(200)
      clock.advance(2_500)
      const { status, body, headers } = await api('GET', 'groups')
      expect([status, body]).toEqual([429, { error: 'too many requests' }])
      expect(headers.get('retry-after')).toBe(retryAfter ? '8' : null)
      clock.advance(7_500)
      expect((await api('GET', 'groups')).status).toBe(200)
    }
  })

  test.each([402, 403] as const)(
    'a quota of databases is refused with %d, and a deletion makes room',
    async (status) => {
      const { api, create } = await start({ traps: { databaseQuota: { databases: 1, status } } })
      await create('acme')
      const refused = await api('POST', 'databases', { name: 'beta', group: 'default' })
      expect([refused.status, refused.body]).toEqual([
        status,
        { error: 'maximum database count of 1 reached' },
      ])
      await api('DELETE', 'databases/acme')
      expect((await api('POST', 'databases', { name: 'beta', group: 'default' })).status).toBe(200)
    },
  )

  test('the free plan has one group', async () => {
    const { api } = await start({ plan: 'starter' })
    await api('POST', 'groups', { name: 'a', location: 'lhr' })
    const { status, body } = await api('POST', 'groups', { name: 'b', location: 'lhr' })
    expect([status, body]).toEqual([402, { error: 'maximum group count of 1 reached' }])
  })

  test('the name of a deleted database can be refused for a while', async () => {
    const clock = createClock()
    const { api, create } = await start({ now: clock.now, traps: { recreateRefusedMs: 5_000 } })
    await create('acme')
    await api('DELETE', 'databases/acme')
    const { status, body } = await api('POST', 'databases', { name: 'acme', group: 'default' })
    expect([status, body]).toEqual([422, { error: 'database name acme is not available' }])
    clock.advance(5_000)
    expect((await api('POST', 'databases', { name: 'acme', group: 'default' })).status).toBe(200)
  })
})

describe('the older servers', () => {
  const legacy = { traps: { generation: 'legacy' } } as const

  test('take size limits and ATTACH', async () => {
    const { api, create } = await start(legacy)
    await create('acme')
    const size = { name: 'sized', group: 'default', size_limit: '256mb' }
    expect((await api('POST', 'databases', size)).status).toBe(200)
    expect((await api('GET', 'databases/sized/configuration')).body.size_limit).toBe('256mb')
    const change = { size_limit: '1gb', allow_attach: true }
    expect((await api('PATCH', 'databases/acme/configuration', change)).body).toMatchObject(change)
    expect((await api('POST', 'databases', { ...size, name: 'x', size_limit: 'much' })).status).toBe(400)
  })

  test('rotate the tokens of the whole group with those of one database', async () => {
    const { api, create } = await start(legacy)
    const [acme, beta] = [await create('acme'), await create('beta')]
    await api('POST', 'databases/acme/auth/rotate')
    for (const database of [acme, beta]) expect((await database.send(READ)).status).toBe(401)
  })

  test('put permissions into tokens: attached databases as p, fine-grained ones as perm', async () => {
    const { api, create } = await start(legacy)
    const acme = await create('acme')
    const beta = await create('beta')
    await acme.execute('create table t (a)')
    const ids = await Promise.all(
      ['acme', 'beta'].map(async (name) => (await api('GET', `databases/${name}`)).body.database.DbId),
    )
    const mint = async (body: unknown) =>
      (await api('POST', 'databases/acme/auth/tokens', body)).body.jwt as string
    const claimsOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString())

    const attach = await mint({ permissions: { read_attach: { databases: ['beta'] } } })
    expect(claimsOf(attach).p).toEqual({ rw: { ns: [ids[0]] }, roa: { ns: [ids[1]] } })
    expect((await acme.send(READ, { jwt: attach })).status).toBe(200)
    expect((await beta.send(READ, { jwt: attach })).status).toBe(404)
    const write = { requests: [{ type: 'execute', stmt: { sql: 'create table x (a)' } }] }

    const reader = await mint({ fine_grained_permissions: [{ t: null, a: ['data_read'] }] })
    expect(claimsOf(reader).perm).toEqual([{ t: null, a: ['data_read'] }])
    const rows = await acme.send(
      { requests: [{ type: 'execute', stmt: { sql: 'select * from t' } }] },
      { jwt: reader },
    )
    expect(rowsOf(rows.body.results[0])).toEqual([])
    expect((await acme.send(write, { jwt: reader })).status).toBe(403)
  })

  test('let tokens of a database and of a group attach what is in the same group, until they are rotated', async () => {
    const { api, create } = await start(legacy)
    const acme = await create('acme')
    await create('beta')
    await api('POST', 'groups', { name: 'second', location: 'aws-eu-west-1' })
    await api('POST', 'databases', { name: 'elsewhere', group: 'second' })
    const permitting = (name: string) => ({ permissions: { read_attach: { databases: [name] } } })
    for (const subject of ['databases/acme', 'groups/default']) {
      const refused = await api('POST', `${subject}/auth/tokens`, permitting('elsewhere'))
      expect([refused.status, refused.body]).toEqual([
        403,
        { error: 'database [elsewhere] is in another group, so it cannot be attached' },
      ])
      const { jwt } = (await api('POST', `${subject}/auth/tokens`, permitting('beta'))).body
      expect((await acme.send(READ, { jwt })).status).toBe(200)
      await api('POST', `${subject}/auth/rotate`)
      expect((await acme.send(READ, { jwt })).status).toBe(401)
    }
  })

  test.each([
    [{ permissions: { read_attach: { databases: ['nope'] } } }, 404],
    [{ permissions: { read_attach: { databases: Array(11).fill('acme') } } }, 400],
    [{ permissions: { read_attach: { databases: 'acme' } } }, 400],
    [{ fine_grained_permissions: {} }, 400],
    [{ fine_grained_permissions: [null] }, 400],
    [{ fine_grained_permissions: [{ t: 'x', a: ['data_read'] }] }, 400],
    [{ fine_grained_permissions: [{ t: null, a: ['everything'] }] }, 400],
  ])('%j is refused with %d', async (body, status) => {
    const { api, create } = await start(legacy)
    await create('acme')
    expect((await api('POST', 'databases/acme/auth/tokens', body)).status).toBe(status)
  })
})
