import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeValue, encodeValue } from '../../src/hrana/value.ts'

describe('binding values', () => {
  test('safe integers go out as integers, other numbers as floats', () => {
    expect(encodeValue(1, 'x')).toEqual({ type: 'integer', value: '1' })
    expect(encodeValue(2 ** 53, 'x')).toEqual({ type: 'float', value: 2 ** 53 })
    expect(encodeValue(1.5, 'x')).toEqual({ type: 'float', value: 1.5 })
    expect(encodeValue(-0, 'x')).toEqual({ type: 'float', value: -0 })
  })

  test('booleans are 1 and 0, a Date its milliseconds', () => {
    expect(encodeValue(true, 'x')).toEqual({ type: 'integer', value: '1' })
    expect(encodeValue(false, 'x')).toEqual({ type: 'integer', value: '0' })
    expect(encodeValue(new Date(1700000000123), 'x')).toEqual({ type: 'integer', value: '1700000000123' })
  })

  test('every buffer and view is a blob of just its bytes', () => {
    const { buffer } = new Uint8Array([1, 2, 3, 4])
    const blob = { type: 'blob', base64: 'AgM=' }
    expect(encodeValue(new Uint8Array(buffer, 1, 2), 'x')).toEqual(blob)
    expect(encodeValue(new DataView(buffer, 1, 2), 'x')).toEqual(blob)
    expect(encodeValue(buffer.slice(1, 3), 'x')).toEqual(blob)
  })

  test.each([
    [undefined, /of type undefined cannot be bound; use null/],
    [() => 1, /of type function/],
    [Symbol('s'), /of type symbol/],
    [{ a: 1 }, /of type Object cannot be bound; JSON.stringify/],
    [[1], /of type array/],
    [Number.NaN, /NaN cannot be bound/],
    [Number.POSITIVE_INFINITY, /Infinity cannot be bound/],
    [2n ** 63n, /beyond 64 bits/],
    [new Date('never'), /invalid Date/],
  ])('%s is refused with the argument named', (value, message) => {
    expect(() => encodeValue(value, 'Argument 3')).toThrow(message)
    expect(() => encodeValue(value, 'Argument 3')).toThrow(/^Argument 3: /)
  })

  test('any bindable value comes back as it went', () => {
    const values = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Number.isInteger(value)),
      fc.uint8Array(),
      fc.constant(null),
    )
    fc.assert(
      fc.property(values, (value) => {
        expect(decodeValue(JSON.parse(JSON.stringify(encodeValue(value, 'x'))), 'bigint', 'c')).toEqual(value)
      }),
    )
  })
})

describe('reading values', () => {
  test('an integer beyond 2^53 is never rounded', () => {
    const big = { type: 'integer', value: '9007199254740993' } as const
    expect(() => decodeValue(big, 'number', 'id')).toThrow(/Column "id".*intMode/)
    expect(decodeValue(big, 'bigint', 'id')).toBe(9007199254740993n)
    expect(decodeValue(big, 'string', 'id')).toBe('9007199254740993')
  })

  test('a float that JSON cannot say is NaN', () => {
    expect(decodeValue({ type: 'float', value: null }, 'number', 'c')).toBeNaN()
  })

  test.each([
    { type: 'date' },
    { type: 'text' },
    { type: 'text', value: null },
    { type: 'float', value: '1' },
    { type: 'float' },
    { type: 'integer', value: null },
    { type: 'integer', value: '' },
    { type: 'integer', value: '1.5' },
    { type: 'integer', value: '0x10' },
    { type: 'integer', value: 'abc' },
    { type: 'blob', base64: '?' },
    { type: 'blob' },
    null,
    7,
  ])('%j is an error, not a guess', (value) => {
    for (const intMode of ['number', 'bigint', 'string'] as const)
      expect(() => decodeValue(value as never, intMode, 'c')).toThrow(/Column "c" has a value that is none/)
  })
})
