/** Wire values to values of the engine and back, without loss. */
import type { WireValue } from '../../src/hrana/wire.ts'

/** A value in SQLite: NULL, INTEGER as bigint, REAL as number, TEXT, BLOB. */
export type EngineValue = null | bigint | number | string | Uint8Array

const MIN_INTEGER = -(2n ** 63n)
const MAX_INTEGER = 2n ** 63n - 1n

/** Decodes a value of a request. Throws an `Error` whose message says what is wrong, but not the value. */
export function decodeValue(value: unknown): EngineValue {
  const wire = value as Partial<Record<'type' | 'value' | 'base64', unknown>> | null
  switch (wire?.type) {
    case 'null':
      return null
    case 'integer':
      return decodeInteger(wire.value)
    case 'float':
      if (typeof wire.value !== 'number') throw new Error('a float must be a JSON number')
      // JSON has larger numbers.
      if (!Number.isFinite(wire.value)) throw new Error('a float must be finite')
      return wire.value
    case 'text':
      if (typeof wire.value !== 'string') throw new Error('a text must be a JSON string')
      // JSON may hold half of a surrogate pair, and no UTF-8.
      if (!wire.value.isWellFormed()) throw new Error('a text must be well-formed Unicode')
      return wire.value
    case 'blob':
      return decodeBlob(wire.base64)
    default:
      throw new Error('unknown type of value, expected `null`, `integer`, `float`, `text` or `blob`')
  }
}

function decodeInteger(text: unknown): bigint {
  if (typeof text !== 'string' || !/^[+-]?[0-9]{1,40}$/.test(text)) {
    throw new Error('an integer must be a decimal number in a JSON string')
  }
  const value = BigInt(text.replace(/^\+/, ''))
  if (value < MIN_INTEGER || value > MAX_INTEGER) throw new Error('an integer must fit 64 bits')
  return value
}

function decodeBlob(text: unknown): Uint8Array {
  const data = typeof text === 'string' ? text.replace(/={1,2}$/, '') : undefined
  // Buffer would skip what is not base64. One character alone is not a byte.
  if (data === undefined || !/^[A-Za-z0-9+/]*$/.test(data) || data.length % 4 === 1) {
    throw new Error('a blob must be base64 in a JSON string')
  }
  return Buffer.from(data, 'base64')
}

/** Encodes a value for a response. NaN and the infinities become `null`, as serde_json writes them. */
export function encodeValue(value: EngineValue): WireValue {
  if (value === null) return { type: 'null' }
  switch (typeof value) {
    case 'bigint':
      return { type: 'integer', value: value.toString() }
    case 'number':
      return { type: 'float', value: encodeFloat(value) }
    case 'string':
      return { type: 'text', value }
    default:
      return { type: 'blob', base64: Buffer.from(value).toString('base64').replace(/=+$/, '') }
  }
}

function encodeFloat(value: number): number | null {
  // JSON.stringify would drop the sign of a negative zero.
  if (Object.is(value, -0)) return NEGATIVE_ZERO
  return Number.isFinite(value) ? value : null
}

const NEGATIVE_ZERO = jsonNumber('-0.0')

/** A number of JSON with these very digits. Node 20 cannot: there a double is as near as it gets, and -0 is 0. */
export function jsonNumber(digits: string): number {
  const { rawJSON } = JSON as unknown as { rawJSON?: (text: string) => number }
  return rawJSON ? rawJSON(digits) : Number(digits)
}
