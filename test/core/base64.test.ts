import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { decodeBase64, encodeBase64 } from '../../src/base64.ts'

interface NativeBase64 {
  fromBase64?: unknown
}

const native = Object.getOwnPropertyDescriptor(Uint8Array, 'fromBase64')
const nativeEncoder = Object.getOwnPropertyDescriptor(Uint8Array.prototype, 'toBase64')

/** As on runtimes that have no methods for it. */
function withoutNative(): void {
  delete (Uint8Array as NativeBase64).fromBase64
  delete (Uint8Array.prototype as { toBase64?: unknown }).toBase64
}

function withNative(): void {
  if (native) Object.defineProperty(Uint8Array, 'fromBase64', native)
  if (nativeEncoder) Object.defineProperty(Uint8Array.prototype, 'toBase64', nativeEncoder)
}

function outcome(base64: string): string {
  try {
    return decodeBase64(base64).join()
  } catch {
    return 'refused'
  }
}

/** Short ones are decoded in one way, long ones in another, and the longest in pieces. */
const PREFIXES = ['', 'AbC/'.repeat(40), '+bCd'.repeat(5000)]

afterEach(withNative)

describe.each([
  ['by the runtime, where it can', withNative],
  ['without the methods of newer runtimes', withoutNative],
])('base64 %s', (_, prepare) => {
  test('gives back any bytes, padded or not', () => {
    prepare()
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom(0, 96, 300, 600, 6144, 20_000),
        (bytes, before) => {
          const all = new Uint8Array(before + bytes.length)
          all.set(bytes, before)
          const encoded = encodeBase64(all)
          expect(encoded).toMatch(/^[A-Za-z0-9+/]*={0,2}$/)
          expect(encoded.length).toBe(Math.ceil(all.length / 3) * 4)
          expect(decodeBase64(encoded)).toEqual(all)
          expect(decodeBase64(encoded.replaceAll('=', ''))).toEqual(all)
          expect(decodeBase64(`"${encoded}="`, 1, encoded.length + 1)).toEqual(all)
        },
      ),
      { seed: 64 },
    )
  })

  test('takes a megabyte', () => {
    prepare()
    const bytes = Uint8Array.from({ length: (1 << 20) + 1 }, (__, index) => (index * 31) & 255)
    expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes)
  })

  test('has a buffer of its own, of just its bytes', () => {
    prepare()
    for (const prefix of PREFIXES) {
      const bytes = decodeBase64(`${prefix}AgM=`)
      expect(bytes.buffer.byteLength).toBe(bytes.length)
    }
  })

  test('ignores bits beyond the last byte', () => {
    prepare()
    for (const prefix of PREFIXES) expect(decodeBase64(`${prefix}AB`).at(-1)).toBe(0)
  })

  test.each([
    'A',
    'AAAAA',
    'A=',
    'A==',
    'A===',
    '=',
    '==',
    '====',
    'AA=',
    'AA===',
    'AAA==',
    'AAAA=',
    'AAAA==',
    'AA==AAAA',
    'AA==AA==',
    'A=AA',
    '=AAA',
    'AA AA',
    ' AAAA',
    'AAAA\n',
    'AAA=\n',
    'AA= =',
    'AA==  ',
    '    AAAA',
    '\t\n\f\r ',
    '_-AA',
    'AA*A',
    'AAA\u0000',
    'AAAé',
    'AAAŁ',
    'AAA\ud800',
  ])('refuses %j, after any number of characters', (rubbish) => {
    prepare()
    for (const prefix of PREFIXES) expect(outcome(prefix + rubbish)).toBe('refused')
  })

  test.each(['=', 'AA==', 'AAA=', 'AA A', '\n', '-', 'é'])(
    'refuses %j before other characters',
    (rubbish) => {
      prepare()
      for (const prefix of PREFIXES) expect(outcome(`${rubbish}${prefix}AAAA`)).toBe('refused')
    },
  )

  test('encodes only the part of a buffer that a view shows', () => {
    prepare()
    const whole = new Uint8Array([1, 2, 3, 4, 5])
    expect(encodeBase64(whole.subarray(1, 3))).toBe('AgM=')
  })
})

test('all ways to decode base64 accept the same', () => {
  const characters = fc.constantFrom('A', 'b', '9', '+', '/', '=', '=', '-', '_', ' ', '\n', 'é')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: characters, maxLength: 10 }),
        fc.base64String(),
        fc.string({ unit: 'binary' }),
      ),
      fc.constantFrom(...PREFIXES.slice(1)),
      (text, prefix) => {
        withNative()
        const byRuntime = outcome(prefix + text)
        withoutNative()
        expect(outcome(prefix + text)).toBe(byRuntime)
        const before = decodeBase64(prefix).join()
        const short = outcome(text)
        expect(byRuntime).toBe(short === 'refused' || short === '' ? short || before : `${before},${short}`)
      },
    ),
    { seed: 64, numRuns: 300 },
  )
})
