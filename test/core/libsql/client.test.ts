import { createClient as createTheirs } from '@libsql/client/http'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { SqlError } from '../../../src/index.ts'
import { createClient, LibsqlBatchError, LibsqlError, type Client } from '../../../src/libsql/index.ts'
import {
  clearFaults,
  createTestDatabase,
  failNext,
  openStreams,
  requestsSeen,
  type TestDatabase,
} from '../../support/turso.ts'

let fixture: TestDatabase
let url: string
let client: Client

beforeAll(async () => {
  fixture = await createTestDatabase()
  url = `libsql://${fixture.hostname}`
  client = createClient({ url, authToken: fixture.token })
  await client.executeMultiple(
    'create table notes (id integer primary key, title text unique, body blob); create table tags (note integer references notes (id), tag text); create table strict (needed not null, small check (small < 10))',
  )
})
beforeEach(async () => {
  await clearFaults()
  await client.batch(['delete from tags', 'delete from notes'], 'write')
})

const failureOf = async (action: () => unknown): Promise<LibsqlError> => {
  try {
    await action()
  } catch (error) {
    return error as LibsqlError
  }
  throw new Error('It did not fail')
}

const titles = async (): Promise<unknown[]> =>
  (await client.execute('select title from notes order by id')).rows.map((row) => row[0])

