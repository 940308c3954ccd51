import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { createRoom } from '../../worker/memory/room.ts'
import {
  BrokenCursorError,
  readEntries as readEntriesOf,
  type EntryReader,
} from '../../worker/socket/cursor-entries.ts'

/** Hands out one piece for each pull, and counts them. */
function bodyOf(pieces: Uint8Array[]): { body: ReadableStream<Uint8Array>; taken: () => number } {
  let taken = 0
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = pieces[taken]
        if (piece === undefined) controller.close()
        else controller.enqueue(piece)
        taken += 1
      },
    },
    { highWaterMark: 0 },
  )
  return { body, taken: () => taken }
}

const room = createRoom({ bytes: 16 * 1024 * 1024, waitMs: 60_000, lastsMs: 180_000 })
const readEntries = (body: ReadableStream<Uint8Array>): EntryReader => readEntriesOf(body, room.claim())

const linesOf = (...lines: string[]): Uint8Array =>
  new TextEncoder().encode(lines.map((line) => `${line}\n`).join(''))

const reader = (...lines: string[]): EntryReader => readEntries(bodyOf([linesOf(...lines)]).body)

const BEGIN = '{"type":"step_begin","step":0,"cols":[]}'
const END = '{"type":"step_end","affected_row_count":2,"last_insert_rowid":"7"}'
const row = (text: string): string => `{"type":"row","row":[{"type":"text","value":${JSON.stringify(text)}}]}`

test('entries come as they were sent, however the body is cut and however many are asked for at once', async () => {
  const texts = fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 12 })
  const cuts = fc.array(fc.nat({ max: 600 }), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(texts, cuts, fc.integer({ min: 1, max: 5 }), async (texts, cuts, maxCount) => {
      const lines = [BEGIN, ...texts.map(row), END]
      const bytes = linesOf(...lines)
      const edges = [0, ...cuts.map((cut) => cut % bytes.length).toSorted((a, b) => a - b), bytes.length]
      const pieces = edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge))
      const { read } = readEntries(bodyOf(pieces.filter(({ length }) => length > 0)).body)
      const seen: string[] = []
      for (let isDone = false; !isDone;) {
        const next = await read(maxCount, Infinity)
        expect(next.entries.length).toBeLessThanOrEqual(maxCount)
        seen.push(...next.entries)
        isDone = next.isDone
      }
      expect(seen).toEqual(lines)
    }),
    { numRuns: 100, seed: 1 },
  )
})

test('a row of 16 MB that comes in very many pieces is put together once, not with each of them', async () => {
  const line = row('x'.repeat(16_000_000))
  const bytes = linesOf(line, END)
  const pieces = Array.from({ length: Math.ceil(bytes.length / 256) }, (_, n) =>
    bytes.subarray(n * 256, (n + 1) * 256),
  )
  const { read } = readEntries(bodyOf(pieces).body)
  const { entries } = await read(10, Infinity)
  expect(entries.map(({ length }) => length)).toEqual([line.length, END.length])
  expect(entries[0] === line).toBe(true)
})

test('a row that is larger than a message has a place in the room from then on until it has been handed out', async () => {
  const large = linesOf(row('x'.repeat(1_000_000)), row('y'), END)
  const edges = [0, 400_000, 600_000, large.length]
  const pieces = (): Uint8Array[] => edges.slice(1).map((edge, index) => large.subarray(edges[index], edge))
  const others = room.claim()
  await others.take(16 * 1024 * 1024)
  const { body, taken } = bodyOf(pieces())
  const reading = readEntries(body).read(10, 1)
  await vi.waitFor(() => expect(taken()).toBe(2))
  others.giveBack()
  const { entries } = await reading
  expect(entries).toHaveLength(1)
  expect([taken(), room.taken()]).toEqual([3, 0])
})

