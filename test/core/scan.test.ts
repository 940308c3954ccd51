import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAnswer } from '../../src/hrana/answer.ts'
import { createRowDecoder, decodeResult, decodeRow, type DecodeOptions } from '../../src/hrana/result.ts'
import { cutRows, readRows, type RowsPiece } from '../../src/hrana/scan.ts'
import type {
  WirePipelineResponse,
  WireStatementResult,
  WireStreamResult,
  WireValue,
} from '../../src/hrana/wire.ts'

const INT64_MAX = 2n ** 63n - 1n
const RUNS = { seed: 20260411, numRuns: 60 }

/** Every way to decode: the row modes by the modes of integers. */
const EVERY_MODE: DecodeOptions[] = (['object', 'array'] as const).flatMap((rowMode) =>
  (['number', 'bigint', 'string'] as const).map((intMode) => ({ rowMode, intMode })),
)

/** Wide enough for the scanner to look at any answer. */
const padding = 'p'.repeat(5000)

/** The statement results of an answer, in order. */
function statementResults(answer: unknown): (WireStatementResult | null)[] {
  return (answer as WirePipelineResponse).results.flatMap((result) => {
    const response = result.type === 'ok' && result.response
    if (!response) return []
    if (response.type === 'execute') return [response.result]
    return response.type === 'batch' ? response.result.step_results : []
  })
}

type Parse = (text: string) => unknown

/** What a caller gets of an answer that is parsed in this way: rows or error, for each statement in each mode. */
function outcomes(parse: Parse, text: string): unknown {
  let answer: unknown
  try {
    answer = parse(text)
  } catch (error) {
    return String(error)
  }
  let results: (WireStatementResult | null)[]
  try {
    results = statementResults(answer)
  } catch {
    return answer
  }
  const decoded = results.map(
    (result) =>
      result &&
      EVERY_MODE.map((options) => {
        try {
          return decodeResult(result, options)
        } catch (error) {
          return String(error)
        }
      }),
  )
  // What is decoded is compared decoded, the rest as JSON, which knows nothing of rows that were left.
  for (const result of results) if (Array.isArray(result?.rows)) result.rows = []
  return { json: JSON.stringify(answer), decoded }
}

/** What the scanner makes of a text and what JSON.parse makes of it; `undefined` when that is the same. */
function differences(text: string): string[] | undefined {
  const both = [parseAnswer, JSON.parse].map((parse) => spell(outcomes(parse, text)))
  return both[0] === both[1] ? undefined : both
}

/** Whether the rows of all statements were left for the scanner, which is seen by what is in their place. */
function isScanned(text: string): boolean {
  const whole = statementResults(JSON.parse(text))
  return statementResults(parseAnswer(text)).every(
    (result, index) => !whole[index]?.rows.length || result?.rows.length === 0,
  )
}

/** Names that mean something to an object, to JSON or to the protocol. */
const columnName = fc.oneof(
  fc.constantFrom(
    'id',
    'name',
    '',
    '__proto__',
    'length',
    'constructor',
    'toString',
    '0',
    '1',
    '"rows":[[',
    'type',
  ),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constant(null),
)

/** Texts that look like the protocol, that need every kind of escape, or none. */
const hostileText = fc.oneof(
  fc.constantFrom(
    '"rows":[[',
    '"rows":[[{"type":"null"}]]',
    '{"type":"text","value":"x"}',
    '\\"rows\\":[[',
    '"}]]',
    '\\',
    '\\\\',
    '\\"',
    '"',
    '\ud800',
    '\udc00\ud800',
    '💙 \u2028\u2029 \u0000\u001f\u007f \b\f\n\r\t/',
    'null',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: fc.constantFrom('"', '\\', 'a', '\n', 'é', '\ud800', ',', '}', ']'), maxLength: 20 }),
  fc.string({ maxLength: 40 }),
)

