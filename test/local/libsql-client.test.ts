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
    await expect(client.execute('select * from nope')).rejects.toMatchObject({ code: 'SQL_INPUT_ERROR' })
    await expect(client.execute('select 1; select 2')).rejects.toMatchObject({ code: 'SQL_MANY_STATEMENTS' })
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
