/** The protocol's statement result → rows. */
import { ProtocolError } from '../errors.ts'
import { cutEntry, readRows, type RowsPiece } from './scan.ts'
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

/** Where {@link leaveRows} leaves them. No JSON can name it, so a server cannot. */
const UNREAD = Symbol('unread rows')

interface UnreadResult extends WireStatementResult {
  [UNREAD]?: RowsPiece[]
}

/** Gives a result rows that are still JSON, and those that come after them. */
export function leaveRows(wire: WireStatementResult, pieces: RowsPiece[], rest: WireValue[][]): void {
  wire.rows = rest
  ;(wire as UnreadResult)[UNREAD] = pieces
}

/**
 * @throws {ProtocolError} when the result is not of the protocol's shape
 * @throws {RangeError} for an integer beyond 2^53 in `number` mode, naming the column
 */
export function decodeResult<Row>(wire: WireStatementResult, options: DecodeOptions): Result<Row> {
  if (!Array.isArray(wire?.cols) || !Array.isArray(wire.rows))
    throw new ProtocolError('A statement result without columns or rows')
  const columns = wire.cols.map((column) => column?.name ?? '')
  const rows: Row[] = []
  for (const piece of (wire as UnreadResult)[UNREAD] ?? [])
    for (const row of decodePiece<Row>(piece, columns, options)) rows.push(row)
  for (const row of wire.rows) rows.push(decodeRow<Row>(row, columns, options))
  return {
    columns,
    columnTypes: wire.cols.map((column) => column?.decltype ?? null),
    rows,
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

/** Gives a result its rows as the server sent them. */
export function restoreRows(wire: WireStatementResult): void {
  const unread = (wire as UnreadResult)[UNREAD]
  if (unread) wire.rows = unread.flatMap(parsePiece).concat(wire.rows)
}

/**
 * Rows of a cursor's entries, straight from a line of its answer.
 *
 * @returns a decoder that returns `undefined` for a line that is not a row in compact JSON
 */
export function createRowDecoder<Row>(
  columns: string[],
  options: DecodeOptions,
): (line: string) => Row | undefined {
  return (line) => {
    const piece = cutEntry(line)
    return piece && decodePiece<Row>(piece, columns, options)[0]
  }
}

function decodePiece<Row>(piece: RowsPiece, columns: string[], options: DecodeOptions): Row[] {
  try {
    const rows = readRows(piece, columns, options)
    if (rows) return rows as Row[]
  } catch {
    // The same error comes below, with the column's name.
  }
  return parsePiece(piece).map((row) => decodeRow<Row>(row, columns, options))
}

function parsePiece({ text, characters }: RowsPiece): WireValue[][] {
  return JSON.parse(`[${text.slice(0, characters)}]`) as WireValue[][]
}

/**
 * @throws {ProtocolError} for a row of more or fewer values than columns, and for a value that is none of the protocol's
 * @throws {RangeError} for an integer beyond 2^53 in `number` mode, naming the column
 */
export function decodeRow<Row>(
  row: WireValue[],
  columns: string[],
  { rowMode, intMode = 'number' }: DecodeOptions,
): Row {
  if (!Array.isArray(row) || row.length !== columns.length)
    throw new ProtocolError('A row with more or fewer values than columns')
  const decoded: Record<string | number, SqlValue> | SqlValue[] = rowMode === 'array' ? [] : {}
  for (let index = 0; index < row.length; index++) {
    const column = columns[index]!
    const value = decodeValue(row[index]!, intMode, column)
    if (rowMode === 'array') decoded[index] = value
    // Assigning to it would set the prototype instead of a property.
    else if (column === '__proto__') Object.defineProperty(decoded, column, { ...OWN, value })
    else (decoded as ObjectRow)[column] = value
  }
  return decoded as Row
}

const OWN: PropertyDescriptor = { enumerable: true, configurable: true, writable: true }
