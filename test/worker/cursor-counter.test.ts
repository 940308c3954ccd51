import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCursorCounter, type CursorCount } from '../../worker/session/cursor-counter.ts'

function count(text: string, cuts: readonly number[] = []): CursorCount {
  const counter = createCursorCounter()
  const bytes = new TextEncoder().encode(text)
  const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b), bytes.length]
  let at = 0
  for (const end of ends) {
    counter.add(bytes.subarray(at, end))
    at = end
  }
  return counter.count()
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
      const { rows, bytes, tells } = count(body, cuts)
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
  expect(count(row).rows).toBe(1)
  expect(count(`${row}${row}${end}${row}`).rows).toBe(43)
})
