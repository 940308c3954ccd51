/** What the routes find in Hono's context. */
import type { ApiKey } from './api-key.ts'

export interface AppEnvironment {
  Bindings: Env
  Variables: {
    /** Of every request, echoed as `X-Request-Id`. */
    requestId: string
    /** Set behind `authenticate`. */
    apiKey: ApiKey
    /** Set behind `findDatabase`. */
    upstream: { tenantId: string; token: string; databaseUrl: string; location: string }
  }
}
