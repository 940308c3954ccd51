/** What a route knows of who asks. */
import type { Context } from 'hono'
import { readConfiguration } from '../configuration.ts'
import type { AppEnvironment } from '../environment.ts'
import type { Call } from '../tenants/operations.ts'

/** Behind `authenticate`. */
export function callOf(c: Context<AppEnvironment>): Call {
  const caller = { actor: `key:${c.get('apiKey').name}`, requestId: c.get('requestId') }
  return { env: c.env, origin: readConfiguration(c.env).publicUrl ?? new URL(c.req.url).origin, caller }
}
