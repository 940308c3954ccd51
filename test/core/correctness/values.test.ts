/** Values come back as they went out, by every way in which there are rows. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { Database, IntMode, SqlInput, SqlValue } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso } from '../../support/turso.ts'
import { failureOf } from '../../support/failure-of.ts'

const TWO_53 = 2n ** 53n
const TWO_63 = 2n ** 63n

describe.each(BEHAVIOUR_NAMES)('behaviour %s', (behaviour) => {
  let db: Database

  beforeAll(async () => {
    db = (await (await startTurso({ behaviour })).createDatabase()).database
    await db.execute('create table cells (id integer primary key, value)')
  })

  type Query = (sql: string, args: SqlInput[], intMode?: IntMode) => Promise<SqlValue[]>

  const ways: [string, Query][] = [
    [
      'execute',
      async (sql, args, intMode) => (await db.execute(sql, args, { intMode, rowMode: 'array' })).rows[0]!,
    ],
    [
      'batch',
      async (sql, args, intMode) =>
        (await db.batch([{ sql, args }, 'select 1'], { intMode, rowMode: 'array' }))[0]!.rows[0]!,
    ],
    [
      'a transaction',
      (sql, args, intMode) =>
        db.transaction(async (tx) => (await tx.execute(sql, args, { intMode, rowMode: 'array' })).rows[0]!),
    ],
    [
      'stream',
      async (sql, args, intMode) => {
        for await (const row of db.stream(sql, args, { intMode, rowMode: 'array' })) return row
        throw new Error('no row')
      },
    ],
    [
      'a result that is long enough for the scanner',
      async (sql, args, intMode) => {
        const padded = `select value, pad from (${sql} as value), (select printf('%.5000c', 'x') as pad)`
        return (await db.execute(padded, args, { intMode, rowMode: 'array' })).rows[0]!.slice(0, 1)
      },
    ],
  ]

  describe.each(ways)('by way of %s', (_, query) => {
    const integers = [
      0n,
      1n,
      -1n,
      TWO_53 - 1n,
      -TWO_53 + 1n,
      TWO_53,
      TWO_53 + 1n,
      -TWO_53,
      -TWO_53 - 1n,
      TWO_63 - 1n,
      -TWO_63,
    ]
    test('integers up to 64 bits', async () => {
      for (const integer of integers) {
        expect(await query('select ?', [integer], 'bigint')).toEqual([integer])
        expect(await query('select ?', [integer], 'string')).toEqual([String(integer)])
        const number = await query('select ?', [integer], 'number').catch((error: unknown) => error)
        const isSafe = Number.isSafeInteger(Number(integer))
        expect(number instanceof RangeError ? 'refused' : number).toEqual(
          isSafe ? [Number(integer)] : 'refused',
        )
      }
      expect(await query('select typeof(?)', [TWO_63 - 1n])).toEqual(['integer'])
    })

    const floats = [
      0.5,
      -0.5,
      1e308,
      -1e308,
      Number.MAX_VALUE,
      Number.MIN_VALUE,
      5e-324,
      0.1 + 0.2,
      1e21,
      1e-7,
      2 ** 53,
      2 ** 63,
      -(2 ** 63),
    ]
    test('floats of every size', async () => {
      for (const float of floats) {
        expect(await query('select ?', [float])).toEqual([float])
        expect(await query('select typeof(?)', [float])).toEqual(['real'])
      }
    })

    test('an integral number is an integer, and negative zero a float', async () => {
      expect(await query('select typeof(?)', [1])).toEqual(['integer'])
      expect(await query('select typeof(?)', [-0])).toEqual(['real'])
      const [zero] = await query('select ?', [-0])
      expect(zero === 0).toBe(true)
    })

    test('infinities and NaN that SQL computes', async () => {
      expect(await query('select 9e999', [])).toEqual([Number.NaN])
      expect(await query('select -9e999', [])).toEqual([Number.NaN])
      expect(await query('select 9e999 - 9e999', [])).toEqual([null])
    })

    test('are not bound', async () => {
      for (const number of [Infinity, -Infinity, Number.NaN, TWO_63, -TWO_63 - 1n])
        expect(await failureOf(query('select ?', [number]))).toBeInstanceOf(RangeError)
    })

    const controls = Array.from({ length: 0xa0 }, (__, code) => String.fromCharCode(code)).join('')
    const texts: [string, string][] = [
      ['empty', ''],
      ['control characters, NUL among them', controls],
      ['NUL alone', '\0'],
      ['NUL in the middle', 'a\0b'],
      ['quotes and backslashes', `'"\`\\\\"'\\n\\u0000\\`],
      ['what looks like JSON', '"},{"type":"row","row":[]}]],"\n'],
      ['line separators', '\u2028\u2029\u0085\r\n\v\f'],
      ['characters beyond the first plane', '🎉\u{10000}\u{10FFFF}'],
      ['combining characters and marks of order', 'e\u0301\u200D\u202E\uFEFF'],
      ['noncharacters', '\uFFFE\uFFFF\u{1FFFE}\uFDD0'],
      ['private use and the replacement character', '\uE000\uF8FF\uFFFD'],
    ]
    test.each(texts)('text: %s', async (__, text) => {
      expect(await query('select ?', [text])).toEqual([text])
      const bytes = new TextEncoder().encode(text)
      expect(await query('select cast(? as blob)', [text])).toEqual([bytes])
    })

    test('every code point of the first plane, and some of each of the others', async () => {
      let text = ''
      for (let code = 1; code < 0x10000; code += 1)
        if (code < 0xd800 || code > 0xdfff) text += String.fromCodePoint(code)
      for (let code = 0x10000; code < 0x110000; code += 0x101) text += String.fromCodePoint(code)
      const [value] = await query('select ?', [text])
      expect(value === text).toBe(true)
    })

    test.each([0, 1, 2, 3, 255, 1_048_576])('a blob of %i bytes', async (size) => {
      const blob = new Uint8Array(size).map((__, index) => (index * 7 + (index >> 8)) & 0xff)
      const [value] = await query('select ?', [blob])
      expect(value).toBeInstanceOf(Uint8Array)
      const bytes = value as Uint8Array
      expect(bytes.length).toBe(size)
      expect(bytes.every((byte, index) => byte === blob[index])).toBe(true)
      expect(await query('select typeof(?)', [blob])).toEqual(['blob'])
    })
  })

  test('a blob that is a part of a larger buffer is that part alone', async () => {
    const part = new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 3)
    const words = new Uint16Array([0x0201, 0x0403])
    const { rows } = await db.execute('select ? as part, ? as words, ? as view', [
      part,
      words,
      new DataView(part.buffer, 4),
    ])
    expect(rows).toEqual([
      { part: new Uint8Array([2, 3]), words: new Uint8Array([1, 2, 3, 4]), view: new Uint8Array([5]) },
    ])
  })

  test.each([TWO_53 - 1n, TWO_53 + 1n, -TWO_53 - 1n, TWO_63 - 1n, -TWO_63])(
    'lastInsertRowid %s is exact',
    async (id) => {
      for (const intMode of ['number', 'bigint', 'string'] as const) {
        const insert = { sql: 'insert or replace into cells values (?, 1)', args: [id] }
        expect((await db.execute(insert, { intMode })).lastInsertRowid).toBe(id)
        expect((await db.batch([insert], { intMode }))[0]!.lastInsertRowid).toBe(id)
        const inTransaction = await db.transaction((tx) => tx.execute(insert, { intMode }))
        expect(inTransaction.lastInsertRowid).toBe(id)
      }
    },
  )
})
