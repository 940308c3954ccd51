/** The bodies of cursors: of the answer, a first line that is the gateway's business, and entries that are the client's. */
import { readShortString, sliceMembers } from './envelope.ts'
import { MAX_BATON_CHARACTERS } from '../limits.ts'
import { bytesOf, joinBytes, textOf } from '../memory/bytes.ts'

export interface CursorHead {
  baton: string | null
  baseUrl: string | null
  /** What came in the same piece as the end of the first line. */
  rest: Uint8Array
}

const NEWLINE = 10
const MAX_HEAD_BYTES = 4 * MAX_BATON_CHARACTERS

/**
 * Reads the first line, and leaves the body to be read on.
 *
 * @throws {SyntaxError} when it is none, or has no end where it must have one
 */
export async function readCursorHead(body: ReadableStream<Uint8Array>): Promise<CursorHead> {
  const reader = body.getReader()
  let read = new Uint8Array()
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) throw new SyntaxError('a cursor without a first line')
      read = joinBytes([read, value])
      const end = read.indexOf(NEWLINE)
      if (end !== -1) return { ...parseHead(read.subarray(0, end)), rest: read.subarray(end + 1) }
      if (read.length > MAX_HEAD_BYTES) throw new SyntaxError('a cursor whose first line has no end')
    }
  } catch (error) {
    reader.cancel().catch(() => undefined)
    throw error
  } finally {
    reader.releaseLock()
  }
}

/** The body by which a cursor is asked for. */
export const cursorRequest = (baton: string | null, batch: Uint8Array): Uint8Array<ArrayBuffer> =>
  joinBytes([`{"baton":${JSON.stringify(baton)},"batch":`, batch, '}'])

/** The first line that a client sees. */
export const headLine = (baton: string | null): Uint8Array =>
  bytesOf(`{"baton":${JSON.stringify(baton)},"base_url":null}\n`)

export interface Passed {
  /** For the client; a stream of bytes, which may cross RPC. */
  readable: ReadableStream<Uint8Array>
  /** Once one side has ended, however it did. Never rejects. */
  ended: Promise<void>
}

/**
 * The same body between some bytes, passed on as fast as it is taken and no faster, by the runtime itself: nothing of it is
 * seen here. Whoever goes away ends the other side.
 */
export function surround(
  first: readonly Uint8Array[],
  body: ReadableStream<Uint8Array>,
  last: readonly Uint8Array[] = [],
): Passed {
  const { readable, writable } = new IdentityTransformStream()
  const write = async (pieces: readonly Uint8Array[]): Promise<void> => {
    const writer = writable.getWriter()
    for (const piece of pieces) if (piece.length > 0) await writer.write(piece)
    writer.releaseLock()
  }
  const pump = async (): Promise<void> => {
    await write(first)
    await body.pipeTo(writable, { preventClose: true })
    await write(last)
    await writable.close()
  }
  // There is nobody else to tell.
  const ended = pump().catch(() => body.cancel().catch(() => undefined))
  return { readable, ended }
}

function parseHead(line: Uint8Array): Pick<CursorHead, 'baton' | 'baseUrl'> {
  const members = sliceMembers(textOf(line), ['baton', 'base_url'])
  const baton = readShortString(members.baton, MAX_BATON_CHARACTERS)
  const baseUrl = readShortString(members.base_url, MAX_BATON_CHARACTERS)
  // Without the member it is some other object, such as a proxy's error.
  if (members.baton === undefined || baton === undefined || baseUrl === undefined)
    throw new SyntaxError('a cursor with an odd first line')
  return { baton, baseUrl }
}
