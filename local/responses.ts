/** Bodies in and out, as both APIs of the local Turso use them. */
import { HttpFailure, ProtocolFailure, StreamExpired } from './errors.ts'

/** Reads a body as text. Throws `HttpFailure` 413 when it has more than `maxBytes`. */
export async function readBody(request: Request, maxBytes: number): Promise<string> {
  return (await readBytes(request, maxBytes)).toString()
}

/** Reads a body. Throws `HttpFailure` 413 when it has more than `maxBytes`. */
export async function readBytes(request: Request, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  const tooLarge = () => new HttpFailure(413, `the request body has more than ${maxBytes} bytes`)
  // What says that it is too large need not be sent.
  if (Number(request.headers.get('content-length')) > maxBytes) throw tooLarge()
  let bytes = 0
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

export function json(body: unknown, status = 200): Response {
  return Response.json(body, { status })
}

export function text(body: string, status = 200): Response {
  return new Response(body, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}

/** The response for a request that was refused. Rethrows what is no refusal. */
export function refusal(error: unknown): Response {
  if (error instanceof ProtocolFailure) return text(error.message, 400)
  if (error instanceof StreamExpired) return json({ message: error.message, code: 'STREAM_EXPIRED' }, 400)
  if (error instanceof HttpFailure) {
    const { status, message, code } = error
    return json({ error: message, ...(code !== undefined && { code }) }, status)
  }
  throw error
}
