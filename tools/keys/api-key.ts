import { createHash, randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const RANDOM_CHARACTERS = 24
const CHECKSUM_CHARACTERS = 6

/** A new key `te_<name>_<random><checksum>`: the checksum lets the Worker tell a mistyped key from a wrong one. */
export function createApiKey(name: string): string {
  // randomInt has no modulo bias.
  const random = Array.from({ length: RANDOM_CHARACTERS }, () => BASE62[randomInt(BASE62.length)]).join('')
  const body = `te_${name}_${random}`
  return body + base62(crc32(body)).padStart(CHECKSUM_CHARACTERS, '0')
}

/** The entry by which the secret `API_KEYS` admits a key without containing it. */
export function apiKeyEntry(name: string, scope: string, key: string): string {
  return `${name}:${scope}:${createHash('sha256').update(key).digest('hex')}`
}

function base62(value: number): string {
  let digits = ''
  for (let rest = value; rest > 0; rest = Math.floor(rest / BASE62.length))
    digits = BASE62[rest % BASE62.length] + digits
  return digits
}
