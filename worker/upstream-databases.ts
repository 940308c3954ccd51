/** The organization's databases for whoever is not a tenant's object: at the same pace as everybody. */
import { createDatabasesClient, type Databases } from '../src/index.ts'
import { readConfiguration } from './configuration.ts'
import { createGate } from './gate.ts'
import { MAX_PACE_WAIT_MS, PLATFORM_TIMEOUT_MS } from './limits.ts'

export function databasesOf(env: Env): Databases {
  const { platformToken, organization, apiUrl } = readConfiguration(env)
  const upstream = env.UPSTREAM.getByName(organization)
  return createDatabasesClient({
    token: platformToken,
    organization,
    baseUrl: apiUrl,
    timeoutMs: PLATFORM_TIMEOUT_MS + MAX_PACE_WAIT_MS,
    retry: false,
    fetch: createGate(upstream, (url, init) => globalThis.fetch(url, init), true).fetch,
  })
}
