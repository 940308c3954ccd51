/** Database tokens: EdDSA JWTs with the claims that Turso puts in, checked as sqld checks them. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { HttpFailure, unknownDatabase } from './errors.ts'
import { TOKEN_LEEWAY_SECONDS } from './limits.ts'

/** What a token allows: everything, or reading only. */
export type Access = 'rw' | 'ro'

interface Claims {
  /** Access. */
  a: Access
  /** The DbId of the one database it opens. */
  id: string
  iat: number
  exp?: number
}

export interface Tokens {
  /** A token for one database, valid for `lifetimeSeconds` or for ever. */
  mint(databaseId: string, access: Access, lifetimeSeconds: number | undefined): string
  /**
   * What the `Authorization` header allows on a database. Throws `HttpFailure`: 401 when it is missing, malformed,
   * forged or expired, 404 when it is for another database.
   */
  authorize(header: string | null, databaseId: string, databaseName: string): Access
}

/** A new Ed25519 key, as PEM (PKCS #8). */
export function generateSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

export function createTokens(signingKeyPem: string, now: () => number): Tokens {
  const privateKey = createPrivateKey(signingKeyPem)
  const publicKey = createPublicKey(privateKey)
  const nowSeconds = () => Math.floor(now() / 1000)

  const read = (jwt: string): Claims | undefined => {
    const [header, payload, signature, ...rest] = jwt.split('.')
    if (!header || !payload || !signature || rest.length > 0) return undefined
    const isGenuine = verify(
      null,
      Buffer.from(`${header}.${payload}`),
      publicKey,
      Buffer.from(signature, 'base64url'),
    )
    // Only what we signed gets here, so the shape is ours.
    return isGenuine ? (JSON.parse(Buffer.from(payload, 'base64url').toString()) as Claims) : undefined
  }

  return {
    mint(databaseId, access, lifetimeSeconds) {
      const iat = nowSeconds()
      const claims: Claims = { a: access, id: databaseId, iat }
      if (lifetimeSeconds !== undefined) claims.exp = iat + lifetimeSeconds
      const signed = `${encode({ alg: 'EdDSA', typ: 'JWT' })}.${encode(claims)}`
      return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`
    },
    authorize(header, databaseId, databaseName) {
      const claims = read(bearerOf(header))
      if (!claims) throw unauthorized('The JWT is invalid')
      if (claims.exp !== undefined && claims.exp + TOKEN_LEEWAY_SECONDS < nowSeconds()) {
        throw unauthorized('The JWT has expired')
      }
      if (claims.id !== databaseId) throw unknownDatabase(databaseName)
      return claims.a
    },
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function bearerOf(header: string | null): string {
  if (header === null) throw unauthorized('Expected authorization header but none given')
  const [scheme = '', token, ...rest] = header.trim().split(' ')
  if (token === undefined || rest.length > 0) {
    throw unauthorized("Auth string does not conform to '<scheme> <token>' form")
  }
  if (scheme.toLowerCase() !== 'bearer') {
    throw unauthorized('The authentication scheme in the `Authorization` HTTP header is not supported')
  }
  return token
}

function unauthorized(reason: string): HttpFailure {
  return new HttpFailure(401, `Unauthorized: \`${reason}\``)
}
