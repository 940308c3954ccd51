/** Ends what is open on a tenant's database, over HTTP and over WebSockets, when the tenant is closed. */
import { readConfiguration } from '../configuration.ts'
import { named } from '../placement.ts'

/** Open transactions are rolled back. What begins a moment later is up to whoever locates the tenant. */
export async function endSessions(env: Env, tenantId: string): Promise<void> {
  const now = Date.now()
  await named(env.TENANT_SESSIONS, tenantId, readConfiguration(env).jurisdiction).drain(now, now)
}
