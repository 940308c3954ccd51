import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { HttpFailure } from '../../local/errors.ts'
import { createTokens, generateSigningKey, type Claims } from '../../local/tokens.ts'
import { createClock, start, statement } from './harness.ts'

const READ = { requests: [statement('select 1'), { type: 'close' }] }

describe('the authorization of SQL', () => {
  test.each([
    ['nothing', null, 'Expected authorization header but none given'],
    ['no scheme', 'token', "Auth string does not conform to '<scheme> <token>' form"],
    [
      'another scheme',
      'Basic abc',
      'The authentication scheme in the `Authorization` HTTP header is not supported',
    ],
    ['no JWT', 'Bearer abc', 'The JWT is invalid'],
    ['no signature', 'Bearer a.b.', 'The JWT is invalid'],
  ])('%s is 401', async (_, header, reason) => {
    const { create, turso } = await start()
    const database = await create('acme')
    const response = await turso.fetch(
      new Request(`${database.url}/v3/pipeline`, {
        method: 'POST',
        headers: header === null ? {} : { authorization: header },
        body: JSON.stringify(READ),
      }),
    )
    expect([response.status, await response.json()]).toEqual([401, { error: `Unauthorized: \`${reason}\`` }])
  })

  test('a token that was changed or signed by another key is 401', async () => {
    const { api, create } = await start()
    const database = await create('acme')
    const { DbId } = (await api('GET', 'databases/acme')).body.database
    const others = createTokens({
      signingKey: generateSigningKey(),
      findSubject: () => undefined,
      now: Date.now,
    })
    const foreign = others.mint({ a: 'rw', id: DbId }, undefined)
    const [header, , signature] = database.jwt.split('.')
    const changed = [
      header,
      Buffer.from(JSON.stringify({ a: 'rw', id: DbId })).toString('base64url'),
      signature,
    ]
    for (const jwt of [foreign, changed.join('.')]) {
      const { status, body } = await database.send(READ, { jwt })
      expect([status, body]).toEqual([401, { error: 'Unauthorized: `The JWT is invalid`' }])
    }
  })

  test('a token expires, a minute late', async () => {
    const clock = createClock()
    const { create, use } = await start({ now: clock.now })
    await create('acme')
    const database = await use('acme', '?expiration=1h')
    clock.advance(3_660_000)
    expect((await database.send(READ)).status).toBe(200)
    clock.advance(1_000)
    const { status, body } = await database.send(READ)
    expect([status, body]).toEqual([401, { error: 'Unauthorized: `The JWT has expired`' }])
  })

  test('the token of another database is 404, as is a database that does not exist', async () => {
    const { create, turso } = await start()
    const [acme, other] = [await create('acme'), await create('other')]
    const { status, body } = await acme.send(READ, { jwt: other.jwt })
    expect([status, body]).toEqual([404, { error: "Namespace `acme-local` doesn't exist" }])
    for (const host of ['nope-local.aws-eu-west-1', 'acme-local.aws-us-east-1']) {
      const response = await turso.fetch(
        new Request(`https://${host}.turso.io/v3/pipeline`, {
          method: 'POST',
          headers: { authorization: `Bearer ${acme.jwt}` },
          body: JSON.stringify(READ),
        }),
      )
      expect([response.status, await response.json()]).toEqual([
        404,
        { error: `Namespace \`${host.split('.')[0]}\` doesn't exist` },
      ])
    }
  })

  test('a token does not open a later database of the same name', async () => {
    const { api, create } = await start()
    const old = await create('acme')
    await api('DELETE', 'databases/acme')
    const database = await create('acme')
    expect((await database.send(READ, { jwt: old.jwt })).status).toBe(404)
    expect((await database.send(READ)).status).toBe(200)
  })

  test('a read-only token reads, and writes nothing of a batch that writes', async () => {
    const { create, use } = await start()
    const full = await create('acme')
    await full.execute('create table t (a)')
    const database = await use('acme', '?authorization=read-only')
    const reads = ['begin', 'select * from t', 'pragma table_info(t)', 'commit'].map(statement)
    expect((await database.run(reads)).results.every(({ type }) => type === 'ok')).toBe(true)
    const steps = ['select 1', 'insert into t values (1)'].map((sql) => ({ stmt: { sql } }))
    for (const request of [
      { type: 'batch', batch: { steps } },
      { type: 'sequence', sql: 'select 1; drop table t' },
      statement('insert into t values (1)'),
    ]) {
      const { status, body } = await database.send({ requests: [request] })
      expect([status, body]).toEqual([
        403,
        {
          error:
            "Authorization forbidden: Current session doesn't not have Write permission to namespace acme-local",
        },
      ])
    }
    expect((await full.execute('select count(*) from t'))[0]).toMatchObject({
      response: { result: { rows: [[{ value: '0' }]] } },
    })
  })

  test('a read-only token reads the version of the schema, and does not rebuild an index', async () => {
    const { create, use } = await start()
    await (await create('acme')).execute('create table t (a unique)', 'reindex t')
    const reader = await use('acme', '?authorization=read-only')
    expect((await reader.execute('pragma schema_version'))[0]?.type).toBe('ok')
    expect((await reader.send({ requests: [statement('reindex')] })).status).toBe(403)
  })

  test('a new database is not served before the gap is over, and looks as if it did not exist', async () => {
    const clock = createClock()
    const { create } = await start({ now: clock.now, traps: { createToServeGapMs: 2_500 } })
    const database = await create('acme')
    const { status, body } = await database.send(READ)
    expect([status, body]).toEqual([404, { error: "Namespace `acme-local` doesn't exist" }])
    clock.advance(2_500)
    expect((await database.send(READ)).status).toBe(200)
  })
})

