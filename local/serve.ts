/** Puts a local Turso on a port, by node:http. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConnectionReset } from './connection-reset.ts'
import { HEADERS_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from './limits.ts'
import { internalError, sendResponse, toRequest } from './node-messages.ts'

/** A local Turso, as far as a port needs it. */
export interface FetchHandler {
  readonly fetch: (request: Request) => Promise<Response>
}

export interface ServeOptions {
  /** 0 takes any free port. */
  port: number
  /** The address to listen on. Default `127.0.0.1`: this machine only. */
  host?: string
  /**
   * How long a request may take to come in, its headers and its body, in milliseconds; its client is cut up to a tenth
   * later. Default 300 000, of which the headers may take 60 000.
   */
  requestTimeoutMs?: number
}

export interface LocalTursoServer {
  /** Without a slash at its end. */
  readonly url: string
  /** Stops listening and cuts what is open. The local Turso itself stays open. */
  readonly close: () => Promise<void>
}

/** Serves until `close()`. Rejects with an `Error` that names the port when it cannot listen there. */
export async function serveLocalTurso(
  turso: FetchHandler,
  { port, host = '127.0.0.1', requestTimeoutMs = REQUEST_TIMEOUT_MS }: ServeOptions,
): Promise<LocalTursoServer> {
  const timeouts = {
    requestTimeout: requestTimeoutMs,
    headersTimeout: Math.min(requestTimeoutMs, HEADERS_TIMEOUT_MS),
    connectionsCheckingInterval: Math.ceil(requestTimeoutMs / 10),
  }
  const server = createServer(timeouts, (incoming, outgoing) => {
    void answer(turso, incoming, outgoing)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'it is in use' : error.message
      reject(new Error(`cannot listen on port ${port} of ${host}: ${reason}`))
    })
    server.listen(port, host, resolve)
  })
  const { port: actualPort } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(
  turso: FetchHandler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const aborter = new AbortController()
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) aborter.abort()
  })
  const response = await respond(turso, incoming, aborter.signal)
  if (!response) {
    incoming.socket.resetAndDestroy()
    return
  }
  if (outgoing.destroyed) {
    await response.body?.cancel()
    return
  }
  // What is left of a refused body would be read as the next request.
  if (!incoming.complete) outgoing.shouldKeepAlive = false
  await sendResponse(response, outgoing, aborter.signal)
}

/** The response, or nothing when the connection is to be cut. */
async function respond(
  turso: FetchHandler,
  incoming: IncomingMessage,
  signal: AbortSignal,
): Promise<Response | undefined> {
  const url = urlOf(incoming)
  if (!url) return Response.json({ error: 'Invalid host header' }, { status: 400 })
  // Fetch has no such request.
  if (incoming.method === 'TRACE') return Response.json({ error: 'Method not allowed' }, { status: 405 })
  try {
    return await turso.fetch(await toRequest(incoming, url, signal))
  } catch (error) {
    if (error instanceof ConnectionReset) return undefined
    return new Response(internalError(error), {
      status: 500,
      headers: { 'content-type': 'application/json' },
    })
  }
}

/** What is asked for, `undefined` when fetch cannot ask for it: no address, or one with a user in it. */
function urlOf({ url: path = '/', headers }: IncomingMessage): URL | undefined {
  const base = `http://${headers.host ?? 'localhost'}`
  if (!URL.canParse(path, base)) return undefined
  const url = new URL(path, base)
  return url.username || url.password ? undefined : url
}
