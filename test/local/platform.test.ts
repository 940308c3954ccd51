import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createClock, start } from './harness.ts'

const GROUP = { name: 'default', location: 'aws-eu-west-1' }

describe('groups', () => {
  test('a created group is returned, listed and retrieved with the same content', async () => {
    const { api } = await start()
    const created = await api('POST', 'groups', GROUP)
    expect(created.status).toBe(200)
    expect(created.body.group).toEqual({
      name: 'default',
      uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      primary: 'aws-eu-west-1',
      locations: ['aws-eu-west-1'],
      version: 'local',
      archived: false,
      delete_protection: false,
    })
    expect((await api('GET', 'groups')).body).toEqual({ groups: [created.body.group] })
    expect((await api('GET', 'groups/default')).body).toEqual(created.body)
  })

  test('a second group of the same name is refused with 409', async () => {
    const { api } = await start()
    await api('POST', 'groups', GROUP)
    const { status, body } = await api('POST', 'groups', GROUP)
    expect([status, body]).toEqual([409, { error: 'group already exists' }])
  })

  test('a group that does not exist is 404', async () => {
    const { api } = await start()
    const { status, body } = await api('GET', 'groups/nope')
    expect([status, body]).toEqual([404, { error: 'group not found' }])
  })

  test('a location that cannot be part of a host name is refused', async () => {
    const { api } = await start()
    const { status, body } = await api('POST', 'groups', { name: 'default', location: 'a.b' })
    expect([status, body]).toEqual([400, { error: 'invalid location: a.b' }])
  })
})

describe('databases', () => {
  test('a created database is returned, listed, retrieved, and gone after its deletion', async () => {
    const { api } = await start()
    await api('POST', 'groups', GROUP)
    const created = await api('POST', 'databases', { name: 'acme', group: 'default', is_schema: false })
    expect(created.status).toBe(200)
    expect(created.body).toEqual({
      database: {
        DbId: expect.stringMatching(/^[0-9a-f-]{36}$/),
        Hostname: 'acme-local.aws-eu-west-1.turso.io',
        Name: 'acme',
      },
    })
    const retrieved = await api('GET', 'databases/acme')
    expect(retrieved.body.database).toMatchObject({
      ...created.body.database,
      group: 'default',
      primaryRegion: 'aws-eu-west-1',
      regions: ['aws-eu-west-1'],
      block_reads: false,
      delete_protection: false,
    })
    expect((await api('GET', 'databases')).body).toEqual({
      databases: [retrieved.body.database],
      pagination: { next: null },
    })
    expect((await api('GET', 'databases?group=default')).body.databases).toHaveLength(1)
    expect((await api('GET', 'databases?group=other')).body.databases).toHaveLength(0)
    const deleted = await api('DELETE', 'databases/acme')
    expect([deleted.status, deleted.body]).toEqual([200, { database: 'acme' }])
    expect((await api('GET', 'databases')).body).toEqual({ databases: [], pagination: { next: null } })
  })

  test.each([
    ['an unknown group', { name: 'acme', group: 'nope' }, 'group not found'],
    ['no group', { name: 'acme' }, 'group not found'],
    ['no name', { group: 'default' }, 'name must be 1 to 64 lower-case letters, digits and dashes'],
    [
      'a size limit',
      { name: 'acme', group: 'default', size_limit: '1mb' },
      'size_limit is not supported for db-api controlled databases',
    ],
    [
      'an unknown seed',
      { name: 'acme', group: 'default', seed: { type: 'database', name: 'x' } },
      'could not find database with name [x]: record not found',
    ],
  ])('a create with %s is refused with 400', async (_, body, error) => {
    const { api } = await start()
    await api('POST', 'groups', GROUP)
    const answer = await api('POST', 'databases', body)
    expect([answer.status, answer.body]).toEqual([400, { error }])
  })

  test('a name that exists is refused with 400, not 409', async () => {
    const { api, create } = await start()
    await create('acme')
    const { status, body } = await api('POST', 'databases', { name: 'acme', group: 'default' })
    expect([status, body]).toEqual([400, { error: 'database with same name already exists' }])
  })

  test('a name whose host name label has more than 63 characters is refused by naming the rule', async () => {
    const { api } = await start()
    await api('POST', 'groups', GROUP)
    const fits = await api('POST', 'databases', { name: 'a'.repeat(57), group: 'default' })
    expect(fits.status).toBe(200)
    const { status, body } = await api('POST', 'databases', { name: 'a'.repeat(58), group: 'default' })
    expect(status).toBe(400)
    expect(body.error).toContain('has 64 characters, a DNS label at most 63')
  })

  test('a database that does not exist is 404 with the text of the documentation', async () => {
    const { api } = await start()
    const error = 'could not find database with name [nope]: record not found'
    for (const [method, path] of [
      ['GET', 'databases/nope'],
      ['DELETE', 'databases/nope'],
      ['POST', 'databases/nope/auth/tokens'],
    ] as const) {
      const { status, body } = await api(method, path)
      expect([status, body]).toEqual([404, { error }])
    }
  })

  test('any name is either created and found again, or refused with 400', async () => {
    const { api } = await start()
    await api('POST', 'groups', GROUP)
    const names = fc.oneof(
      fc.stringMatching(/^[a-z0-9-]{1,70}$/),
      fc.string({ maxLength: 70, unit: 'binary' }).map((name) => name.toWellFormed()),
    )
    await fc.assert(
      fc.asyncProperty(names, async (name) => {
        const { status } = await api('POST', 'databases', { name, group: 'default' })
        const isValid = /^[a-z0-9-]{1,57}$/.test(name)
        expect(status).toBe(isValid ? 200 : 400)
        if (!isValid) return
        const path = `databases/${encodeURIComponent(name)}`
        expect((await api('GET', path)).body.database.Name).toBe(name)
        expect((await api('DELETE', path)).status).toBe(200)
      }),
      { numRuns: 60 },
    )
  })
})

