/** Takes a request's body whole, or not at all: within a size, whether it announces it or not, and within a time. */
import { createMiddleware } from 'hono/factory'
import type { AppEnvironment } from '../environment.ts'
import { BODY_TIMEOUT_MS } from '../limits.ts'
import { invalidRequest, Problem } from '../http/problem.ts'

export const limitBody = (maxBytes: number, timeoutMs: number = BODY_TIMEOUT_MS) =>
  createMiddleware<AppEnvironment>(async function limitBody(c, next) {
    const { raw } = c.req
    const encoding = raw.headers.get('content-encoding')?.trim() ?? ''
    // Nothing is unpacked here, so a small body cannot become a large one.
    if (!/^(identity)?$/i.test(encoding))
      throw new Problem('unsupported_encoding', 'The body has a Content-Encoding; send it without', {
        headers: { 'accept-encoding': 'identity' },
      })
    if (Number(raw.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes)
    if (raw.body !== null) {
      const body = await readWithin(raw.body, maxBytes, timeoutMs)
      c.req.raw = new Request(raw.url, { method: raw.method, headers: raw.headers, body, signal: raw.signal })
    }
    await next()
  })

async function readWithin(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  timeoutMs: number,
): Promise<Uint8Array | Blob> {
  const reader = stream.getReader()
  const chunks: Uint8Array[] = []
  let bytes = 0
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    reader.cancel().catch(() => undefined)
  }, timeoutMs)
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) break
      bytes += value.byteLength
      if (bytes > maxBytes) throw tooLarge(maxBytes)
      chunks.push(value)
    }
  } catch (error) {
    if (error instanceof Problem) throw error
    // Of a body from a socket the runtime says so when its sender has ended it too soon, and also when it is given up here.
    if (!isLate) throw invalidRequest([{ field: '', detail: 'The body ended before it was whole' }])
  } finally {
    clearTimeout(timer)
    if (bytes > maxBytes) reader.cancel().catch(() => undefined)
  }
  if (isLate) throw new Problem('request_timeout', `The body did not come within ${timeoutMs / 1000} seconds`)
  const [whole] = chunks
  return chunks.length === 1 && whole ? whole : new Blob(chunks)
}

const tooLarge = (maxBytes: number): Problem =>
  new Problem('payload_too_large', `The body has more than ${maxBytes} bytes`)
