/** Bytes ⇄ standard base64, without `Buffer`. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** The six bits of each ASCII code; 64 for what is not of the alphabet. */
const SIXTETS = Uint8Array.from(
  { length: 128 },
  (_, code) => (ALPHABET.indexOf(String.fromCharCode(code)) + 65) % 65,
)

/** Up to here a call of the runtime costs more than it saves. */
const SHORT_CHARACTERS = 0x200
/** Characters that are decoded at a time, for the processor's cache; a multiple of 4, so that no byte is cut. */
const PIECE_CHARACTERS = 0x2000
/** Bytes that are encoded at a time, each an argument of one call; a multiple of 3, so that only the last is padded. */
const PIECE_BYTES = 0x1800

/** ES2026, which Node 24 does not have, nor TypeScript's library. */
interface NativeEncoder {
  toBase64?: () => string
}
interface NativeDecoder {
  fromBase64?: (base64: string) => Uint8Array
}

/** Always padded: the specification's test server refuses the unpadded form that others send. */
export function encodeBase64(bytes: Uint8Array): string {
  const native = (bytes as NativeEncoder).toBase64?.()
  if (native !== undefined) return native
  let base64 = ''
  for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
    const piece = bytes.subarray(start, start + PIECE_BYTES)
    // A spread would take five times as long.
    base64 += btoa(String.fromCharCode.apply(null, piece as unknown as number[]))
  }
  return base64
}

/**
 * Accepts padded and unpadded input, as servers send both. No white space, no URL-safe alphabet.
 *
 * @throws {SyntaxError} or a `DOMException` for anything else
 */
export function decodeBase64(base64: string): Uint8Array {
  const { length } = base64
  const padding = base64.charCodeAt(length - 1) !== 61 ? 0 : base64.charCodeAt(length - 2) !== 61 ? 1 : 2
  const sixtets = length - padding
  let bytes: Uint8Array | undefined
  let written = 0
  if (length > SHORT_CHARACTERS) {
    bytes = (Uint8Array as NativeDecoder).fromBase64?.(base64)
    written = bytes?.length ?? 0
  }
  if (!bytes) {
    bytes = new Uint8Array((sixtets * 3) >> 2)
    if (length > SHORT_CHARACTERS)
      for (let start = 0; start < length; start += PIECE_CHARACTERS) {
        const binary = atob(base64.slice(start, start + PIECE_CHARACTERS))
        for (let index = 0; index < binary.length; index++) bytes[written++] = binary.charCodeAt(index)
      }
    else {
      let bits = 0
      let seen = 0
      for (let index = 0; index < sixtets; index++) {
        const sixtet = SIXTETS[base64.charCodeAt(index)] ?? 64
        seen |= sixtet
        bits = (bits << 6) | sixtet
        if (index & 3) bytes[written++] = bits >> (6 - 2 * (index & 3))
      }
      if (seen > 63 || (padding && length & 3)) written = -1
    }
  }
  // The others skip white space, and a piece may end with padding of its own: then there are fewer bytes than sixtets tell.
  if (written !== (sixtets * 3) >> 2 || sixtets % 4 === 1) throw new SyntaxError('Not base64')
  return bytes
}
