/**
 * The internet of a Worker under test: the local Turso, in process, and a host `control.test` by which a test inside
 * workerd can look at it and get in its way.
 */
import { createLocalTurso } from '../../../local/index.ts'

/** How the next requests whose path has `match` in it are answered, instead of by Turso or after it. */
interface Interference {
  match: string
  times: number
  /** Answer with this instead of asking Turso. */
  respond?: { status: number; headers?: Record<string, string>; body?: string }
  /** Let Turso do it, and lose its answer: the caller gets this status, as from a proxy that timed out. */
  loseAnswer?: number
  /** Let Turso do it, and replace text in its answer. */
  replace?: { from: string; to: string }
}

export function createOutbound(): (request: { url: string }) => Promise<Response> {
  const turso = createLocalTurso()
  // It closes without waiting for anything, so its temporary folder is gone before the process is.
  process.once('exit', () => void turso.close())
  const interferences: Interference[] = []
  const log: string[] = []

  async function control(request: Request): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case '/streams':
        return Response.json(turso.streams())
      case '/requests':
        return Response.json(log.splice(0))
      case '/interfere':
        interferences.push((await request.json()) as Interference)
        return new Response()
      case '/clear':
        interferences.length = 0
        log.length = 0
        return new Response()
      default:
        return new Response(null, { status: 404 })
    }
  }

  return async (incoming) => {
    // Miniflare hands over a Request of its own undici; Turso wants one of this Node.
    const theirs = incoming as Request
    const body = theirs.method === 'GET' || theirs.method === 'HEAD' ? null : await theirs.arrayBuffer()
    const request = new Request(theirs.url, { method: theirs.method, headers: [...theirs.headers], body })
    const url = new URL(request.url)
    if (url.hostname === 'control.test') return await control(request)
    log.push(`${request.method} ${url.hostname}${url.pathname}`)
    const found = interferences.find(({ match, times }) => times > 0 && url.href.includes(match))
    if (found === undefined) return await turso.fetch(request)
    found.times -= 1
    if (found.respond !== undefined) {
      const { status, headers = {}, body: text = '' } = found.respond
      return new Response(text, { status, headers })
    }
    const answer = await turso.fetch(request)
    if (found.loseAnswer !== undefined)
      return new Response('upstream timed out', { status: found.loseAnswer })
    const text = await answer.text()
    const { from, to } = found.replace ?? { from: '', to: '' }
    return new Response(text.replace(from, to), { status: answer.status, headers: answer.headers })
  }
}
