import * as v from 'valibot'
import { beforeAll, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import * as z from 'zod/mini'
import { isTursoError, RowError, type Database, type Result, type StandardSchema } from '../../src/index.ts'
import { clearFaults, createTestDatabase } from '../support/turso.ts'

let db: Database

beforeAll(async () => {
  db = (await createTestDatabase()).database
  await db.execute('create table notes (id integer primary key, title text, done integer, at text)')
})
beforeEach(async () => {
  await clearFaults()
  await db.batch([
    'delete from notes',
    "insert into notes values (1, 'one', 0, '2026-01-01'), (2, 'two', 1, null), (3, null, 1, '2026-01-03')",
  ])
})

const failureOf = async (promise: Promise<unknown>): Promise<RowError> => {
  try {
    await promise
  } catch (error) {
    return error as RowError
  }
  throw new Error('the call did not fail')
}

const titles = async (): Promise<unknown[]> =>
  (await db.execute('select title from notes order by id', [], { rowMode: 'array' })).rows.map(
    ([title]) => title,
  )

const zodNote = z.object({ id: z.number(), title: z.nullable(z.string()) })
const valibotNote = v.object({
  id: v.number(),
  done: v.pipe(
    v.number(),
    v.transform((done) => done === 1),
  ),
  at: v.nullable(
    v.pipe(
      v.string(),
      v.transform((at) => new Date(at)),
    ),
  ),
})

describe('a schema', () => {
  test('of zod checks rows, drops what it does not know, and types them', async () => {
    const result = await db.execute('select * from notes order by id', [], { schema: zodNote })
    expectTypeOf(result).toEqualTypeOf<Result<{ id: number; title: string | null }>>()
    expect(result.rows).toEqual([
      { id: 1, title: 'one' },
      { id: 2, title: 'two' },
      { id: 3, title: null },
    ])
    expect(result.columns).toEqual(['id', 'title', 'done', 'at'])
  })

  test('of valibot transforms them', async () => {
    const result = await db.execute(
      { sql: 'select * from notes where id < ?', args: [3] },
      { schema: valibotNote },
    )
    expectTypeOf(result.rows).toEqualTypeOf<{ id: number; done: boolean; at: Date | null }[]>()
    expect(result.rows).toEqual([
      { id: 1, done: false, at: new Date('2026-01-01') },
      { id: 2, done: true, at: null },
    ])
  })

  test('that answers later is waited for, row by row and in order', async () => {
    const running = { count: 0, most: 0 }
    const schema = v.pipeAsync(
      v.object({ id: v.number() }),
      v.checkAsync(async () => {
        running.most = Math.max(running.most, ++running.count)
        await Promise.resolve()
        running.count -= 1
        return true
      }),
      v.transform(({ id }) => `note ${id}`),
    )
    const { rows } = await db.execute('select id from notes order by id', [], { schema })
    expectTypeOf(rows).toEqualTypeOf<string[]>()
    expect(rows).toEqual(['note 1', 'note 2', 'note 3'])
    expect(running.most).toBe(1)
  })

  test('is given rows as the other options make them', async () => {
    const arrays = z.tuple([z.bigint(), z.nullable(z.string())])
    const options = { schema: arrays, rowMode: 'array', intMode: 'bigint' } as const
    const { rows } = await db.execute('select id, title from notes where id = 1', [], options)
    expectTypeOf(rows).toEqualTypeOf<[bigint, string | null][]>()
    expect(rows).toEqual([[1n, 'one']])
  })

  test('may answer by anything that has a then, as promises of other realms do', async () => {
    const then = (resolve: (result: unknown) => void): void => resolve({ value: 'later' })
    // oxlint-disable-next-line unicorn/no-thenable -- what it is about
    const later: unknown = { then }
    const schema: StandardSchema<string> = {
      '~standard': { version: 1, vendor: 'test', validate: () => later as never },
    }
    expect((await db.execute('select 1', [], { schema })).rows).toEqual(['later'])
  })

  test('may be a function that has the property, and is called as a method', async () => {
    const schema = Object.assign(() => 'never called', {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        count: 0,
        validate(value: unknown) {
          this.count += 1
          return { value: [value, this.count] as const }
        },
      },
    })
    const { rows } = await db.execute('select id from notes order by id', [], { schema })
    expect(rows).toEqual([
      [{ id: 1 }, 1],
      [{ id: 2 }, 2],
      [{ id: 3 }, 3],
    ])
  })

  test('may make undefined of a row', async () => {
    const schema: StandardSchema<undefined> = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ value: undefined }) },
    }
    expect((await db.execute('select id from notes', [], { schema })).rows).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  test('is not asked where there is no row', async () => {
    const schema = v.never()
    expect((await db.execute('select * from notes where 0', [], { schema })).rows).toEqual([])
    expect((await db.execute("update notes set title = 'x'", [], { schema })).rowsAffected).toBe(3)
  })

  test('holds for each result of a batch', async () => {
    const results = await db.batch(['select id, title from notes', 'select 9 as id, null as title'], {
      schema: zodNote,
    })
    expectTypeOf(results).toEqualTypeOf<Result<{ id: number; title: string | null }>[]>()
    expect(results.map(({ rows }) => rows.length)).toEqual([3, 1])
  })

  test('that throws by itself fails the call with what it throws', async () => {
    const reason = new Error('a validator that is broken')
    for (const validate of [
      () => {
        throw reason
      },
      () => Promise.reject(reason),
    ]) {
      const schema: StandardSchema = { '~standard': { version: 1, vendor: 'test', validate } }
      expect(await failureOf(db.execute('select 1', [], { schema }))).toBe(reason)
    }
  })
})