describe('a client', () => {
  test('runs a statement given as text, with arguments beside it, or as an object', async () => {
    expect((await client.execute('select 1 as one')).rows[0]!['one']).toBe(1)
    expect((await client.execute('select ? as one', [1])).rows[0]!['one']).toBe(1)
    expect((await client.execute({ sql: 'select ? as one', args: [1] })).rows[0]!['one']).toBe(1)
    expect((await client.execute({ sql: 'select $one as one', args: { one: 1 } })).rows[0]!['one']).toBe(1)
    expect((await client.execute('select :one as one', { ':one': 1 })).rows[0]!['one']).toBe(1)
  })

  test('binds integers as integers', async () => {
    const { rows } = await client.execute('select typeof(?) as a, typeof(?) as b', [1, 1.5])
    expect({ ...rows[0] }).toEqual({ a: 'integer', b: 'real' })
  })

  test('gives the rowid of an insert as a bigint, and none for a statement that is none', async () => {
    const { lastInsertRowid, rowsAffected } = await client.execute(
      "insert into notes values (9007199254740993, 'a', null)",
    )
    expect([lastInsertRowid, rowsAffected]).toEqual([9007199254740993n, 1])
  })

  test.each([
    ['number', 2 ** 53 - 1],
    ['bigint', BigInt(2 ** 53 - 1)],
    ['string', String(2 ** 53 - 1)],
  ] as const)('gives integers by intMode %s', async (intMode, expected) => {
    const by = createClient({ url, authToken: fixture.token, intMode })
    expect((await by.execute('select 9007199254740991 as n')).rows[0]!['n']).toBe(expected)
    expect((await by.migrate(['select 9007199254740991 as n']))[0]!.rows[0]!['n']).toBe(expected)
  })

  test('throws a RangeError for an integer that a number would round', async () => {
    expect(await failureOf(() => client.execute('select 9007199254740993'))).toBeInstanceOf(RangeError)
  })

  test('gives blobs as ArrayBuffer, whatever their size', async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(60_000))
    const { rows } = await client.execute("select ? as a, ? as b, x'' as c", [bytes, bytes.buffer])
    for (const name of ['a', 'b']) {
      expect(rows[0]![name]).toBeInstanceOf(ArrayBuffer)
      expect(new Uint8Array(rows[0]![name] as ArrayBuffer)).toEqual(bytes)
    }
    expect((rows[0]!['c'] as ArrayBuffer).byteLength).toBe(0)
  })

  test('runs a batch as one transaction, tuples included', async () => {
    const results = await client.batch([
      'insert into notes (title) values (1)',
      ['insert into notes (title) values (?)', ['b']],
      { sql: 'select count(*) as n from notes', args: [] },
    ])
    expect(results[2]!.rows[0]!['n']).toBe(2)
    const error = await failureOf(() =>
      client.batch(["insert into notes (title) values ('c')", "insert into notes (title) values ('b')"]),
    )
    expect(error).toBeInstanceOf(LibsqlBatchError)
    expect(error).toMatchObject({ statementIndex: 1, code: 'SQLITE_CONSTRAINT', rawCode: 2067 })
    expect(await titles()).toEqual(['1', 'b'])
  })

  test.each([
    [undefined, 'BEGIN DEFERRED'],
    ['deferred', 'BEGIN DEFERRED'],
    ['write', 'BEGIN IMMEDIATE'],
    ['read', 'BEGIN TRANSACTION READONLY'],
  ] as const)('begins a batch of the mode %s with %s', async (mode, begin) => {
    const sent: string[] = []
    const by = createClient({
      url,
      authToken: fixture.token,
      fetch: async (request: Request) => {
        sent.push(await request.clone().text())
        return await fetch(request)
      },
    })
    await by.batch(['select 1', 'select 2'], mode)
    expect(sent).toEqual([expect.stringContaining(begin)])
  })

  test('migrates in one request', async () => {
    await requestsSeen()
    await client.migrate(['select 1', 'select 2'])
    expect(await requestsSeen()).toHaveLength(1)
    expect((await openStreams()).filter(({ database }) => database === fixture.name)).toEqual([])
  })

  test('migrates without foreign keys, and enforces them afterwards', async () => {
    await client.execute('pragma foreign_keys')
    const results = await client.migrate([
      { sql: 'insert into tags (note, tag) values (?, ?)', args: [12345, 'orphan'] },
      'select count(*) as n from tags',
    ])
    expect(results[1]!.rows[0]!['n']).toBe(1)
    const error = await failureOf(() => client.migrate(['delete from tags', 'not sql']))
    expect(error).toBeInstanceOf(LibsqlBatchError)
    expect((error as LibsqlBatchError).statementIndex).toBe(1)
    expect((await client.execute('select count(*) from tags')).rows[0]![0]).toBe(1)
  })

  test('runs a script up to its first failure', async () => {
    const script =
      "insert into notes (title) values ('a'); insert into notes (title) values ('a'); delete from notes"
    expect(await failureOf(() => client.executeMultiple(script))).toMatchObject({ code: 'SQLITE_CONSTRAINT' })
    expect(await titles()).toEqual(['a'])
  })

  test('has no more requests under way than its concurrency', async () => {
    let running = 0
    let most = 0
    const counting = createClient({
      url,
      authToken: fixture.token,
      concurrency: 3,
      fetch: async (request: Request) => {
        most = Math.max(most, ++running)
        try {
          return await fetch(request)
        } finally {
          running -= 1
        }
      },
    })
    const results = await Promise.allSettled(
      Array.from({ length: 12 }, (_, index) => counting.execute(index % 4 === 3 ? 'not sql' : 'select 1')),
    )
    expect(most).toBe(3)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(9)
  })

  test.each([0, undefined])('has no limit below the default with the concurrency %s', async (concurrency) => {
    let running = 0
    const everybody = Promise.withResolvers<void>()
    const counting = createClient({
      url,
      authToken: fixture.token,
      concurrency,
      fetch: async (request: Request) => {
        if (++running === 20) everybody.resolve()
        await everybody.promise
        return await fetch(request)
      },
    })
    await Promise.all(Array.from({ length: 20 }, () => counting.execute('select 1')))
    expect(running).toBe(20)
  })

  test('calls the fetch of its configuration with one Request, as @libsql/client does', async () => {
    const seen: unknown[][] = []
    const by = createClient({
      url,
      authToken: fixture.token,
      remoteEncryptionKey: 'a2V5',
      fetch: (...args: [Request]) => {
        seen.push(args)
        return fetch(...args)
      },
    })
    await by.execute('select 1')
    expect(seen).toHaveLength(1)
    const [request, ...others] = seen[0] as [Request]
    expect(others).toEqual([])
    expect(request).toBeInstanceOf(Request)
    expect(request.method).toBe('POST')
    expect(request.headers.get('authorization')).toBe(`Bearer ${fixture.token}`)
    expect(request.headers.get('x-turso-encryption-key')).toBe('a2V5')
  })

  test('takes its token from the URL, and without white space around it', async () => {
    const by = createClient({ url: `${url}?authToken=${fixture.token}`, authToken: 'another' })
    expect((await by.execute('select 1 as one')).rows).toHaveLength(1)
    const trimmed = createClient({ url, authToken: `${fixture.token}\n` })
    expect((await trimmed.execute('select 1 as one')).rows).toHaveLength(1)
  })

  test('cannot sync, and says so at once', () => {
    expect(() => client.sync()).toThrow(expect.objectContaining({ code: 'SYNC_NOT_SUPPORTED' }))
    expect(client.protocol).toBe('http')
  })

  test('refuses calls while it is closed, ends its transactions, and can be opened again', async () => {
    const by = createClient({ url, authToken: fixture.token })
    const tx = await by.transaction()
    await tx.execute("insert into notes (title) values ('gone')")
    by.close()
    expect([by.closed, tx.closed]).toEqual([true, true])
    expect(await failureOf(() => by.execute('select 1'))).toMatchObject({ code: 'HRANA_CLOSED_ERROR' })
    expect(await failureOf(() => by.transaction())).toMatchObject({ code: 'HRANA_CLOSED_ERROR' })
    expect(await failureOf(() => tx.execute('select 1'))).toMatchObject({ code: 'TRANSACTION_CLOSED' })
    by.reconnect()
    expect(by.closed).toBe(false)
    // Waits for the write lock, which the transaction has given up.
    await by.execute("insert into notes (title) values ('kept')")
    expect(await titles()).toEqual(['kept'])
  })
})

