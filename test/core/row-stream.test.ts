import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../src/index.ts'
import {
  EVERY_BEHAVIOUR,
  clearFaults,
  createTestDatabase,
  openStreams,
  requestsSeen,
  startTurso,
  type TestDatabase,
} from '../support/turso.ts'

let fixture: TestDatabase
let db: Database

beforeAll(async () => {
  fixture = await createTestDatabase()
  db = fixture.database
  await db.batch([
    'create table notes (id integer primary key, title text)',
    "insert into notes (title) values ('one'), ('two'), ('three')",
  ])
})
beforeEach(async () => {
  await clearFaults()
})

const numbers = (count: number): string =>
  `with recursive n(id) as (select 1 union all select id + 1 from n where id < ${count}) select id, 'text ' || id as text from n`

async function collect<Row>(rows: AsyncIterable<Row>): Promise<Row[]> {
  const collected: Row[] = []
  for await (const row of rows) collected.push(row)
  return collected
}

const streams = async (): Promise<unknown[]> =>
  (await openStreams()).filter(({ database }) => database === fixture.name)

describe.each(EVERY_BEHAVIOUR)('a stream of rows (%s)', (behaviour) => {
  let own: Database
  beforeAll(async () => {
    own = (await (await startTurso({ behaviour })).createDatabase()).database
    await own.batch([
      'create table notes (id integer primary key, title text unique)',
      "insert into notes (title) values ('one'), ('two')",
    ])
  })

  test('gives what execute gives, row by row', async () => {
    const sql = "select *, 1.5 as float, null as none, x'0102' as blob, ? as argument from notes"
    for (const options of [{}, { rowMode: 'array' }, { intMode: 'bigint' }, { intMode: 'string' }] as const) {
      const { rows } = await own.execute(sql, ['a'], options)
      expect(await collect(own.stream(sql, ['a'], options))).toEqual(rows)
      expect(await collect(own.stream({ sql, args: ['a'] }, options))).toEqual(rows)
    }
  })

  test('has many rows, none lost and none twice', async () => {
    let expected = 0
    for await (const { id, text } of own.stream<{ id: number; text: string }>(numbers(20_000))) {
      expected += 1
      if (id !== expected || text !== `text ${id}`) break
    }
    expect(expected).toBe(20_000)
  })

  test('is refused as a statement is', async () => {
    for (const sql of ['selec', 'select * from nowhere', 'select * from notes where']) {
      await expect(collect(own.stream(sql))).rejects.toMatchObject({ code: 'sql_error' })
    }
    await expect(collect(own.stream("insert into notes (title) values ('one')"))).rejects.toMatchObject({
      code: 'sql_error',
      sqlCode: expect.stringMatching(/^SQLITE_CONSTRAINT/),
    })
  })

  test('writes, once, what its statement writes', async () => {
    const rows = own.stream("insert into notes (title) values ('three'), ('four') returning title")
    expect(await collect(rows)).toEqual([{ title: 'three' }, { title: 'four' }])
    expect((await own.execute('select count(*) as n from notes')).rows).toEqual([{ n: 4 }])
    expect(await collect(own.stream('delete from notes where id > 2'))).toEqual([])
  })
})

test('nothing is sent before the first row is asked for, and then one request', async () => {
  await requestsSeen()
  const rows = db.stream('select * from notes')
  await db.execute('select 1')
  expect(await requestsSeen()).toHaveLength(1)
  await rows.next()
  expect(await requestsSeen()).toEqual([`POST ${fixture.hostname}/v3/cursor`])
  await rows.return(undefined)
})

test('a stream that nobody asks for a row sends nothing, and may be ended', async () => {
  await requestsSeen()
  const rows = db.stream('select * from notes')
  await rows.return(undefined)
  expect(await rows.next()).toEqual({ done: true, value: undefined })
  expect(await requestsSeen()).toEqual([])
})

