/** Lets web pages of all origins ask, as databases do: whoever has no token is told nothing, and there are no cookies. */
import { createMiddleware } from 'hono/factory'
import type { AppEnvironment } from '../environment.ts'

export const allowAnyOrigin = createMiddleware<AppEnvironment>(async function allowAnyOrigin(c, next) {
  if (c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined)
    return new Response(null, { status: 204, headers: PREFLIGHT })
  await next()
  c.header(ORIGIN, '*')
  c.header('access-control-expose-headers', 'retry-after, server-timing, x-request-id')
  return undefined
})

const ORIGIN = 'access-control-allow-origin'
const PREFLIGHT = {
  [ORIGIN]: '*',
  // Not covered by an asterisk, and so named.
  'access-control-allow-headers': 'authorization, content-type, *',
  'access-control-allow-methods': 'GET, POST',
  'access-control-max-age': '86400',
}
