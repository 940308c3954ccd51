/**
 * The internet of a Worker under test: the local Turso, in process, and a host `control.test` by which a test inside
 * workerd can look at it and get in its way.
 */
import { createLocalTurso, type Fault } from '../../../local/index.ts'

export interface Outbound {
  fetch: (request: { url: string }) => Promise<Response>
  /** Removes the local Turso's temporary folder. Waits for nothing, so it may be called at the end of a process. */
  close: () => void
}

export function createOutbound(): Outbound {
  const turso = createLocalTurso()
  const log: string[] = []

  async function control(request: Request): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case '/streams':
        return Response.json(turso.streams())
      case '/requests':
        return Response.json(log.splice(0))
      case '/fail':
        turso.faults.add((await request.json()) as Fault)
        return new Response()
      case '/clear':
        turso.faults.clear()
        log.length = 0
        return new Response()
      default:
        return new Response(null, { status: 404 })
    }
  }

  async function answer(incoming: { url: string }): Promise<Response> {
    // Miniflare hands over a Request of its own undici; Turso wants one of this Node.
    const theirs = incoming as Request
    const body = theirs.method === 'GET' || theirs.method === 'HEAD' ? null : await theirs.arrayBuffer()
    const request = new Request(theirs.url, { method: theirs.method, headers: [...theirs.headers], body })
    const url = new URL(request.url)
    if (url.hostname === 'control.test') return await control(request)
    log.push(`${request.method} ${url.hostname}${url.pathname}`)
    return await turso.fetch(request)
  }

  return { fetch: answer, close: () => void turso.close() }
}