describe('rotation', () => {
  test('of a database ends all of its tokens at once, with an empty body, and no others', async () => {
    const { api, create, use } = await start()
    const [acme, beta] = [await create('acme'), await create('beta')]
    const reader = await use('acme', '?authorization=read-only&expiration=1h')
    const { status, text } = await api('POST', 'databases/acme/auth/rotate')
    expect([status, text]).toEqual([200, ''])
    for (const jwt of [acme.jwt, reader.jwt]) {
      const answer = await acme.send(READ, { jwt })
      expect([answer.status, answer.body]).toEqual([401, { error: 'Unauthorized: `The JWT is invalid`' }])
    }
    expect((await beta.send(READ)).status).toBe(200)
    expect((await (await use('acme')).send(READ)).status).toBe(200)
    expect((await api('POST', 'databases/nope/auth/rotate')).body).toEqual({
      error: 'could not find database with name [nope]: record not found',
    })
  })

  test('of a database keeps the tokens of its group', async () => {
    const { api, create } = await start()
    const acme = await create('acme')
    const { jwt } = (await api('POST', 'groups/default/auth/tokens')).body
    await api('POST', 'databases/acme/auth/rotate')
    expect((await acme.send(READ, { jwt })).status).toBe(200)
  })

  test('of a group ends its tokens and those of its databases, but not of other groups', async () => {
    const { api, create, use } = await start()
    const acme = await create('acme')
    await api('POST', 'groups', { name: 'other', location: 'aws-us-east-1' })
    await api('POST', 'databases', { name: 'far', group: 'other' })
    const far = await use('far')
    const { jwt } = (await api('POST', 'groups/default/auth/tokens')).body
    const { status, text } = await api('POST', 'groups/default/auth/rotate')
    expect([status, text]).toEqual([200, ''])
    for (const old of [acme.jwt, jwt]) expect((await acme.send(READ, { jwt: old })).status).toBe(401)
    expect((await far.send(READ)).status).toBe(200)
    const fresh = (await api('POST', 'groups/default/auth/tokens')).body.jwt
    expect((await acme.send(READ, { jwt: fresh })).status).toBe(200)
    expect((await api('POST', 'groups/nope/auth/rotate')).status).toBe(404)
  })

  test('holds over a restart', async () => {
    const data = mkdtempSync(join(tmpdir(), 'local-turso-tokens-'))
    onTestFinished(() => rmSync(data, { recursive: true, force: true }))
    const first = await start({ data })
    const old = await first.create('acme')
    await first.api('POST', 'databases/acme/auth/rotate')
    const fresh = await first.use('acme')
    await first.turso.close()
    const second = await start({ data })
    const database = await second.use('acme')
    expect((await database.send(READ, { jwt: old.jwt })).status).toBe(401)
    expect((await database.send(READ, { jwt: fresh.jwt })).status).toBe(200)
  })
})

