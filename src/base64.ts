/** Bytes ⇄ standard base64, without `Buffer`. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** The six bits of each byte of base64; -1 for what is not of the alphabet. */
const SIXTETS = Int8Array.from({ length: 256 }, (_, code) => ALPHABET.indexOf(String.fromCharCode(code)))

/** Up to here, calls of the runtime cost more than they save. */
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
 * @throws {SyntaxError} for anything else
 */
export function decodeBase64(base64: string): Uint8Array {
  const { length } = base64
  const padding = base64.charCodeAt(length - 1) !== 61 ? 0 : base64.charCodeAt(length - 2) !== 61 ? 1 : 2
  const sixtets = length - padding
  const size = (sixtets * 3) >> 2
  // Negative once there is something that is none.
  let seen = sixtets % 4 === 1 || (padding && length & 3) ? -1 : 0
  let bytes = length > SHORT_CHARACTERS ? (Uint8Array as NativeDecoder).fromBase64?.(base64) : undefined
  if (bytes) {
    // It skips white space: then there are fewer bytes than the characters tell.
    if (bytes.length !== size) seen = -1
  } else {
    bytes = new Uint8Array(size)
    let read = 0
    let written = 0
    if (length > SHORT_CHARACTERS) {
      const encoder = new TextEncoder()
      // Room for any character, to be refused below.
      const codes = new Uint8Array(PIECE_CHARACTERS * 3)
      for (const whole = sixtets & ~3; read < whole; read += PIECE_CHARACTERS) {
        const { written: end } = encoder.encodeInto(
          base64.slice(read, Math.min(read + PIECE_CHARACTERS, whole)),
          codes,
        )
        seen |= decodeWhole(codes, end, bytes, written)
        written += (end * 3) >> 2
      }
      read = sixtets & ~3
    }
    for (let bits = 0; read < sixtets; read++) {
      const sixtet = SIXTETS[base64.charCodeAt(read)] ?? -1
      seen |= sixtet
      bits = (bits << 6) | sixtet
      if (read & 3) bytes[written++] = bits >> (6 - 2 * (read & 3))
    }
  }
  if (seen < 0) throw new SyntaxError('Not base64')
  return bytes
}

/** A function of its own, since the loop is compiled sooner so. @returns a negative number for what is not base64 */
function decodeWhole(codes: Uint8Array, end: number, bytes: Uint8Array, written: number): number {
  let seen = 0
  for (let index = 0; index < end; index += 4) {
    const bits =
      (SIXTETS[codes[index]!]! << 18) |
      (SIXTETS[codes[index + 1]!]! << 12) |
      (SIXTETS[codes[index + 2]!]! << 6) |
      SIXTETS[codes[index + 3]!]!
    seen |= bits
    bytes[written] = bits >> 16
    bytes[written + 1] = bits >> 8
    bytes[written + 2] = bits
    written += 3
  }
  return seen
}
