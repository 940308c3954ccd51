/** Behind it a request's body is whole, and within a size. */
import { createMiddleware } from 'hono/factory'
import type { AppEnvironment } from '../environment.ts'
import { takeBody } from '../http/request-body.ts'

/** @throws {Problem} as {@link takeBody} */
export const limitBody = (maxBytes: number, timeoutMs?: number) =>
  createMiddleware<AppEnvironment>(async function limitBody(c, next) {
    const { raw } = c.req
    const body = await takeBody(raw, { maxBytes, timeoutMs })
    if (raw.body !== null)
      c.req.raw = new Request(raw.url, { method: raw.method, headers: raw.headers, body, signal: raw.signal })
    await next()
  })
