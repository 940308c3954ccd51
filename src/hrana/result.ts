/** The protocol's statement result → rows. */
import { ProtocolError } from '../errors.ts'
import { decodeValue, type IntMode, type SqlValue } from './value.ts'
import type { WireStatementResult, WireValue } from './wire.ts'

export type RowMode = 'object' | 'array'

export interface DecodeOptions {
  /** `object`: plain objects keyed by column name, of equal names the last wins. `array`: values in column order. */
  rowMode?: RowMode | undefined
  /** Default `number`. */
  intMode?: IntMode | undefined
}

export type ObjectRow = Record<string, SqlValue>

export interface Result<Row = ObjectRow> {
  /** Column names in order, duplicates kept. */
  columns: string[]
  /** Declared types, such as `INTEGER`; `null` for expressions and from servers that do not send them. */
  columnTypes: (string | null)[]
  rows: Row[]
  /** Rows changed by INSERT, UPDATE or DELETE; 0 for other statements. */
  rowsAffected: number
  /** Exact, whatever `intMode` is. `null` unless the server sent one. */
  lastInsertRowid: bigint | null
  /** As the server counts them for billing; 0 from servers that do not send them. */
  rowsRead: number
  rowsWritten: number
  /** Milliseconds in the database, without the network; 0 from servers that do not send it. */
  durationMs: number
}

/** @throws {ProtocolError} when the result is not of the protocol's shape */
export function decodeResult<Row>(wire: WireStatementResult, options: DecodeOptions): Result<Row> {
  if (!Array.isArray(wire?.cols) || !Array.isArray(wire.rows))
    throw new ProtocolError('A statement result without columns or rows')
  const columns = wire.cols.map((column) => column?.name ?? '')
  const intMode = options.intMode ?? 'number'
  const decodeRow = options.rowMode === 'array' ? decodeArrayRow : decodeObjectRow
  return {
    columns,
    columnTypes: wire.cols.map((column) => column?.decltype ?? null),
    rows: wire.rows.map((row) => {
      if (row.length !== columns.length)
        throw new ProtocolError('A row with more or fewer values than columns')
      return decodeRow(row, columns, intMode) as Row
    }),
    rowsAffected: wire.affected_row_count ?? 0,
    lastInsertRowid:
      wire.last_insert_rowid == null
        ? null
        : (decodeValue(
            { type: 'integer', value: wire.last_insert_rowid },
            'bigint',
            'last_insert_rowid',
          ) as bigint),
    rowsRead: wire.rows_read ?? 0,
    rowsWritten: wire.rows_written ?? 0,
    durationMs: wire.query_duration_ms ?? 0,
  }
}

function decodeArrayRow(row: WireValue[], columns: string[], intMode: IntMode): SqlValue[] {
  return row.map((value, index) => decodeValue(value, intMode, columns[index]!))
}

function decodeObjectRow(row: WireValue[], columns: string[], intMode: IntMode): ObjectRow {
  // Assigning to `__proto__` would set the prototype instead of a property.
  if (columns.includes('__proto__'))
    return Object.fromEntries(
      decodeArrayRow(row, columns, intMode).map((value, index) => [columns[index], value]),
    )
  const decoded: ObjectRow = {}
  for (const [index, value] of row.entries())
    decoded[columns[index]!] = decodeValue(value, intMode, columns[index]!)
  return decoded
}
