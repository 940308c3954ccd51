import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { WireValue } from '../../src/hrana/wire.ts'
import { rowsOf, start } from './harness.ts'

const blob = fc.uint8Array({ maxLength: 300 }).map((bytes): WireValue => {
  return { type: 'blob', base64: Buffer.from(bytes).toString('base64').replace(/=+$/, '') }
})
const value: fc.Arbitrary<WireValue> = fc.oneof(
  fc.constant<WireValue>({ type: 'null' }),
  fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    .map((integer): WireValue => ({ type: 'integer', value: `${integer}` })),
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map((float): WireValue => ({ type: 'float', value: float })),
  fc.string({ unit: 'binary' }).map((text): WireValue => ({ type: 'text', value: text.toWellFormed() })),
  blob,
)

/** JSON.stringify drops the sign of a negative zero. */
function stringify(body: unknown): string {
  const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown }
  return JSON.stringify(body, (_, item: unknown) => (Object.is(item, -0) ? rawJSON('-0.0') : item))
}

describe('values', () => {
  test('every value comes back exactly, as an argument and from a table', async () => {
    const { create } = await start()
    const database = await create('acme')
    await database.execute('create table t (a, b)')
    await fc.assert(
      fc.asyncProperty(value, value, async (a, b) => {
        const { body } = await database.send(
          stringify({
            requests: [
              { type: 'execute', stmt: { sql: 'delete from t' } },
              { type: 'execute', stmt: { sql: 'insert into t values (?, ?)', args: [a, b] } },
              { type: 'execute', stmt: { sql: 'select a, b from t' } },
              { type: 'execute', stmt: { sql: 'select ?, ?', args: [a, b] } },
              { type: 'close' },
            ],
          }),
        )
        expect(rowsOf(body.results[2])).toEqual([[a, b]])
        expect(rowsOf(body.results[3])).toEqual([[a, b]])
      }),
      { numRuns: 200 },
    )
  })

  test('every value that RETURNING delivers is exact', async () => {
    const { create } = await start()
    const database = await create('acme')
    await database.execute('create table t (id integer primary key, "a ""b" , c)')
    await fc.assert(
      fc.asyncProperty(value, value, async (a, b) => {
        const { body } = await database.send(
          stringify({
            requests: [
              {
                type: 'execute',
                stmt: {
                  sql: 'insert into t ("a ""b", c) values (?, ?) returning *, c as d, "a ""b" e -- end',
                  args: [a, b],
                },
              },
              { type: 'close' },
            ],
          }),
        )
        const [row] = rowsOf(body.results[0])
        expect(row).toEqual([{ type: 'integer', value: expect.any(String) }, a, b, b, a])
      }),
      { numRuns: 100 },
    )
  })

  test('RETURNING computes its columns once for every row, and names them as written', async () => {
    const { create } = await start()
    const database = await create('acme')
    const [, inserted, updated, deleted, wrong] = await database.execute(
      'create table t (id integer primary key, a)',
      "insert into t (a) values ('x'), ('x'), ('y') returning random() as r, a || '(' || id || ')' \"named, so\", (select max(id) from t)",
      'with q as (select 2 as id) update t set a = 5 where id in (select id from q) returning rowid, *',
      "delete from t where a = 'y' returning a collate nocase, a is not null",
      'insert into t (a) values (1) returning nope',
    )
    const [first, second] = rowsOf(inserted)
    expect(first?.[0]).not.toEqual(second?.[0])
    expect(inserted).toMatchObject({
      response: {
        result: {
          cols: [{ name: 'r' }, { name: 'named, so' }, { name: '(select max(id) from t)' }],
          affected_row_count: 3,
        },
      },
    })
    expect(second?.[1]).toEqual({ type: 'text', value: 'x(2)' })
    const integer = (text: string) => ({ type: 'integer', value: text })
    expect(rowsOf(updated)).toEqual([[integer('2'), integer('2'), integer('5')]])
    expect(rowsOf(deleted)).toEqual([[{ type: 'text', value: 'y' }, integer('1')]])
    expect(wrong?.type).toBe('error')
  })

  test('a text that is not UTF-8 loses the request with 500 also when RETURNING delivers it', async () => {
    const { create } = await start()
    const database = await create('acme')
    await database.execute('create table t (a)')
    const { status } = await database.send({
      requests: [
        { type: 'execute', stmt: { sql: "insert into t values (cast(x'80' as text)) returning a" } },
      ],
    })
    expect(status).toBe(500)
  })

  test('no text that is not UTF-8 gets through, wherever its stray bytes are', async () => {
    const { create } = await start()
    const database = await create('acme')
    const textOf = (bytes: Uint8Array) => {
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
      } catch {
        return undefined
      }
    }
    const mostlyAscii = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 32, max: 126 }) }, fc.nat(255))
    await fc.assert(
      fc.asyncProperty(fc.array(mostlyAscii, { maxLength: 40 }), async (codes) => {
        const bytes = Buffer.from(codes)
        const sql = `select cast(x'${bytes.toString('hex')}' as text)`
        const requests = [{ type: 'execute', stmt: { sql } }, { type: 'close' }]
        const { status, body } = await database.send({ requests })
        const text = textOf(bytes)
        const found = status === 200 ? rowsOf(body.results[0])[0]?.[0] : undefined
        expect(found).toEqual(text === undefined ? undefined : { type: 'text', value: text })
      }),
      { numRuns: 300 },
    )
  })

  test.each<[string, WireValue]>([
    ['the largest integer', { type: 'integer', value: '9223372036854775807' }],
    ['the smallest integer', { type: 'integer', value: '-9223372036854775808' }],
    ['a negative zero', { type: 'float', value: -0 }],
    ['a text with NUL', { type: 'text', value: 'a\0b' }],
    ['a text with a byte order mark', { type: 'text', value: '\uFEFFa' }],
    ['an empty text', { type: 'text', value: '' }],
    ['an empty blob', { type: 'blob', base64: '' }],
    [
      'a blob of 1 MiB',
      {
        type: 'blob',
        base64: Buffer.alloc(1024 * 1024, 7)
          .toString('base64')
          .replace(/=+$/, ''),
      },
    ],
  ])('%s comes back exactly', async (_, sent) => {
    const { create } = await start()
    const database = await create('acme')
    const request = { type: 'execute', stmt: { sql: 'select ?', args: [sent] } }
    const { body } = await database.send(stringify({ requests: [request, { type: 'close' }] }))
    expect(rowsOf(body.results[0])).toEqual([[sent]])
  })

  test('the sign of a negative zero is on the wire', async () => {
    const { create } = await start()
    const database = await create('acme')
    const { text } = await database.send({ requests: [{ type: 'execute', stmt: { sql: 'select -0.0' } }] })
    expect(text).toContain('{"type":"float","value":-0.0}')
  })

  test('the infinities become null', async () => {
    const { create } = await start()
    const [result] = await (await create('acme')).execute('select 9e999, -9e999')
    expect(rowsOf(result)).toEqual([
      [
        { type: 'float', value: null },
        { type: 'float', value: null },
      ],
    ])
  })

  test('a blob is accepted with and without padding and answered without', async () => {
    const { create } = await start()
    const database = await create('acme')
    for (const base64 of ['AP8=', 'AP8']) {
      const args: WireValue[] = [{ type: 'blob', base64 }]
      const { results } = await database.run([{ type: 'execute', stmt: { sql: 'select ?', args } }])
      expect(rowsOf(results[0])).toEqual([[{ type: 'blob', base64: 'AP8' }]])
    }
  })

  test('a text that is not UTF-8 loses the request with 500', async () => {
    const { create } = await start()
    const database = await create('acme')
    const { status, body } = await database.send({
      requests: [{ type: 'execute', stmt: { sql: "select cast(x'ff' as text)" } }],
    })
    expect([status, body]).toEqual([500, { error: 'Internal Error: `a text is not valid UTF-8`' }])
  })

  test('a column that is computed at random is computed once', async () => {
    const { create } = await start()
    const database = await create('acme')
    const [result] = await database.execute("select iif(abs(random()) % 2, 'text', 1) from (select 1)")
    expect(rowsOf(result)).toHaveLength(1)
    const results = await database.execute(
      ...Array.from({ length: 20 }, () => 'select r = r from (select random() as r)'),
    )
    for (const one of results) expect(rowsOf(one)).toEqual([[{ type: 'integer', value: '1' }]])
  })

  test.each<[string, unknown]>([
    ['an integer as a JSON number', { type: 'integer', value: 42 }],
    ['an integer above 64 bits', { type: 'integer', value: '9223372036854775808' }],
    ['an integer that is no number', { type: 'integer', value: '0x10' }],
    ['a float as a string', { type: 'float', value: '1.5' }],
    ['a text as a number', { type: 'text', value: 1 }],
    ['a blob in the URL alphabet', { type: 'blob', base64: 'A_-A' }],
    ['a blob of one character', { type: 'blob', base64: 'A' }],
    ['an unknown type', { type: 'date', value: 'x' }],
    ['null instead of a value', null],
  ])('%s is refused with 400 and never repeated in the message', async (_, wrong) => {
    const { create } = await start()
    const database = await create('acme')
    const { status, text } = await database.send({
      requests: [{ type: 'execute', stmt: { sql: 'select ?', args: [wrong] } }],
    })
    expect(status).toBe(400)
    expect(text).toMatch(/^Cannot deserialize client message from JSON: /)
  })
})
