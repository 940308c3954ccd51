/** JavaScript value ⇄ Hrana value. */
import { decodeBase64, encodeBase64 } from '../base64.ts'
import { ProtocolError } from '../errors.ts'
import type { WireValue } from './wire.ts'

/**
 * What can be bound. Safe integers go out as integers and every other number as a float; booleans as 1 and 0; a `Date`
 * as its integer milliseconds since 1970; any view or buffer as a blob.
 */
export type SqlInput = null | string | number | bigint | boolean | Date | ArrayBuffer | ArrayBufferView

/** What comes back. Integers are of the type that `intMode` asks for. */
export type SqlValue = null | string | number | bigint | Uint8Array

/**
 * How integers come back: `number` throws above 2^53 rather than round, `bigint` and `string` hold all of int64.
 */
export type IntMode = 'number' | 'bigint' | 'string'

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

/**
 * @throws {TypeError} for a type that has no SQL counterpart (`undefined`, functions, symbols, other objects)
 * @throws {RangeError} for NaN and the infinities, which the protocol cannot say, and integers beyond int64
 */
export function encodeValue(value: unknown, position: string): WireValue {
  switch (typeof value) {
    case 'string':
      // Not UTF-8: servers would store another character in its place.
      if (!value.isWellFormed())
        throw new TypeError(`${position}: a string with a lone surrogate cannot be bound`)
      return { type: 'text', value }
    case 'number':
      if (!Number.isFinite(value))
        throw new RangeError(`${position}: ${value} cannot be bound, SQL has no such number`)
      return Number.isSafeInteger(value) && !Object.is(value, -0)
        ? { type: 'integer', value: String(value) }
        : { type: 'float', value }
    case 'bigint':
      if (value < INT64_MIN || value > INT64_MAX)
        throw new RangeError(`${position}: a bigint beyond 64 bits cannot be bound as an integer`)
      return { type: 'integer', value: String(value) }
    case 'boolean':
      return { type: 'integer', value: value ? '1' : '0' }
    case 'object':
      return encodeObject(value, position)
    default:
      throw unsupported(position, typeof value)
  }
}

function encodeObject(value: object | null, position: string): WireValue {
  if (value === null) return { type: 'null' }
  if (ArrayBuffer.isView(value))
    return {
      type: 'blob',
      base64: encodeBase64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)),
    }
  if (value instanceof ArrayBuffer) return { type: 'blob', base64: encodeBase64(new Uint8Array(value)) }
  if (value instanceof Date) {
    const ms = value.getTime()
    if (Number.isNaN(ms)) throw new RangeError(`${position}: an invalid Date cannot be bound`)
    return { type: 'integer', value: String(ms) }
  }
  throw unsupported(position, Array.isArray(value) ? 'array' : (value.constructor?.name ?? 'object'))
}

function unsupported(position: string, type: string): TypeError {
  const hint =
    type === 'undefined' ? '; use null for SQL NULL' : type === 'Object' ? '; JSON.stringify it first' : ''
  return new TypeError(`${position}: a value of type ${type} cannot be bound${hint}`)
}

/**
 * @throws {RangeError} for an integer above 2^53 in `number` mode, naming the column
 * @throws {ProtocolError} for a value that is none of the protocol's
 */
export function decodeValue(value: WireValue, intMode: IntMode, column: string): SqlValue {
  switch (value?.type) {
    case 'null':
      return null
    case 'text':
      if (typeof value.value === 'string') return value.value
      break
    case 'integer':
      if (/^-?\d+$/.test(value.value)) return decodeInteger(value.value, intMode, column)
      break
    case 'float':
      // Infinities and NaN arrive as null.
      if (value.value === null) return Number.NaN
      if (typeof value.value === 'number') return value.value
      break
    case 'blob':
      try {
        return decodeBase64(value.base64)
      } catch {
        break
      }
  }
  throw new ProtocolError(`Column "${column}" has a value that is none of the protocol's`)
}

function decodeInteger(digits: string, intMode: IntMode, column: string): number | bigint | string {
  if (intMode === 'string') return digits
  if (intMode === 'bigint') return BigInt(digits)
  const number = Number(digits)
  if (!Number.isSafeInteger(number))
    throw new RangeError(
      `Column "${column}" has an integer beyond 2^53 that a number would round; set intMode to 'bigint' or 'string'`,
    )
  return number
}
