/**
 * @tursodatabase/serverless as it is published, over real sockets: each test runs with the database itself, and through the
 * gateway.
 */
import { connect, DatabaseError, TimeoutError, type Connection } from '@tursodatabase/serverless'
import { createClient, LibsqlError } from '@tursodatabase/serverless/compat'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { signUp, startStack, type RunningStack, type Signup } from './worker-and-turso.ts'

let stack: RunningStack

beforeAll(async () => {
  // Of the three it is Turso Cloud that this client is made for.
  stack = await startStack({ behaviour: 'cloud' })
})
afterAll(() => stack.close())

/** Of this tenant the database holds nothing. */
const noStreams = async ({ database }: Signup): Promise<void> => {
  await expect
    .poll(() => stack.turso.streams().filter((stream) => stream.database === database.name))
    .toEqual([])
}

describe.each([
  ['directly', 'direct', ({ database }: Signup) => database.http_url],
  ['through the gateway', 'gateway', ({ database }: Signup) => database.gateway_url],
] as const)('@tursodatabase/serverless, %s', (_, way, urlOf) => {
  async function open(
    id: string,
  ): Promise<{ signup: Signup; url: string; connection: Connection; again: () => Connection }> {
    const signup = await signUp(stack, `serverless-${way}-${id}`)
    // It adds a path to a URL that has no slash at its end.
    const url = urlOf(signup).replace(/\/$/, '')
    const again = (): Connection => {
      const connection = connect({ url, authToken: signup.token.jwt })
      onTestFinished(() => connection.close())
      return connection
    }
    return { signup, url, connection: again(), again }
  }

  test('asks for the last row and for what has changed', async () => {
    const { connection, again } = await open('history')
    const asked = (): Promise<unknown> => connection.get('select last_insert_rowid() as id, changes() as n')
    await connection.run('insert into notes (title) values (?), (?), (?)', ['a', 'b', 'c'])
    expect(await asked()).toMatchObject({ id: 3, n: 3 })
    await connection.run("update notes set title = 'x' where id > 1")
    expect(await asked()).toMatchObject({ id: 3, n: 2 })
    await connection.batch(
      ['delete from notes where id = 1', "insert into notes (title) values ('d')"],
      'write',
    )
    expect(await asked()).toMatchObject({ id: 4, n: 1 })
    const insert = await connection.prepare('insert into notes (title) values (?)')
    expect(await insert.run(['e'])).toMatchObject({ changes: 1, lastInsertRowid: 5 })
    expect(await asked()).toMatchObject({ id: 5, n: 1 })
    // Others have their own, also at the same time.
    const others = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => {
        const other = again()
        await other.run('insert into notes (id, title) values (?, ?)', [100 + n, 'of another'])
        return await other.get('select last_insert_rowid() as id')
      }),
    )
    expect(others).toMatchObject(Array.from({ length: 8 }, (_, n) => ({ id: 100 + n })))
    expect(await asked()).toMatchObject({ id: 5 })
  })

  test('runs, gets, reads all and iterates', async () => {
    const { connection } = await open('reads')
    await connection.exec(
      'create table t (id integer primary key, a text, b blob, c real); create index i on t (a)',
    )
    const blob = new Uint8Array([0, 1, 255])
    expect(
      await connection.run('insert into t (a, b, c) values (?, ?, ?)', ['ß\u{1F600}', blob, 0.5]),
    ).toMatchObject({
      changes: 1,
      lastInsertRowid: 1,
    })
    await connection.run('insert into t (a) values (:a)', { a: null })
    const first = await connection.get('select * from t where id = ?', 1)
    expect(first).toMatchObject({ id: 1, a: 'ß\u{1F600}', c: 0.5 })
    expect([...first.b]).toEqual([0, 1, 255])
    expect(await connection.get('select * from t where id = 99')).toBeUndefined()
    expect(await connection.all('select id, a from t order by id')).toMatchObject([
      { id: 1 },
      { id: 2, a: null },
    ])
    const numbers: number[] = []
    const many =
      'with recursive c(n) as (select 1 union all select n + 1 from c where n < 5000) select n from c'
    for await (const row of connection.iterate(many)) numbers.push(row.n)
    expect(numbers).toHaveLength(5_000)
    expect((await connection.pragma('table_info(t)')).rows).toHaveLength(4)
  })

  test('prepares statements, with every way to read them, and integers that are large', async () => {
    const { connection } = await open('prepares')
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
    const seen: unknown[] = []
    for await (const row of (await connection.prepare('select id from t')).iterate()) seen.push(row.id)
    expect(seen).toEqual([1, 2, 3])
  })

  test('runs batches and scripts', async () => {
    const { connection } = await open('batches')
    await connection.exec('create table t (a unique); begin; insert into t values (0); commit')
    for (const [index, mode] of [undefined, 'write', 'deferred', 'immediate', 'exclusive'].entries()) {
      const [one, two] = [10 * index + 1, 10 * index + 2]
      const batch = connection.batch(
        [`insert into t values (${one})`, { sql: 'insert into t values (?)', args: [two] }],
        mode,
      )
      expect(await batch).toMatchObject([{ rowsAffected: 1 }, { rowsAffected: 1 }])
      const failing = connection.batch(
        [`insert into t values (${one + 5})`, `insert into t values (${one})`],
        mode,
      )
      await expect(failing).rejects.toMatchObject({ name: 'DatabaseError', code: 'SQLITE_CONSTRAINT' })
      // Without a mode its batch is not atomic.
      const { n } = await connection.get(`select count(*) as n from t where a = ${one + 5}`)
      expect(n).toBe(mode === undefined ? 1 : 0)
    }
    await expect(connection.exec('create table u (a); nonsense')).rejects.toBeInstanceOf(DatabaseError)
    expect(connection.inTransaction).toBe(false)
  })

  test('runs transactions: committed, rolled back, by hand, and side by side', async () => {
    const { connection, signup, again } = await open('transactions')
    await connection.exec('create table t (a unique)')
    const insert = connection.transactionAsync(async (tx, a: number) => {
      await tx.run('insert into t values (?)', a)
      if (a < 0) throw new Error('no')
      return tx.get('select count(*) as n, last_insert_rowid() as id from t')
    })
    expect(await insert(1)).toMatchObject({ n: 1, id: 1 })
    await expect(insert(-1)).rejects.toThrow('no')
    await expect(insert(1)).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT' })
    await connection.run('begin')
    await connection.run('insert into t values (2)')
    expect(connection.inTransaction).toBe(true)
    await connection.run('rollback')
    expect(connection.inTransaction).toBe(false)
    const counts = await Promise.all(
      Array.from({ length: 10 }, async (_, n) => {
        const other = again()
        const count = other.transactionAsync(async (tx) => {
          const { count: before } = await tx.get('select count(*) as count from t')
          await tx.run('insert into t values (?)', 100 + n)
          return before as number
        })
        return (await count.immediate()) as number
      }),
    )
    expect(counts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, n) => n + 1))
    expect(
      stack.turso
        .streams()
        .filter((stream) => stream.database === signup.database.name && stream.inTransaction),
    ).toEqual([])
  })

  test('tells what went wrong, gives up in time, and goes on', async () => {
    const { connection, url } = await open('errors')
    await expect(connection.get('select * from nope')).rejects.toThrow('no such table: nope')
    await expect(connection.get('selec 1')).rejects.toBeInstanceOf(DatabaseError)
    await expect(connection.run('insert into notes (title) values (?)', [null])).rejects.toMatchObject({
      code: 'SQLITE_CONSTRAINT',
    })
    stack.turso.faults.add({ kind: 'latency', ms: 60_000, on: 'cursor', nth: 1 })
    await expect(connection.get('select 1', [], { queryTimeout: 50 })).rejects.toBeInstanceOf(TimeoutError)
    stack.turso.faults.clear()
    expect(await connection.get('select 1 as a')).toMatchObject({ a: 1 })
    const stranger = connect({
      url,
      authToken: (await signUp(stack, `serverless-${way}-stranger`)).token.jwt,
    })
    await expect(stranger.get('select 1')).rejects.toBeInstanceOf(DatabaseError)
  })

  test('closes, leaves no stream, and may connect again', async () => {
    const { connection, signup } = await open('closes')
    await connection.run("insert into notes (title) values ('a')")
    const prepared = await connection.prepare('select title from notes')
    expect(await prepared.all()).toMatchObject([{ title: 'a' }])
    await connection.close()
    await noStreams(signup)
    await expect(connection.get('select 1')).rejects.toThrow('not open')
    await connection.reconnect()
    expect(await connection.get('select title from notes')).toMatchObject({ title: 'a' })
  })

  test('and its compat: statements, batches, scripts and transactions', async () => {
    const { signup, url } = await open('compat')
    const compat = createClient({ url, authToken: signup.token.jwt })
    onTestFinished(() => compat.close())
    await compat.executeMultiple(
      'create table t (id integer primary key, a unique); insert into t (a) values (1)',
    )
    const { rowsAffected, lastInsertRowid } = await compat.execute('insert into t (a) values (?)', [2])
    expect([rowsAffected, lastInsertRowid]).toEqual([1, 2n])
    expect((await compat.execute('select last_insert_rowid() as id')).rows).toMatchObject([{ id: 2 }])
    const [first] = await compat.batch(['select a from t', { sql: 'select ? as b', args: ['x'] }], 'read')
    expect(first!.rows).toMatchObject([{ a: 1 }, { a: 2 }])
    await expect(
      compat.batch(['insert into t (a) values (3)', 'insert into t (a) values (3)'], 'write'),
    ).rejects.toBeInstanceOf(LibsqlError)
    await compat.migrate(['create table u (a)', 'insert into u values (1)'])
    const kept = await compat.transaction('write')
    await kept.execute({ sql: 'insert into t (a) values (?)', args: [4] })
    await kept.commit()
    const dropped = await compat.transaction('write')
    await dropped.batch(['insert into t (a) values (5)', 'insert into t (a) values (6)'])
    await dropped.rollback()
    expect((await compat.execute('select a from t order by a')).rows).toMatchObject([
      { a: 1 },
      { a: 2 },
      { a: 4 },
    ])
  })
})

