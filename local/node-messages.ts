/** Requests and responses between node:http and fetch. Without the adapters of node:stream, which cost more than the rest. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'

/** A body up to this size is read before the request is handed on. */
const BUFFERED_BYTES = 1024 * 1024

/**
 * The request as fetch has it. `signal` says when the client has gone away. Rejects when that happens before all of a
 * small body is here.
 */
export async function toRequest(incoming: IncomingMessage, url: URL, signal: AbortSignal): Promise<Request> {
  const { method = 'GET', rawHeaders } = incoming
  const headers = new Headers()
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index]!, rawHeaders[index + 1]!)
  }
  const init = { method, headers, signal }
  if (method === 'GET' || method === 'HEAD') return new Request(url, init)
  const length = incoming.headers['content-length']
  if (length === undefined || Number(length) > BUFFERED_BYTES) {
    const body = Readable.toWeb(incoming) as globalThis.ReadableStream
    return new Request(url, { ...init, body, duplex: 'half' })
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of incoming) chunks.push(chunk as Uint8Array)
  return new Request(url, { ...init, body: Buffer.concat(chunks) })
}

/**
 * Sends a response as it comes in, and cuts the connection where its body breaks. What HTTP cannot carry becomes a 500.
 * Never rejects.
 */
export async function sendResponse(
  response: Response,
  outgoing: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  try {
    outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  } catch (error) {
    response.body?.cancel().catch(() => undefined)
    outgoing.writeHead(500, { 'content-type': 'application/json' }).end(internalError(error))
    return
  }
  if (!response.body) {
    outgoing.end()
    return
  }
  // The status does not wait for a body that is slow.
  const flushing = setImmediate(() => outgoing.flushHeaders())
  const reader = response.body.getReader()
  const giveUp = () => void reader.cancel().catch(() => undefined)
  signal.addEventListener('abort', giveUp)
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      if (!outgoing.write(read.value)) await once(outgoing, 'drain', { signal })
    }
    outgoing.end()
  } catch {
    // Either the body broke, or the client went away and there is nobody to tell.
    outgoing.destroy()
    giveUp()
  } finally {
    clearImmediate(flushing)
    signal.removeEventListener('abort', giveUp)
  }
}

/** The JSON of an answer with status 500. */
export function internalError(error: unknown): string {
  return JSON.stringify({ error: `Internal Error: \`${(error as Error).message}\`` })
}
