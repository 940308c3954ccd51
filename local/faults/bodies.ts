/** Bodies that do not come as they were sent. */
import { setImmediate } from 'node:timers/promises'
import { bodyReset } from '../connection-reset.ts'
import type { Wait } from './kinds.ts'

/** The same answer with another body. Headers that describe the old one are dropped. */
export function withBody(
  response: Response,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
): Response {
  const headers = new Headers(response.headers)
  headers.delete('content-length')
  return new Response(body, { status: response.status, headers })
}

/** Delivers the bytes, and breaks. */
export function cutBody(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let isDelivered = false
  return new ReadableStream(
    {
      async pull(controller) {
        if (isDelivered || bytes.byteLength === 0) {
          // A socket is given the time to send what it has.
          await setImmediate()
          controller.error(bodyReset())
        } else {
          isDelivered = true
          controller.enqueue(bytes)
        }
      },
    },
    { highWaterMark: 0 },
  )
}

/** Delivers pieces of so many bytes, and waits before each of them. */
export function slowBody(
  bytes: Uint8Array,
  pieceBytes: number,
  pause: (signal: AbortSignal) => ReturnType<Wait>,
): ReadableStream<Uint8Array> {
  let sent = 0
  const aborter = new AbortController()
  return new ReadableStream(
    {
      async pull(controller) {
        if (sent >= bytes.byteLength) {
          controller.close()
          return
        }
        await pause(aborter.signal)
        if (aborter.signal.aborted) return
        controller.enqueue(bytes.slice(sent, sent + pieceBytes))
        sent += pieceBytes
      },
      cancel: () => aborter.abort(),
    },
    { highWaterMark: 0 },
  )
}
