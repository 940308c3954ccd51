/** API keys: their form, and how a presented one is looked up. Only their SHA-256 is kept. */

export type Scope = 'signup' | 'admin'

export interface ApiKey {
  name: string
  scope: Scope
  sha256: Uint8Array<ArrayBuffer>
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const CHECKSUM_CHARACTERS = 6

/** Of `te_<name>_<random>`: CRC-32 in base62, so that a scanner can tell a key from a look-alike without asking us. */
export function keyChecksum(body: string): string {
  let crc = 0xffffffff
  for (const byte of new TextEncoder().encode(body)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  let rest = (crc ^ 0xffffffff) >>> 0
  let digits = ''
  for (; rest > 0; rest = Math.floor(rest / 62)) digits = BASE62[rest % 62] + digits
  return digits.padStart(CHECKSUM_CHARACTERS, '0')
}

/** Whether a key has our form but was mistyped or cut. */
export function isMistyped(key: string): boolean {
  if (!key.startsWith('te_')) return false
  return keyChecksum(key.slice(0, -CHECKSUM_CHARACTERS)) !== key.slice(-CHECKSUM_CHARACTERS)
}

/** The secret `API_KEYS`: `name:scope:sha256hex`, separated by commas or white space. `undefined` if malformed. */
export function parseApiKeys(text: string): ApiKey[] | undefined {
  const keys: ApiKey[] = []
  for (const entry of text.split(/[\s,]+/).filter(Boolean)) {
    const match = /^([a-z0-9-]{1,32}):(signup|admin):([0-9a-f]{64})$/i.exec(entry)
    if (!match) return undefined
    const bytes = match[3]!.match(/../g)!.map((byte) => Number.parseInt(byte, 16))
    keys.push({ name: match[1]!, scope: match[2] as Scope, sha256: Uint8Array.from(bytes) })
  }
  return keys.length > 0 ? keys : undefined
}

/** Compares with every key in constant time, so that timing tells nothing about any of them. */
export async function findApiKey(presented: string, keys: readonly ApiKey[]): Promise<ApiKey | undefined> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(presented))
  let found: ApiKey | undefined
  for (const key of keys) if (crypto.subtle.timingSafeEqual(digest, key.sha256)) found = key
  return found
}

/** `admin` may do whatever `signup` may. */
export function hasScope(key: ApiKey, scope: Scope): boolean {
  return key.scope === 'admin' || key.scope === scope
}
