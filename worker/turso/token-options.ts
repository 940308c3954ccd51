/** What a token is asked for with. Pure. */
import type { TablePermission } from '../../src/index.ts'
import { DEFAULT_TOKEN_EXPIRATION } from '../limits.ts'

export interface TokenOptions {
  authorization: 'full-access' | 'read-only'
  expiration: string
  /** Default: all tables, as `authorization` says. */
  fineGrainedPermissions?: TablePermission[]
}

/** What a caller leaves out is a token with full access that ends after `DEFAULT_TOKEN_EXPIRATION`. */
export function tokenOptions({
  authorization,
  expiration,
}: {
  authorization?: TokenOptions['authorization'] | undefined
  expiration?: string | undefined
} = {}): TokenOptions {
  return {
    authorization: authorization ?? 'full-access',
    expiration: expiration ?? DEFAULT_TOKEN_EXPIRATION,
  }
}
