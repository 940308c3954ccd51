/** The official client, unmodified, as an independent opinion on the protocol. */
import { createClient, type Client, type Config } from '@libsql/client/http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { serveLocalTurso } from '../../local/serve.ts'
import { start } from './harness.ts'

async function connect(config: Partial<Config> = {}): Promise<Client> {
  const { create, turso } = await start()
  const database = await create('acme')
  const client = createClient({
    url: `libsql://${new URL(database.url).host}`,
    authToken: database.jwt,
    fetch: turso.fetch,
    ...config,
  })
  onTestFinished(() => client.close())
  return client
}

describe('@libsql/client', () => {
  test('executes statements with positional and named arguments', async () => {
    const client = await connect()
    await client.execute('create table t (id integer primary key, a text, b blob)')
    const inserted = await client.execute({
      sql: 'insert into t (a, b) values (?, ?)',
      args: ['x', new Uint8Array([0, 255])],
    })
    expect([inserted.rowsAffected, inserted.lastInsertRowid]).toEqual([1, 1n])
    const { rows, columns, columnTypes } = await client.execute({
      sql: 'select * from t where a = :a',
      args: { a: 'x' },
    })
    expect(columns).toEqual(['id', 'a', 'b'])
    expect(columnTypes).toEqual(['INTEGER', 'TEXT', 'BLOB'])
    expect(rows[0]!['a']).toBe('x')
    expect(new Uint8Array(rows[0]!['b'] as ArrayBuffer)).toEqual(new Uint8Array([0, 255]))
  })

  test('runs a batch as one transaction', async () => {
    const client = await connect()
    await client.batch(['create table t (a unique)', 'insert into t values (1)'], 'write')
    const twice = client.batch([
      'insert into t values (2)',
      'insert into t values (1)',
      'insert into t values (3)',
    ])
    await expect(twice).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT' })
    const same = { sql: 'insert into t values (?)', args: [7] }
    await client.batch([same, { ...same, args: [8] }, { ...same, args: [9] }])
    const { rows } = await client.execute('select a from t')
    expect(rows.map((row) => row['a'])).toEqual([1, 7, 8, 9])
  })

  test.each(['write', 'read', 'deferred'] as const)('commits a transaction: %s', async (mode) => {
    const client = await connect()
    await client.execute('create table t (a)')
    const transaction = await client.transaction(mode)
    if (mode !== 'read') await transaction.execute('insert into t values (1)')
    expect((await transaction.execute('select * from t')).rows).toHaveLength(mode === 'read' ? 0 : 1)
    await transaction.commit()
    expect((await client.execute('select * from t')).rows).toHaveLength(mode === 'read' ? 0 : 1)
  })

  test('rolls a transaction back', async () => {
    const client = await connect()
    await client.execute('create table t (a)')
    const transaction = await client.transaction('write')
    await transaction.batch(['insert into t values (1)', 'insert into t values (2)'])
    await transaction.rollback()
    expect((await client.execute('select * from t')).rows).toEqual([])
  })

  test('queues two write transactions', async () => {
    const client = await connect()
    await client.execute('create table t (a)')
    const increment = async () => {
      const transaction = await client.transaction('write')
      const { rows } = await transaction.execute('select count(*) as n from t')
      await transaction.execute({ sql: 'insert into t values (?)', args: [rows[0]!['n'] as number] })
      await transaction.commit()
    }
    await Promise.all([increment(), increment(), increment()])
    const { rows } = await client.execute('select a from t')
    expect(rows.map((row) => row['a'])).toEqual([0, 1, 2])
  })

  test('runs scripts and migrations', async () => {
    const client = await connect()
    await client.executeMultiple('create table t (a); insert into t values (1); insert into t values (2)')
    await client.migrate(['create table u (a references t)', 'insert into u values (9)'])
    expect((await client.execute('select * from u')).rows).toHaveLength(1)
  })

  test('reads integers as numbers, bigints or strings', async () => {
    const sql = 'select 9007199254740993 as n'
    await expect((await connect()).execute(sql)).rejects.toThrow(RangeError)
    expect((await (await connect({ intMode: 'bigint' })).execute(sql)).rows[0]!['n']).toBe(9007199254740993n)
    expect((await (await connect({ intMode: 'string' })).execute(sql)).rows[0]!['n']).toBe('9007199254740993')
  })

  test('gets the codes of errors', async () => {
    const client = await connect()
    await expect(client.execute('selec 1')).rejects.toMatchObject({ code: 'SQL_PARSE_ERROR' })
    await expect(client.execute('select * from nope')).rejects.toMatchObject({ code: 'SQLITE_UNKNOWN' })
    await expect(client.execute('select 1; select 2')).rejects.toMatchObject({ code: 'SQL_MANY_STATEMENTS' })
  })

  test('binds and reads every kind of value', async () => {
    const client = await connect({ intMode: 'bigint' })
    await client.execute('create table t (a, b integer, c real, d text, e blob)')
    const date = new Date('2026-01-02T03:04:05.678Z')
    const args = [
      null,
      2n ** 63n - 1n,
      -0.5,
      'ünï "quoted" \u{1F600}',
      new Uint8Array([0, 1, 255]),
      true,
      date,
      new ArrayBuffer(2),
    ]
    const sql = 'select ? as a, ? as b, ? as c, ? as d, ? as e, ? as f, ? as g, ? as h'
    const { rows, columns } = await client.execute({ sql, args })
    const bytes = (value: unknown) => [...new Uint8Array(value as ArrayBuffer)]
    const [row] = rows
    expect(columns).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
    expect([row!['a'], row!['b'], row!['c'], row!['d']]).toEqual(args.slice(0, 4))
    expect(bytes(row!['e'])).toEqual([0, 1, 255])
    // It sends true as an integer, and dates as floating-point milliseconds.
    expect([row!['f'], row!['g']]).toEqual([1n, date.valueOf()])
    expect(bytes(row!['h'])).toEqual([0, 0])
    expect((await client.execute('select 1 as a, 2 as a')).rows[0]).toMatchObject({ a: 1n, length: 2 })
  })

  test.each([':name', '@name', '$name'])('binds named arguments: %s', async (parameter) => {
    const client = await connect()
    const sql = `select ${parameter} as v, ${parameter} || '!' as w`
    expect((await client.execute(sql, { name: 'x' })).rows[0]).toMatchObject({ v: 'x', w: 'x!' })
    expect((await client.execute(sql, { [parameter]: 'y' })).rows[0]).toMatchObject({ v: 'y', w: 'y!' })
  })

  test.each(['write', 'read', 'deferred'] as const)('runs batches: %s', async (mode) => {
    const client = await connect()
    await client.execute('create table t (a)')
    const results = await client.batch(
      mode === 'read'
        ? ['select 1 as n', ['select ? as n', [2]]]
        : ['insert into t values (1)', { sql: 'insert into t values (:a) returning a as n', args: { a: 2 } }],
      mode,
    )
    expect(results.map(({ rows }) => rows[0]?.['n'])).toEqual(mode === 'read' ? [1, 2] : [undefined, 2])
    expect(results.map(({ rowsAffected }) => rowsAffected)).toEqual(mode === 'read' ? [0, 0] : [1, 1])
  })

  test('names the statement of a batch that failed', async () => {
    const client = await connect()
    await client.execute('create table t (a not null)')
    const failing = client.batch(['insert into t values (1)', 'insert into t values (null)', 'select 1'])
    await expect(failing).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT', statementIndex: 1 })
  })

  test('does what it can in an interactive transaction', async () => {
    const client = await connect()
    const transaction = await client.transaction('write')
    await transaction.executeMultiple(
      'create table t (a unique); insert into t values (1); insert into t values (2)',
    )
    const [inserted] = await transaction.batch([{ sql: 'insert into t values (?)', args: [3] }])
    expect(inserted!.lastInsertRowid).toBe(3n)
    await expect(transaction.execute('insert into t values (3)')).rejects.toMatchObject({
      code: 'SQLITE_CONSTRAINT',
    })
    expect((await transaction.execute('select count(*) as n from t')).rows[0]!['n']).toBe(3)
    expect(transaction.closed).toBe(false)
    await transaction.commit()
    expect(transaction.closed).toBe(true)
    await expect(transaction.execute('select 1')).rejects.toMatchObject({ code: 'TRANSACTION_CLOSED' })
    expect((await client.execute('select count(*) as n from t')).rows[0]!['n']).toBe(3)
  })

  test('a transaction that is closed rolls back', async () => {
    const client = await connect()
    await client.execute('create table t (a)')
    const transaction = await client.transaction()
    await transaction.execute('insert into t values (1)')
    transaction.close()
    await client.execute('insert into t values (2)')
    expect((await client.execute('select a from t')).rows).toMatchObject([{ a: 2 }])
  })

  test('runs many statements side by side, as many as it allows itself', async () => {
    const client = await connect({ concurrency: 50 })
    await client.execute('create table t (a)')
    await Promise.all(Array.from({ length: 300 }, (_, a) => client.execute('insert into t values (?)', [a])))
    const { rows } = await client.execute('select count(distinct a) as n from t')
    expect(rows[0]!['n']).toBe(300)
  })

  test('migrates with foreign keys off, and on again afterwards', async () => {
    const client = await connect()
    await client.executeMultiple('create table p (id primary key); create table c (p references p (id))')
    await expect(client.execute('insert into c values (1)')).rejects.toMatchObject({
      code: 'SQLITE_CONSTRAINT',
    })
    await client.migrate(['insert into c values (1)'])
    await expect(client.execute('insert into c values (2)')).rejects.toMatchObject({
      code: 'SQLITE_CONSTRAINT',
    })
    expect((await client.execute('select p from c')).rows).toHaveLength(1)
  })

  test('a script stops at its first error, and what ran before it stays', async () => {
    const client = await connect()
    const script = 'create table t (a); insert into t values (1); insert into nope values (1); drop table t'
    await expect(client.executeMultiple(script)).rejects.toMatchObject({ code: 'SQLITE_UNKNOWN' })
    expect((await client.execute('select a from t')).rows).toHaveLength(1)
  })

  test('says what is wrong with arguments, rights and addresses', async () => {
    const client = await connect()
    await expect(client.execute('select ?, ?', [1])).rejects.toMatchObject({ code: 'ARGS_INVALID' })
    await expect(client.execute('select ?', [1, 2])).rejects.toMatchObject({ code: 'ARGS_INVALID' })
    await expect(client.execute('')).rejects.toMatchObject({ code: 'SQL_NO_STATEMENT' })
    await expect(client.execute('vacuum')).rejects.toMatchObject({ code: 'SQL_PARSE_ERROR' })
    expect(() => client.sync()).toThrow('sync not supported in http mode')
    await expect((await connect({ authToken: 'nope' })).execute('select 1')).rejects.toThrow('401')
    const elsewhere = await connect({ url: 'libsql://nope-local.aws-eu-west-1.turso.io' })
    await expect(elsewhere.execute('select 1')).rejects.toThrow('404')
  })

  test('connects again after it was closed', async () => {
    const client = await connect()
    client.close()
    await expect(client.execute('select 1')).rejects.toThrow('Client is closed')
    client.reconnect()
    expect((await client.execute('select 1 as n')).rows[0]!['n']).toBe(1)
  })

  test('meets faults as errors, and goes on after them', async () => {
    const { create, turso } = await start()
    const database = await create('acme')
    const { host } = new URL(database.url)
    const client = createClient({ url: `libsql://${host}`, authToken: database.jwt, fetch: turso.fetch })
    onTestFinished(() => client.close())
    await client.execute('create table t (a)')
    turso.faults.add(
      { kind: 'reset_after', on: 'pipeline', nth: 1 },
      { kind: 'rate_limited', on: 'pipeline', nth: 2 },
      { kind: 'html', on: 'pipeline', nth: 3 },
      { kind: 'truncated', ending: 'clean', on: 'pipeline', nth: 4 },
    )
    const insert = () => client.execute('insert into t values (1)')
    await expect(insert()).rejects.toThrow('fetch failed')
    await expect(insert()).rejects.toThrow('429')
    await expect(insert()).rejects.toThrow('502')
    await expect(insert()).rejects.toThrow(SyntaxError)
    await insert()
    // The first and the fourth had their effect.
    expect((await client.execute('select count(*) as n from t')).rows[0]!['n']).toBe(3)
  })

  test('works over a port, by path', async () => {
    const { create, turso } = await start()
    const database = await create('acme')
    const server = await serveLocalTurso(turso, { port: 0 })
    onTestFinished(server.close)
    const client = createClient({ url: `${server.url}/db/acme/`, authToken: database.jwt })
    onTestFinished(() => client.close())
    const bytes = new Uint8Array(300_000).fill(7)
    const { rows } = await client.execute({ sql: 'select ? as b', args: [bytes] })
    expect(new Uint8Array(rows[0]!['b'] as ArrayBuffer)).toEqual(bytes)
  })
})
