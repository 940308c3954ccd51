/** @tursodatabase/serverless 1.4.0, unmodified, over a real socket: it lives on cursors and on one stream per connection. */
import { connect, DatabaseError, TimeoutError, type Config } from '@tursodatabase/serverless'
import { createClient, LibsqlError } from '@tursodatabase/serverless/compat'
import { describe, expect, onTestFinished, test } from 'vitest'
import { serveLocalTurso, type BehaviourName, type LocalTursoOptions } from '../../local/index.ts'
import { createClock, start } from './harness.ts'

async function serve(options: LocalTursoOptions = {}) {
  const { create, turso } = await start(options)
  const { jwt } = await create('acme')
  const server = await serveLocalTurso(turso, { port: 0 })
  onTestFinished(server.close)
  return { turso, url: `${server.url}/db/acme`, authToken: jwt }
}

async function open(options: LocalTursoOptions = {}, config: Partial<Config> = {}) {
  const { turso, url, authToken } = await serve(options)
  const connection = connect({ url, authToken, ...config })
  onTestFinished(() => connection.close())
  return { turso, connection }
}

const behaviours: BehaviourName[] = ['spec', 'sqld', 'cloud']

describe.each(behaviours)('@tursodatabase/serverless with a server like %s', (behaviour) => {
  test('runs, gets and reads all', async () => {
    const { connection } = await open({ behaviour })
    await connection.exec(
      'create table t (id integer primary key, a text, b blob, c real); create index i on t (a)',
    )
    expect(
      await connection.run('insert into t (a, b, c) values (?, ?, ?)', ['x', new Uint8Array([1, 255]), 0.5]),
    ).toMatchObject({ changes: 1, lastInsertRowid: 1 })
    expect(await connection.run('insert into t (a) values (?)', 'y')).toMatchObject({ lastInsertRowid: 2 })
    const first = await connection.get('select * from t where id = ?', 1)
    expect(first).toMatchObject({ id: 1, a: 'x', c: 0.5 })
    expect([...first.b]).toEqual([1, 255])
    expect(await connection.get('select * from t where id = 99')).toBeUndefined()
    expect(await connection.all('select id, a from t order by id')).toMatchObject([
      { id: 1, a: 'x' },
      { id: 2, a: 'y' },
    ])
    const ids: number[] = []
    for await (const row of connection.iterate('select id from t order by id')) ids.push(row.id)
    expect(ids).toEqual([1, 2])
  })

  test('binds values by name, and dates as what they are turned into', async () => {
    const { connection } = await open({ behaviour })
    expect(
      await connection.get('select :a as a, @b as b, $c as c', { a: 1, b: null, c: true }),
    ).toMatchObject({ a: 1, b: null, c: 1 })
    // Its dates are local text, so the sensible thing is to hand it text or milliseconds.
    const date = new Date('2026-01-02T03:04:05.678Z')
    expect(
      await connection.get('select ? as a, ? as b, ? as c', [date, date.toISOString(), date.valueOf()]),
    ).toMatchObject({
      a: String(date),
      b: '2026-01-02T03:04:05.678Z',
      c: date.valueOf(),
    })
  })

  test('prepares statements', async () => {
    const { connection } = await open({ behaviour })
    await connection.exec('create table t (id integer primary key, a)')
    const insert = await connection.prepare('insert into t (a) values (?)')
    expect(insert.reader).toBe(false)
    for (const a of ['x', 'y', 2n ** 53n + 1n]) await insert.run([a])
    const select = await connection.prepare('select id, a from t where id <= ?')
    expect(select.reader).toBe(true)
    expect(select.columns()).toMatchObject([{ name: 'id', type: 'INTEGER' }, { name: 'a' }])
    expect(await select.raw().all([2])).toEqual([
      [1, 'x'],
      [2, 'y'],
    ])
    expect(await (await connection.prepare('select a from t where id < 3')).pluck().all()).toEqual(['x', 'y'])
    const exact = (await connection.prepare('select a from t where id = 3')).safeIntegers()
    expect((await exact.get()).a).toBe(2n ** 53n + 1n)
    // Without it, it rounds.
    expect((await connection.get('select a from t where id = 3')).a).toBe(2 ** 53)
  })

  test.each([undefined, 'write', 'read', 'deferred', 'immediate', 'exclusive'])(
    'runs batches: %s',
    async (mode) => {
      const { connection } = await open({ behaviour })
      await connection.exec('create table t (a unique)')
      const batch = connection.batch(
        ['insert into t values (1)', { sql: 'insert into t values (?)', args: [2] }],
        mode,
      )
      expect(await batch).toMatchObject([{ rowsAffected: 1 }, { rowsAffected: 1 }])
      const failing = connection.batch(
        ['insert into t values (3)', 'insert into t values (1)', 'insert into t values (4)'],
        mode,
      )
      await expect(failing).rejects.toMatchObject({ name: 'DatabaseError', code: 'SQLITE_CONSTRAINT' })
      // Without a mode its batch is not atomic.
      const values = (await connection.all('select a from t')).map(({ a }) => a)
      expect(values.slice(0, 2)).toEqual([1, 2])
      expect(values.includes(3)).toBe(mode === undefined)
      expect(connection.inTransaction).toBe(false)
    },
  )

  test('runs transactions', async () => {
    const { connection, turso } = await open({ behaviour })
    await connection.exec('create table t (a unique)')
    const insert = connection.transactionAsync(async (tx, a: number) => {
      await tx.run('insert into t values (?)', a)
      expect(turso.streams().filter(({ inTransaction }) => inTransaction)).toHaveLength(1)
      if (a < 0) throw new Error('no')
      return tx.get('select count(*) as n from t')
    })
    expect(await insert(1)).toMatchObject({ n: 1 })
    await expect(insert(-1)).rejects.toThrow('no')
    await expect(insert(1)).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT' })
    expect(await connection.all('select a from t')).toMatchObject([{ a: 1 }])
    expect(turso.streams().filter(({ inTransaction }) => inTransaction)).toEqual([])
  })

  test('begins and ends transactions by hand', async () => {
    const { connection } = await open({ behaviour })
    await connection.exec('create table t (a)')
    await connection.run('begin')
    await connection.run('insert into t values (1)')
    expect(connection.inTransaction).toBe(true)
    await connection.run('rollback')
    expect(connection.inTransaction).toBe(false)
    expect(await connection.all('select * from t')).toEqual([])
  })

  test('tells what went wrong', async () => {
    const { connection } = await open({ behaviour })
    await expect(connection.get('select * from nope')).rejects.toBeInstanceOf(DatabaseError)
    await expect(connection.get('select * from nope')).rejects.toThrow('no such table: nope')
    await expect(connection.get('selec 1')).rejects.toBeInstanceOf(DatabaseError)
    await expect(connection.exec('create table t (a); nonsense')).rejects.toMatchObject({
      code: 'SQL_PARSE_ERROR',
    })
    expect(await connection.get('select 1 as a')).toMatchObject({ a: 1 })
  })

  test('reads pragmas, and closes its stream', async () => {
    const { connection, turso } = await open({ behaviour })
    await connection.exec('create table t (a)')
    expect((await connection.pragma('table_info(t)')).rows).toEqual([[0, 'a', '', 0, null, 0]])
    await connection.close()
    await expect.poll(() => turso.streams()).toEqual([])
    await expect(connection.get('select 1')).rejects.toThrow('not open')
    await connection.reconnect()
    expect(await connection.get('select 1 as a')).toMatchObject({ a: 1 })
  })

  test('gives up in time, and goes on', async () => {
    const { connection, turso } = await open({ behaviour })
    turso.faults.add({ kind: 'latency', ms: 3_600_000, on: 'cursor', nth: 1 })
    await expect(connection.get('select 1', [], { queryTimeout: 20 })).rejects.toBeInstanceOf(TimeoutError)
    expect(await connection.get('select 1 as a')).toMatchObject({ a: 1 })
  })
})

