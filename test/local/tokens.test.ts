import { describe, expect, test } from 'vitest'
import { createTokens, generateSigningKey } from '../../local/tokens.ts'
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
