import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, type ConnectOptions, type Database, type Fetch, type Stream } from '../../src/index.ts'
import {
  BEHAVIOUR_NAMES,
  clearFaults,
  createTestDatabase,
  failNext,
  openStreams,
  requestsSeen,
  startTurso,
  type TestDatabase,
} from '../support/turso.ts'
import { insertNote as insert, titlesOf } from '../support/notes.ts'

let fixture: TestDatabase
let db: Database

const client = (options: Partial<ConnectOptions> = {}): Database =>
  connect({ url: `libsql://${fixture.hostname}`, authToken: fixture.token, ...options })

beforeAll(async () => {
  fixture = await createTestDatabase()
  db = fixture.database
  await db.execute('create table notes (id integer primary key, title text unique)')
})
beforeEach(async () => {
  await clearFaults()
  await db.execute('delete from notes')
  await requestsSeen()
})

const titles = (): Promise<unknown[]> => titlesOf(db)

const streams = async (): Promise<unknown[]> =>
  (await openStreams()).filter(({ database }) => database === fixture.name)

describe('a stream by hand', () => {
  test('sends nothing until it is used, and is one connection while it is', async () => {
    const stream = db.openStream()
    expect(stream).toMatchObject({ baton: null, baseUrl: null })
    expect(await requestsSeen()).toEqual([])
    await stream.execute(insert('a'))
    expect((await stream.execute('select changes() as n')).rows).toEqual([{ n: 1 }])
    expect(typeof stream.baton).toBe('string')
    expect(await streams()).toHaveLength(1)
    await stream.close()
    expect(await streams()).toEqual([])
  })

  test('has what a database has', async () => {
    await using stream = db.openStream()
    const [first, second] = await stream.batch([insert('a'), 'select count(*) as n from notes'])
    expect([first!.rowsAffected, second!.rows]).toEqual([1, [{ n: 1 }]])
    await stream.executeMultiple(
      "insert into notes (title) values ('b'); insert into notes (title) values ('c')",
    )
    expect((await stream.describe('select id from notes where title = :title')).columns).toEqual([
      { name: 'id', type: expect.stringMatching(/integer/i) },
    ])
    const { rows } = await stream.execute('select ? as a', [1], { rowMode: 'array', intMode: 'bigint' })
    expect(rows).toEqual([[1n]])
    expect(await titles()).toEqual(['a', 'b', 'c'])
  })

  test('has the defaults of its database', async () => {
    await using stream = client({ intMode: 'bigint' }).openStream()
    expect((await stream.execute('select 1 as a')).rows).toEqual([{ a: 1n }])
  })

  test('tells whether a transaction is open, and rolls it back when it is closed', async () => {
    const stream = db.openStream()
    expect(await stream.isAutocommit()).toBe(true)
    await stream.execute('begin')
    await stream.execute(insert('gone'))
    expect(await stream.isAutocommit()).toBe(false)
    await stream.close()
    expect(await titles()).toEqual([])
  })

  test('survives a statement that fails', async () => {
    await using stream = db.openStream()
    await expect(stream.execute('select nonsense')).rejects.toMatchObject({ code: 'sql_error' })
    expect((await stream.execute('select 1 as a')).rows).toEqual([{ a: 1 }])
  })

  test('sends what is asked for at once in one request, each with its own outcome', async () => {
    await using stream = db.openStream()
    const outcomes = await Promise.allSettled([
      stream.execute(insert('a')),
      stream.execute('select nonsense'),
      stream.batch([insert('b'), insert('c')]),
      stream.isAutocommit(),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(await requestsSeen()).toHaveLength(1)
    expect(await titles()).toEqual(['a', 'b', 'c'])
  })

  test('sends what is asked for meanwhile in the next request, in order', async () => {
    let arrived = (): void => {}
    const isUnderWay = new Promise<void>((resolve) => (arrived = resolve))
    const fetch: Fetch = (url, init) => {
      arrived()
      return globalThis.fetch(url, init)
    }
    const stream = client({ fetch }).openStream()
    const first = stream.execute(insert('1'))
    await isUnderWay
    const rest = ['2', '3', '4'].map((title) => stream.execute(insert(title)))
    await Promise.all([first, ...rest])
    expect(await requestsSeen()).toHaveLength(2)
    expect(await titles()).toEqual(['1', '2', '3', '4'])
    await stream.close()
  })

  test('takes a new baton with every answer', async () => {
    await using stream = db.openStream()
    const seen = new Set<string | null>()
    for (let request = 0; request < 5; request++) {
      await stream.execute('select 1')
      seen.add(stream.baton)
    }
    expect(seen.size).toBe(5)
  })
})

describe('close', () => {
  test('sends one request, once', async () => {
    const stream = db.openStream()
    await stream.execute('select 1')
    await requestsSeen()
    await stream.close()
    await stream.close()
    await stream[Symbol.asyncDispose]()
    expect(await requestsSeen()).toHaveLength(1)
    expect(stream.baton).toBeNull()
    await expect(stream.execute('select 1')).rejects.toThrow(new TypeError('The stream is closed'))
  })

  test('called twice at once sends one request', async () => {
    const stream = db.openStream()
    await stream.execute('select 1')
    await requestsSeen()
    await Promise.all([stream.close(), stream.close()])
    expect(await requestsSeen()).toHaveLength(1)
    expect(await streams()).toEqual([])
  })

  test('of a stream that was never used sends nothing', async () => {
    const stream = db.openStream()
    await stream.close()
    expect(await requestsSeen()).toEqual([])
    await expect(stream.isAutocommit()).rejects.toThrow('The stream is closed')
  })

  test('waits for what is under way, and leaves nothing of it', async () => {
    const stream = db.openStream()
    const call = stream.execute('begin')
    await stream.close()
    await call
    expect(await streams()).toEqual([])
    await expect(stream.execute('select 1')).rejects.toThrow('The stream is closed')
  })

  test('of a stream that is lost does nothing, so that the end of a block does not hide why', async () => {
    const run = async (): Promise<void> => {
      await using stream = db.openStream()
      await stream.execute('select 1')
      await failNext({ kind: 'restart', on: 'pipeline' })
      await stream.execute('select 1')
    }
    await expect(run()).rejects.toMatchObject({ code: 'invalid_request', status: 400 })
  })

  test('comes with the end of its block', async () => {
    {
      await using stream = db.openStream()
      await stream.execute('begin')
      await stream.execute(insert('gone'))
    }
    expect(await streams()).toEqual([])
    expect(await titles()).toEqual([])
  })

  test('may ride with the last statements', async () => {
    const stream = db.openStream()
    const results = await stream.send([
      { type: 'execute', stmt: { sql: "insert into notes (title) values ('last')" } },
      { type: 'close' },
    ])
    expect(results.map(({ type }) => type)).toEqual(['ok', 'ok'])
    await stream.close()
    expect(await requestsSeen()).toHaveLength(1)
    expect(await titles()).toEqual(['last'])
    expect(await streams()).toEqual([])
    await expect(stream.send([])).rejects.toThrow('The stream is closed')
  })
})

describe('send', () => {
  test('gives the results of the protocol as they are, refusals among them', async () => {
    await using stream = db.openStream()
    const results = await stream.send([
      { type: 'store_sql', sql_id: 1, sql: 'select ? as a' },
      { type: 'execute', stmt: { sql_id: 1, args: [{ type: 'integer', value: '9223372036854775807' }] } },
      { type: 'execute', stmt: { sql: 'select nonsense' } },
      { type: 'get_autocommit' },
    ])
    expect(results).toMatchObject([
      { type: 'ok', response: { type: 'store_sql' } },
      {
        type: 'ok',
        response: {
          type: 'execute',
          result: { cols: [{ name: 'a' }], rows: [[{ type: 'integer', value: '9223372036854775807' }]] },
        },
      },
      { type: 'error', error: { message: expect.stringContaining('nonsense') } },
      { type: 'ok', response: { type: 'get_autocommit', is_autocommit: true } },
    ])
  })
})

test('send gives the rows of large answers too', async () => {
  await using stream = db.openStream()
  const sql = 'with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) select i from n'
  const shortAndLong = sql.replace('select i from', "select iif(i % 2000, i, printf('%.9999c', 'x')) from")
  const steps = [{ stmt: { sql } }, { stmt: { sql: shortAndLong } }]
  const [one, two] = await stream.send([
    { type: 'execute', stmt: { sql } },
    { type: 'batch', batch: { steps } },
  ])
  const execute = one?.type === 'ok' && one.response.type === 'execute' ? one.response.result : undefined
  expect(execute?.rows).toHaveLength(2000)
  expect(execute?.rows[1999]).toEqual([{ type: 'integer', value: '2000' }])
  const batch = two?.type === 'ok' && two.response.type === 'batch' ? two.response.result : undefined
  expect(batch?.step_results.map((result) => result?.rows.length)).toEqual([2000, 2000])
  expect(batch?.step_results[1]?.rows.slice(-2)).toEqual([
    [{ type: 'integer', value: '1999' }],
    [{ type: 'text', value: 'x'.repeat(9999) }],
  ])
})

describe('a stream that goes on elsewhere', () => {
  test('is the same connection: what was begun is committed by another client', async () => {
    const stream = db.openStream()
    await stream.execute('begin')
    await stream.execute(insert('moved'))
    const position = JSON.parse(JSON.stringify({ baton: stream.baton, baseUrl: stream.baseUrl })) as {
      baton: string
      baseUrl: string | null
    }
    const other = client().resume(position)
    expect(await other.isAutocommit()).toBe(false)
    await other.execute('commit')
    await other.close()
    expect(await titles()).toEqual(['moved'])
    expect(await streams()).toEqual([])
  })

  test('may be resumed from the stream itself', async () => {
    const stream = db.openStream()
    await stream.execute('begin')
    await using other = db.resume(stream)
    expect(await other.isAutocommit()).toBe(false)
  })

  test('cannot be used from both: a baton is good for one request', async () => {
    const stream = db.openStream()
    await stream.execute('select 1')
    const other = db.resume({ baton: stream.baton, baseUrl: stream.baseUrl })
    await other.execute('select 1')
    const error: unknown = await stream.execute(insert('stray')).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'invalid_request', status: 400 })
    await expect(stream.execute(insert('stray'))).rejects.toBe(error)
    await other.close()
    expect(await titles()).toEqual([])
  })

  test('that has nothing left says so, and stays lost', async () => {
    const stream = db.openStream()
    await stream.execute('begin')
    await failNext({ kind: 'stream_expired', on: 'pipeline' })
    const error: unknown = await stream.execute(insert('stray')).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'invalid_request' })
    await expect(stream.execute(insert('stray'))).rejects.toBe(error)
    expect(await titles()).toEqual([])
  })

  test.each([
    'https://evil.example',
    'http://169.254.169.254/',
    'https://user:password@x.turso.io',
    'https://turso.io.evil.example',
    'https://x.turso.io:8443',
    'file:///etc/passwd',
    'nonsense',
    '',
    7,
    undefined,
  ])('is not looked for at %j, which is not trusted with the token', async (baseUrl) => {
    expect(() => db.resume({ baton: 'baton', baseUrl: baseUrl as never })).toThrow(
      new TypeError('"baseUrl" is not an address that is trusted with the token'),
    )
    expect(await requestsSeen()).toEqual([])
  })

  test('is looked for where its own address says', async () => {
    const stream = db.openStream()
    await stream.execute('select 1')
    await db.resume({ baton: stream.baton, baseUrl: `https://${fixture.hostname}/` }).close()
    expect(new Set(await requestsSeen())).toEqual(new Set([`POST ${fixture.hostname}/v3/pipeline`]))
    expect(await streams()).toEqual([])
  })

  test('is sent where it was checked, whether its address ends with a slash or not', async () => {
    const seen: string[] = []
    const watching: Fetch = (url) => (seen.push(url), Promise.resolve(new Response('{}')))
    const watched = connect({ url: 'https://db.example', authToken: 'hunter2', fetch: watching })
    for (const baseUrl of ['https://a.turso.io', 'https://a.turso.io/', 'https://a.turso.io/p'])
      await watched
        .resume({ baton: 'b', baseUrl })
        .execute('select 1')
        .catch(() => undefined)
    expect(seen).toEqual([
      'https://a.turso.io/v3/pipeline',
      'https://a.turso.io/v3/pipeline',
      'https://a.turso.io/p/v3/pipeline',
    ])
  })

  test('may have had nothing to keep: without a baton a new one begins', async () => {
    await using stream = db.resume({ baton: null, baseUrl: null })
    expect((await stream.execute('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  test.each([undefined, 7])('needs a baton; %j is none', (baton) => {
    expect(() => db.resume({ baton: baton as never, baseUrl: null })).toThrow(/^"baton" must be a string/)
  })
})

test('a request that fails as a whole loses the stream: later calls fail with the same error', async () => {
  const stream = db.openStream()
  await stream.execute('select 1')
  await failNext({ kind: 'truncated', on: 'pipeline', ending: 'clean' })
  const calls = [stream.execute('select 1'), stream.execute('select 2')].map((call) =>
    call.catch((reason: unknown) => reason),
  )
  const [first, second] = await Promise.all(calls)
  expect(first).toMatchObject({ code: 'protocol' })
  expect(second).toBe(first)
  await requestsSeen()
  await expect(stream.execute('select 1')).rejects.toBe(first)
  expect(await requestsSeen()).toEqual([])
})

describe.each(BEHAVIOUR_NAMES)('with a server that is like %s', (behaviour) => {
  test('a batch that fails on a stream is undone, and leaves no transaction open', async () => {
    const turso = await startTurso({ behaviour })
    const { database } = await turso.createDatabase()
    await database.execute('create table notes (title text)')
    await using stream = database.openStream()
    await expect(stream.batch(["insert into notes values ('half')", 'select nope'])).rejects.toThrow(/nope/)
    expect(await stream.isAutocommit()).toBe(true)
    await stream.batch(["insert into notes values ('whole')", 'select 1'])
    await stream.execute('begin')
    await stream.execute("insert into notes values ('mine')")
    await expect(stream.batch(['select 1', 'select 2'])).rejects.toThrow(/within a transaction/)
    expect(await stream.isAutocommit()).toBe(false)
    await stream.execute('commit')
    expect((await database.execute('select title from notes')).rows).toEqual([
      { title: 'whole' },
      { title: 'mine' },
    ])
  })

  test.each([
    ['select 1; select 2', 'SQL_MANY_STATEMENTS'],
    ['', behaviour === 'cloud' ? 'SQL_PARSE_ERROR' : 'SQL_NO_STATEMENT'],
    ['selec', 'SQL_PARSE_ERROR'],
  ])('rows of what is not one statement (%j) are refused with its reason', async (statement, sqlCode) => {
    const turso = await startTurso({ behaviour })
    const { database } = await turso.createDatabase()
    await expect(database.stream(statement).next()).rejects.toMatchObject({ code: 'sql_error', sqlCode })
    await expect(database.execute(statement)).rejects.toMatchObject({ code: 'sql_error', sqlCode })
  })

  test('a stream holds a transaction over requests and clients, and ends it', async () => {
    const turso = await startTurso({ behaviour })
    const { database, hostname, token } = await turso.createDatabase()
    await database.execute('create table notes (title text)')
    let stream: Stream = database.openStream()
    await stream.execute('begin immediate')
    for (const title of ['a', 'b', 'c']) {
      stream = connect({ url: `https://${hostname}`, authToken: token }).resume(stream)
      await stream.execute('insert into notes values (?)', [title])
    }
    await stream.execute('commit')
    await stream.close()
    expect((await database.execute('select count(*) as n from notes')).rows).toEqual([{ n: 3 }])
    expect(await turso.openStreams()).toEqual([])
  })
})
