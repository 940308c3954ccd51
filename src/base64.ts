/** Bytes ⇄ standard base64, without `Buffer`. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** The six bits of each byte of base64; -1 for what is not of the alphabet. */
const SIXTETS = Int8Array.from({ length: 256 }, (_, code) => ALPHABET.indexOf(String.fromCharCode(code)))

/** Up to here, calls of the runtime cost more than they save. */
const SHORT_CHARACTERS = 0x80
/** Characters that are decoded at a time, for the processor's cache; a multiple of 4, so that no byte is cut. */
const PIECE_CHARACTERS = 0x2000
/** Bytes up to which encoding is left to `btoa`, each an argument of one call. */
const SHORT_BYTES = 0x180

/** Made when they are first used, and kept: for a blob of a kilobyte making them takes longer than the rest. */
let encoder: InstanceType<typeof TextEncoder> | undefined
let codes: Uint8Array<ArrayBuffer> | undefined
let pairs: Uint16Array | undefined

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
  let read = 0
  let base64 = ''
  if (bytes.length > SHORT_BYTES) {
    // By way of `btoa`, whose argument is made byte by byte, it would take four times as long.
    pairs ??= makePairs()
    const encoded = new Uint16Array(Math.floor(bytes.length / 3) * 2)
    for (let written = 0; written < encoded.length; read += 3) {
      const bits = (bytes[read]! << 16) | (bytes[read + 1]! << 8) | bytes[read + 2]!
      encoded[written++] = pairs[bits >> 12]!
      encoded[written++] = pairs[bits & 0xfff]!
    }
    base64 = new TextDecoder().decode(encoded)
  }
  // A spread would take five times as long.
  return base64 + btoa(String.fromCharCode.apply(null, bytes.subarray(read) as unknown as number[]))
}

/** The two characters of each twelve bits, one behind the other in memory, whatever the machine's order of bytes. */
function makePairs(): Uint16Array {
  const characters = Uint8Array.from({ length: 0x2000 }, (_, index) =>
    ALPHABET.charCodeAt(index & 1 ? (index >> 1) & 63 : index >> 7),
  )
  return new Uint16Array(characters.buffer)
}

/**
 * Accepts padded and unpadded input, as servers send both. No white space, no URL-safe alphabet.
 *
 * @param start @param end of the base64 in `text`: cutting it out first would cost a short one half as much again
 * @throws {SyntaxError} for anything else
 */
export function decodeBase64(text: string, start = 0, end: number = text.length): Uint8Array {
  const length = end - start
  const padding = text.charCodeAt(end - 1) !== 61 ? 0 : text.charCodeAt(end - 2) !== 61 ? 1 : 2
  const sixtets = length - padding
  const size = (sixtets * 3) >> 2
  // Negative once there is something that is none.
  let seen = sixtets % 4 === 1 || (padding && length & 3) ? -1 : 0
  const isLong = length > SHORT_CHARACTERS
  let bytes = isLong ? (Uint8Array as NativeDecoder).fromBase64?.(text.slice(start, end)) : undefined
  if (bytes) {
    // It skips white space: then there are fewer bytes than the characters tell.
    if (bytes.length !== size) seen = -1
  } else {
    bytes = new Uint8Array(size)
    const whole = start + (sixtets & ~3)
    let written = 0
    let read = start
    if (isLong) {
      encoder ??= new TextEncoder()
      codes ??= new Uint8Array(PIECE_CHARACTERS)
      for (; read < whole; read += PIECE_CHARACTERS) {
        const count = Math.min(whole - read, PIECE_CHARACTERS)
        // Some are not ASCII when there is no room for all.
        if (encoder.encodeInto(text.slice(read, read + count), codes).read < count) seen = -1
        seen |= decodeWhole(codes, count, bytes, written)
        written += (count * 3) >> 2
      }
      read = whole
    }
    let bits = 0
    for (; read < end - padding; read++) {
      const sixtet = SIXTETS[text.charCodeAt(read)] ?? -1
      seen |= sixtet
      bits = (bits << 6) | sixtet
      if ((read - start) & 3) bytes[written++] = bits >> (6 - 2 * ((read - start) & 3))
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