describe('what is known to be broken in @tursodatabase/serverless 1.4.0', () => {
  test('a column named "length" cannot be read', async () => {
    const { connection } = await open()
    await expect(connection.get("select length('abc') as length")).rejects.toThrow(
      'Cannot redefine property: length',
    )
  })

  test('a connection that sat idle fails once instead of opening a new stream', async () => {
    const clock = createClock()
    const { connection } = await open({ now: clock.now })
    await connection.get('select 1')
    clock.advance(11_000)
    await expect(connection.get('select 1')).rejects.toBeInstanceOf(DatabaseError)
    expect(await connection.get('select 1 as a')).toMatchObject({ a: 1 })
  })

  test('an answer that ends too early is taken for the whole', async () => {
    const { connection, turso } = await open({ behaviour: 'cloud' })
    await connection.exec('create table t (a); insert into t values (1), (2), (3)')
    turso.faults.add({
      kind: 'replace',
      on: 'cursor',
      nth: 1,
      from: '{"type":"row","row":[{"type":"integer","value":"2"}]}\n',
      to: '',
    })
    expect(await connection.all('select a from t')).toMatchObject([{ a: 1 }, { a: 3 }])
  })
})

describe.each(behaviours)('@tursodatabase/serverless/compat with a server like %s', (behaviour) => {
  async function client() {
    const { url, authToken } = await serve({ behaviour })
    const compat = createClient({ url, authToken })
    onTestFinished(() => compat.close())
    return compat
  }

  test('executes, batches, migrates and runs scripts', async () => {
    const compat = await client()
    await compat.executeMultiple(
      'create table t (id integer primary key, a unique); insert into t (a) values (1)',
    )
    const { rowsAffected, lastInsertRowid } = await compat.execute('insert into t (a) values (?)', [2])
    expect([rowsAffected, lastInsertRowid]).toEqual([1, 2n])
    const [first, second] = await compat.batch(
      ['select a from t', { sql: 'select ? as b', args: ['x'] }],
      'read',
    )
    expect(first!.rows).toMatchObject([{ a: 1 }, { a: 2 }])
    expect(second!.columns).toEqual(['b'])
    await expect(
      compat.batch(['insert into t (a) values (3)', 'insert into t (a) values (3)']),
    ).rejects.toBeInstanceOf(LibsqlError)
    await compat.migrate(['create table u (a)', 'insert into u values (1)'])
    expect((await compat.execute('select count(*) as n from t, u')).rows).toMatchObject([{ n: 2 }])
    expect(compat.protocol).toBe('http')
  })

  test.each(['write', 'read', 'deferred'])('runs transactions: %s', async (mode) => {
    const compat = await client()
    await compat.execute('create table t (a)')
    const transaction = await compat.transaction(mode)
    if (mode !== 'read') await transaction.execute({ sql: 'insert into t values (?)', args: [1] })
    expect((await transaction.execute('select * from t')).rows).toHaveLength(mode === 'read' ? 0 : 1)
    await transaction.commit()
    const other = await compat.transaction('write')
    await other.batch(['insert into t values (2)', 'insert into t values (3)'])
    await other.rollback()
    expect((await compat.execute('select * from t')).rows).toHaveLength(mode === 'read' ? 0 : 1)
  })

  test('sends named arguments by position, a mistake of its own, which is refused', async () => {
    const compat = await client()
    const execution = compat.execute({ sql: 'select :b as b, :a as a', args: { a: 1, b: 2 } })
    const code = behaviour === 'cloud' ? 'SQL_INPUT_ERROR' : 'ARGS_INVALID'
    await expect(execution).rejects.toMatchObject({ code })
  })
})
