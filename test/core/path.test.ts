import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { path } from '../../src/index.ts'

describe('path', () => {
  test('encodes what would leave its segment', () => {
    expect(path`/v1/databases/${'a/b?c#d e'}/tokens`).toBe('/v1/databases/a%2Fb%3Fc%23d%20e/tokens')
  })

  test.each(['', '.', '..'])('refuses the segment %j, which a URL parser resolves away', (segment) => {
    expect(() => path`/v1/databases/${segment}`).toThrow(/path segment/)
  })

  test('refuses a lone surrogate and what is not a string', () => {
    expect(() => path`/${'\ud800'}`).toThrow(/well-formed; got "\\ud800"$/)
    expect(() => path`/${undefined as unknown as string}`).toThrow(TypeError)
  })

  test('keeps every segment in its place, whatever it contains', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (segment) => {
        fc.pre(segment !== '.' && segment !== '..')
        const url = new URL(path`/databases/${segment}/tokens`, 'https://api.example')
        const parts = url.pathname.split('/')
        expect(parts.length).toBe(4)
        expect(decodeURIComponent(parts[2]!)).toBe(segment)
        expect(url.search + url.hash).toBe('')
      }),
    )
  })
})
