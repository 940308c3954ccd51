/** The `Idempotency-Key` header and the fingerprint of a request. Pure but for the hash. */
import { invalidRequest } from './problem.ts'

const MAX_KEY_CHARACTERS = 255

/**
 * The key without the quotes that the IETF draft asks for and that Stripe's and Svix's clients leave out; `null`
 * without a header.
 *
 * @throws {Problem} `invalid_request` for an empty, overlong or non-ASCII key
 */
export function parseIdempotencyKey(header: string | undefined): string | null {
  if (header === undefined) return null
  // A service binding may bring anything.
  if (typeof header !== 'string')
    throw invalidRequest([{ field: 'Idempotency-Key', detail: 'must be a string' }])
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header.trim())
  const key = quoted ? quoted[1]!.replaceAll(/\\(.)/g, '$1') : header.trim()
  if (key === '' || key.length > MAX_KEY_CHARACTERS || !/^[\x20-\x7e]+$/.test(key))
    throw invalidRequest([
      { field: 'Idempotency-Key', detail: `must be 1 to ${MAX_KEY_CHARACTERS} printable ASCII characters` },
    ])
  return key
}

/** The same for two requests whose JSON says the same, in whatever order and white space. */
export function fingerprint(request: unknown): Promise<string> {
  return sha256Hex(canonicalJson(request))
}

export async function sha256Hex(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join()}}`
}
