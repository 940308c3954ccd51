/** Makes the local Turso the internet of the core's tests in Node, as Miniflare does for them in workerd. */
import { afterAll } from 'vitest'
import { createOutbound } from './outbound.ts'

const outbound = createOutbound()
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
  // As over a socket: who aborts hangs up, and the server hears of it.
  return new Response(response.body?.pipeThrough(new TransformStream(), { signal }) ?? null, response)
}) as typeof fetch
