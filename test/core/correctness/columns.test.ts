/** Columns may be called what they like, and there may be many of them. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { Database, QueryOptions, SqlValue } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso } from '../../support/turso.ts'

describe.each(BEHAVIOUR_NAMES)('behaviour %s', (behaviour) => {
  let db: Database

  beforeAll(async () => {
    db = (await (await startTurso({ behaviour })).createDatabase()).database
  })

  interface Rows {
    columns: readonly string[]
    rows: unknown[]
  }

  const ways: [string, (sql: string, options: QueryOptions) => Promise<Rows>][] = [
    ['execute', (sql, options) => db.execute({ sql }, options)],
    ['batch', async (sql, options) => (await db.batch(['select 1', sql], options))[1]!],
    [
      'batch in a transaction',
      (sql, options) => db.transaction(async (tx) => (await tx.batch([sql, 'select 1'], options))[0]!),
    ],
    [
      'stream',
      async (sql, options) => {
        const stream = db.stream({ sql }, options)
        const rows: unknown[] = []
        for await (const row of stream) rows.push(row)
        return { columns: stream.columns, rows }
      },
    ],
    [
      'openStream',
      async (sql, options) => {
        const stream = db.openStream()
        const result = await stream.execute({ sql }, options)
        await stream.close()
        return result
      },
    ],
  ]

  const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

  const names = [
    'length',
    'then',
    'catch',
    '__proto__',
    'constructor',
    'prototype',
    'hasOwnProperty',
    'toString',
    'valueOf',
    'toJSON',
    '0',
    '1',
    '-1',
    'rows',
    'type',
    'value',
    '"quoted"',
    'white space',
    'новый 🎉',
    ']],[{',
    'back\\slash',
  ]

  describe.each(ways)('%s', (_, query) => {
    test.each([1, 300])(
      'gives objects with exactly these properties, in a result of %i rows',
      async (count) => {
        const sql = `select ${names.map((name, index) => `${index} as ${quoted(name)}`).join()} from numbers`
        const { columns, rows } = await query(
          `with recursive numbers(i) as (select 1 union all select i + 1 from numbers where i < ${count}) ${sql}`,
          {},
        )
        expect(columns).toEqual(names)
        expect(rows).toHaveLength(count)
        for (const row of rows as Record<string, SqlValue>[]) {
          expect(Object.keys(row).toSorted()).toEqual(names.toSorted())
          expect(names.map((name) => Object.getOwnPropertyDescriptor(row, name)?.value as unknown)).toEqual(
            names.map((__, index) => index),
          )
          expect(Object.getPrototypeOf(row)).toBe(Object.prototype)
        }
        expect(Object.hasOwn(Object.prototype, 'white space')).toBe(false)
      },
    )

    test('gives arrays in the order of the columns', async () => {
      const { columns, rows } = await query(
        `select ${names.map((name, index) => `${index} as ${quoted(name)}`).join()}`,
        { rowMode: 'array' },
      )
      expect(columns).toEqual(names)
      expect(rows).toEqual([names.map((__, index) => index)])
      expect(Array.isArray(rows[0])).toBe(true)
    })

    test('of equal names the last wins in an object, and an array has all', async () => {
      const sql = 'select 1 as a, 2 as b, 3 as a, 4 as __proto__, 5 as __proto__, 6 as "", 7 as ""'
      const objects = await query(sql, {})
      const columns = ['a', 'b', 'a', '__proto__', '__proto__', '', '']
      expect(objects.columns).toEqual(columns)
      expect(Object.entries(objects.rows[0] as object)).toEqual([
        ['a', 3],
        ['b', 2],
        ['__proto__', 5],
        ['', 7],
      ])
      const arrays = await query(sql, { rowMode: 'array' })
      expect(arrays.rows).toEqual([[1, 2, 3, 4, 5, 6, 7]])
      expect(arrays.columns).toEqual(columns)
    })

    test('2,000 columns', async () => {
      const many = Array.from({ length: 2000 }, (__, index) => `c${index}`)
      const sql = `select ${many.map((name, index) => `${index} as ${name}`).join()}`
      const objects = await query(sql, {})
      expect(objects.columns).toEqual(many)
      expect(objects.rows).toEqual([Object.fromEntries(many.map((name, index) => [name, index]))])
      expect((await query(sql, { rowMode: 'array' })).rows).toEqual([many.map((__, index) => index)])
    })
  })

  test('a row with a column "then" can be returned from an async function', async () => {
    const first = async (): Promise<unknown> => (await db.execute('select 1 as "then", 2 as a')).rows[0]
    expect(Object.entries((await first()) as object)).toEqual([
      ['then', 1],
      ['a', 2],
    ])
    const rows = db.stream('select 1 as "then"')
    expect(Object.entries((await rows.next()).value as object)).toEqual([['then', 1]])
    await rows.return()
  })
})
