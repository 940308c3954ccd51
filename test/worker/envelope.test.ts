import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sliceMembers } from '../../worker/envelope.ts'

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
