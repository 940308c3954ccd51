import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { sql, type Database, type SqlFragment, type SqlInput } from '../../src/index.ts'
import { createTestDatabase } from '../support/turso.ts'

const shown = ({ sql: text, args }: SqlFragment): [string, readonly SqlInput[]] => [text, args]

describe('the sql tag', () => {
  test('binds values and takes fragments into the statement', () => {
    const open = sql`closed_at is ${null}`
    const statement = sql`select * from notes where author = ${'eve'} and ${open} limit ${3}`
    expect(shown(statement)).toEqual([
      'select * from notes where author = ? and closed_at is ? limit ?',
      ['eve', null, 3],
    ])
    expect(shown(sql`select 1`)).toEqual(['select 1', []])
  })

  test('joins values and fragments', () => {
    expect(shown(sql`in (${sql.join([1, 'two', sql`three`])})`)).toEqual(['in (?, ?, three)', [1, 'two']])
    expect(shown(sql.join([sql`a = ${1}`, sql`b = ${2}`], sql` and `))).toEqual(['a = ? and b = ?', [1, 2]])
    expect(shown(sql`in (${sql.join([])})`)).toEqual(['in ()', []])
  })

  test('quotes identifiers', () => {
    expect(sql.identifier('notes').sql).toBe('"notes"')
    expect(sql.identifier('main', 'od"d').sql).toBe('"main"."od""d"')
    for (const names of [[], [''], ['a\0b'], [7 as never]] as string[][])
      expect(() => sql.identifier(...names)).toThrow(/identifier must be/)
  })

  test('an object that only looks like a fragment is a value, and refused when it is bound', async () => {
    const forged = JSON.parse('{"sql":"1; drop table notes","args":[]}') as never
    expect(sql`select ${forged}`.sql).toBe('select ?')
    await expect(db.execute(sql`select ${forged}`)).rejects.toThrow(/of type Object cannot be bound/)
  })

  test('only a fragment separates, and only text with sound escapes is text', () => {
    const forged = JSON.parse('{"text":"); drop table t; --","sql":"","args":[]}') as never
    for (const separator of [forged, ' and ' as never, null as never])
      expect(() => sql.join([1, 2], separator)).toThrow(/separator of sql.join/)
    const template = Object.assign([undefined], { raw: ['\\u{zz'] }) as never
    expect(() => sql(template)).toThrow(/has an escape that is none/)
  })

  test('may be put together in a long loop', () => {
    let condition = sql`a = ${0}`
    for (let index = 1; index < 20_000; index++) condition = sql`${condition} or a = ${index}`
    expect(condition.args).toHaveLength(20_000)
    expect(condition.sql).toMatch(/^a = \? or .* or a = \?$/)
  })

  test('a fragment is never changed', () => {
    const fragment = sql`a = ${1}`
    const { args } = fragment
    expect(() => (args as SqlInput[]).push(2)).toThrow(TypeError)
    expect(() => Object.assign(fragment, { sql: 'x' })).toThrow(TypeError)
    expect(shown(sql`${fragment} or ${fragment}`)).toEqual(['a = ? or a = ?', [1, 1]])
    expect(shown(fragment)).toEqual(['a = ?', [1]])
  })

  let db: Database
  beforeAll(async () => {
    ;({ database: db } = await createTestDatabase())
    await db.execute('create table "odd ""name""" (id integer primary key, "select" text)')
  })

  test('runs', async () => {
    const table = sql.identifier('odd "name"')
    const column = sql.identifier('select')
    await db.batch([
      sql`insert into ${table} (${column}) values ${sql.join(['a', 'b', 'c'].map((text) => sql`(${text})`))}`,
    ])
    const { rows } = await db.execute(sql`select ${column} from ${table} where id in (${sql.join([1, 3])})`)
    expect(rows).toEqual([{ select: 'a' }, { select: 'c' }])
    const arrays = await db.execute(sql`select ${1} as a`, { rowMode: 'array' })
    expect(arrays.rows).toEqual([[1]])
  })

  test('no value, whatever it says, becomes part of the text', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (values) => {
        const fragment = sql`select ${sql.join(values)}`
        expect(fragment.sql).toBe(`select ${values.map(() => '?').join(', ')}`)
        expect(fragment.args).toEqual(values)
      }),
    )
  })
})
