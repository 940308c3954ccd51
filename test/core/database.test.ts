import { beforeAll, describe, expect, test } from 'vitest'
import { connect, isTursoError, type Database, type Result, type Statement } from '../../src/index.ts'
import { createTestDatabase, openStreams, type TestDatabase } from '../support/turso.ts'

let fixture: TestDatabase
let db: Database

beforeAll(async () => {
  fixture = await createTestDatabase()
  db = fixture.database
  await db.batch([
    'create table notes (id integer primary key, title text unique, data blob)',
    "insert into notes (title) values ('first')",
  ])
})

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('execute', () => {
  test('binds positional and named arguments', async () => {
    const positional = await db.execute('select ? as a, ?2 as b', [1, 'x'])
    expect(positional.rows).toEqual([{ a: 1, b: 'x' }])
    const named = await db.execute('select :a as a, $b as b, @c as c', { a: 1, $b: 2n, c: true })
    expect(named.rows).toEqual([{ a: 1, b: 2, c: 1 }])
    const object = await db.execute({ sql: 'select ? as a', args: [null] })
    expect(object.rows).toEqual([{ a: null }])
  })

  test('tells columns, types, counts and the last rowid', async () => {
    const inserted = await db.execute('insert into notes (title, data) values (?, ?)', [
      'second',
      new Uint8Array([7]),
    ])
    expect(inserted).toMatchObject({ rows: [], rowsAffected: 1 })
    expect(typeof inserted.lastInsertRowid).toBe('bigint')
    const selected = await db.execute('select id, title, data from notes where title = ?', ['second'])
    expect(selected.columns).toEqual(['id', 'title', 'data'])
    expect(selected.columnTypes.map((type) => type?.toLowerCase())).toEqual(['integer', 'text', 'blob'])
    expect(selected.rows[0]).toEqual({
      id: Number(inserted.lastInsertRowid),
      title: 'second',
      data: new Uint8Array([7]),
    })
    expect(selected.lastInsertRowid).toBeNull()
    expect(selected.durationMs).toBeGreaterThanOrEqual(0)
  })

  test('takes a statement of either form from a variable', async () => {
    const run = (statement: Statement): Promise<Result> => db.execute(statement)
    expect((await run('select 1 as a')).rows).toEqual((await run({ sql: 'select ? as a', args: [1] })).rows)
  })

  test('gives rows as arrays with every column, duplicates included', async () => {
    const { rows, columns } = await db.execute({ sql: 'select 1 as a, 2 as a' }, { rowMode: 'array' })
    expect(columns).toEqual(['a', 'a'])
    expect(rows).toEqual([[1, 2]])
  })

  test('a column may be called what it likes', async () => {
    const { rows } = await db.execute(
      'select 1 as length, 2 as "then", 3 as __proto__, 4 as constructor, 5 as "", 6 as hasOwnProperty',
    )
    expect(Object.entries(rows[0]!)).toEqual([
      ['length', 1],
      ['then', 2],
      ['__proto__', 3],
      ['constructor', 4],
      ['', 5],
      ['hasOwnProperty', 6],
    ])
    expect(Object.getPrototypeOf(rows[0])).toBe(Object.prototype)
  })

  test('holds integers of 64 bits when asked to', async () => {
    const sql = 'select 9223372036854775807 as high, -9223372036854775808 as low'
    const bigint = await db.execute(sql, [], { intMode: 'bigint' })
    expect(bigint.rows).toEqual([{ high: 9223372036854775807n, low: -9223372036854775808n }])
    const text = await db.execute(sql, [], { intMode: 'string' })
    expect(text.rows).toEqual([{ high: '9223372036854775807', low: '-9223372036854775808' }])
    await expect(db.execute(sql)).rejects.toThrow(/Column "high"/)
  })

  test("an SQL error has the server's code and words", async () => {
    const error = await failure(db.execute("insert into notes (title) values ('first')"))
    expect(isTursoError(error, 'sql_error') && error.sqlCode).toMatch(/^SQLITE_CONSTRAINT/)
    expect((error as Error).message).toMatch(/UNIQUE constraint failed: notes.title/)
  })

  test('refuses what is not a statement before anything is sent', async () => {
    await expect(db.execute(undefined as never)).rejects.toThrow(/A statement is a string/)
    for (const args of ['x', new Map([['a', 1]]), new Uint8Array(1), new Date()])
      await expect(db.execute('select ?', args as never)).rejects.toThrow(/Arguments are an array/)
    await expect(db.execute('select ?', [undefined as never])).rejects.toThrow(/Argument 1: .*undefined/)
  })

  test('leaves no stream open', async () => {
    await Promise.all(Array.from({ length: 20 }, () => db.execute('select 1')))
    await failure(db.execute('select nonsense from nowhere'))
    expect((await openStreams()).filter(({ database }) => database === fixture.name)).toEqual([])
  })
})

