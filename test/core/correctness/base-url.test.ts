/** Wherever a server points, the token and the statements go to no other place than the one configured. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, isTursoError, type Database, type Fetch } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestDatabase, type TestTurso } from '../../support/turso.ts'
import { failureOf } from '../../support/failure-of.ts'

interface Sent {
  origin: string
  authorization: string | undefined
  redirect: string
}

describe.each(BEHAVIOUR_NAMES)('behaviour %s', (behaviour) => {
  let turso: TestTurso
  let fixture: TestDatabase
  let origin: string

  beforeAll(async () => {
    turso = await startTurso({ behaviour })
    fixture = await turso.createDatabase()
    origin = `https://${fixture.hostname}`
    await fixture.database.execute('create table notes (title text)')
  })
  beforeEach(async () => {
    await turso.clearFaults()
    await turso.advanceClock(20_000)
    await fixture.database.execute('delete from notes')
  })

  /** A client whose requests are noted, and go nowhere but to the database. */
  function noting(): { client: Database; sent: Sent[] } {
    const sent: Sent[] = []
    const fetch: Fetch = (url, init) => {
      sent.push({
        origin: new URL(url).origin,
        authorization: init.headers['authorization'],
        redirect: init.redirect,
      })
      if (!url.startsWith(`${origin}/`)) return Promise.reject(new TypeError('nobody is there'))
      return globalThis.fetch(url, init)
    }
    return { client: connect({ url: origin, authToken: fixture.token, fetch, retry: false }), sent }
  }

  const elsewhere: [string, () => string][] = [
    ['another host', () => 'https://evil.example/'],
    ['a host whose name only ends alike', () => 'https://evilturso.io/'],
    ['a host that begins like ours', () => `${origin}.evil.example/`],
    ['a suffix in the path', () => 'https://evil.example/.turso.io/'],
    ['our host without encryption', () => `http://${fixture.hostname}/`],
    ['another port of our host', () => `${origin}:8443/`],
    ['another port of a host with the suffix', () => 'https://other.turso.io:8443/'],
    ['credentials', () => `https://user:password@${fixture.hostname}/`],
    ['our host as the user', () => `https://${fixture.hostname}@evil.example/`],
    ['our host as the user, and a backslash', () => `https://evil.example\\@${fixture.hostname}/`],
    ['the address of metadata', () => 'http://169.254.169.254/latest/'],
    ['the address of metadata, over https', () => 'https://169.254.169.254/'],
    ['the same as a number', () => 'https://2852039166/'],
    ['loopback', () => 'http://localhost:8080/'],
    ['a scheme that is not HTTP', () => `file:///${fixture.hostname}/`],
    ['a web socket', () => `wss://${fixture.hostname}/`],
    ['a query', () => `${origin}/?x=`],
    ['a fragment', () => `${origin}/#`],
    ['no address', () => 'nonsense'],
    ['nothing', () => ''],
  ]

  describe.each(elsewhere)('base_url is %s', (_, address) => {
    const everythingWentHome = (sent: readonly Sent[]): void => {
      expect(sent.length).toBeGreaterThan(0)
      for (const request of sent)
        expect(request).toEqual({ origin, authorization: `Bearer ${fixture.token}`, redirect: 'manual' })
    }

    test('a transaction ends there, and is not reported as done', async () => {
      const { client, sent } = noting()
      await turso.failNext({ kind: 'base_url', on: 'pipeline', url: address() })
      const run = client.transaction(async (tx) => {
        await tx.execute("insert into notes values ('one')")
        await tx.execute("insert into notes values ('two')")
      })
      expect(await failureOf(run)).toMatchObject({
        code: expect.stringMatching(/^(protocol|stream_lost)$/) as string,
      })
      everythingWentHome(sent)
      expect(sent).toHaveLength(1)
    })

    test('a transaction that is under way is lost', async () => {
      const { client, sent } = noting()
      const run = client.transaction(async (tx) => {
        await tx.execute("insert into notes values ('one')")
        await turso.failNext({ kind: 'base_url', on: 'pipeline', url: address() })
        await tx.execute("insert into notes values ('two')")
      })
      expect(await failureOf(run)).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
      everythingWentHome(sent)
      expect(sent).toHaveLength(2)
    })

    test('a stream of rows gives its rows, and nothing goes there', async () => {
      const { client, sent } = noting()
      await turso.failNext({ kind: 'base_url', on: 'cursor', url: address() })
      const rows: unknown[] = []
      for await (const row of client.stream('select 1 as a')) rows.push(row)
      expect(rows).toEqual([{ a: 1 }])
      everythingWentHome(sent)
    })

    test('a stream that was opened by hand is lost', async () => {
      const { client, sent } = noting()
      await turso.failNext({ kind: 'base_url', on: 'pipeline', url: address() })
      const stream = client.openStream()
      expect(await failureOf(stream.execute('begin'))).toMatchObject({ code: 'protocol' })
      await failureOf(stream.execute('select 2'))
      await stream.close().catch(() => undefined)
      everythingWentHome(sent)
      expect(sent).toHaveLength(1)
    })

    test('it is no place to go on from', () => {
      const { client, sent } = noting()
      expect(() => client.resume({ baton: 'x', baseUrl: address() })).toThrow(TypeError)
      expect(sent).toEqual([])
    })

    test('a statement of one request does not care', async () => {
      const { client, sent } = noting()
      await turso.failNext({ kind: 'base_url', on: 'pipeline', url: address() })
      expect((await client.execute('select 1 as a')).rows).toEqual([{ a: 1 }])
      everythingWentHome(sent)
    })
  })

  test.each([301, 302, 303, 307, 308])('a redirect with status %i is not followed', async (status) => {
    const calls: ((client: Database) => Promise<unknown>)[] = [
      (client) => client.execute("insert into notes values ('x')"),
      (client) => client.batch(["insert into notes values ('x')"]),
      (client) => client.transaction((tx) => tx.execute("insert into notes values ('x')")),
      (client) => client.stream('select 1').next(),
      (client) => client.openStream().execute('select 1'),
    ]
    for (const run of calls)
      for (const to of ['https://evil.example/', `${origin}/elsewhere`]) {
        const { client, sent } = noting()
        await turso.failNext({ kind: 'redirect', status, to })
        const error = await failureOf(run(client))
        expect(isTursoError(error, 'protocol')).toBe(true)
        expect(sent).toEqual([{ origin, authorization: `Bearer ${fixture.token}`, redirect: 'manual' }])
      }
    expect((await fixture.database.execute('select * from notes')).rows).toEqual([])
  })

  test('a host with a suffix that is trusted is followed, and so is a path of our own', async () => {
    for (const address of ['https://edge-7.turso.io', `${origin}/some/path/`]) {
      const { client, sent } = noting()
      await turso.failNext({ kind: 'base_url', on: 'pipeline', url: address })
      const tx = await client.transaction({ mode: 'deferred' })
      await tx.execute('select 1')
      await tx.execute('select 2').catch(() => undefined)
      // The last one gives the stream back that was not reached.
      const there = Array<string>(address.startsWith(origin) ? 1 : 2).fill(new URL(address).origin)
      expect(sent.map((request) => request.origin)).toEqual([origin, ...there])
    }
  })
})