const wireValue: fc.Arbitrary<WireValue> = fc.oneof(
  fc.constant({ type: 'null' } as const),
  fc
    .oneof(
      fc.bigInt({ min: -INT64_MAX - 1n, max: INT64_MAX }).map(String),
      fc.bigInt({ min: 2n ** 53n - 12n, max: 2n ** 53n + 12n }).map(String),
      fc.bigInt({ min: -(2n ** 53n) - 12n, max: 12n - 2n ** 53n }).map(String),
      fc.maxSafeInteger().map(String),
      fc.constantFrom('-0', '007', '-00', '9'.repeat(30), '0'.repeat(30)),
    )
    .map((value) => ({ type: 'integer', value }) as const),
  fc.maxSafeInteger().map((value) => ({ type: 'integer', value: String(value) }) as const),
  hostileText.map((value) => ({ type: 'text', value }) as const),
  fc
    .oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null))
    .map((value) => ({ type: 'float', value }) as const),
  fc
    .tuple(fc.uint8Array({ maxLength: 20 }), fc.boolean())
    .map(([bytes, isPadded]) => btoa(String.fromCharCode(...bytes)).replaceAll('=', isPadded ? '=' : ''))
    .map((base64) => ({ type: 'blob', base64 }) as const),
)

const statementResult: fc.Arbitrary<WireStatementResult> = fc
  .array(columnName, { maxLength: 6 })
  .chain((names) =>
    fc.record({
      cols: fc.constant(names.map((name) => ({ name, decltype: null }))),
      rows: fc.array(fc.array(wireValue, { minLength: names.length, maxLength: names.length }), {
        maxLength: 5,
      }),
      affected_row_count: fc.nat(),
      last_insert_rowid: fc.constantFrom(null, '9007199254740993'),
      query_duration_ms: fc.constantFrom(0, 1.5),
    }),
  )

const streamResult: fc.Arbitrary<WireStreamResult> = fc.oneof(
  {
    weight: 4,
    arbitrary: statementResult.map(
      (result) => ({ type: 'ok', response: { type: 'execute', result } }) as const,
    ),
  },
  {
    weight: 2,
    arbitrary: fc.array(fc.option(statementResult), { maxLength: 3 }).map(
      (results) =>
        ({
          type: 'ok',
          response: {
            type: 'batch',
            result: { step_results: results, step_errors: results.map(() => null) },
          },
        }) as const,
    ),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'ok', response: { type: 'close' } } as const) },
  { weight: 1, arbitrary: hostileText.map((message) => ({ type: 'error', error: { message } }) as const) },
)

const answer: fc.Arbitrary<WirePipelineResponse> = fc.record({
  baton: fc.constant(padding),
  base_url: fc.option(hostileText),
  results: fc.array(streamResult, { maxLength: 4 }),
})

/** An answer with the given rows, of one statement. */
function answerWith(rows: WireValue[][], names: string[] = ['a', 'b']): string {
  const cols = names.map((name) => ({ name, decltype: null }))
  const result = { cols, rows, affected_row_count: 0, last_insert_rowid: null }
  return JSON.stringify({
    baton: padding,
    base_url: null,
    results: [
      { type: 'ok', response: { type: 'execute', result } },
      { type: 'ok', response: { type: 'close' } },
    ],
  })
}