test('@tursodatabase/serverless goes on after a pause in which the gateway has given its stream back, and is told what that took', async () => {
  const signup = await signUp(stack, 'serverless-idle')
  const connection = connect({
    url: signup.database.gateway_url.replace(/\/$/, ''),
    authToken: signup.token.jwt,
  })
  onTestFinished(() => connection.close())
  await connection.run("insert into notes (title) values ('before')")
  const select = await connection.prepare('select title from notes')
  // By its alarm, a second before the database would end it.
  await noStreams(signup)
  expect(await select.all()).toMatchObject([{ title: 'before' }])
  await expect(connection.get('select last_insert_rowid() as id')).rejects.toThrow(/expired/)
  await connection.run("insert into notes (title) values ('after')")
  expect(await connection.get('select last_insert_rowid() as id')).toMatchObject({ id: 2 })
})

test('many short-lived clients insert at once, and none is turned away', async () => {
  const signup = await signUp(stack, 'serverless-crowd')
  const url = signup.database.gateway_url.replace(/\/$/, '')
  const CLIENTS = 150
  for (let done = 0; done < CLIENTS; done += 10)
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        // None of them is closed.
        const connection = connect({ url, authToken: signup.token.jwt })
        await connection.run("insert into notes (title) values ('brief')")
      }),
    )
  const held = (): number =>
    stack.turso.streams().filter(({ database }) => database === signup.database.name).length
  // The others' are closed behind their answers; in twice that time all would be, for they are idle.
  await expect.poll(held, { timeout: 5_000 }).toBeLessThanOrEqual(50)
  const client = connect({ url, authToken: signup.token.jwt })
  onTestFinished(() => client.close())
  const count = client.transactionAsync(async (tx) => await tx.get('select count(*) as n from notes'))
  expect(await count.immediate()).toMatchObject({ n: CLIENTS })
})