describe('a transaction', () => {
  test('that is closed tells a Worker what to wait for', async () => {
    const works: Promise<unknown>[] = []
    const ours = createClient({ url, authToken: fixture.token, waitUntil: (work) => void works.push(work) })
    const tx = await ours.transaction('write')
    await tx.execute("insert into notes (title) values ('never')")
    tx.close()
    expect(works).toHaveLength(1)
    await works[0]
    expect((await openStreams()).filter(({ database }) => database === fixture.name)).toEqual([])
    expect(await titles()).toEqual([])
  })

  test('is committed by its commit alone', async () => {
    const tx = await client.transaction('write')
    await tx.execute("insert into notes (title) values ('a')")
    const [, second] = await tx.batch([
      "insert into notes (title) values ('b')",
      'select count(*) as n from notes',
    ])
    await tx.executeMultiple(
      "insert into notes (title) values ('c'); insert into notes (title) values ('d');",
    )
    expect(second!.rows[0]!['n']).toBe(2)
    expect(await titles()).toEqual([])
    expect(tx.closed).toBe(false)
    await tx.commit()
    expect(tx.closed).toBe(true)
    expect(await titles()).toEqual(['a', 'b', 'c', 'd'])
    expect(await failureOf(() => tx.commit())).toMatchObject({ code: 'TRANSACTION_CLOSED' })
    await tx.rollback()
    tx.close()
  })

  test.each(['rollback', 'close'] as const)('leaves nothing after %s', async (end) => {
    const tx = await client.transaction()
    await tx.execute("insert into notes (title) values ('a')")
    await tx[end]()
    expect(tx.closed).toBe(true)
    await client.execute("insert into notes (title) values ('b')")
    expect(await titles()).toEqual(['b'])
  })

  test('stays open when a statement fails, and goes on from there', async () => {
    const tx = await client.transaction('write')
    await tx.execute("insert into notes (title) values ('a')")
    const error = await failureOf(() => tx.execute("insert into notes (title) values ('a')"))
    expect(error).toBeInstanceOf(LibsqlBatchError)
    expect(error).toMatchObject({ statementIndex: 0, code: 'SQLITE_CONSTRAINT', rawCode: 2067 })
    expect(tx.closed).toBe(false)
    await tx.execute("insert into notes (title) values ('b')")
    await tx.commit()
    expect(await titles()).toEqual(['a', 'b'])
  })

  test('has savepoints', async () => {
    const tx = await client.transaction('write')
    await tx.execute("insert into notes (title) values ('a')")
    await tx.execute('savepoint one')
    await tx.execute("insert into notes (title) values ('b')")
    await tx.execute('rollback to savepoint one')
    await tx.execute('release savepoint one')
    await tx.commit()
    expect(await titles()).toEqual(['a'])
  })

  test('runs no statement outside itself after the server has ended it', async () => {
    const tx = await client.transaction('write')
    await tx.execute("insert into notes (title) values ('a')")
    await failureOf(() => tx.execute("insert or rollback into notes (title) values ('a')"))
    const error = await failureOf(() => tx.execute("insert into notes (title) values ('b')"))
    expect(error).toMatchObject({ name: 'LibsqlError', code: 'TRANSACTION_CLOSED' })
    expect(tx.closed).toBe(true)
    expect(await titles()).toEqual([])
  })

  test.each(['stream_expired', 'restart'] as const)(
    'is closed after %s, with nothing left of it',
    async (kind) => {
      const tx = await client.transaction('write')
      await tx.execute("insert into notes (title) values ('a')")
      await failNext({ kind, on: 'pipeline' })
      const error = await failureOf(() => tx.execute("insert into notes (title) values ('b')"))
      expect(error).toMatchObject({ code: 'TRANSACTION_CLOSED', cause: { outcome: 'rolled_back' } })
      expect(tx.closed).toBe(true)
      expect(await failureOf(() => tx.commit())).toMatchObject({ code: 'TRANSACTION_CLOSED' })
      await tx.rollback()
      expect(await titles()).toEqual([])
    },
  )

  test('undoes all of a batch that fails in it, and stays open', async () => {
    const tx = await client.transaction('write')
    const batch = tx.batch(["insert into notes (title) values ('a')", 'not sql'])
    expect(await failureOf(() => batch)).toMatchObject({ name: 'LibsqlBatchError', statementIndex: 1 })
    await tx.execute("insert into notes (title) values ('b')")
    await tx.commit()
    expect(await titles()).toEqual(['b'])
  })

  test('cannot be ended by a statement', async () => {
    const tx = await client.transaction('write')
    expect(await failureOf(() => tx.execute('COMMIT'))).toBeInstanceOf(TypeError)
    tx.close()
  })

  test('sends nothing before its first statement', async () => {
    await requestsSeen()
    const tx = await client.transaction()
    await tx.commit()
    const other = await client.transaction()
    other.close()
    expect(await requestsSeen()).toEqual([])
  })

  test('leaves no stream behind', async () => {
    const tx = await client.transaction()
    await tx.execute('select 1')
    await tx.commit()
    expect((await openStreams()).filter(({ database }) => database === fixture.name)).toEqual([])
  })
})