describe('an answer in compact JSON', () => {
  test('gives the same rows and errors as JSON.parse', () => {
    fc.assert(
      fc.property(answer, (value) => {
        const text = JSON.stringify(value)
        expect(differences(text)).toBe(undefined)
        expect(isScanned(text)).toBe(true)
      }),
      { ...RUNS, numRuns: 300 },
    )
  })

  test('gives the same when it is much longer than a piece', () => {
    const rows = fc.sample(fc.tuple(wireValue, wireValue), { seed: 1, numRuns: 400 })
    const safe = rows.map((row) =>
      row.map((value): WireValue => (value.type === 'integer' ? { type: 'integer', value: '7' } : value)),
    )
    const many = Array.from({ length: 20 }, () => safe).flat()
    const text = answerWith(many)
    expect(text.length).toBeGreaterThan(5 * 0x10000)
    expect(differences(text)).toBe(undefined)
    expect(isScanned(text)).toBe(true)
  })

  test('gives the same wherever a piece ends', () => {
    const short: WireValue[] = [
      { type: 'text', value: 'a"b' },
      { type: 'integer', value: '-42' },
    ]
    const length = JSON.stringify(short).length
    const many = Array.from({ length: Math.floor(0x8000 / (length + 1)) + 5 }, () => short)
    for (let cut = 0; cut <= length + 1; cut++) {
      const text = answerWith([[{ type: 'text', value: 'f'.repeat(cut) }, { type: 'null' }], ...many])
      expect(differences(text)).toBe(undefined)
      expect(isScanned(text)).toBe(true)
    }
  })

  test('gives the same whatever the lengths of its rows are', () => {
    const lengths = fc.constantFrom(0, 1, 30, 500, 2000, 2100, 0x7f80, 0x8000, 0x12000)
    const runs = fc.array(fc.tuple(lengths, fc.constantFrom(1, 2, 70), hostileText), { maxLength: 5 })
    fc.assert(
      fc.property(runs, (list) => {
        const rows = list.flatMap(([length, count, end]): WireValue[][] =>
          Array.from({ length: length > 2100 ? 2 : count }, (_, index) => [
            { type: 'text', value: 'x'.repeat(length) + end },
            { type: 'integer', value: String(index) },
          ]),
        )
        expect(differences(answerWith(rows))).toBe(undefined)
      }),
      RUNS,
    )
  })

  const shortRow = '[{"type":"text","value":"x"}]'
  const longRow = shortRow.replace('x', 'x'.repeat(4_000))
  const list = (...runs: [string, number][]): string =>
    runs.flatMap(([row, count]) => Array.from({ length: count }, () => row)).join(',')

  test.each([
    ['all of them', list([shortRow, 10_000]), list([shortRow, 10_000])],
    ['none of long ones', '', list([longRow, 1], [shortRow, 10_000])],
    ['none of those that are long on average', '', list([shortRow, 1], [longRow, 20])],
    ['none of one that is longer than a piece', '', list([longRow.replace('x', 'x'.repeat(99_999)), 2])],
    ['those before long ones', list([shortRow, 10_000]), list([shortRow, 10_000], [longRow, 20])],
    ['those before one of another shape', list([shortRow, 99]), list([shortRow, 99], ['[7]', 1])],
  ])('has rows cut out of it: %s', (_, cut, rows) => {
    const end = cutRows(`${rows}]`, 0, [])!
    // Some of a piece that is not full are left, too.
    expect(end).toBeLessThanOrEqual(cut.length)
    expect(cut.length - end).toBeLessThan(0x8000)
    expect(`${rows}]`[end]).toMatch(end === 0 ? '[' : end === rows.length ? ']' : ',')
    expect(end === 0).toBe(cut === '')
  })

  test('has its rows left to the decoder, out of reach for names in JSON', () => {
    const text = answerWith([[{ type: 'integer', value: '1' }, { type: 'null' }]])
    const [result] = statementResults(parseAnswer(text))
    expect(result!.rows).toEqual([])
    expect(JSON.stringify(result)).toBe(
      JSON.stringify({ ...JSON.parse(text).results[0].response.result, rows: [] }),
    )
    expect(decodeResult(result!, {}).rows).toEqual([{ a: 1, b: null }])
    expect(decodeResult(result!, { rowMode: 'array', intMode: 'bigint' }).rows).toEqual([[1n, null]])
  })

  test('is read without JSON.parse in every mode', () => {
    const row =
      '[{"type":"integer","value":"-9007199254740991"},{"type":"text","value":"a\\n"},{"type":"null"}]'
    const pieces: RowsPiece[] = []
    expect(cutRows(`${row},${row}]`, 0, pieces)).toBe(2 * row.length + 1)
    for (const options of EVERY_MODE) {
      const rows = readRows(pieces[0]!, ['a', 'b', 'c'], options)
      const expected = decodeRow(JSON.parse(row), ['a', 'b', 'c'], options)
      expect(rows).toStrictEqual([expected, expected])
    }
  })

  test('ends with an error wherever it is cut off', () => {
    const text = answerWith([
      [
        { type: 'text', value: 'é"\\\n💙' },
        { type: 'integer', value: '-12' },
      ],
      [
        { type: 'float', value: -1.5e-7 },
        { type: 'blob', base64: 'AAEC' },
      ],
      [{ type: 'null' }, { type: 'float', value: null }],
    ])
    for (let end = padding.length; end < text.length; end++)
      expect(() => parseAnswer(text.slice(0, end))).toThrow(SyntaxError)
  })

  test('gives the same as JSON.parse with any one character removed, replaced or added', () => {
    const text = answerWith([
      [
        { type: 'text', value: 'é"\\\n💙\u0001' },
        { type: 'integer', value: '-12' },
      ],
      [
        { type: 'float', value: -1.5e-7 },
        { type: 'blob', base64: 'AAECAw==' },
      ],
      [{ type: 'null' }, { type: 'float', value: null }],
    ])
    for (let at = text.indexOf('"results"'); at < text.length; at++) {
      expect(differences(text.slice(0, at) + text.slice(at + 1))).toBe(undefined)
      for (const character of ['"', '\\', '0', ',', ']', '\u001f', 'e']) {
        expect(differences(text.slice(0, at) + character + text.slice(at + 1))).toBe(undefined)
        expect(differences(text.slice(0, at) + character + text.slice(at))).toBe(undefined)
      }
    }
  })

  test('gives the same as JSON.parse with any character anywhere', () => {
    fc.assert(
      fc.property(
        answer,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(1),
        fc.string({ unit: 'binary', maxLength: 1 }),
        (value, where, removed, added) => {
          const text = JSON.stringify(value)
          const start = padding.length
          const at = start + Math.floor(where * (text.length - start))
          expect(differences(text.slice(0, at) + added + text.slice(at + removed))).toBe(undefined)
        },
      ),
      { ...RUNS, numRuns: 500 },
    )
  })
})

