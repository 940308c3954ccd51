/** What the routes find in Hono's context. */
import type { ApiKey } from './api-key.ts'
import type { Claim } from './memory/room.ts'

export interface AppEnvironment {
  Bindings: Env
  Variables: {
    /** Of every request, echoed as `X-Request-Id`. */
    requestId: string
    /** Set behind `authenticate`. */
    apiKey: ApiKey
    /** As the header `RateLimit-Policy` says it; `null`: nobody has told. Set behind `authenticate`. */
    rateLimitPolicy: string | null | undefined
    /** Set behind `findDatabase`. */
    upstream: {
      tenantId: string
      token: string
      /** Whether the database is known to take it. */
      isTokenAccepted: boolean
      databaseUrl: string
      location: string
    }
    /** Set behind `holdBody`: the body, and its place in the room for bodies. */
    body: Uint8Array<ArrayBuffer>
    bodyClaim: Claim
    /** What a session is listed as; set where that is not `http`. */
    sessionKind: 'http' | 'binding' | undefined
  }
}

/** Secrets that need not be there, and so are not in the generated types. */
export interface OptionalSecrets {
  /** The former `BATON_KEY`, as long as what it has signed should be good. */
  BATON_KEY_PREVIOUS?: string
}
