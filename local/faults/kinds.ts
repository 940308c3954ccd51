/** What each kind of fault does to a request. */
import { cutBody, slowBody, withBody } from './bodies.ts'
import { ConnectionReset } from '../connection-reset.ts'
import type { Random } from './random.ts'
import type { Fault, Range } from './script.ts'

/** Waits for so many milliseconds. Rejects with the reason of the signal when that aborts first. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>

/** What faults can do to the server, besides spoiling its answers. */
export interface FaultyServer {
  /** Expires the idle streams of a database, or of all when the request is for none. */
  readonly expireStreams: (database: string | undefined) => void
  /** Closes all streams; no baton is good any more. */
  readonly restart: () => void
}

/** A request that meets a fault. */
export interface FaultContext {
  readonly request: Request
  /** The name of its database, if it is for one. */
  readonly database: string | undefined
  readonly server: FaultyServer
  readonly random: Random
  readonly wait: Wait
  /** Goes on: to the next fault, or to Turso. */
  readonly proceed: () => Promise<Response>
}

/** Answers a request as the fault wants it. Throws `ConnectionReset` for a connection that is cut. */
export async function applyFault(fault: Fault, context: FaultContext): Promise<Response> {
  const { request, random, wait, server, database, proceed } = context
  switch (fault.kind) {
    case 'latency':
      await wait(draw(fault.ms, random), request.signal)
      return proceed()
    case 'rate_limited': {
      const { retryAfter } = fault
      const headers = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }
      return Response.json({ error: 'Too many requests' }, { status: 429, headers })
    }
    case 'server_error':
      return instead(
        context,
        fault,
        Response.json({ error: 'internal error' }, { status: fault.status ?? 500 }),
      )
    case 'html':
      return instead(context, fault, htmlPage(fault.status ?? 502))
    case 'wrong_shape':
      return instead(context, fault, Response.json(fault.body === undefined ? {} : fault.body))
    case 'respond': {
      const { status, headers = {}, body } = fault
      return instead(context, fault, new Response(body || null, { status, headers }))
    }
    case 'redirect':
      return new Response(null, { status: fault.status ?? 302, headers: { location: fault.to } })
    case 'reset_before':
      throw new ConnectionReset()
    case 'reset_after':
      await drain(await proceed())
      throw new ConnectionReset()
    case 'truncated': {
      const response = await proceed()
      const whole = new Uint8Array(await response.arrayBuffer())
      // Never all of it, or nothing would be wrong.
      const length = Math.min(
        Math.floor(whole.byteLength * draw(fault.share ?? 0.5, random)),
        whole.byteLength - 1,
      )
      const part = whole.subarray(0, Math.max(length, 0))
      return withBody(response, fault.ending === 'clean' ? part : cutBody(part))
    }
    case 'slow_body': {
      const response = await proceed()
      const bytes = new Uint8Array(await response.arrayBuffer())
      return withBody(
        response,
        slowBody(bytes, fault.bytes ?? 64, (signal) => wait(draw(fault.ms, random), signal)),
      )
    }
    case 'replace': {
      const response = await proceed()
      const text = await response.text()
      // A function, because `$` is special in a text.
      return withBody(
        response,
        text.replace(fault.from, () => fault.to),
      )
    }
    case 'base_url': {
      const response = await proceed()
      return withBody(response, withBaseUrl(await response.text(), fault.url))
    }
    case 'stream_expired':
      server.expireStreams(database)
      return proceed()
    case 'restart':
      server.restart()
      return proceed()
  }
}

async function instead(
  { proceed }: FaultContext,
  { effect = false }: { effect?: boolean },
  answer: Response,
): Promise<Response> {
  if (effect) await drain(await proceed())
  return answer
}

/** A cursor runs while its answer is read, so the effect is there only when all of it has been. */
async function drain(response: Response): Promise<void> {
  await response.arrayBuffer()
}

function draw(range: Range, random: Random): number {
  if (typeof range === 'number') return range
  const [from, to] = range
  return from + (to - from) * random()
}

/** A pipeline has its `base_url` in its only line of JSON, a cursor in its first. */
function withBaseUrl(text: string, url: string): string {
  return text.replace(/"base_url":(?:null|"[^"]*")/, () => `"base_url":${JSON.stringify(url)}`)
}

function htmlPage(status: number): Response {
  const title = `${status} ${status === 502 ? 'Bad Gateway' : 'Error'}`
  const body = `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n</body>\r\n</html>\r\n`
  return new Response(body, { status, headers: { 'content-type': 'text/html' } })
}
