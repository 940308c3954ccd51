/** Gives away what is large piece by piece, and its place with the last. */
import { SMALL_BODY_BYTES } from '../limits.ts'
import type { Claim } from './room.ts'

/** How much is on its way at once. */
const PIECE_BYTES = 64 * 1024

/**
 * The same bytes, which may cross RPC: small ones at once, others as a stream that is read no faster than it is taken. Who
 * takes longer than `withinMs` for all of it finds it cut off.
 */
export function deliver(
  bytes: Uint8Array<ArrayBuffer>,
  claim: Claim,
  withinMs: number,
): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> {
  if (bytes.byteLength <= SMALL_BODY_BYTES) {
    claim.giveBack()
    // A part would take its whole with it.
    return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()
  }
  const { readable, writable } = new IdentityTransformStream()
  void send(bytes, writable.getWriter(), withinMs).finally(claim.giveBack)
  return readable
}

async function send(
  bytes: Uint8Array,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  withinMs: number,
): Promise<void> {
  const cut = (): void =>
    void writer.abort(new Error(`not taken within ${withinMs} ms`)).catch(() => undefined)
  const timer = setTimeout(cut, withinMs)
  try {
    for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES)
      await writer.write(bytes.subarray(at, at + PIECE_BYTES))
    await writer.close()
  } catch {
    // Nobody takes it any more.
  } finally {
    clearTimeout(timer)
  }
}