describe('an error', () => {
  test.each([
    ["insert into notes (title) values ('a'), ('a')", 'UNIQUE', 2067],
    ['insert into strict (needed) values (null)', 'NOTNULL', 1299],
    ['insert into strict (needed, small) values (1, 11)', 'CHECK', 275],
  ])('of %s has code, extended code and number', async (sql, kind, rawCode) => {
    const error = await failureOf(() => client.execute(sql))
    expect(error).toBeInstanceOf(LibsqlError)
    expect(error).not.toBeInstanceOf(LibsqlBatchError)
    expect(error).toMatchObject({
      name: 'LibsqlError',
      code: 'SQLITE_CONSTRAINT',
      extendedCode: `SQLITE_CONSTRAINT_${kind}`,
      rawCode,
    })
    expect(error.message).toMatch(/^SQLITE_CONSTRAINT: .*constraint failed/)
    expect(error.cause).toBeInstanceOf(SqlError)
  })

  test.each([
    ['SQLITE_CONSTRAINT_PRIMARYKEY', 1555],
    ['SQLITE_CONSTRAINT_TRIGGER', 1811],
    ['SQLITE_CONSTRAINT_FOREIGNKEY', 787],
    ['SQLITE_CONSTRAINT_DATATYPE', 3091],
    ['SQLITE_BUSY_SNAPSHOT', 517],
    ['SQLITE_CONSTRAINT_UNHEARD_OF', undefined],
    ['SQLITE_CONSTRAINT_UNHEARD', 19],
    ['SQLITE_NOTADB', 26],
    ['SQLITE_ERROR', 1],
  ])('with the extended code %s of the server has the number %s', async (extendedCode, rawCode) => {
    await failNext({
      kind: 'replace',
      from: '"code":"SQLITE_CONSTRAINT"',
      to: `"code":"SQLITE_CONSTRAINT","extended_code":"${extendedCode}"`,
    })
    const error = await failureOf(() => client.execute("insert into notes (title) values ('a'), ('a')"))
    expect([error.extendedCode, error.rawCode]).toEqual([extendedCode, rawCode])
  })

  test('has no number that is not known', async () => {
    const error = await failureOf(() => client.execute('select * from nowhere'))
    expect(error).toBeInstanceOf(LibsqlError)
    expect(Object.hasOwn(error, 'extendedCode')).toBe(false)
  })

  test('of HTTP has the code SERVER_ERROR, and the status in its cause', async () => {
    const stranger = createClient({ url, authToken: 'not-a-token' })
    const error = await failureOf(() => stranger.execute('select 1'))
    expect(error).toMatchObject({ code: 'SERVER_ERROR', cause: { status: 401 } })
    expect(error.message).toMatch(/^SERVER_ERROR: Server returned HTTP status 401/)
  })

  test('of fetch comes through as it is', async () => {
    const reason = new TypeError('no route')
    const nowhere = createClient({ url, fetch: () => Promise.reject(reason) })
    expect(await failureOf(() => nowhere.execute('select 1'))).toBe(reason)
  })

  test('of an answer that is not the protocol has the code HRANA_PROTO_ERROR', async () => {
    const odd = createClient({ url, fetch: async () => new Response('{"results":[]}') })
    expect(await failureOf(() => odd.execute('select 1'))).toMatchObject({ code: 'HRANA_PROTO_ERROR' })
  })

  test('of a call that takes longer than timeoutMs has the code TIMEOUT', async () => {
    const slow = createClient({ url, timeoutMs: 1, fetch: () => new Promise(() => undefined) })
    expect(await failureOf(() => slow.execute('select 1'))).toMatchObject({ code: 'TIMEOUT' })
  })

  test('of a COMMIT whose answer is lost says that the outcome is unknown', async () => {
    const tx = await client.transaction('write')
    await tx.execute("insert into notes (title) values ('a')")
    await failNext({ kind: 'reset_after', on: 'pipeline', containing: 'COMMIT' })
    const error = await failureOf(() => tx.commit())
    expect(error).toMatchObject({ code: 'HRANA_CLOSED_ERROR', cause: { outcome: 'unknown' } })
  })
})

