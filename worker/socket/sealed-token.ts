/**
 * A caller's token while its socket hibernates: the client said it once, and nobody else has it. Kept under a key from the
 * Worker's secrets, so that whoever reads an object's storage has nothing.
 */

/** Whose token it is. Moved to another object or tenant, the sealed bytes are worthless. */
export interface TokenOwner {
  objectId: string
  tenantId: string
}

const IV_BYTES = 12
/** Apart from what else is derived from the same secret. */
const PURPOSE = 'turso-edge: the token of a socket, 1'

/** @param secret the secret from which the key is derived; at least 32 random bytes */
export async function sealToken(
  token: string,
  owner: TokenOwner,
  secret: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: boundTo(owner) },
    await deriveKey(secret),
    new TextEncoder().encode(token),
  )
  const bytes = new Uint8Array(IV_BYTES + sealed.byteLength)
  bytes.set(iv)
  bytes.set(new Uint8Array(sealed), IV_BYTES)
  return bytes
}

/**
 * @param secrets the present one and those before it that are still good
 * @returns `null` if none of them opens it: sealed for somebody else, changed, or of a secret that is gone
 */
export async function openToken(
  bytes: Uint8Array<ArrayBuffer>,
  owner: TokenOwner,
  secrets: readonly Uint8Array<ArrayBuffer>[],
): Promise<string | null> {
  const algorithm = {
    name: 'AES-GCM',
    iv: bytes.subarray(0, IV_BYTES),
    additionalData: boundTo(owner),
  }
  for (const secret of secrets) {
    try {
      const token = await crypto.subtle.decrypt(algorithm, await deriveKey(secret), bytes.subarray(IV_BYTES))
      return new TextDecoder().decode(token)
    } catch {
      // Not by this one.
    }
  }
  return null
}

async function deriveKey(secret: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey'])
  return await crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: new TextEncoder().encode(PURPOSE) },
    material,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  )
}

/** An object's id has a fixed length and a tenant's no NUL, so that no two owners look the same. */
const boundTo = ({ objectId, tenantId }: TokenOwner): Uint8Array =>
  new TextEncoder().encode(`${objectId}\0${tenantId}`)
