import { createHash, randomInt } from 'node:crypto'
import { BASE62, keyChecksum } from '../../worker/key-checksum.ts'

const RANDOM_CHARACTERS = 24

/** A new key `te_<name>_<random><checksum>`: the checksum lets the Worker tell a mistyped key from a wrong one. */
export function createApiKey(name: string): string {
  // randomInt has no modulo bias.
  const random = Array.from({ length: RANDOM_CHARACTERS }, () => BASE62[randomInt(BASE62.length)]).join('')
  const body = `te_${name}_${random}`
  return body + keyChecksum(body)
}

/** The entry by which the secret `API_KEYS` admits a key without containing it. */
export function apiKeyEntry(name: string, scope: string, key: string): string {
  return `${name}:${scope}:${createHash('sha256').update(key).digest('hex')}`
}
