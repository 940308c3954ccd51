import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sliceLastElement, sliceMembers } from '../../worker/envelope.ts'

describe('sliceMembers', () => {
  test('cuts the members out as they were written', () => {
    const members = sliceMembers(' { "baton" : null,"requests":[{"a":-0.0,"b":"}],\\""}] , "n":12\n}')
    expect([...members]).toEqual([
      ['baton', 'null'],
      ['requests', '[{"a":-0.0,"b":"}],\\""}]'],
      ['n', '12'],
    ])
  })

  test('agrees with JSON.parse on any object, however it is indented', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()),
        fc.nat(3),
        (object, indent) => {
          const members = sliceMembers(JSON.stringify(object, null, indent))
          expect([...members.keys()].toSorted()).toEqual(Object.keys(object).toSorted())
          for (const [key, raw] of members)
            expect(JSON.parse(raw)).toEqual(
              JSON.parse(JSON.stringify(Object.getOwnPropertyDescriptor(object, key)!.value)),
            )
        },
      ),
    )
  })

  test('a member that occurs twice is refused, also when it is spelled with escapes', () => {
    expect(() => sliceMembers('{"baton":1,"baton":2}')).toThrow(/twice/)
    expect(() => sliceMembers('{"baton":1,"\\u0062aton":2}')).toThrow(/twice/)
  })

  test('a text that is cut off anywhere is refused', () => {
    const text = '{"baton":"x\\"y","results":[{"a":[1,{}]}],"b":true}'
    for (let length = 0; length < text.length; length++)
      expect(() => sliceMembers(text.slice(0, length))).toThrow(SyntaxError)
  })

  test.each(['', 'null', '[]', '"{}"', '{a:1}', '{"a" 1}', '{"a":1 "b":2}'])('%j is no object', (text) => {
    expect(() => sliceMembers(text)).toThrow(SyntaxError)
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
