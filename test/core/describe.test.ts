import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database, Queries } from '../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestTurso } from '../support/turso.ts'

describe.each(BEHAVIOUR_NAMES)('a description (%s)', (behaviour) => {
  let turso: TestTurso
  let db: Database

  beforeAll(async () => {
    turso = await startTurso({ behaviour })
    db = (await turso.createDatabase()).database
    await db.execute('create table notes (id integer primary key, title text)')
  })
  beforeEach(async () => {
    await turso.clearFaults()
    await turso.requestsSeen()
  })

  test('says what a statement takes and returns', async () => {
    const { parameters, columns, ...kinds } = await db.describe(
      'select id, title as name, 1 + 1 as two from notes where id = ? and title = ?',
    )
    expect(parameters).toEqual([{ name: null }, { name: null }])
    expect(columns.map(({ name, type }) => [name, type?.toLowerCase() ?? null])).toEqual([
      ['id', 'integer'],
      ['name', 'text'],
      ['two', null],
    ])
    expect(kinds).toEqual({ isExplain: false, isReadOnly: true })
    expect(await turso.requestsSeen()).toHaveLength(1)
    expect(await turso.openStreams()).toEqual([])
  })

  test('names parameters as the server does: with their prefix, or Turso Cloud without', async () => {
    const { parameters } = await db.describe('select :id, @title, $at, :id')
    const names = ['id', 'title', 'at']
    const prefixes = behaviour === 'cloud' ? ['', '', ''] : [':', '@', '$']
    expect(parameters).toEqual(names.map((name, index) => ({ name: prefixes[index] + name })))
  })

  test('runs nothing', async () => {
    const inserting = await db.describe("insert into notes (title) values ('x') returning id")
    expect(inserting).toMatchObject({ isReadOnly: false, columns: [{ name: 'id' }] })
    expect(await db.describe('drop table notes')).toMatchObject({ isReadOnly: false, columns: [] })
    expect(await db.describe('explain select 1')).toMatchObject({ isExplain: true })
    expect((await db.execute('select count(*) as n from notes')).rows).toEqual([{ n: 0 }])
  })

  test('is refused as the statement would be', async () => {
    for (const statement of ['selec', 'select * from nowhere', ''])
      await expect(db.describe(statement)).rejects.toMatchObject({ code: 'sql_error' })
    await expect(db.describe(7 as never)).rejects.toThrow(/A statement is a string/)
  })

  test('sees what its transaction has made, and leaves it open when it fails', async () => {
    await db.transaction(async (tx) => {
      const describeIn = async (queries: Queries): Promise<string[]> =>
        (await queries.describe('select * from fresh')).columns.map(({ name }) => name)
      await tx.execute('create table fresh (a, b)')
      expect(await describeIn(tx)).toEqual(['a', 'b'])
      await expect(db.describe('select * from fresh')).rejects.toMatchObject({ code: 'sql_error' })
      await expect(tx.describe('select * from nowhere')).rejects.toMatchObject({ code: 'sql_error' })
      expect(await tx.transaction(describeIn)).toEqual(['a', 'b'])
      expect(tx.isOpen).toBe(true)
    })
    await db.execute('drop table fresh')
  })

  test('may be what a transaction begins with', async () => {
    const { columns } = await db.transaction((tx) => tx.describe('select id from notes'))
    expect(columns.map(({ name }) => name)).toEqual(['id'])
    expect(await turso.openStreams()).toEqual([])
  })

  test('comes from a stream by hand as well', async () => {
    await using stream = db.openStream()
    expect((await stream.describe('select 1 as one')).columns.map(({ name }) => name)).toEqual(['one'])
  })

  test('without what belongs to it is an error of the protocol', async () => {
    await turso.failNext({ kind: 'replace', on: 'pipeline', from: '"params"', to: '"nothing"' })
    await expect(db.describe('select 1')).rejects.toMatchObject({ code: 'protocol' })
  })
})
