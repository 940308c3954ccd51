/**
 * Our own batons: signed, good for one request, bound to a tenant, its database and a token. The upstream's baton works
 * with any valid token of the database, whoever presents it, so it never leaves the Session object.
 */
import { encodeBase64Url, decodeBase64Url } from '../base64url.ts'
import { bytesOf } from '../memory/bytes.ts'

export interface SessionTicket {
  /** The Session object's id, 64 hex digits. */
  sessionId: string
  /** Counts the requests of a session; a baton is good for exactly one value. */
  sequence: number
}

/**
 * What a baton is bound to: it is worthless with another tenant or another token, and when its tenant has been deleted and
 * signed up again. Then a token may open the databases of both lives, as one of their group does.
 */
export interface BatonBinding {
  tenantId: string
  databaseUrl: string
  token: string
}

const ID_BYTES = 32
const SEQUENCE_BYTES = 4
const MAC_BYTES = 32
const TICKET_BYTES = ID_BYTES + SEQUENCE_BYTES
const BATON_CHARACTERS = Math.ceil(((TICKET_BYTES + MAC_BYTES) * 4) / 3)

export async function sealBaton(
  ticket: SessionTicket,
  binding: BatonBinding,
  key: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const bytes = new Uint8Array(TICKET_BYTES + MAC_BYTES)
  for (let index = 0; index < ID_BYTES; index++)
    bytes[index] = Number.parseInt(ticket.sessionId.slice(index * 2, index * 2 + 2), 16)
  new DataView(bytes.buffer).setUint32(ID_BYTES, ticket.sequence)
  const mac = await crypto.subtle.sign('HMAC', await importKey(key), signedBytes(bytes, binding))
  bytes.set(new Uint8Array(mac), TICKET_BYTES)
  return encodeBase64Url(bytes)
}

/** @returns `null` for a baton that was not sealed by one of these keys for this tenant, database and token */
export async function openBaton(
  baton: string,
  binding: BatonBinding,
  keys: readonly Uint8Array<ArrayBuffer>[],
): Promise<SessionTicket | null> {
  if (baton.length !== BATON_CHARACTERS) return null
  const bytes = decodeBase64Url(baton)
  if (bytes === null) return null
  const mac = bytes.subarray(TICKET_BYTES)
  const signed = signedBytes(bytes, binding)
  let isOurs = false
  for (const key of keys) isOurs ||= await crypto.subtle.verify('HMAC', await importKey(key), mac, signed)
  if (!isOurs) return null
  return {
    sessionId: Array.from(bytes.subarray(0, ID_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join(''),
    sequence: new DataView(bytes.buffer).getUint32(ID_BYTES),
  }
}

/** The ticket has a fixed length, and neither a tenant id nor a URL has a NUL, so no two bindings sign the same bytes. */
function signedBytes(
  bytes: Uint8Array,
  { tenantId, databaseUrl, token }: BatonBinding,
): Uint8Array<ArrayBuffer> {
  const bound = bytesOf(`${tenantId}\0${databaseUrl}\0${token}`)
  const signed = new Uint8Array(TICKET_BYTES + bound.length)
  signed.set(bytes.subarray(0, TICKET_BYTES))
  signed.set(bound, TICKET_BYTES)
  return signed
}

function importKey(key: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
}
