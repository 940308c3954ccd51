/** Bytes ⇄ standard base64, without `Buffer`. */

/** Bytes a call of `String.fromCharCode` takes as arguments; a multiple of 3, so that pieces need no padding. */
const CHUNK_BYTES = 0x2000 * 3

/** Always padded: the specification's test server refuses the unpadded form that others send. */
export function encodeBase64(bytes: Uint8Array): string {
  let encoded = ''
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES)
    encoded += btoa(String.fromCharCode(...bytes.subarray(start, start + CHUNK_BYTES)))
  return encoded
}

/**
 * Accepts padded and unpadded input, as servers send both.
 *
 * @throws {DOMException} `InvalidCharacterError` for anything else
 */
export function decodeBase64(base64: string): Uint8Array {
  const binary = atob(base64)
  const bytes = new Uint8Array(binary.length)
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index)
  return bytes
}
