/** Makes the local Turso the internet of the core's tests in Node, as Miniflare does for them in workerd. */
import { afterAll } from 'vitest'
import { createOutbound } from './outbound.ts'

const outbound = createOutbound('spec')
// A worker of vitest is ended without a last word, so not at the end of its process.
afterAll(outbound.close)

globalThis.fetch = (async (input: string | Request, init?: RequestInit) => {
  const request = new Request(input, init)
  const { signal } = request
  signal.throwIfAborted()
  const aborted = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error)),
  )
  aborted.catch(() => undefined)
  const response = await Promise.race([outbound.fetch(request), aborted])
  return new Response(response.body && untilAborted(response.body, signal), response)
}) as typeof fetch

/** As over a socket: who aborts hangs up, and the server hears of it. */
function untilAborted(body: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  return new ReadableStream(
    {
      start(controller) {
        signal.addEventListener('abort', () => {
          controller.error(signal.reason)
          reader.cancel(signal.reason).catch(() => undefined)
        })
      },
      async pull(controller) {
        const { value, done } = await reader.read()
        if (signal.aborted) return
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
