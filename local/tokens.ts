/** Database and group tokens: EdDSA JWTs with the claims that Turso puts in, checked as sqld checks them. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { HttpFailure, unknownDatabase } from './errors.ts'
import { MAX_VERIFIED_TOKENS, TOKEN_LEEWAY_SECONDS } from './limits.ts'

/** What a token allows on a database: everything, or reading only. */
export type Access = 'rw' | 'ro'

/** Some databases: by DbId or host name label, or by the id of their group. */
export interface NamespaceScope {
  ns?: string[]
  tags?: string[]
}

/** A rule of fine-grained permissions: actions on tables, `null` for all tables. */
export interface PermissionRule {
  t: string[] | null
  a: string[]
}

/** The claims of the tokens that open databases. Source: tokens of Turso Cloud, and sqld for `p`. */
export interface Claims {
  /** Access; `roa` may be attached as well. Without it everything is allowed. */
  a?: Access | 'roa'
  /** The DbId of the one database it opens. */
  id?: string
  /** The id of the group all of whose databases it opens. */
  gid?: string
  /** Rights by database instead of `a` and `id`. `roa` and `rwa` may be attached to those, and are not opened. */
  p?: Partial<Record<'ro' | 'rw' | 'roa' | 'rwa', NamespaceScope>>
  /** Fine-grained permissions. Checked here for reading and writing only, not table by table. */
  perm?: PermissionRule[]
  /** Which rotation of the database's (or the group's) tokens it belongs to; older ones are refused. */
  rid?: string
  iat?: number
  /** It is not valid before. Tokens of other issuers have it. */
  nbf?: number
  exp?: number
}

/** What must be known of a database to check a token for it. */
export interface TokenSubject {
  readonly id: string
  readonly organizationId: string
  readonly groupId: string
  /** The first label of its host name. */
  readonly label: string
  readonly rotationId: string
  readonly groupRotationId: string
}

export interface Tokens {
  /** A token with these claims, valid for `lifetimeSeconds` or for ever. */
  mint(claims: Claims, lifetimeSeconds: number | undefined): string
  /**
   * What the `Authorization` header allows on a database. Throws `HttpFailure`: 401 when it is missing, malformed,
   * forged, expired, not valid yet or of an earlier rotation, 404 when it is for another database, 403 when it allows nothing on it.
   */
  authorize(header: string | null, databaseId: string, databaseName: string): Access
}

export interface TokensOptions {
  /** PEM. */
  readonly signingKey: string
  /** `undefined` when there is no such database. */
  readonly findSubject: (databaseId: string) => TokenSubject | undefined
  /** The claims of a token that another issuer has signed for an organization; `undefined` for any other text. */
  readonly readForeign?: (jwt: string, organizationId: string) => Claims | undefined
  readonly now: () => number
}

/** A new Ed25519 key, as PEM (PKCS #8). */
export function generateSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

export function createTokens({ signingKey, findSubject, readForeign, now }: TokensOptions): Tokens {
  const signer = createSigner(signingKey)
  const nowSeconds = () => Math.floor(now() / 1000)

  return {
    mint(claims, lifetimeSeconds) {
      const iat = nowSeconds()
      return signer.sign({
        ...claims,
        iat,
        ...(lifetimeSeconds !== undefined && { exp: iat + lifetimeSeconds }),
      })
    },
    authorize(header, databaseId, databaseName) {
      const jwt = bearerOf(header)
      const subject = findSubject(databaseId)
      const own = signer.verify(jwt) as Claims | undefined
      const claims = own ?? (subject && readForeign?.(jwt, subject.organizationId))
      if (!claims) throw unauthorized('The JWT is invalid')
      if (claims.exp !== undefined && claims.exp + TOKEN_LEEWAY_SECONDS < nowSeconds()) {
        throw unauthorized('The JWT has expired')
      }
      if (claims.nbf !== undefined && claims.nbf - TOKEN_LEEWAY_SECONDS > nowSeconds()) {
        throw unauthorized('The JWT is not valid yet')
      }
      const access =
        subject && (own || !opensEverything(claims) ? accessTo(subject, claims) : accessOf(claims))
      if (!access) throw unknownDatabase(databaseName)
      // Nothing says that the tokens of others need a rotation; the template has one.
      const isRotated = own !== undefined || claims.rid !== undefined
      if (isRotated && !isCurrent(subject, claims)) throw unauthorized('The JWT is invalid')
      return narrow(access, claims.perm, databaseName)
    },
  }
}

export interface Signer {
  sign(claims: object): string
  /** The claims of a token that this key has signed, `undefined` for any other text. */
  verify(jwt: string): object | undefined
}

/** Signs JWTs with an Ed25519 key, and reads those that it has signed. */
export function createSigner(signingKeyPem: string): Signer {
  const privateKey = createPrivateKey(signingKeyPem)
  const publicKey = createPublicKey(privateKey)
  // A signature stays right, and checking it would be a third of a small query. What the claims allow is asked anew.
  const genuine = new Map<string, object>()
  return {
    sign(claims) {
      const signed = `${encode({ alg: 'EdDSA', typ: 'JWT' })}.${encode(claims)}`
      return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`
    },
    verify(jwt) {
      const known = genuine.get(jwt)
      if (known) return known
      const [header, payload, signature, ...rest] = jwt.split('.')
      if (!header || !payload || !signature || rest.length > 0) return undefined
      const signed = Buffer.from(`${header}.${payload}`)
      if (!verify(null, signed, publicKey, Buffer.from(signature, 'base64url'))) return undefined
      // Only what we signed gets here, so the shape is ours.
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
      genuine.set(jwt, claims)
      const [oldest] = genuine.keys()
      if (genuine.size > MAX_VERIFIED_TOKENS && oldest !== undefined) genuine.delete(oldest)
      return claims
    },
  }
}

/** Tokens of other issuers that lack the claims of Turso open every database of the organization. */
function opensEverything({ id, gid, p }: Claims): boolean {
  return id === undefined && gid === undefined && p === undefined
}

function accessOf({ a }: Claims): Access {
  return a === 'ro' || a === 'roa' ? 'ro' : 'rw'
}

/** What the claims allow on a database, `undefined` for a token of another one. `p` replaces `id` and `a`. */
function accessTo(subject: TokenSubject, claims: Claims): Access | undefined {
  const { id, gid, p } = claims
  if (p) {
    const includes = (scope: NamespaceScope | undefined) =>
      scope?.ns?.some((name) => name === subject.id || name === subject.label) ||
      scope?.tags?.includes(subject.groupId)
    if (includes(p.rw)) return 'rw'
    return includes(p.ro) ? 'ro' : undefined
  }
  if (id !== subject.id && gid !== subject.groupId) return undefined
  return accessOf(claims)
}

/** Whether it was minted after the last rotation. Tokens from before there were rotations have no `rid`. */
function isCurrent(subject: TokenSubject, { id, gid, rid = '' }: Claims): boolean {
  if (id === subject.id) return rid === subject.rotationId
  if (gid === subject.groupId) return rid === subject.groupRotationId
  return true
}

/** Takes the right to write from permissions that name no action but reading. */
function narrow(access: Access, rules: PermissionRule[] | undefined, databaseName: string): Access {
  if (!rules || rules.length === 0) return access
  const actions = new Set(rules.flatMap(({ a }) => a))
  if (actions.size === 0) {
    throw new HttpFailure(
      403,
      `Authorization forbidden: Current session doesn't not have Read permission to namespace ${databaseName}`,
    )
  }
  return [...actions].every((action) => action === 'data_read') ? 'ro' : access
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
