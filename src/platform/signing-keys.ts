/** Ed25519 keys that sign database tokens, and the JWKs in which they are kept and published. */
import { encodeBase64 } from '../base64.ts'

/** The public half, as a key set publishes it (RFC 8037). */
export interface PublicSigningKey {
  kty: 'OKP'
  crv: 'Ed25519'
  alg: 'EdDSA'
  use: 'sig'
  /** Tokens name it in their header: which key of a set has signed them. */
  kid: string
  /**
   * The 32 bytes of the key in URL-safe base64. It is also what sqld takes as `SQLD_AUTH_JWT_KEY`, when there is one key.
   */
  x: string
}

/** Both halves: a secret. */
export interface PrivateSigningKey extends PublicSigningKey {
  /** The private 32 bytes in URL-safe base64. */
  d: string
}

/** What signs. {@link importSigningKey} makes it; a key service can be one too. */
export interface SigningKey {
  readonly publicKey: PublicSigningKey
  /** The 64 bytes of an Ed25519 signature. */
  sign(bytes: Uint8Array): Promise<ArrayBuffer | Uint8Array>
}

const ED25519 = 'Ed25519'
/** 32 bytes: the last character has two bits of padding. */
const KEY = /^[\w-]{42}[AEIMQUYcgkosw048]$/

/**
 * A new key, to be kept as a secret and given to {@link importSigningKey}.
 *
 * @param options.kid default: the thumbprint of the key (RFC 7638), which no other key has
 * @throws {TypeError} for a `kid` that is no text, and in a runtime without Ed25519
 * @experimental
 */
export async function generateSigningKey(
  options: { kid?: string | undefined } = {},
): Promise<PrivateSigningKey> {
  if (options.kid !== undefined && !isKid(options.kid)) throw malformed('its "kid" must be a text')
  const pair = await withEd25519((subtle) => subtle.generateKey(ED25519, true, ['sign', 'verify']))
  const privateKey = 'privateKey' in pair ? pair.privateKey : pair
  const { x, d } = (await crypto.subtle.exportKey('jwk', privateKey)) as PrivateSigningKey
  return { ...(await publish(x, options.kid)), d }
}

/**
 * The key in a form that signs and that nobody can read the private half of again. May be kept for as long as the isolate
 * lives; on Workers, keep the key and not the promise of it.
 *
 * @param key the JWK that {@link generateSigningKey} has made or another Ed25519 one, or its JSON. Without a `kid` it has
 * its thumbprint
 * @throws {TypeError} for anything else, for halves that do not belong together, and in a runtime without Ed25519. The
 * message never has the key
 * @experimental
 */
export async function importSigningKey(key: PrivateSigningKey | string): Promise<SigningKey> {
  const { kty, crv, x, d, kid } = readKey(key)
  if (kty !== 'OKP' || crv !== ED25519 || !isKey(x) || !isKey(d) || (kid !== undefined && !isKid(kid)))
    throw malformed('it must be a JWK with kty "OKP", crv "Ed25519", x, d, and a "kid" if any that is a text')
  const publicKey = await publish(x, kid)
  try {
    const [privateHalf, publicHalf] = await withEd25519((subtle) =>
      Promise.all([
        subtle.importKey('jwk', { kty, crv, x, d }, ED25519, false, ['sign']),
        subtle.importKey('jwk', { kty, crv, x }, ED25519, false, ['verify']),
      ]),
    )
    const signing: SigningKey = {
      publicKey,
      sign: (bytes) => crypto.subtle.sign(ED25519, privateHalf, bytes as Uint8Array<ArrayBuffer>),
    }
    // Not every runtime looks whether they do, and what is published would verify nothing.
    const probe = new Uint8Array(1)
    const signature = (await signing.sign(probe)) as ArrayBuffer
    if (await crypto.subtle.verify(ED25519, publicHalf, signature, probe)) return signing
  } catch (error) {
    if (error instanceof TypeError) throw error
  }
  throw malformed('x is not the public half of d')
}

/**
 * The public halves as PEM, one after the other: what sqld takes as `SQLD_AUTH_JWT_KEY` or in a file, where it tries
 * each of them.
 *
 * @experimental
 */
export function toPem(keys: readonly PublicSigningKey[]): string {
  return keys
    .map(({ x }) => {
      // What a SubjectPublicKeyInfo of Ed25519 has before the key itself (RFC 8410), in base64: 12 bytes, so it ends evenly.
      const spki = `MCowBQYDK2VwAyEA${x.replaceAll('-', '+').replaceAll('_', '/')}=`
      return `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----\n`
    })
    .join('')
}

/** @throws {TypeError} for what a key set must not publish */
export function requirePublicKey({ kty, crv, kid, x }: PublicSigningKey): PublicSigningKey {
  if (kty !== 'OKP' || crv !== ED25519 || !isKey(x) || !isKid(kid))
    throw malformed('its public half is not one')
  // These members alone: a caller may have spread the private JWK.
  return publicKeyOf(x, kid)
}

/** Without padding, in the alphabet of JWTs and JWKs. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

async function publish(x: string, kid: string | undefined): Promise<PublicSigningKey> {
  return publicKeyOf(x, kid ?? (await thumbprint(x)))
}

function publicKeyOf(x: string, kid: string): PublicSigningKey {
  return { kty: 'OKP', crv: ED25519, alg: 'EdDSA', use: 'sig', kid, x }
}

async function thumbprint(x: string): Promise<string> {
  const text = new TextEncoder().encode(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`)
  return encodeBase64Url(new Uint8Array(await crypto.subtle.digest('SHA-256', text)))
}

function readKey(key: unknown): Partial<Record<string, string>> {
  if (typeof key !== 'string') return key ?? {}
  try {
    return JSON.parse(key) ?? {}
  } catch {
    // The error of JSON.parse would quote the secret.
    throw malformed('it is not JSON')
  }
}

const isKey = (value: unknown): value is string => typeof value === 'string' && KEY.test(value)
const isKid = (value: unknown): value is string => typeof value === 'string' && value !== ''

function malformed(reason: string): TypeError {
  return new TypeError(`The signing key is malformed: ${reason}`)
}

async function withEd25519<T>(work: (subtle: typeof crypto.subtle) => Promise<T>): Promise<T> {
  let cause: unknown
  try {
    if (typeof crypto === 'object' && crypto.subtle) return await work(crypto.subtle)
  } catch (error) {
    if ((error as Error).name !== 'NotSupportedError') throw error
    cause = error
  }
  throw new TypeError(
    'This runtime has no Ed25519 in its WebCrypto; Workers, Node 20, Deno and current browsers (on https) have it',
    { cause },
  )
}