describe('an answer in other JSON', () => {
  const spellings: [string, (value: WirePipelineResponse) => string][] = [
    ['with white space', (value) => JSON.stringify(value, null, 1)],
    ['with every character beyond ASCII escaped', (value) => escapeBeyondAscii(JSON.stringify(value))],
    ['with slashes escaped', (value) => JSON.stringify(value).replaceAll('/', '\\/')],
    ['with keys in another order', (value) => JSON.stringify(withKeysReversed(value))],
    [
      'with keys that nobody knows',
      (value) => JSON.stringify(value).replaceAll('"rows":', '"more":{"rows":[[1]]},"rows":'),
    ],
    [
      'with a key twice',
      (value) => JSON.stringify(value).replaceAll('"rows":', '"rows":[[{"type":"null"}]],"rows":'),
    ],
    [
      'with rows in places of another kind',
      (value) => JSON.stringify(value).replaceAll('"close"', '"close","result":{"rows":[[{"type":"null"}]]}'),
    ],
  ]
  test.each(spellings)('%s gives the same as JSON.parse', (_, serialise) => {
    fc.assert(
      fc.property(answer, (value) => {
        expect(differences(serialise(value))).toBe(undefined)
      }),
      RUNS,
    )
  })

  const row = '[{"type":"null"},{"type":"null"}]'
  test.each([
    ['a row that is shorter', '[{"type":"null"}]'],
    ['a row that is longer', '[{"type":"null"},{"type":"null"},{"type":"null"}]'],
    ['a row of nothing', '[]'],
    ['a row that is none', '7'],
    ['a value of another type', '[{"type":"date","value":"x"},{"type":"null"}]'],
    ['a value that is none', '[null,{"type":"null"}]'],
    ['a value of more keys', '[{"type":"null","value":null},{"type":"null"}]'],
    ['an integer that is a number', '[{"type":"integer","value":1},{"type":"null"}]'],
    ['an integer that is none', '[{"type":"integer","value":"1.0"},{"type":"null"}]'],
    ['a float as only JavaScript writes it', '[{"type":"float","value":01},{"type":"null"}]'],
    ['a float without its decimals', '[{"type":"float","value":1.},{"type":"null"}]'],
    ['a float beyond all', '[{"type":"float","value":1e999},{"type":"null"}]'],
    ['an infinity', '[{"type":"float","value":Infinity},{"type":"null"}]'],
    ['a text with a control character', '[{"type":"text","value":"\u0000"},{"type":"null"}]'],
    ['a text with an escape that is none', '[{"type":"text","value":"\\x41"},{"type":"null"}]'],
    ['a text with half an escape', '[{"type":"text","value":"\\u00e"},{"type":"null"}]'],
    ['base64 that is none', '[{"type":"blob","base64":"AAAAA"},{"type":"null"}]'],
    ['base64 with white space', '[{"type":"blob","base64":"AA AA"},{"type":"null"}]'],
    ['base64 with half its padding', '[{"type":"blob","base64":"AA="},{"type":"null"}]'],
    ['base64 for URLs', '[{"type":"blob","base64":"_-AA"},{"type":"null"}]'],
    ['an array that ends twice', `${row}]`],
    ['an array that goes on', `${row},`],
  ])('with %s gives the same as JSON.parse', (_, hostile) => {
    const text = answerWith([[{ type: 'null' }, { type: 'null' }]])
    for (const rows of [hostile, `${row},${hostile}`, `${hostile},${row}`, `${row},${hostile},${row}`])
      expect(differences(text.replace(row, () => rows))).toBe(undefined)
  })

  test('cannot put the rows of one statement in the place of another', () => {
    const rows = '[[{"type":"null"}]]'
    for (const forged of ['[0,1]', '[0.5,1]', '[null,1]', '[[0,1]]', '{"0":0,"1":1}', '[NaN,1]'])
      expect(
        differences(
          `{"baton":"${padding}","results":[{"type":"ok","response":{"type":"execute","result":{"cols":[{"name":"a"}],"rows" :${forged}}}}],"rows":${rows}}`,
        ),
      ).toBe(undefined)
  })

  test.each([
    'null',
    '7',
    '"rows"',
    '[]',
    '{}',
    '{"results":7}',
    '{"results":[null,7,{"type":"ok"}]}',
    '',
    'rows',
  ])('that is %j gives the same as JSON.parse', (text) => {
    expect(differences(text)).toBe(undefined)
    expect(differences(`${' '.repeat(5000)}${text}`)).toBe(undefined)
    expect(differences(`{"baton":"${padding}","rows":[[{"type":"null"}]],"results":${text}}`)).toBe(undefined)
  })
})

