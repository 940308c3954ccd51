import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readShortString, sliceLastElement, sliceMembers } from '../../worker/hrana/envelope.ts'

describe('sliceMembers', () => {
  test('cuts the members out as they were written', () => {
    const text = ' { "baton" : null,"requests":[{"a":-0.0,"b":"}],\\""}] , "other":{"baton":1}, "n":12\n}'
    expect({ ...sliceMembers(text, ['baton', 'requests', 'n', 'missing']) }).toEqual({
      baton: 'null',
      requests: '[{"a":-0.0,"b":"}],\\""}]',
      n: '12',
    })
  })

  test('a member may be called like a property that every object has', () => {
    const names = ['__proto__', 'constructor', 'toString']
    expect(Object.entries(sliceMembers('{"__proto__":1,"toString":{},"other":2}', names))).toEqual([
      ['__proto__', '1'],
      ['toString', '{}'],
    ])
    expect(() => sliceMembers('{"__proto__":1,"__proto__":2}', names)).toThrow(/twice/)
  })

  test('agrees with JSON.parse on any object, however it is indented', () => {
    const objects = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue())
    fc.assert(
      fc.property(objects, fc.nat(3), (object, indent) => {
        const names = Object.keys(object)
        const members = sliceMembers(JSON.stringify(object, null, indent), names)
        for (const name of names) {
          const { value } = Object.getOwnPropertyDescriptor(object, name)!
          expect(JSON.parse(members[name]!)).toEqual(JSON.parse(JSON.stringify(value)))
        }
      }),
    )
  })

  test('finds the end of a string, however many quotes and backslashes are in it, and wherever', () => {
    const unit = fc.oneof({ weight: 9, arbitrary: fc.constant('x') }, fc.constantFrom('"', '\\', '\n'))
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 200, size: 'max' }), (text) => {
        const json = `{"a":${JSON.stringify(text)},"b":1}`
        expect(sliceMembers(json, ['a', 'b'])).toMatchObject({ a: JSON.stringify(text), b: '1' })
        expect(() => sliceMembers(json.slice(0, -'","b":1}'.length), ['a'])).toThrow(SyntaxError)
      }),
      { numRuns: 1_000 },
    )
  })

  test('a member that occurs twice is refused if it was asked for, also when it is spelled with escapes', () => {
    expect(() => sliceMembers('{"baton":1,"baton":2}', ['baton'])).toThrow(/twice/)
    expect(() => sliceMembers('{"baton":1,"\\u0062aton":2}', ['baton'])).toThrow(/twice/)
    expect({ ...sliceMembers('{"a":1,"a":2,"baton":3}', ['baton']) }).toEqual({ baton: '3' })
  })

  test('a text that is cut off anywhere is refused', () => {
    const text = '{"baton":"x\\"y","results":[{"a":[1,{}]}],"b":true}'
    for (let length = 0; length < text.length; length++)
      expect(() => sliceMembers(text.slice(0, length), ['b'])).toThrow(SyntaxError)
  })

  test.each([
    '',
    'null',
    '[]',
    '"{}"',
    '{a:1}',
    '{"a" 1}',
    '{"a":1 "b":2}',
    '{"a":1,}',
    '{"a":1}}',
    '{} {}',
    '{}x',
  ])('%j is no object', (text) => {
    expect(() => sliceMembers(text, ['a'])).toThrow(SyntaxError)
  })
})

describe('readShortString', () => {
  test('reads strings and null, and looks at nothing else', () => {
    expect(readShortString(undefined, 10)).toBeNull()
    expect(readShortString('null', 10)).toBeNull()
    expect(readShortString('"a\\u0062"', 10)).toBe('ab')
    for (const other of ['[{},{}]', '{}', '7', 'true', `"${'x'.repeat(10)}"`])
      expect(readShortString(other, 10)).toBeUndefined()
  })
})

describe('sliceLastElement', () => {
  test('agrees with JSON.parse on any array, however it is indented', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.nat(3), (array, indent) => {
        const last = sliceLastElement(JSON.stringify(array, null, indent))
        const expected = array.at(-1)
        expect(last === undefined ? undefined : JSON.parse(last)).toEqual(
          expected === undefined ? undefined : JSON.parse(JSON.stringify(expected)),
        )
      }),
    )
  })

  test.each(['', '{}', '[', '[1', '[1,', '[,1]', '[1,]', '[1 2]'])('%j is no array', (text) => {
    expect(() => sliceLastElement(text)).toThrow(SyntaxError)
  })
})
