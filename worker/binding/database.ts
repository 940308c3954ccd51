/** A tenant's database as a session of the binding uses it: by way of the gateway, with tokens that nobody else sees. */
import { connect, type Database, type IntMode, type TenantToken } from '../../src/index.ts'
import { TRANSACTION_TOTAL_MS } from '../limits.ts'
import { createGatewayFetch, gatewayUrl } from './gateway.ts'

export interface TenantDatabaseOptions {
  env: Env
  ctx: ExecutionContext
  tenantId: string
  requestId: string
  intMode: IntMode | undefined
  timeoutMs: number | undefined
  token: TenantToken
  renew: () => Promise<TenantToken>
}

/**
 * @returns what gives the database for the next call. Its token is renewed when the database does not take it any more, and
 *   before: refused in the middle of a transaction, it would cost that, so each begins with one that outlives it.
 */
export function useTenantDatabase(options: TenantDatabaseOptions): () => Promise<Database> {
  const { env, ctx, tenantId, requestId, intMode, timeoutMs } = options
  const fetch = createGatewayFetch(env, ctx, requestId)

  let renewing: Promise<TenantToken> | null = null
  /** One for all calls that need it at once: those of a session are one invocation, so that they may wait for each other. */
  const renew = (): Promise<TenantToken> => (renewing ??= options.renew().finally(() => (renewing = null)))

  function connectWith(token: TenantToken): { database: Database; renewAt: number } {
    let unused: string | null = token.jwt
    const database = connect({
      url: gatewayUrl(tenantId),
      // Asked again when it was refused.
      authToken: async () => {
        const jwt = unused ?? (await renew()).jwt
        unused = null
        return jwt
      },
      intMode,
      timeoutMs,
      fetch,
      waitUntil: (work) => ctx.waitUntil(work),
    })
    const endsAt = token.expiresAt === null ? Infinity : Date.parse(token.expiresAt)
    return { database, renewAt: endsAt - 2 * TRANSACTION_TOTAL_MS }
  }

  let current = connectWith(options.token)
  return async () => {
    if (Date.now() >= current.renewAt) current = connectWith(await renew())
    return current.database
  }
}
