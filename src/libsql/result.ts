/** The core's results → result sets whose rows are known by name and by index. */
import { encodeBase64 } from '../base64.ts'
import type { Result } from '../hrana/result.ts'
import type { SqlValue } from '../hrana/value.ts'
import type { ResultSet, Row, Value } from './types.ts'

export function toResultSet({
  columns,
  columnTypes,
  rows,
  rowsAffected,
  lastInsertRowid,
}: Result<SqlValue[]>): ResultSet {
  const toRow = createRowMaker(columns)
  const set = {
    columns,
    columnTypes: columnTypes.map((type) => type ?? ''),
    rows: rows.map((values) => toRow(values.map(toValue))),
    rowsAffected,
    lastInsertRowid: lastInsertRowid ?? undefined,
  }
  // A plain object otherwise, so that it can cross Workers RPC, which takes no class and skips what is hidden.
  return Object.defineProperty(set, 'toJSON', { value: () => toJson(set) }) as ResultSet
}

/** What makes a row of the values in column order. */
export function createRowMaker(columns: readonly string[]): (values: Value[]) => Row {
  const isPlain = columns.every((name, index) => !isTaken(name) && columns.indexOf(name) === index)
  return (values) => (isPlain ? assignPerName : definePerName)(columns, values)
}

function toValue(value: SqlValue): Value {
  if (!(value instanceof Uint8Array)) return value
  const { buffer, byteOffset, byteLength } = value
  return buffer.byteLength === byteLength
    ? (buffer as ArrayBuffer)
    : (buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer)
}

/** Names that are a row's own already, or mean more than a property when they are assigned. */
const isTaken = (name: string): boolean => name === 'length' || name === '__proto__' || /^\d+$/.test(name)

/*
 * Indexes and `length` are own properties that are not enumerable. A prototype with getters would be many times faster
 * to build and look the same, but Workers RPC, `superjson` and `assert.deepStrictEqual` take objects without one only.
 */

function assignPerName(columns: readonly string[], values: Value[]): Row {
  const row: Record<string, Value> = {}
  // One descriptor for all: with one for each, rows take a third longer.
  const hidden: { value: Value } = { value: values.length }
  Object.defineProperty(row, 'length', hidden)
  for (let index = 0; index < values.length; index++) {
    row[columns[index]!] = hidden.value = values[index]!
    Object.defineProperty(row, index, hidden)
  }
  return row as Row
}

/** In the order that decides which of two meanings of a name wins. */
function definePerName(columns: readonly string[], values: Value[]): Row {
  const row = Object.defineProperty({}, 'length', { value: values.length }) as Row
  for (const [index, value] of values.entries()) {
    Object.defineProperty(row, index, { value })
    const name = columns[index]!
    if (!Object.hasOwn(row, name))
      Object.defineProperty(row, name, { value, enumerable: true, configurable: true, writable: true })
  }
  return row
}

function toJson(set: Omit<ResultSet, 'toJSON'>): unknown {
  return {
    ...set,
    rows: set.rows.map((row) => Array.from(row, jsonValue)),
    lastInsertRowid: set.lastInsertRowid === undefined ? null : String(set.lastInsertRowid),
  }
}

function jsonValue(value: Value): unknown {
  if (typeof value === 'bigint') return String(value)
  return value instanceof ArrayBuffer ? encodeBase64(new Uint8Array(value)) : value
}
