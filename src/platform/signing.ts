/** Database tokens that are signed here, without a call of the API. */
import { expirationSeconds } from './expiration.ts'
import { claimsOf } from './key-sets.ts'
import { requireNames } from './options.ts'
import { attachedBy, type TablePermission } from './permissions.ts'
import {
  encodeBase64Url,
  requirePublicKey,
  toPem,
  type PublicSigningKey,
  type SigningKey,
} from './signing-keys.ts'

export interface SignerOptions {
  /**
   * The first signs. All are published: the next key before it signs, the last one until its tokens have expired, which
   * needs no more than its `publicKey`.
   */
  keys: readonly [SigningKey, ...{ readonly publicKey: PublicSigningKey }[]]
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  now?: (() => number) | undefined
}

export interface SignOptions {
  /**
   * What the token opens: the database of this id (`Database.id`, not its name, which a later database may have); on sqld
   * the namespace of this name. Either this or `group`.
   */
  database?: string | undefined
  /** The id of a group: the token opens all of its databases, later ones too. Turso alone knows these. */
  group?: string | undefined
  /**
   * `never`, or numbers with the units w, d, h and m: `2w1d30m`. Has no default, since a token cannot be revoked but by
   * retiring its key. Servers may let a token live for a minute more.
   */
  expiration: string
  /** Default `full-access`. */
  authorization?: 'full-access' | 'read-only' | undefined
  /** Databases that may be attached, by id. */
  permissions?: { readAttach?: { databases: readonly string[] } | undefined } | undefined
  /** Made by {@link permissions}. Turso alone knows these: sqld ignores them, and allows what `authorization` says. */
  fineGrainedPermissions?: TablePermission[] | undefined
  /** The claim `rid` of a token that {@link Databases.createToken} has minted: it ends with the next `invalidateTokens`. */
  rid?: string | undefined
}

export interface Signer {
  /**
   * A token, without a request.
   *
   * Rejects with `TypeError` for malformed or unknown options, for a clock that has no time, and for neither or both of
   * `database` and `group`: a token without them would open every database.
   */
  sign(options: SignOptions): Promise<string>
  /** The key set (RFC 7517), to be served as JSON at the address that the organization registers. */
  jwks(): { keys: PublicSigningKey[] }
  /** The same keys for sqld: `SQLD_AUTH_JWT_KEY`, or the file of `--auth-jwt-key-file`. */
  pem(): string
}

/**
 * Signs database tokens with Ed25519, for organizations that have registered the key set of the signer
 * (`turso.jwks.save`), for sqld, and for the local Turso.
 *
 * @experimental Turso documents key sets of Clerk and Auth0 only; nothing says that it takes another issuer's, or EdDSA.
 * @throws {TypeError} for no key, malformed keys, or two keys of the same `kid`
 * @example
 * const signer = createSigner({ keys: [await importSigningKey(env.SIGNING_KEY)] })
 * const authToken = await signer.sign({ database: id, expiration: '10m', authorization: 'read-only' })
 */
export function createSigner({ keys, now = Date.now }: SignerOptions): Signer {
  const [active] = keys
  if (typeof active?.sign !== 'function')
    throw new TypeError('The first of "keys" must be one that signs: made by importSigningKey')
  const published = keys.map(({ publicKey }) => requirePublicKey(publicKey))
  const [{ kid } = { kid: '' }] = published
  if (new Set(published.map((key) => key.kid)).size < published.length)
    throw new TypeError('Two of "keys" have the same "kid"')
  const header = encodePart({ alg: 'EdDSA', typ: 'JWT', kid })
  return {
    async sign(options) {
      const signed = `${header}.${encodePart(claimsOfToken(options, Math.floor(now() / 1000)))}`
      const signature = await active.sign(new TextEncoder().encode(signed))
      return `${signed}.${encodeBase64Url(new Uint8Array(signature))}`
    },
    jwks: () => ({ keys: published.map((key) => ({ ...key })) }),
    pem: () => toPem(published),
  }
}

function claimsOfToken(options: SignOptions, iat: number): object {
  requireNames(
    '"options"',
    options,
    'database group expiration authorization permissions fineGrainedPermissions rid',
  )
  const { database, group, expiration, permissions } = options
  const { a, perm, ...where } = claimsOf(database, group, options, '"database" or "group"')
  const attached = attachedBy(permissions)
  // JSON has null for it, which may be read as never.
  if (!Number.isSafeInteger(iat)) throw new TypeError('"now" must return milliseconds since 1970')
  const seconds = expirationSeconds(expiration)
  // Beyond it, servers can no longer read the date.
  if (seconds !== undefined && iat + seconds > MAX_DATE_SECONDS)
    throw new TypeError(`"expiration" is beyond any date; got "${expiration}"`)
  return {
    // Who reads `p` ignores `a` and the id.
    ...(attached.length
      ? {
          p: { [a]: database === undefined ? { tags: [group] } : { ns: [database] }, roa: { ns: attached } },
        }
      : { a }),
    ...where,
    ...(perm.length && { perm }),
    iat,
    ...(seconds !== undefined && { exp: iat + seconds }),
  }
}

/** The end of `Date`, in seconds. */
const MAX_DATE_SECONDS = 8_640_000_000_000

function encodePart(value: object): string {
  return encodeBase64Url(new TextEncoder().encode(JSON.stringify(value)))
}