describe('batch', () => {
  const count = async (): Promise<unknown> =>
    (await db.execute('select count(*) as n from notes')).rows[0]!['n']

  test('gives one result for each statement', async () => {
    const [inserted, selected] = await db.batch([
      { sql: 'insert into notes (title) values (?)', args: ['batched'] },
      'select title from notes where id = last_insert_rowid()',
    ])
    expect(inserted!.rowsAffected).toBe(1)
    expect(selected!.rows).toEqual([{ title: 'batched' }])
    expect(await db.batch([])).toEqual([])
  })

  test('takes effect as a whole or not at all, and names the statement at fault', async () => {
    const before = await count()
    const error = await failure(
      db.batch([
        "insert into notes (title) values ('lost')",
        "insert into notes (title) values ('first')",
        "insert into notes (title) values ('never reached')",
      ]),
    )
    expect(isTursoError(error, 'sql_error') && error.statementIndex).toBe(1)
    expect((error as Error).message).toMatch(/Statement 1 of the batch failed: .*UNIQUE/)
    expect(await count()).toBe(before)
  })

  test('a statement that rolls the transaction back ends the batch: none after it runs', async () => {
    const before = await count()
    const error = await failure(
      db.batch([
        "insert or rollback into notes (title) values ('first')",
        "insert into notes (title) values ('stray')",
      ]),
    )
    expect(isTursoError(error, 'sql_error') && error.statementIndex).toBe(0)
    expect(await count()).toBe(before)
  })

  test('a COMMIT of its own does not let later statements run outside the transaction', async () => {
    const before = Number(await count())
    const error = await failure(
      db.batch([
        "insert into notes (title) values ('own commit')",
        'commit',
        "insert into notes (title) values ('stray')",
      ]),
    )
    expect(isTursoError(error, 'sql_error') && error.sqlCode).toBe('TRANSACTION_CLOSED')
    expect((error as Error).message).toMatch(/Statement 1 of the batch ended its transaction/)
    expect(await count()).toBe(before + 1)
  })

  test('a constraint that fails at COMMIT rolls everything back', async () => {
    await db.batch([
      'create table parents (id integer primary key)',
      'create table children (parent integer references parents deferrable initially deferred)',
    ])
    const error = await failure(db.batch(['insert into children values (99)']))
    expect(isTursoError(error, 'sql_error') && error.statementIndex).toBeNull()
    expect((error as Error).message).toMatch(/could not be committed/)
    expect((await db.execute('select * from children')).rows).toEqual([])
  })

  test('a value that cannot be bound is refused with statement and argument named', async () => {
    const promise = db.batch(['select 1', { sql: 'select ?', args: [Symbol('s') as never] }])
    await expect(promise).rejects.toThrow(/Statement 1 of the batch: Argument 1: .*symbol/)
  })

  test('every mode runs', async () => {
    for (const mode of ['write', 'deferred', 'read'] as const) {
      for (const options of [mode, { mode }]) {
        const [result] = await db.batch(['select 1 as one'], options)
        expect(result!.rows).toEqual([{ one: 1 }])
      }
    }
    await expect(db.batch(['select 1'], 'exclusive' as never)).rejects.toThrow(/"mode" must be/)
    const [arrays] = await db.batch(['select 1'], { rowMode: 'array' })
    expect(arrays!.rows[0]![0]).toBe(1)
  })
})

describe('authorisation', () => {
  const code = async (authToken: string | undefined): Promise<unknown> => {
    const error = await failure(
      connect({ url: `libsql://${fixture.hostname}`, authToken }).execute('select 1'),
    )
    return isTursoError(error) && error.code
  }

  test('a missing or broken token is unauthorized, another database’s is not found', async () => {
    expect(await code(undefined)).toBe('unauthorized')
    expect(await code('not.a.token')).toBe('unauthorized')
    expect(await code((await createTestDatabase()).token)).toBe('not_found')
  })

  test('a token that no header can carry is refused without being quoted', async () => {
    const promise = connect({ url: `libsql://${fixture.hostname}`, authToken: 'hunter2\r\nx: y' }).execute(
      'select 1',
    )
    const error = (await failure(promise)) as Error
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message + String(error.cause)).not.toContain('hunter2')
  })
})
