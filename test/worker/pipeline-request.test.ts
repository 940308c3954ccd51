/** What the gateway reads off a body is what its client wrote, byte for byte. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseCursor, parsePipeline } from '../../worker/hrana/pipeline-request.ts'
import { bytesOf, textOf } from '../../worker/memory/bytes.ts'

const word = fc.string({ unit: 'binary' })
/** Between two tokens of JSON. */
const gap = fc.string({ unit: fc.constantFrom(' ', '\n', '\t', '\r'), maxLength: 3 })
/** A member that means nothing to the gateway, escaped or as it is. */
const other = fc
  .tuple(
    word.filter((name) => !['baton', 'requests', 'batch'].includes(name)),
    fc.jsonValue(),
    gap,
  )
  .map(([name, value, space]) => `${JSON.stringify(name)}${space}:${space}${JSON.stringify(value)}`)

interface Written {
  body: Uint8Array<ArrayBuffer>
  baton: string | null
  value: string
}

const bodyWith = (name: string, values: fc.Arbitrary<string>): fc.Arbitrary<Written> =>
  fc
    .record({
      baton: fc.option(word.filter((text) => JSON.stringify(text).length < 1_000)),
      value: values,
      before: fc.array(other, { maxLength: 3 }),
      behind: fc.array(other, { maxLength: 3 }),
      isBatonLast: fc.boolean(),
      space: gap,
    })
    .map(({ baton, value, before, behind, isBatonLast, space }) => {
      const own = [`"baton":${JSON.stringify(baton)}`, `"${name}"${space}:${space}${value}`]
      const members = [...before, ...(isBatonLast ? own.reverse() : own), ...behind]
      return {
        body: bytesOf(`${space}{${space}${members.join(`${space},${space}`)}${space}}${space}`),
        baton,
        value,
      }
    })

const indented = (value: unknown, indent: number): string => JSON.stringify(value, null, indent)
const close = { type: 'close' }

test('the requests of a pipeline, whatever they say and whatever is around them', () => {
  const request = fc.record({ type: word, anything: fc.jsonValue() })
  const requests = fc
    .tuple(fc.array(request), fc.boolean(), fc.nat(2))
    .map(([before, closes, indent]) => indented(closes ? [...before, close] : before, indent))
  fc.assert(
    fc.property(bodyWith('requests', requests), ({ body, baton, value }) => {
      const parsed = parsePipeline(body)
      expect(parsed.baton).toBe(baton)
      expect(textOf(parsed.requests)).toBe(value)
      const last = (JSON.parse(value) as { type: string }[]).at(-1)
      expect(parsed.endsWithClose).toBe(last?.type === 'close')
    }),
  )
})

test('the batch of a cursor, likewise', () => {
  const batch = fc
    .tuple(fc.dictionary(word, fc.jsonValue()), fc.nat(2))
    .map(([object, indent]) => indented(object, indent))
  fc.assert(
    fc.property(bodyWith('batch', batch), ({ body, baton, value }) => {
      const parsed = parseCursor(body)
      expect(parsed.baton).toBe(baton)
      expect(textOf(parsed.batch)).toBe(value)
    }),
  )
})
