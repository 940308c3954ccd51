/** Turso as the Worker calls it: for one run of calls, one after the other, at the pace of all tenants. */
import { readConfiguration } from '../configuration.ts'
import { createGate } from '../turso/gate.ts'
import { endSessions } from '../session/end.ts'
import { createPerformer, type Performer } from './perform.ts'
import type { TokenOptions } from '../turso/token-options.ts'

/**
 * @param tokenOptions of the token that applies the schema
 * @param isRetry whether something failed before, so that already the first call asks whether it may be sent
 */
export function performerFor(env: Env, tokenOptions?: TokenOptions, isRetry = false): Performer {
  const configuration = readConfiguration(env)
  const upstream = env.UPSTREAM.getByName(configuration.organization)
  return createPerformer(
    configuration,
    {
      createGate: (fetch) => createGate(upstream, fetch, isRetry),
      endSessions: (tenantId) => endSessions(env, tenantId),
    },
    tokenOptions,
  )
}
