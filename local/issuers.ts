/** Tokens that others sign: Clerk, Auth0, or a program of the organization's own, whose key set it has registered. */
import { createPublicKey, verify, type JsonWebKey, type KeyObject } from 'node:crypto'
import { KEY_SET_LIFETIME_MS } from './limits.ts'
import type { Claims, NamespaceScope } from './tokens.ts'

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
  readonly keys: ReadonlyMap<string, KeyObject>
  readonly fetchedAtMs: number
}

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
      const { alg, kid } = decode(header)
      const algorithm = ALGORITHMS.get(alg)
      if (typeof kid !== 'string' || !algorithm || rest.length > 0) return undefined
      const signed = Buffer.from(`${header}.${payload}`)
      const bytes = Buffer.from(signature, 'base64url')
      const isGenuine = urlsOf(organizationId).some((url) => {
        const key = known.get(url)?.keys.get(kid)
        return key?.asymmetricKeyType === algorithm.keyType && verify(algorithm.digest, signed, key, bytes)
      })
      return isGenuine ? readClaims(decode(payload)) : undefined
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

/** Keys that cannot be read are left out, as those of kinds that are not known here. */
function readKeys(document: unknown): Map<string, KeyObject> {
  const { keys } = document as { keys: (JsonWebKey & { kid: string })[] }
  const found = new Map<string, KeyObject>()
  for (const key of keys) {
    try {
      found.set(key.kid, createPublicKey({ key, format: 'jwk' }))
    } catch {
      continue
    }
  }
  return found
}

/** Of the tokens of the local Turso itself, none. */
function kidOf(header: string | null): string | undefined {
  const [, jwt = ''] = header?.trim().split(' ') ?? []
  const { kid } = decode(jwt.split('.')[0] ?? '')
  return typeof kid === 'string' ? kid : undefined
}

/** A part of a JWT; empty when it is no object. */
function decode(part: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(Buffer.from(part, 'base64url').toString()))
  } catch {
    return {}
  }
}

/** `undefined` when they are not of the shape of ours: they come from elsewhere. */
function readClaims(claims: Record<string, unknown>): Claims | undefined {
  const { exp, id, gid, rid, p, perm } = claims
  const isText = (value: unknown) => value === undefined || typeof value === 'string'
  const isTexts = (value: unknown) => value === undefined || (Array.isArray(value) && value.every(isText))
  const isScope = ({ ns, tags }: NamespaceScope) => isTexts(ns) && isTexts(tags)
  const isRule = (rule: unknown) => Array.isArray((rule as { a?: unknown } | null)?.a)
  const isWellFormed =
    (exp === undefined || typeof exp === 'number') &&
    [id, gid, rid].every(isText) &&
    (p === undefined || Object.values(Object(p)).every((scope) => isScope(Object(scope)))) &&
    (perm === undefined || (Array.isArray(perm) && perm.every(isRule)))
  return isWellFormed ? claims : undefined
}