describe('tokens', () => {
  test.each(['5m', '2w1d30m', '1w2d6h3m', 'never'])('the expiration %s is accepted', async (expiration) => {
    const { api, create } = await start()
    await create('acme')
    const { status, body } = await api('POST', `databases/acme/auth/tokens?expiration=${expiration}`)
    expect(status).toBe(200)
    expect(body.jwt.split('.')).toHaveLength(3)
  })

  test.each(['', '5', '5s', '1y', 'm', '-1d', '0m', '1d never'])(
    'the expiration "%s" is refused with 400',
    async (expiration) => {
      const { api, create } = await start()
      await create('acme')
      const query = `expiration=${encodeURIComponent(expiration)}`
      const { status, body } = await api('POST', `databases/acme/auth/tokens?${query}`)
      expect([status, body]).toEqual([400, { error: 'Invalid expiration format' }])
    },
  )

  test('an unknown authorization is refused with 400', async () => {
    const { api, create } = await start()
    await create('acme')
    const { status, body } = await api('POST', 'databases/acme/auth/tokens?authorization=admin')
    expect([status, body]).toEqual([400, { error: 'Invalid authorization' }])
  })

  test('permissions are refused, even when they are empty', async () => {
    const { api, create } = await start()
    await create('acme')
    const { status, body } = await api('POST', 'databases/acme/auth/tokens', { permissions: {} })
    const error = 'Permissions are not supported for db-api controlled databases'
    expect([status, body]).toEqual([400, { error }])
    expect((await api('POST', 'databases/acme/auth/tokens', {})).status).toBe(200)
  })

  test('a token carries the access, the DbId, and times of the injected clock', async () => {
    const clock = createClock()
    const { api, create, use } = await start({ now: clock.now })
    await create('acme')
    const { jwt } = await use('acme', '?expiration=1h&authorization=read-only')
    const claims = JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString())
    const { DbId } = (await api('GET', 'databases/acme')).body.database
    const iat = clock.now() / 1000
    const rid = expect.stringMatching(/^[0-9a-f-]{36}$/)
    expect(claims).toEqual({ a: 'ro', id: DbId, rid, iat, exp: iat + 3600 })
  })
})

describe('every request', () => {
  test('needs the platform token', async () => {
    const { api, turso } = await start()
    expect((await api('GET', 'groups', undefined, 'other')).status).toBe(401)
    const bare = await turso.fetch(new Request('https://api.turso.tech/v1/organizations/local/groups'))
    expect(bare.status).toBe(401)
    expect(await bare.json()).toEqual({ error: 'token contains an invalid number of segments' })
  })

  test('is for the one organization', async () => {
    const { api } = await start()
    const { status, body } = await api('GET', '/other/groups')
    expect([status, body]).toEqual([404, { error: 'organization not found' }])
  })

  test('for an unknown route is 404', async () => {
    const { api } = await start()
    const { status, body } = await api('GET', 'nothing')
    expect([status, body]).toEqual([404, { error: 'route not found' }])
  })

  test.each([
    ['malformed JSON', '{"name":', 'the request body is not JSON'],
    ['JSON that is no object', '[]', 'the request body is not a JSON object'],
  ])('with %s is 400', async (_, body, error) => {
    const { api } = await start()
    const answer = await api('POST', 'groups', body)
    expect([answer.status, answer.body]).toEqual([400, { error }])
  })

  test('with a body of more than 1 MiB is 413', async () => {
    const { api } = await start()
    expect((await api('POST', 'groups', { name: 'x'.repeat(1024 * 1024) })).status).toBe(413)
  })

  test('with a path that is not valid percent-encoding is 400', async () => {
    const { api } = await start()
    expect((await api('GET', 'databases/%ff')).status).toBe(400)
  })
})