test('who waits for a place does not wait on once the cursor is closed, and takes none', async () => {
  const others = room.claim()
  await others.take(16 * 1024 * 1024)
  const large = linesOf(row('x'.repeat(1_000_000)))
  const { body, taken } = bodyOf([large.subarray(0, 600_000), large.subarray(600_000)])
  const reader = readEntries(body)
  const reading = reader.read(10, 1)
  await vi.waitFor(() => expect(taken()).toBe(1))
  await Promise.all([expect(reading).rejects.toMatchObject({ name: 'AbortError' }), reader.cancel()])
  others.giveBack()
  expect(room.taken()).toBe(0)
})

test('a line without an end is read no further than a row may be long', async () => {
  const piece = new TextEncoder().encode('x'.repeat(1024 * 1024))
  const { body, taken } = bodyOf(Array<Uint8Array>(100).fill(piece))
  await expect(readEntries(body).read(1, 1)).rejects.toThrow('a line of more than 16777216 bytes')
  expect(taken()).toBeLessThan(20)
})

test('a message ends with the entry that makes it long enough', async () => {
  const { read } = reader(BEGIN, row('x'.repeat(50)), row('y'), END)
  const { entries } = await read(100, BEGIN.length + 10)
  expect(entries).toEqual([BEGIN, row('x'.repeat(50))])
  expect(await read(100, 1)).toEqual({ entries: [row('y')], isDone: false })
})

test('nothing is read before it is asked for, and no more than that', async () => {
  const pieces = Array.from({ length: 100 }, (_, n) => linesOf(row(String(n))))
  const { body, taken } = bodyOf([linesOf(BEGIN), ...pieces, linesOf(END)])
  const { read } = readEntries(body)
  expect(taken()).toBe(0)
  await read(10, Infinity)
  expect(taken()).toBe(10)
  await read(0, Infinity)
  expect(taken()).toBe(10)
})

test('a rowid is a string whatever the server sends, to the last of its digits', async () => {
  const { read } = reader(
    BEGIN,
    '{"type":"step_end","affected_row_count":1,"last_insert_rowid":9223372036854775807}',
    BEGIN,
    '{"last_insert_rowid":null,"type":"step_end","affected_row_count":0}',
  )
  expect((await read(9, Infinity)).entries).toEqual([
    BEGIN,
    '{"type":"step_end","affected_row_count":1,"last_insert_rowid":"9223372036854775807"}',
    BEGIN,
    '{"last_insert_rowid":null,"type":"step_end","affected_row_count":0}',
  ])
})

test('what no client knows is left out', async () => {
  const { read } = reader(BEGIN, END, '{"type":"replication_index","replication_index":12}', '{"type":"new"}')
  expect(await read(9, Infinity)).toEqual({ entries: [BEGIN, END], isDone: true })
})

test.each([
  ['ends within a step', BEGIN + '\n' + row('a') + '\n'],
  ['ends within a line', `${BEGIN}\n{"type":"row","row":[{"ty`],
  ['holds something else', '<html>\n'],
])('a body that %s is broken', async (_, text) => {
  const { read } = readEntries(bodyOf([new TextEncoder().encode(text)]).body)
  await expect(read(9, Infinity)).rejects.toThrow(BrokenCursorError)
})

test('a row that is cut off is no entry, although it ends as one', async () => {
  const cut = row('x').slice(0, -2)
  expect(cut).toMatch(/\}$/)
  const body = bodyOf([linesOf(BEGIN), new TextEncoder().encode(cut)]).body
  await expect(readEntries(body).read(2, Infinity)).rejects.toThrow(BrokenCursorError)
  // A server may leave the last end of a line out.
  const whole = readEntries(bodyOf([linesOf(BEGIN, row('x')), new TextEncoder().encode(END)]).body)
  expect(await whole.read(9, Infinity)).toEqual({ entries: [BEGIN, row('x'), END], isDone: true })
})

test('an error is the end of a step and of the cursor', async () => {
  const failed = '{"type":"step_error","step":0,"error":{"message":"no"}}'
  const fatal = '{"type":"error","error":{"message":"gone"}}'
  expect(await reader(BEGIN, failed).read(9, Infinity)).toEqual({ entries: [BEGIN, failed], isDone: true })
  expect(await reader(BEGIN, fatal).read(9, Infinity)).toEqual({ entries: [BEGIN, fatal], isDone: true })
})