describe('a configuration', () => {
  test.each([
    'libsql://h?tls=0',
    'http://h?tls=1',
    'https://h?tls=0',
    'https://h#f',
    'libsql:h',
    'libsql://h?tls=2',
    'libsql://h?other=1',
    'file:local.db',
    ':memory:',
    'ftp://h',
    'nonsense',
    '',
  ])('with the URL %s is refused with the code of @libsql/client', async (bad) => {
    const theirs = await failureOf(() => createTheirs({ url: bad }))
    const error = await failureOf(() => createClient({ url: bad }))
    expect(error).toBeInstanceOf(LibsqlError)
    expect(error.code).toBe(theirs.code)
  })

  test.each([
    ['wss://h', 'https:'],
    ['ws://h', 'http:'],
    ['file:local.db', '@libsql/client'],
    [':memory:', '@libsql/client'],
  ])('with the URL %s is told what to use', async (bad, advice) => {
    const error = await failureOf(() => createClient({ url: bad }))
    expect(error.code).toBe('URL_SCHEME_NOT_SUPPORTED')
    expect(error.message).toContain(advice)
  })

  test.each([
    ['a text instead of an object', 'libsql://h'],
    ['an unknown intMode', { url: 'libsql://h', intMode: 'text' }],
  ])('of %s is a TypeError, as with @libsql/client', async (_, config) => {
    expect(await failureOf(() => createTheirs(config as never))).toBeInstanceOf(TypeError)
    expect(await failureOf(() => createClient(config as never))).toBeInstanceOf(TypeError)
  })

  test('with a key for local files is refused', async () => {
    const config = { url: 'libsql://h', encryptionKey: 'k' }
    const theirs = await failureOf(() => createTheirs(config))
    expect((await failureOf(() => createClient(config))).code).toBe(theirs.code)
  })

  test.each([
    ['libsql://h:1?tls=0', {}, 'http://h:1/v3/pipeline'],
    ['libsql://h:1', { tls: false }, 'http://h:1/v3/pipeline'],
    ['libsql://h', {}, 'https://h/v3/pipeline'],
    ['LIBSQL://h/path', {}, 'https://h/path/v3/pipeline'],
    ['turso://h', { tls: true }, 'https://h/v3/pipeline'],
    ['http://h?tls=0', {}, 'http://h/v3/pipeline'],
    ['https://h?tls=1', {}, 'https://h/v3/pipeline'],
  ])('with the URL %s and %j sends to %s', async (given, options, expected) => {
    let sent = ''
    const by = createClient({
      url: given,
      ...options,
      fetch: (request: Request) => {
        sent = request.url
        return Promise.reject(new Error('seen'))
      },
    })
    await failureOf(() => by.batch(['delete from notes'], 'write'))
    expect(sent).toBe(expected)
  })
})
