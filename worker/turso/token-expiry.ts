/** When a database token ends. Pure. */
import { decodeBase64Url } from '../base64url.ts'

/**
 * Read from the token itself, since only its issuer knows. The signature is not checked: the answer is for people and
 * caches, and grants nothing.
 *
 * @returns an ISO 8601 time; `null` for a token that never ends or cannot be read
 */
export function tokenExpiry(jwt: string): string | null {
  const payload = decodeBase64Url(jwt.split('.')[1] ?? '')
  if (payload === null) return null
  try {
    const { exp } = JSON.parse(new TextDecoder().decode(payload)) as { exp?: unknown }
    return typeof exp === 'number' ? new Date(exp * 1000).toISOString() : null
  } catch {
    return null
  }
}
