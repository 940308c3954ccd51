/** Texts as bytes, and bytes as texts. What is large is kept as bytes, which are half of what a text may take. */

/** One copy of all of them, texts in UTF-8; a single piece is not copied. */
export function joinBytes(parts: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder()
  const pieces = parts.map((part) => (typeof part === 'string' ? encoder.encode(part) : part))
  const [only] = pieces
  if (only !== undefined && pieces.length === 1) return only as Uint8Array<ArrayBuffer>
  const whole = new Uint8Array(pieces.reduce((bytes, piece) => bytes + piece.byteLength, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}

export const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>

/** To be looked at and dropped before anything is waited for: a part of it that is kept keeps all of it. */
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** A part of a text that may be kept. */
export const detached = (part: string): string => textOf(bytesOf(part))

/** @returns `null` for what is no UTF-8, of which a text would stand for other bytes. With a byte order mark if there is one. */
export function exactTextOf(bytes: Uint8Array): string | null {
  try {
    return EXACT.decode(bytes)
  } catch {
    return null
  }
}

const EXACT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
