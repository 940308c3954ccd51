/**
 * How long a token is valid, in seconds: `2w1d30m`, numbers with the units w, d, h, m. `undefined` for `never`.
 * Throws an `Error` for anything else. Source: the `expiration` query parameter of the Platform API.
 */
export function parseExpiration(text: string): number | undefined {
  if (text === 'never') return undefined
  if (!/^(?:[0-9]{1,9}[wdhm])+$/.test(text)) throw new Error('Invalid expiration format')
  let seconds = 0
  for (const [, amount, unit] of text.matchAll(/([0-9]+)([wdhm])/g)) {
    seconds += Number(amount) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS]
  }
  if (seconds === 0) throw new Error('Invalid expiration format')
  return seconds
}

const UNIT_SECONDS = { w: 604_800, d: 86_400, h: 3_600, m: 60 }
