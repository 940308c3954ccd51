/** The form of an API key, `te_<name>_<random><checksum>`. Pure; `npm run key` makes keys by it. */

export const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const CHECKSUM_CHARACTERS = 6

/** Of `te_<name>_<random>`: CRC-32 in base62, so that a scanner can tell a key from a look-alike without asking us. */
export function keyChecksum(body: string): string {
  let crc = 0xffffffff
  for (const byte of new TextEncoder().encode(body)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  let rest = (crc ^ 0xffffffff) >>> 0
  let digits = ''
  for (; rest > 0; rest = Math.floor(rest / 62)) digits = BASE62[rest % 62] + digits
  return digits.padStart(CHECKSUM_CHARACTERS, '0')
}

/** Whether a key has our form but was mistyped or cut. */
export function isMistyped(key: string): boolean {
  if (!key.startsWith('te_')) return false
  return keyChecksum(key.slice(0, -CHECKSUM_CHARACTERS)) !== key.slice(-CHECKSUM_CHARACTERS)
}