describe('values of any size', () => {
  test.each([
    ['a text', 50 << 20, { type: 'text', value: 't'.repeat(50 << 20) }],
    ['a text of escapes', 10 << 20, { type: 'text', value: '"\n'.repeat(5 << 20) }],
    ['a blob', 10 << 20, { type: 'blob', base64: 'AAAA'.repeat((10 << 20) / 4) }],
  ] as [string, number, WireValue][])('%s of %i characters comes whole', (_, size, value) => {
    const [result] = statementResults(parseAnswer(answerWith([[value, { type: 'null' }]])))
    const { rows } = decodeResult<{ a: string | Uint8Array }>(result!, {})
    const expected = value.type === 'blob' ? (size * 3) / 4 : size
    expect(rows[0]!.a.length).toBe(expected)
  })

  test('a row of 100,000 values comes whole', () => {
    const row = Array.from({ length: 100_000 }, (): WireValue => ({ type: 'null' }))
    const names = row.map((_, index) => `c${index}`)
    const [result] = statementResults(parseAnswer(answerWith([row, row], names)))
    expect(
      decodeResult<unknown[]>(result!, { rowMode: 'array' }).rows.map((values) => values.length),
    ).toEqual([100_000, 100_000])
  })
})

describe('an entry of a cursor', () => {
  test('gives the same row or error as JSON.parse', () => {
    fc.assert(
      fc.property(
        fc.array(wireValue, { maxLength: 5 }),
        fc.array(
          columnName.map((name) => name ?? ''),
          { maxLength: 5 },
        ),
        (row, columns) => {
          const line = JSON.stringify({ type: 'row', row })
          for (const options of EVERY_MODE) {
            const decoded = attempt(() => createRowDecoder(columns, options)(line))
            expect(spell(decoded)).toBe(spell(attempt(() => decodeRow(row, columns, options))))
            expect(decoded).not.toBe(undefined)
          }
        },
      ),
      { ...RUNS, numRuns: 300 },
    )
  })

  test.each([
    '{"type":"step_begin","step":0,"cols":[]}',
    '{"type":"row","row":[{"type":"null"}]',
    '{"type":"row","row":[{"type":"null"}]} ',
    ' {"type":"row","row":[{"type":"null"}]}',
    '{"type":"row","row":[{"type": "null"}]}',
    '{"row":[{"type":"null"}],"type":"row"}',
    '{"type":"row","row":[{"type":"null"}],"row":[]}',
    '{"type":"row","row":[{"type":"null"}]}\n{"type":"row","row":[{"type":"null"}]}',
    '{"type":"row","row":[{"type":"text","value":"\n"}]}',
    '',
  ])('%j is left to JSON.parse', (line) => {
    expect(createRowDecoder(['a'], {})(line)).toBe(undefined)
  })
})

function attempt(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return String(error)
  }
}

/** A value written out, so that no two different ones are alike: not -0 and 0, not a bigint and its digits. */
function spell(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (Object.is(value, -0)) return '-0'
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value !== 'object' || value === null) return String(value)
  if (value instanceof Uint8Array) return `bytes(${value.join()})`
  if (Array.isArray(value)) return `[${value.map(spell).join()}]`
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}:${spell(member)}`)
    .join()}}`
}

function escapeBeyondAscii(json: string): string {
  return json.replaceAll(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function withKeysReversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withKeysReversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, withKeysReversed(member)]),
  )
}
