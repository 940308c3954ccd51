/** Whether the Worker runs, and which one it is. */
import { Hono } from 'hono'
import { version } from '../../package.json'
import { readConfiguration } from '../configuration.ts'
import type { AppEnvironment } from '../environment.ts'
import { methodNotAllowed } from '../middleware/method-not-allowed.ts'

export const meta = new Hono<AppEnvironment>()
  .get('/health', (c) => {
    // A Worker that every other request would find misconfigured is not healthy.
    readConfiguration(c.env)
    return c.json({ status: 'ok' })
  })
  .all('/health', methodNotAllowed('GET'))
  .get('/version', (c) => c.json({ name: 'turso-edge', version }))
  .all('/version', methodNotAllowed('GET'))