describe('a row that a schema refuses', () => {
  const strict = z.object({ id: z.number(), title: z.string() })

  test('is a RowError with its index and the issues as they are', async () => {
    const error = await failureOf(db.execute('select * from notes order by id', [], { schema: strict }))
    expect(error).toBeInstanceOf(RowError)
    expect(isTursoError(error, 'invalid_row')).toBe(true)
    expect(error.rowIndex).toBe(2)
    expect(error.issues).toHaveLength(1)
    expect(error.issues[0]).toMatchObject({ path: ['title'], message: expect.any(String) })
    expect(error.message).toMatch(/^Row 2 does not match the schema: title: ./)
  })

  test('is named with the path to each issue, of either form that the standard has', async () => {
    const schema = v.object({ id: v.string(), title: v.string() })
    const error = await failureOf(db.execute('select id, title from notes where id = 3', [], { schema }))
    expect(error.rowIndex).toBe(0)
    expect(error.message).toMatch(/^Row 0 does not match the schema: id: [^;]+; title: [^;]+$/)
    const whole: StandardSchema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => ({
          issues: [{ message: 'no' }, { message: 'deep', path: ['a', { key: 0 }, Symbol('b')] }],
        }),
      },
    }
    const other = await failureOf(db.execute('select 1', [], { schema: whole }))
    expect(other.message).toBe('Row 0 does not match the schema: no; a.0.Symbol(b): deep')
  })

  test('does not undo its statement, outside a transaction', async () => {
    const run = db.execute(
      "insert into notes (id, title) values (4, 'kept') returning title as id, id as title",
      [],
      {
        schema: strict,
      },
    )
    expect((await failureOf(run)).code).toBe('invalid_row')
    expect(await titles()).toEqual(['one', 'two', null, 'kept'])
  })

  test('rolls a transaction back, unless its function catches it', async () => {
    const run = db.transaction(async (tx) => {
      await tx.execute("insert into notes (id, title) values (4, 'gone')")
      await tx.execute('select * from notes', [], { schema: strict })
    })
    expect((await failureOf(run)).code).toBe('invalid_row')
    expect(await titles()).toEqual(['one', 'two', null])
    await db.transaction(async (tx) => {
      const refused = await failureOf(tx.execute('select * from notes', [], { schema: strict }))
      await tx.execute({
        sql: 'update notes set title = ? where id = ?',
        args: ['three', refused.rowIndex + 1],
      })
    })
    expect(await titles()).toEqual(['one', 'two', 'three'])
  })

  test('does the same in a transaction within one', async () => {
    await db.transaction(async (tx) => {
      await tx.execute("update notes set title = 'three' where id = 3")
      const inner = tx.transaction(async (within) => {
        await within.execute('update notes set title = null where id = 1')
        await within.batch(['select * from notes'], { schema: strict })
      })
      expect((await failureOf(inner)).rowIndex).toBe(0)
    })
    expect(await titles()).toEqual(['one', 'two', 'three'])
  })

  test('ends a stream of rows at its place, with the index that it has among all', async () => {
    const numbers =
      'with recursive n(id) as (select 0 union all select id + 1 from n where id < 9999) select id from n'
    const schema = v.object({ id: v.pipe(v.number(), v.maxValue(7777)) })
    const seen: number[] = []
    const error = await failureOf(
      (async () => {
        for await (const { id } of db.stream(numbers, [], { schema })) seen.push(id)
      })(),
    )
    expect(error).toMatchObject({ code: 'invalid_row', rowIndex: 7778 })
    expect(error.message).toMatch(/^Row 7778 /)
    // Rows come in pieces, and those of the piece with the refused row are not given out.
    expect(seen).toEqual(Array.from(seen, (_, index) => index))
    expect(seen.length).toBeLessThanOrEqual(7778)
  })
})

test('a stream of rows is typed and transformed by a schema', async () => {
  const ids: number[] = []
  const rows = db.stream('select * from notes order by id', [], { schema: valibotNote })
  for await (const row of rows) {
    expectTypeOf(row).toEqualTypeOf<{ id: number; done: boolean; at: Date | null }>()
    ids.push(row.done ? row.id : -row.id)
  }
  expect(ids).toEqual([-1, 2, 3])
})
