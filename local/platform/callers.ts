/** Whose request it is: the token of the Platform API that comes with it. */
import { HttpFailure } from '../errors.ts'
import type { ApiToken } from '../storage/records.ts'
import type { PlatformContext } from './call.ts'

/** The owner's token, or one that was minted and may be narrower. */
export type Caller = Pick<ApiToken, 'organizationId' | 'groupId' | 'scopes'>

const OWNER: Caller = { organizationId: undefined, groupId: undefined, scopes: [] }

/**
 * Reads the `Authorization` header. Throws `HttpFailure` 401 with the texts of the real service: for what is no JWT,
 * for a token that opens databases, for one that was not signed here or has been revoked.
 */
export function authenticate(
  header: string | null,
  { platformToken, signer, catalogue }: Pick<PlatformContext, 'platformToken' | 'signer' | 'catalogue'>,
): Caller {
  const [, token = ''] = /^bearer +(\S+) *$/i.exec(header ?? '') ?? []
  if (token === platformToken) return OWNER
  if (token.split('.').length !== 3) {
    throw new HttpFailure(401, 'token contains an invalid number of segments')
  }
  const claims = signer.verify(token)
  if (!claims) throw new HttpFailure(401, 'signature is invalid')
  const id = 'jti' in claims ? claims.jti : undefined
  if (typeof id !== 'string') throw new HttpFailure(401, 'could not parse jwt id')
  const caller = catalogue.apiTokens.find(id)
  if (!caller) throw new HttpFailure(401, 'token has been revoked')
  return caller
}