describe('the columns', () => {
  test('are there with the first row, duplicates included', async () => {
    const rows = db.stream('select 1 as a, 2 as b, 3 as a', [], { rowMode: 'array' })
    expect(rows.columns).toEqual([])
    expect(await rows.next()).toEqual({ done: false, value: [1, 2, 3] })
    expect(rows.columns).toEqual(['a', 'b', 'a'])
    await rows.return(undefined)
  })

  test('are there at the end of a stream without any row', async () => {
    const rows = db.stream('select id, title from notes where 0')
    expect(await collect(rows)).toEqual([])
    expect(rows.columns).toEqual(['id', 'title'])
  })
})

describe('on the server, nothing is left', () => {
  test('of a stream that was read to its end', async () => {
    await collect(db.stream(numbers(1_000)))
    expect(await streams()).toEqual([])
  })

  test('of one whose loop was left', async () => {
    for await (const { id } of db.stream(numbers(1_000))) if (id === 10) break
    expect(await streams()).toEqual([])
  })

  test('of one whose loop threw', async () => {
    const run = async (): Promise<void> => {
      for await (const { id } of db.stream(numbers(1_000))) if (id === 10) throw new Error('enough')
    }
    await expect(run()).rejects.toThrow('enough')
    expect(await streams()).toEqual([])
  })

  test('of one whose statement failed', async () => {
    await collect(db.stream('select * from nowhere')).catch(() => undefined)
    expect(await streams()).toEqual([])
  })
})

test('a stream can be looped over once: afterwards it is at its end', async () => {
  const rows = db.stream('select id from notes')
  expect(await collect(rows)).toHaveLength(3)
  expect(await collect(rows)).toEqual([])
})

test('rows that are asked for at once come in order', async () => {
  const rows = db.stream('select id from notes order by id')
  const asked = await Promise.all([rows.next(), rows.next(), rows.next(), rows.next()])
  expect(asked.map(({ value }) => value)).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }, undefined])
})

test('several streams at once do not disturb each other', async () => {
  const sums = await Promise.all(
    Array.from({ length: 5 }, async () => {
      let sum = 0
      for await (const { id } of db.stream<{ id: number }>(numbers(500))) sum += id
      return sum
    }),
  )
  expect(sums).toEqual(Array.from({ length: 5 }, () => (500 * 501) / 2))
})

test('what cannot be bound is refused at once, and nothing is sent', async () => {
  await requestsSeen()
  expect(() => db.stream('select ?', [undefined as never])).toThrow(
    /^Argument 1: .*undefined cannot be bound/,
  )
  expect(() => db.stream(7 as never)).toThrow(/A statement is a string/)
  expect(await requestsSeen()).toEqual([])
})

test('an integer beyond 2^53 ends the stream in its place, with the column named', async () => {
  const rows = db.stream('select 1 as id union all select 9007199254740993')
  await expect(collect(rows)).rejects.toThrow(/^Column "id" has an integer beyond 2\^53/)
  expect(await streams()).toEqual([])
})

test('rows are found whatever is in them, line breaks included', async () => {
  const texts = ['a\nb', '\r\n', '{"type":"row","row":[]}', '"', '\\', '\u2028', '🜚', '']
  const rows = db.stream<{ value: string }>(`select value from json_each(?)`, [JSON.stringify(texts)])
  expect((await collect(rows)).map(({ value }) => value)).toEqual(texts)
})

test('a signal ends a stream between two rows, with its reason', async () => {
  const controller = new AbortController()
  const reason = new Error('the user left')
  const rows = db.stream(numbers(50_000), [], { signal: controller.signal })
  await rows.next()
  controller.abort(reason)
  await expect(collect(rows)).rejects.toBe(reason)
  expect(await rows.next()).toEqual({ done: true, value: undefined })
})

test('a signal that has aborted before sends nothing', async () => {
  await requestsSeen()
  const reason = new Error('the user left')
  const rows = db.stream('select 1', [], { signal: AbortSignal.abort(reason) })
  await expect(rows.next()).rejects.toBe(reason)
  expect(await requestsSeen()).toEqual([])
})
