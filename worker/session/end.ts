/** Ends what is open on a tenant's database, over HTTP and over WebSockets, when the tenant is closed. */
import { readConfiguration } from '../configuration.ts'
import { within } from '../deadline.ts'
import { END_SESSIONS_TIMEOUT_MS } from '../limits.ts'
import { named } from './location-hint.ts'

/**
 * Open transactions are rolled back. What begins a moment later is up to whoever locates the tenant.
 *
 * @throws {Error} also after three seconds: those who have been told end all the same
 */
export async function endSessions(env: Env, tenantId: string): Promise<void> {
  const sessions = named(env.TENANT_SESSIONS, tenantId, readConfiguration(env).jurisdiction)
  const ended = await within<number>(END_SESSIONS_TIMEOUT_MS, sessions.drain(Date.now(), null))
  if (ended === undefined)
    throw new Error(`the tenant's sessions have not answered within ${END_SESSIONS_TIMEOUT_MS} ms`)
}
