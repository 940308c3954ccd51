/** How the lines of a cursor are read, however they come in. */
import { describe, expect, test } from 'vitest'
import { connect, type Database, type Fetch, type FetchResponse } from '../../src/index.ts'

const line = (entry: unknown): string => `${JSON.stringify(entry)}\n`
const HEAD = line({ baton: null, base_url: null })
const BEGIN = line({ type: 'step_begin', step: 0, cols: [{ name: 'n', decltype: null }] })
const END = line({ type: 'step_end', affected_row_count: 0, last_insert_rowid: null })
const row = (value: string): string => line({ type: 'row', row: [{ type: 'integer', value }] })
const WHOLE = HEAD + BEGIN + row('1') + row('2') + END

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

interface Answer {
  /** Left open at its end. */
  isEndless?: boolean
  onCancel?: () => void
  onClose?: Fetch
}

/** A database whose cursors answer with these pieces. */
function answering(pieces: readonly Uint8Array[], { isEndless, onCancel, onClose }: Answer = {}): Database {
  const fetch: Fetch = (url, init) => {
    if (url.endsWith('pipeline') && onClose) return onClose(url, init)
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const piece of pieces) controller.enqueue(piece)
        if (!isEndless) controller.close()
      },
      cancel: () => onCancel?.(),
    })
    return Promise.resolve(new Response(body))
  }
  return connect({ url: 'https://db.example', fetch })
}

/** The rows that arrived, and what ended them. */
async function drain(db: Database): Promise<{ rows: unknown[]; error?: unknown }> {
  const rows: unknown[] = []
  try {
    for await (const [value] of db.stream('select n', [], { rowMode: 'array' })) rows.push(value)
    return { rows }
  } catch (error) {
    return { rows, error }
  }
}

describe('the rows of a cursor', () => {
  const emoji = HEAD + BEGIN + line({ type: 'row', row: [{ type: 'text', value: 'é😀' }] }) + END
  test.each([
    ['in one piece', [bytesOf(WHOLE)], [1, 2]],
    ['a byte at a time', [...bytesOf(WHOLE)].map((byte) => Uint8Array.of(byte)), [1, 2]],
    ['with characters cut in two', [...bytesOf(emoji)].map((byte) => Uint8Array.of(byte)), ['é😀']],
    ['with CRLF and empty lines', [bytesOf(WHOLE.replaceAll('\n', '\r\n\r\n'))], [1, 2]],
    ['behind a byte order mark', [Uint8Array.of(0xef, 0xbb, 0xbf), bytesOf(WHOLE)], [1, 2]],
    ['without a last newline', [bytesOf(WHOLE.trimEnd())], [1, 2]],
    ['with empty pieces', [bytesOf(HEAD), new Uint8Array(), bytesOf(BEGIN + END)], []],
  ] as const)('arrive %s', async (_, pieces, rows) => {
    expect(await drain(answering(pieces))).toEqual({ rows })
  })

  test.each([
    ['the statement fails', line({ type: 'step_error', step: 0, error: { message: 'boom' } }), 'SqlError'],
    ['the server fails', line({ type: 'error', error: { message: 'boom' } }), 'SqlError'],
    ['an integer does not fit', row('9007199254740993') + END, 'RangeError'],
    ['a row has no values', line({ type: 'row', row: null }), 'ProtocolError'],
    ['a line is no JSON', '{"type":\n', 'ProtocolError'],
  ])('that came before are there when %s, in the same piece or another', async (_, failing, name) => {
    const before = HEAD + BEGIN + row('1') + row('2')
    for (const pieces of [[before + failing], [before, failing]])
      expect(await drain(answering(pieces.map(bytesOf)))).toMatchObject({ rows: [1, 2], error: { name } })
  })

  test('without columns are refused', async () => {
    const pieces = [bytesOf(HEAD + line({ type: 'step_begin', step: 0 }) + END)]
    expect(await drain(answering(pieces))).toMatchObject({ error: { name: 'ProtocolError' } })
  })
})

describe('leaving the loop', () => {
  test('cancels the body, even of a stand-in for fetch that ignores its signal', async () => {
    let isCancelled = false
    const db = answering([bytesOf(HEAD + BEGIN + row('1'))], {
      isEndless: true,
      onCancel: () => (isCancelled = true),
    })
    for await (const _ of db.stream('select n')) break
    expect(isCancelled).toBe(true)
  })

  test('for an abort does not wait for the stream to be given back', async () => {
    const controller = new AbortController()
    const reason = new Error('the user left')
    const db = answering([bytesOf(line({ baton: 'b', base_url: null }) + BEGIN + row('1'))], {
      isEndless: true,
      onClose: () => new Promise(() => {}),
    })
    const rows = db.stream('select n', [], { signal: controller.signal })
    await rows.next()
    controller.abort(reason)
    await expect(rows.next()).rejects.toBe(reason)
  })

  test('by throw() of the generator ends it with that error', async () => {
    const rows = answering([bytesOf(WHOLE)]).stream('select n')
    await rows.next()
    const reason = new Error('enough')
    await expect(rows.throw(reason)).rejects.toBe(reason)
    expect(await rows.next()).toEqual({ done: true, value: undefined })
  })
})

test('a stand-in for fetch that has no more than text() will do, and its failure is a network error', async () => {
  const fetchOf = (text: () => Promise<string>) => (): Promise<FetchResponse> =>
    Promise.resolve({ status: 200, headers: new Headers(), text })
  const good = connect({ url: 'https://db.example', fetch: fetchOf(() => Promise.resolve(WHOLE)) })
  expect(await drain(good)).toEqual({ rows: [1, 2] })
  const bad = connect({ url: 'https://db.example', fetch: fetchOf(() => Promise.reject(new Error('raw'))) })
  expect(await drain(bad)).toMatchObject({ rows: [], error: { code: 'network' } })
})
