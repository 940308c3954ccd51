/** The body of a cursor's answer: a first line that is the gateway's business, and entries that are the client's. */
import { readShortString, sliceMembers } from './envelope.ts'
import { MAX_BATON_CHARACTERS } from '../limits.ts'

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
      read = concat(read, value)
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

/** The first line that a client sees. */
export const headLine = (baton: string | null): Uint8Array =>
  new TextEncoder().encode(`{"baton":${JSON.stringify(baton)},"base_url":null}\n`)

export interface Passed {
  /** For the client; a stream of bytes, which may cross RPC. */
  readable: ReadableStream<Uint8Array>
  /** Once one side has ended, however it did. Never rejects. */
  ended: Promise<void>
}

/**
 * The same body behind some bytes, passed on as fast as it is taken and no faster, by the runtime itself: nothing of it is
 * seen here. Whoever goes away ends the other side.
 */
export function prepend(first: readonly Uint8Array[], body: ReadableStream<Uint8Array>): Passed {
  const { readable, writable } = new IdentityTransformStream()
  const pump = async (): Promise<void> => {
    const writer = writable.getWriter()
    for (const piece of first) if (piece.length > 0) await writer.write(piece)
    writer.releaseLock()
    await body.pipeTo(writable)
  }
  // There is nobody else to tell.
  const ended = pump().catch(() => body.cancel().catch(() => undefined))
  return { readable, ended }
}

function parseHead(line: Uint8Array): Pick<CursorHead, 'baton' | 'baseUrl'> {
  const members = sliceMembers(new TextDecoder().decode(line), ['baton', 'base_url'])
  const baton = readShortString(members.baton, MAX_BATON_CHARACTERS)
  const baseUrl = readShortString(members.base_url, MAX_BATON_CHARACTERS)
  // Without the member it is some other object, such as a proxy's error.
  if (members.baton === undefined || baton === undefined || baseUrl === undefined)
    throw new SyntaxError('a cursor with an odd first line')
  return { baton, baseUrl }
}

function concat(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(one.length + other.length)
  both.set(one)
  both.set(other, one.length)
  return both
}
