/** Reads a body whole, or not at all: within a size, and with room for what is large. */
import { SMALL_BODY_BYTES } from '../limits.ts'
import type { Claim } from './room.ts'

/** The body is larger than it may be. It has not been read to its end. */
export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError'
}

export interface ReadingOptions {
  maxBytes: number
  /** What its sender says of its size, in bytes; `null` when it does not, or says it of something else. */
  announced: number | null
  /** Of a room in which a large one has a place before it is read; without one, there is room for all. */
  claim?: Claim | undefined
  /** Ends the wait for a place, and the reading. */
  signal?: AbortSignal | undefined
  /** What has been read of it before. */
  head?: readonly Uint8Array[]
}

/**
 * Leaves the place taken, as large as the body is, unless it throws.
 *
 * @throws {BodyTooLargeError} having read no more than the limit
 * @throws {NoRoomError} having read no more than what is small
 * @throws the signal's reason, and what the body fails with
 */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  { maxBytes, announced, claim, signal, head = [] }: ReadingOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  let whole = new Uint8Array()
  let bytes = 0
  let hasPlace = claim === undefined
  const reader = body?.getReader()
  const cancel = (): void => void reader?.cancel().catch(() => undefined)
  signal?.addEventListener('abort', cancel)
  try {
    const allow = async (size: number, place: number): Promise<void> => {
      if (size > maxBytes) throw new BodyTooLargeError(`more than ${maxBytes} bytes`)
      if (hasPlace || size <= SMALL_BODY_BYTES) return
      hasPlace = true
      await claim?.take(place, signal)
    }
    const add = async (piece: Uint8Array): Promise<void> => {
      await allow(bytes + piece.byteLength, maxBytes)
      const needed = bytes + piece.byteLength
      if (needed > whole.byteLength) whole = enlarged(whole, Math.max(needed, Math.min(2 * bytes, maxBytes)))
      whole.set(piece, bytes)
      bytes += piece.byteLength
    }
    await allow(announced ?? 0, announced ?? 0)
    // Of what has no place, only what has come takes memory.
    if (announced !== null && announced > SMALL_BODY_BYTES) whole = new Uint8Array(announced)
    for (const piece of head) await add(piece)
    for (let next = await reader?.read(); next?.done === false; next = await reader?.read())
      await add(next.value)
    // A body that is given up ends, or fails.
    signal?.throwIfAborted()
  } catch (error) {
    cancel()
    claim?.giveBack()
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
  claim?.shrink(bytes)
  // A part would take its whole with it.
  return bytes === whole.byteLength ? whole : whole.slice(0, bytes)
}

function enlarged(whole: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(bytes)
  larger.set(whole)
  return larger
}

/** What is announced of a body's size, in bytes; `null` when nothing is. */
export function contentLength(headers: Headers): number | null {
  const text = headers.get('content-length') ?? ''
  return /^\d{1,15}$/.test(text) ? Number(text) : null
}