describe('the token of a group', () => {
  test('opens all of its databases, later ones as well, and none of another group', async () => {
    const { api, create, use } = await start()
    const acme = await create('acme')
    const { jwt } = (await api('POST', 'groups/default/auth/tokens?expiration=1d')).body
    const { gid, a, exp, iat } = JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url').toString())
    expect(gid).toBe((await api('GET', 'groups/default')).body.group.uuid)
    expect([a, exp - iat]).toEqual(['rw', 86_400])
    const later = await create('later')
    for (const database of [acme, later]) expect((await database.send(READ, { jwt })).status).toBe(200)
    await api('POST', 'groups', { name: 'other', location: 'aws-us-east-1' })
    await api('POST', 'databases', { name: 'far', group: 'other' })
    expect((await (await use('far')).send(READ, { jwt })).status).toBe(404)
  })

  test('may be read-only, and is refused like that of a database when it is malformed', async () => {
    const { api, create } = await start()
    const acme = await create('acme')
    const { jwt } = (await api('POST', 'groups/default/auth/tokens?authorization=read-only')).body
    const write = { requests: [statement('create table t (a)')] }
    expect((await acme.send(write, { jwt })).status).toBe(403)
    expect((await acme.send(READ, { jwt })).status).toBe(200)
    for (const query of ['expiration=soon', 'authorization=admin']) {
      expect((await api('POST', `groups/default/auth/tokens?${query}`)).status).toBe(400)
    }
    expect((await api('POST', 'groups/default/auth/tokens', { permissions: {} })).status).toBe(400)
    expect((await api('POST', 'groups/nope/auth/tokens')).status).toBe(404)
  })

  test('opens nothing of a later group of the same name', async () => {
    const { api, create } = await start()
    await create('acme')
    const { jwt } = (await api('POST', 'groups/default/auth/tokens')).body
    await api('DELETE', 'groups/default')
    const database = await create('acme')
    expect((await database.send(READ, { jwt })).status).toBe(404)
  })
})

describe('the claims of a token', () => {
  const subject = {
    id: 'database-1',
    organizationId: 'organization-1',
    groupId: 'group-1',
    label: 'acme-local',
    rotationId: 'r1',
    groupRotationId: 'g1',
  }
  const tokens = createTokens({
    signingKey: generateSigningKey(),
    findSubject: (id) => (id === subject.id ? subject : undefined),
    now: Date.now,
  })
  const outcome = (claims: Claims, id = subject.id) => {
    try {
      return tokens.authorize(`Bearer ${tokens.mint(claims, undefined)}`, id, 'acme-local')
    } catch (error) {
      return (error as HttpFailure).status
    }
  }

  test.each<[Claims, 'rw' | 'ro' | number]>([
    [{ a: 'rw', id: 'database-1', rid: 'r1' }, 'rw'],
    [{ id: 'database-1', rid: 'r1' }, 'rw'],
    [{ a: 'roa', id: 'database-1', rid: 'r1' }, 'ro'],
    [{ a: 'rw', id: 'database-1', rid: 'r0' }, 401],
    [{ a: 'rw', id: 'database-1' }, 401],
    [{ a: 'rw', id: 'database-2', rid: 'r1' }, 404],
    [{ a: 'ro', gid: 'group-1', rid: 'g1' }, 'ro'],
    [{ a: 'ro', gid: 'group-1', rid: 'g0' }, 401],
    [{ a: 'rw', gid: 'group-2', rid: 'g1' }, 404],
    [{}, 404],
    [{ p: {} }, 404],
    [{ p: { ro: { ns: ['database-1'] } } }, 'ro'],
    [{ p: { ro: { ns: ['acme-local'] } } }, 'ro'],
    [{ p: { roa: { ns: ['acme-local'] } } }, 404],
    [{ p: { rwa: { tags: ['group-1'] } } }, 404],
    [{ p: { rw: { tags: ['group-1'] } } }, 'rw'],
    [{ p: { rwa: { ns: ['database-1'] }, ro: { ns: ['database-1'] } } }, 'ro'],
    [{ p: { ro: { tags: ['group-2'] }, rw: { ns: ['database-2'] } } }, 404],
    [{ p: { ro: { ns: ['database-1'] } }, a: 'rw', id: 'database-1', rid: 'r1' }, 'ro'],
    [{ p: { rw: { ns: ['database-1'] } }, id: 'database-1', rid: 'r0' }, 401],
    [{ id: 'database-1', rid: 'r1', perm: [] }, 'rw'],
    [{ id: 'database-1', rid: 'r1', perm: [{ t: null, a: ['data_read'] }] }, 'ro'],
    [{ id: 'database-1', rid: 'r1', perm: [{ t: ['x'], a: ['data_read', 'data_add'] }] }, 'rw'],
    [{ id: 'database-1', rid: 'r1', perm: [{ t: ['x'], a: [] }] }, 403],
    [{ a: 'ro', id: 'database-1', rid: 'r1', perm: [{ t: null, a: ['data_add'] }] }, 'ro'],
  ])('%j: %s', (claims, expected) => {
    expect(outcome(claims)).toBe(expected)
  })

  test('for a database that is gone are 404', () => {
    expect(outcome({ id: 'database-2', rid: 'r1' }, 'database-2')).toBe(404)
  })
})
