/** What a token is asked for with. Pure. */
import { DEFAULT_TOKEN_EXPIRATION } from './limits.ts'
import type { SignupRequest } from './schemas.ts'

export interface TokenOptions {
  authorization: 'full-access' | 'read-only'
  expiration: string
}

export function tokenOptions({ token }: Pick<SignupRequest, 'token'>): TokenOptions {
  return {
    authorization: token?.authorization ?? 'full-access',
    expiration: token?.expiration ?? DEFAULT_TOKEN_EXPIRATION,
  }
}
