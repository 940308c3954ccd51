/** Tokens of the Platform API itself. */
import type { CallOptions } from '../http/watch.ts'
import type { PlatformCallOptions } from './call.ts'
import { checkScopes } from './checks.ts'
import type { Endpoints } from './endpoint.ts'
import type { ApiToken, ApiTokenScope, CreatedApiToken, Raw } from './types.ts'

export interface CreateApiTokenOptions extends CallOptions {
  /** The slug of the only organization that it reaches. Default: all of the user's, which the API wants to end. */
  organization?: string | undefined
  /** The only group that it reaches. Needs an organization and scopes. */
  group?: string | undefined
  /** What it may do in the group; at least one. */
  scopes?: (ApiTokenScope | 'read-only' | 'full-access')[] | undefined
}

/** What all methods throw is said at {@link createPlatform}. */
export interface ApiTokens {
  /**
   * `GET /v1/auth/validate`: when the client's own token ends, in milliseconds since 1970; `null` for never. Throws
   * {@link HttpError} `unauthorized` when it is none.
   */
  validate(options?: CallOptions): Promise<{ expiresAtMs: number | null } & Raw>
  /** `GET /v1/auth/api-tokens`: the user's. */
  list(options?: CallOptions): Promise<ApiToken[]>
  /**
   * `POST /v1/auth/api-tokens/{name}`. A Worker that provisions needs `read`, `db:create` and `db:mint-token`, and
   * `db:delete` to undo. Throws {@link HttpError} `already_exists`.
   */
  create(name: string, options?: CreateApiTokenOptions): Promise<CreatedApiToken>
  /** `DELETE /v1/auth/api-tokens/{name}`. */
  revoke(name: string, options?: CallOptions): Promise<void>
  /** `GET /v1/organizations/{organization}/api-tokens`: of all members for an admin, else one's own. */
  listOfOrganization(options?: PlatformCallOptions): Promise<ApiToken[]>
  /** `DELETE /v1/organizations/{organization}/api-tokens/{id}`. */
  revokeOfOrganization(id: string, options?: PlatformCallOptions): Promise<void>
  /**
   * `POST /v1/auth/invalidate`: ends all sessions of the user, the client's own with them. Sent once and never retried.
   * @experimental From the Turso CLI (token.go).
   */
  invalidateSessions(options?: CallOptions): Promise<void>
}

const TOKEN = 'id name'

export const apiTokens: Endpoints<ApiTokens> = {
  validate: {
    route: 'GET /v1/auth/validate',
    // -1 is no time.
    answer: ({ exp }) => Number.isFinite(exp) && { expires_at_ms: exp < 0 ? null : exp * 1000 },
  },
  list: { route: 'GET /v1/auth/api-tokens', list: true, answer: 'tokens', fields: TOKEN },
  create: {
    route: 'POST /v1/auth/api-tokens/:name',
    options: 'organization group scopes',
    check: checkScopes,
    // Version 2 wraps it, and calls the token "value".
    answer: (whole) => {
      const { value } = whole['token']
      return value ? { ...whole['token'], token: value } : whole
    },
    fields: 'id name token',
  },
  revoke: { route: 'DELETE /v1/auth/api-tokens/:name' },
  listOfOrganization: {
    route: 'GET /v1/organizations/:organization/api-tokens',
    list: true,
    answer: 'tokens',
    fields: TOKEN,
  },
  revokeOfOrganization: { route: 'DELETE /v1/organizations/:organization/api-tokens/:id' },
  invalidateSessions: { route: 'POST /v1/auth/invalidate', isRepeatable: false },
}
