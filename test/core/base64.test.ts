import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBase64, encodeBase64 } from '../../src/base64.ts'

describe('base64', () => {
  test('gives back any bytes, padded or not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const encoded = encodeBase64(bytes)
        expect(encoded.length % 4).toBe(0)
        expect(decodeBase64(encoded)).toEqual(bytes)
        expect(decodeBase64(encoded.replaceAll('=', ''))).toEqual(bytes)
      }),
    )
  })

  test('takes more bytes than a call has arguments', () => {
    const bytes = Uint8Array.from({ length: 1 << 20 }, (_, index) => (index * 31) & 255)
    expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes)
  })

  test('encodes only the part of a buffer that a view shows', () => {
    const whole = new Uint8Array([1, 2, 3, 4, 5])
    expect(encodeBase64(whole.subarray(1, 3))).toBe('AgM=')
  })
})
