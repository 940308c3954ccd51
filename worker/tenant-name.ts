/** Tenant id → database name. Pure but for the hash. */
import { MAX_DNS_LABEL } from './limits.ts'

/** The SaaS's own ids: no slash, no leading dot, nothing that a URL or a log would have to escape. */
export const TENANT_ID = /^[A-Za-z0-9][A-Za-z0-9._@:-]{0,127}$/

/** Of {@link databaseName}: what does not look like it is not ours. */
export const DATABASE_NAME = /^[a-z0-9][a-z0-9-]*-[a-z2-7]{10}$/

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const HASH_CHARACTERS = 10

/** The longest organization slug that leaves room for a database name in a DNS label. */
export const MAX_ORGANIZATION_CHARACTERS = MAX_DNS_LABEL - HASH_CHARACTERS - 't--'.length

/**
 * A readable slug and 50 bits of a hash. The nonce is drawn once for each life of a tenant and stored before the name is
 * used, so a database of that name can only be the tenant's own: not another tenant's whose id folds to the same slug,
 * not that of another deployment in the same organization, and not one of the tenant's former life.
 *
 * @param organization its slug; the host's first label is `<name>-<organization>` and has at most 63 characters
 */
export async function databaseName(tenantId: string, nonce: string, organization: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${tenantId}\0${nonce}`))
  const hash = base32(new Uint8Array(digest)).slice(0, HASH_CHARACTERS)
  const room = MAX_DNS_LABEL - organization.length - HASH_CHARACTERS - '--'.length
  const slug = tenantId
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, room)
    .replaceAll(/^-+|-+$/g, '')
  return `${slug === '' ? 't' : slug}-${hash}`
}

function base32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let pending = 0
  for (const byte of bytes) {
    pending = (pending << 8) | byte
    bits += 8
    for (; bits >= 5; bits -= 5) text += BASE32[(pending >>> (bits - 5)) & 31]
    pending &= 0xff
  }
  return text
}
