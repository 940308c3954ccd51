/** A source of numbers from 0 up to 1, always the same for the same key. */
export type Random = () => number

/**
 * A generator of its own for every key, so that what one fault draws does not depend on how often another one drew, nor
 * on the order in which requests for other operations arrive. SplitMix32 after hashing the key with its own finaliser;
 * good enough for chances, not for secrets.
 */
export function createRandom(...key: number[]): Random {
  let state = key.reduce((hash, part) => mix(Math.imul(hash, 31) + part), 0x9e3779b9)
  return () => {
    state = (state + 0x9e3779b9) | 0
    return (mix(state) >>> 0) / 2 ** 32
  }
}

function mix(value: number): number {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad)
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97)
  return hash ^ (hash >>> 15)
}
