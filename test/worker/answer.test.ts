import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { spanOf } from '../../worker/hrana/envelope.ts'
import { bytesOf, exactTextOf, textOf } from '../../worker/memory/bytes.ts'
import { cutResults, readAnswer } from '../../worker/session/answer.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const result = fc.record({
  type: fc.constantFrom('ok', 'error'),
  response: fc.record({ type: fc.constant('execute'), result: fc.array(text, { maxLength: 4 }) }),
})
/** In no order that is promised. */
const members = fc.tuple(
  fc.array(fc.tuple(text, text), { maxLength: 2 }),
  fc.array(fc.tuple(text, text), { maxLength: 2 }),
)
const autocommit = (is: boolean): object => ({
  type: 'ok',
  response: { type: 'get_autocommit', is_autocommit: is },
})

describe('the answer to a pipeline', () => {
  test('is cut to the results of the client, which are the bytes that the database wrote', () => {
    fc.assert(
      fc.property(
        fc.array(result, { maxLength: 5 }),
        members,
        fc.boolean(),
        fc.constantFrom(undefined, 1),
        fc.boolean(),
        (results, [before, behind], isAutocommit, indent, hasLast) => {
          const own = new Set(['baton', 'base_url', 'results'])
          const junk = (pairs: [string, string][]): object =>
            Object.fromEntries(pairs.filter(([name]) => !own.has(name)))
          const all = hasLast ? [...results, autocommit(isAutocommit)] : results
          const json = JSON.stringify(
            { ...junk(before), baton: 'b', base_url: null, results: all, ...junk(behind) },
            null,
            indent,
          )
          const body = bytesOf(json)
          const answer = readAnswer(json)!
          expect(answer).toMatchObject({ baton: 'b', baseUrl: null })
          const cut = cutResults(json, answer.results, { first: 0, hasLast })!
          expect(cut.isAutocommit).toBe(hasLast ? isAutocommit : null)
          expect(JSON.parse(`${cut.results}]`)).toEqual(results)
          // What every server writes is not put together anew.
          expect(cut.span !== null).toBe(indent === undefined || !hasLast)
          expect(cut.span === null ? cut.results : textOf(spanOf(body, json, cut.span))).toBe(cut.results)
        },
      ),
    )
  })

  test('that is no UTF-8, or has a mark before it, has no exact text', () => {
    expect(exactTextOf(new Uint8Array([0x22, 0xff, 0x22]))).toBeNull()
    expect(
      readAnswer(exactTextOf(bytesOf('\ufeff{"baton":null,"base_url":null,"results":[]}'))!),
    ).toBeUndefined()
  })
})
