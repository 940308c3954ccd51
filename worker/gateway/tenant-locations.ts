/**
 * Where the databases of tenants are, remembered for a minute in each isolate, so that a request does not go to its
 * tenant's object first.
 *
 * Only what is open is remembered: a tenant that is signed up, resumed or restored is served at once, and a stranger's
 * made-up ids fill no memory. So a tenant that is suspended or deleted may be served for a minute more by isolates that
 * know it, as far as its database lets it; the isolate that does it forgets at once. So does one whose database says that
 * it is not there.
 */
import { LOCATION_MEMORY_MS, MAX_REMEMBERED_LOCATIONS } from '../limits.ts'
import type { TenantLocation } from '../record/outcome.ts'

type OpenLocation = Extract<TenantLocation, { kind: 'open' }>

/** In the order in which they were looked up, so that the first is the oldest. */
const remembered = new WeakMap<Env, Map<string, { location: OpenLocation; until: number }>>()

/** @returns `null` when there is no such tenant, or its database is not ready */
export async function locateTenant(env: Env, tenantId: string): Promise<TenantLocation | null> {
  const known = memoryOf(env)
  const entry = known.get(tenantId)
  if (entry !== undefined && Date.now() < entry.until) return entry.location
  known.delete(tenantId)
  const location: TenantLocation | null = await env.TENANTS.getByName(tenantId).locate()
  if (location?.kind === 'open') {
    const [oldest] = known.keys()
    if (known.size >= MAX_REMEMBERED_LOCATIONS && oldest !== undefined) known.delete(oldest)
    known.set(tenantId, { location, until: Date.now() + LOCATION_MEMORY_MS })
  }
  return location
}

/** Remembers where the database's host says that it is, for what is placed near it from now on. */
export function learnLocation(env: Env, tenantId: string, location: string): void {
  const entry = memoryOf(env).get(tenantId)
  if (entry !== undefined) entry.location = { ...entry.location, location }
}

export function forgetLocation(env: Env, tenantId: string): void {
  memoryOf(env).delete(tenantId)
}

function memoryOf(env: Env): Map<string, { location: OpenLocation; until: number }> {
  let known = remembered.get(env)
  if (known === undefined) {
    known = new Map()
    remembered.set(env, known)
  }
  return known
}
