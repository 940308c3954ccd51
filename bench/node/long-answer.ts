/** An answer of any number of rows that is made while it is read, as a socket would give it. */
import { itemOf, MIXED } from '../scenarios.ts'

/** What a socket gives at a time. */
const CHUNK_BYTES = 65_536
const BLOCK_ROWS = 1_000

export interface LongAnswer {
  /** A stand-in for `fetch`: a cursor to who asks for a cursor, else a pipeline. */
  readonly fetch: typeof fetch
  /** The sum of the first column, by which a reader can tell that it has seen all rows. */
  readonly sum: number
}

/**
 * @param rows a multiple of 1,000: these follow each other again and again
 * @param onChunk called before every chunk
 */
export function createLongAnswer(rows: number, onChunk: () => void): LongAnswer {
  const blocks = rows / BLOCK_ROWS
  const answer = (cursor: boolean): Response => {
    const { head, block, join, tail } = cursor ? cursorParts : pipelineParts
    const pieces = (function* () {
      yield head
      for (let index = 0; index < blocks; index++) {
        if (index > 0) yield join
        yield block
      }
      yield tail
    })()
    return new Response(streamOf(pieces, onChunk), {
      headers: { 'content-type': cursor ? 'text/plain' : 'application/json' },
    })
  }
  return {
    fetch: (input) => {
      const url = input instanceof Request ? input.url : String(input)
      return Promise.resolve(answer(url.endsWith('/cursor')))
    },
    sum: (blocks * (BLOCK_ROWS * (BLOCK_ROWS - 1))) / 2,
  }
}

const encode = (text: string) => new TextEncoder().encode(text)

const wireRows = Array.from({ length: BLOCK_ROWS }, (_, id) =>
  itemOf(id)
    .slice(0, MIXED.length)
    .map((value) => {
      if (value === null) return { type: 'null' }
      if (typeof value === 'string') return { type: 'text', value }
      if (typeof value === 'object')
        return { type: 'blob', base64: Buffer.from(value).toString('base64').replaceAll('=', '') }
      return Number.isInteger(value) ? { type: 'integer', value: String(value) } : { type: 'float', value }
    }),
)
const cols = MIXED.map((name) => ({ name, decltype: null }))

const cursorParts = {
  head: encode(`{"baton":null,"base_url":null}\n${JSON.stringify({ type: 'step_begin', step: 0, cols })}\n`),
  block: encode(wireRows.map((row) => `${JSON.stringify({ type: 'row', row })}\n`).join('')),
  join: encode(''),
  tail: encode(
    '{"type":"step_end","affected_row_count":0,"last_insert_rowid":null}\n{"type":"replication_index","replication_index":null}\n',
  ),
}

const pipelineParts = {
  head: encode(
    `{"baton":null,"base_url":null,"results":[{"type":"ok","response":{"type":"execute","result":{"cols":${JSON.stringify(cols)},"rows":[`,
  ),
  block: encode(wireRows.map((row) => JSON.stringify(row)).join(',')),
  join: encode(','),
  tail: encode(
    '],"affected_row_count":0,"last_insert_rowid":null,"rows_read":0,"rows_written":0,"query_duration_ms":1.5}}},{"type":"ok","response":{"type":"close"}}]}',
  ),
}

/** In chunks that end wherever they are full, in the middle of a line or of a character. */
function streamOf(pieces: Iterator<Uint8Array>, onChunk: () => void): ReadableStream<Uint8Array> {
  let piece: Uint8Array = new Uint8Array()
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        onChunk()
        const chunk = new Uint8Array(CHUNK_BYTES)
        let filled = 0
        while (filled < CHUNK_BYTES) {
          if (piece.length === 0) {
            const next = pieces.next()
            if (next.done) break
            piece = next.value
          }
          const part = piece.subarray(0, CHUNK_BYTES - filled)
          chunk.set(part, filled)
          filled += part.length
          piece = piece.subarray(part.length)
        }
        if (filled > 0) controller.enqueue(chunk.subarray(0, filled))
        else controller.close()
      },
    },
    { highWaterMark: 1 },
  )
}
