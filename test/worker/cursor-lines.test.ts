import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesOf, textOf } from '../../worker/memory/bytes.ts'
import { askAutocommit } from '../../worker/session/autocommit-question.ts'
import { createCursorLines, LINE_HEAD_BYTES, type CursorCount } from '../../worker/session/cursor-lines.ts'

interface Read extends CursorCount {
  passed: string
  isAutocommit: boolean | null
}

/** In pieces that end there, each behind what is left of the one before. */
function read(text: string, cuts: readonly number[] = [], firstOwn: number | null = null): Read {
  const lines = createCursorLines(firstOwn)
  const bytes = new TextEncoder().encode(text)
  const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b), bytes.length]
  const passed: Uint8Array[] = []
  let at = 0
  let rest = new Uint8Array()
  for (const end of ends) {
    const sifted = lines.take(new Uint8Array([...rest, ...bytes.subarray(at, end)]))
    passed.push(...sifted.passed)
    rest = sifted.rest.slice()
    expect(rest.length).toBeLessThan(LINE_HEAD_BYTES)
    at = end
  }
  passed.push(...lines.end(rest))
  const all = new TextDecoder().decode(new Uint8Array(passed.flatMap((piece) => Array.from(piece))))
  return { ...lines.count(), passed: all, isAutocommit: lines.isAutocommit() }
}

interface Entry {
  line: object
  /** What it adds to the rows. */
  rows: number
  isInsert?: boolean
  isChange?: boolean
}

/** What looks like an entry in a value is none. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 400 }).map((value) => value.toWellFormed()),
  fc.constantFrom(
    '{"type":"row","row":[]}',
    '\n{"type":"step_end","affected_row_count":9}\n',
    'step_end"',
    'row"',
  ),
)
const entry: fc.Arbitrary<Entry> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.array(text, { maxLength: 3 }).map((values) => ({
      line: { type: 'row', row: values.map((value) => ({ type: 'text', value })) },
      rows: 1,
    })),
  },
  fc
    .record({ affected: fc.nat(20), rowid: fc.constantFrom(null, 0, 7, '8', '-9', '0') })
    .map(({ affected, rowid }) => ({
      line: { type: 'step_end', affected_row_count: affected, last_insert_rowid: rowid },
      rows: affected,
      isInsert: rowid !== null && Number(rowid) !== 0,
      isChange: affected > 0,
    })),
  text.map((name) => ({ line: { type: 'step_begin', step: 1, cols: [{ name, decltype: null }] }, rows: 0 })),
  text.map((message) => ({ line: { type: 'step_error', step: 1, error: { message } }, rows: 0 })),
  fc.constant({ line: { type: 'replication_index', replication_index: 4 }, rows: 0 }),
)

test('the entries of a cursor are counted in whichever pieces they come', () => {
  fc.assert(
    fc.property(fc.array(entry), fc.array(fc.nat(4_000)), (entries, cuts) => {
      const body = entries.map(({ line }) => `${JSON.stringify(line)}\n`).join('')
      const { rows, bytes, tells, passed } = read(body, cuts)
      expect(passed).toBe(body)
      expect(rows).toBe(entries.reduce((sum, each) => sum + each.rows, 0))
      expect(bytes).toBe(new TextEncoder().encode(body).length)
      expect(tells.includes('last_insert_rowid')).toBe(entries.some(({ isInsert }) => isInsert))
      expect(tells.includes('changes')).toBe(entries.some(({ isChange }) => isChange))
    }),
    { numRuns: 500 },
  )
})

test('a database that says what it has read and written is believed', () => {
  const row = '{"type":"row","row":[]}\n'
  const end =
    '{"type":"step_end","affected_row_count":1,"last_insert_rowid":"3","rows_read":40,"rows_written":2}\n'
  expect(read(row).rows).toBe(1)
  expect(read(`${row}${row}${end}${row}`).rows).toBe(43)
})

describe("the gateway's question", () => {
  const begin = (step: number): string =>
    `{"type":"step_begin","step":${step},"cols":[{"name":"1","decltype":null}]}\n`
  const ROW = '{"type":"row","row":[{"type":"integer","value":"1"}]}\n'
  const END = '{"type":"step_end","affected_row_count":0,"last_insert_rowid":3}\n'
  const error = (step: number): string => `{"type":"step_error","step":${step},"error":{"message":"no"}}\n`
  const TERMINATOR = '{"type":"replication_index","replication_index":null}\n'
  const FATAL = '{"type":"error","error":{"message":"no"}}\n'
  const client = begin(0) + ROW + ROW + END + error(1)

  test.each([
    ['a transaction is open', begin(3) + END, false],
    ['none is', begin(2) + END, true],
    ['none is, by a server that sends a row', begin(2) + ROW + END, true],
    ['nothing is told', '', null],
    ['both steps fail', error(2) + error(3), null],
    ['a step fails while it runs', begin(2) + error(2) + error(3), true],
    ['both steps run, which cannot be', begin(2) + END + begin(3) + END, null],
  ])('is answered, and nothing of it passes: %s', (_, own, told) => {
    for (const last of ['', TERMINATOR, FATAL])
      fc.assert(
        fc.property(fc.array(fc.nat(600), { maxLength: 8 }), (cuts) => {
          const { passed, isAutocommit, rows, bytes } = read(client + own + last, cuts, 2)
          expect([passed, isAutocommit, rows]).toEqual([client + last, told, 2])
          expect(bytes).toBe((client + last).length)
        }),
        { numRuns: 100 },
      )
  })

  test('is not answered by the steps of the client, nor by what is in a value', () => {
    const looksLikeIt = JSON.stringify({ type: 'row', row: [{ type: 'text', value: begin(7) }] })
    const { passed, isAutocommit } = read(`${client}${looksLikeIt}\n`, [], 2)
    expect([passed, isAutocommit]).toEqual([`${client}${looksLikeIt}\n`, null])
  })

  test('is known by what a server writes with spaces, too, and without a last newline', () => {
    const spaced =
      '{"type": "step_begin", "step": 2, "cols": []}\n{"type": "row", "row": []}\n{"type": "step_end"}'
    for (const cut of [0, 10, 60, 90]) {
      const { passed, isAutocommit } = read(client + spaced, [client.length + cut], 2)
      expect([passed, isAutocommit]).toEqual([client, true])
    }
  })
})

test.each([
  ['{"steps":[]}', 0],
  ['{"steps":[{"stmt":{"sql":"a"}}]}', 1],
  ['{"ü":"€","steps":[{"stmt":{"sql":"🦊"}}],"x":"🦊ü"}', 1],
  [
    ' { "x" : [1, 2] , "steps" : [ {"stmt":{"sql":"]}"}} , {"stmt":{"sql":"b"}} ] , "replication_index": "4" } ',
    2,
  ],
])('a batch has the question behind its own steps: %s', (batch, own) => {
  const asking = askAutocommit(bytesOf(batch))!
  expect(asking.firstOwn).toBe(own)
  const [before, after] = [batch, textOf(asking.batch)].map(
    (text) => JSON.parse(text) as { steps: unknown[] },
  )
  expect(after).toEqual({ ...before, steps: [...before!.steps, expect.anything(), expect.anything()] })
})

test.each(['{}', '{"steps":3}', '{"steps":[}', '{"steps":[],"steps":[]}', '[]', ''])(
  'what is no batch is left to the database: %s',
  (batch) => expect(askAutocommit(bytesOf(batch))).toBeNull(),
)
