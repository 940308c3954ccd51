/** What a token is asked for with. Pure. */
import type { TablePermission } from '../src/index.ts'
import { DEFAULT_TOKEN_EXPIRATION } from './limits.ts'
import type { TokenRequest } from './schemas.ts'

export interface TokenOptions {
  authorization: 'full-access' | 'read-only'
  expiration: string
  /** Default: all tables, as `authorization` says. */
  fineGrainedPermissions?: TablePermission[]
}

export function tokenOptions({ authorization, expiration }: TokenRequest = {}): TokenOptions {
  return {
    authorization: authorization ?? 'full-access',
    expiration: expiration ?? DEFAULT_TOKEN_EXPIRATION,
  }
}
