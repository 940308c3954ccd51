/** Tokens that others sign: Clerk, Auth0, or a program of the organization's own, whose key set it has registered. */
import { createPublicKey, verify, type JsonWebKey, type KeyObject } from 'node:crypto'
import { KEY_SET_LIFETIME_MS } from './limits.ts'
import type { Claims } from './tokens.ts'

export interface Issuers {
  /**
   * Fetches the key sets of an organization, unless they are known and have the key of the token in this `Authorization`
   * header. Never rejects: what cannot be fetched has no keys.
   */
  prepare(header: string | null, organizationId: string): Promise<void>
  /** The claims of a token that a key of the organization's sets has signed; `undefined` for any other text. */
  read(jwt: string, organizationId: string): Claims | undefined
}

export interface IssuersOptions {
  /** Where the key sets of an organization are. */
  readonly urlsOf: (organizationId: string) => string[]
  readonly fetchKeySet: ((url: string) => Promise<Response>) | undefined
  readonly now: () => number
}

interface KeySet {
  /** By `kid`. */
  readonly keys: ReadonlyMap<string, VerifyingKey>
  readonly fetchedAtMs: number
}

interface VerifyingKey {
  readonly key: KeyObject
  /** The one algorithm that its JWK says it is for. `undefined`: all of its kind. */
  readonly alg: unknown
}

/** RFC 7518, 3.3. */
const MIN_RSA_BITS = 2048

/** RFC 8037 and RFC 7518: what a key must be for the algorithm that a token names, and its digest. */
const ALGORITHMS: ReadonlyMap<unknown, { keyType: string; digest: string | null }> = new Map([
  ['EdDSA', { keyType: 'ed25519', digest: null }],
  ['RS256', { keyType: 'rsa', digest: 'sha256' }],
])

export function createIssuers({ urlsOf, fetchKeySet, now }: IssuersOptions): Issuers {
  const known = new Map<string, KeySet>()

  const load = async (url: string): Promise<void> => {
    try {
      const document = inlineText(url) ?? (await fetchKeySet?.(url).then(requireText))
      if (document === undefined) known.delete(url)
      else known.set(url, { keys: readKeys(JSON.parse(document)), fetchedAtMs: now() })
    } catch {
      known.delete(url)
    }
  }

  return {
    async prepare(header, organizationId) {
      const kid = kidOf(header)
      if (kid === undefined) return
      const urls = urlsOf(organizationId)
      const hasKey = urls.some((url) => known.get(url)?.keys.has(kid))
      const isStale = (url: string) => {
        const set = known.get(url)
        return !hasKey || !set || set.fetchedAtMs + KEY_SET_LIFETIME_MS <= now()
      }
      await Promise.all(urls.filter(isStale).map(load))
    },
    read(jwt, organizationId) {
      const [header = '', payload = '', signature = '', ...rest] = jwt.split('.')
      const { alg, kid, crit } = decode(header) ?? {}
      const algorithm = ALGORITHMS.get(alg)
      // RFC 7515, 4.1.11: what is critical must be understood, and nothing of it is.
      if (typeof kid !== 'string' || !algorithm || crit !== undefined || rest.length > 0) return undefined
      const signed = Buffer.from(`${header}.${payload}`)
      const bytes = Buffer.from(signature, 'base64url')
      const isGenuine = urlsOf(organizationId).some((url) => {
        const { key, alg: intended = alg } = known.get(url)?.keys.get(kid) ?? {}
        return (
          key?.asymmetricKeyType === algorithm.keyType &&
          intended === alg &&
          verify(algorithm.digest, signed, key, bytes)
        )
      })
      const claims = isGenuine ? decode(payload) : undefined
      return claims && readClaims(claims)
    },
  }
}

/** What is in a `data:` URL (RFC 2397). */
function inlineText(url: string): string | undefined {
  const [, base64, data = ''] = /^data:[^,]*?(;base64)?,(.*)$/.exec(url) ?? []
  if (!url.startsWith('data:')) return undefined
  const text = decodeURIComponent(data)
  return base64 === undefined ? text : Buffer.from(text, 'base64').toString()
}

function requireText(response: Response): Promise<string> {
  if (!response.ok) throw new Error(`the key set was answered with ${response.status}`)
  return response.text()
}

/** Keys that cannot be read are left out, as those of kinds that are not known here, of other uses, and weak ones. */
function readKeys(document: unknown): Map<string, VerifyingKey> {
  const { keys } = document as { keys: (JsonWebKey & { kid: string })[] }
  const found = new Map<string, VerifyingKey>()
  for (const jwk of keys) {
    try {
      const { kid, use = 'sig', alg } = jwk
      const key = createPublicKey({ key: jwk, format: 'jwk' })
      const { modulusLength = MIN_RSA_BITS } = key.asymmetricKeyDetails ?? {}
      if (use === 'sig' && modulusLength >= MIN_RSA_BITS) found.set(kid, { key, alg })
    } catch {
      continue
    }
  }
  return found
}

/** Of the tokens of the local Turso itself, none. */
function kidOf(header: string | null): string | undefined {
  const [, jwt = ''] = header?.trim().split(' ') ?? []
  const { kid } = decode(jwt.split('.')[0] ?? '') ?? {}
  return typeof kid === 'string' ? kid : undefined
}

/** A part of a JWT; `undefined` when it is no object: what lacks all claims would open the whole organization. */
function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `undefined` when they are not of the shape of ours: they come from elsewhere. */
function readClaims(claims: Record<string, unknown>): Claims | undefined {
  const { a, exp, nbf, id, gid, rid, p, perm } = claims
  const isText = (value: unknown) => value === undefined || typeof value === 'string'
  const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText)
  const isDate = (value: unknown) => value === undefined || Number.isFinite(value)
  const isScope = (scope: unknown) =>
    isObject(scope) && [scope['ns'], scope['tags']].every((names) => names === undefined || isTexts(names))
  const isRule = (rule: unknown) => isObject(rule) && isTexts(rule['a'])
  const isWellFormed =
    [undefined, 'rw', 'ro', 'roa'].some((access) => access === a) &&
    [exp, nbf].every(isDate) &&
    [id, gid, rid].every(isText) &&
    (p === undefined || (isObject(p) && Object.values(p).every(isScope))) &&
    (perm === undefined || (Array.isArray(perm) && perm.every(isRule)))
  return isWellFormed ? claims : undefined
}
