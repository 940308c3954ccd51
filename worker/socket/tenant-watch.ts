/**
 * Looks, while a socket is in use, whether its tenant is still served from where it was when the socket was opened: what is
 * suspended or deleted ends the streams that it knows of, and a socket that holds none is not among them.
 */
import { LOCATION_MEMORY_MS } from '../limits.ts'
import { locateTenant } from '../gateway/tenant-locations.ts'

/** @returns a function that looks at most once a minute, and says why the socket must end; `null`: it need not */
export function createTenantWatch(
  env: Env,
  tenantId: string,
  databaseUrl: string,
): () => Promise<string | null> {
  // An object that has slept in between looks at once.
  let lookedAt = -Infinity
  return async () => {
    if (Date.now() - lookedAt < LOCATION_MEMORY_MS) return null
    lookedAt = Date.now()
    const location = await locateTenant(env, tenantId)
    if (location?.kind === 'suspended') return 'TENANT_SUSPENDED: the tenant is suspended'
    return location?.url === databaseUrl ? null : 'TENANT_NOT_FOUND: the tenant has another database, or none'
  }
}
