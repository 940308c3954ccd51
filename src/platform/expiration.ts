/** How long a token is valid, in the words of the API. */

import { textOf, type Pattern } from './options.ts'

export const EXPIRATION: Pattern = [
  /^(never|(?=.*[1-9])(\d{1,9}[wdhm])+)$/,
  '"never", or numbers with the units w, d, h and m such as 2w1d30m',
]

const UNIT_SECONDS: Readonly<Record<string, number>> = { w: 604_800, d: 86_400, h: 3_600, m: 60 }

/**
 * @returns `undefined` for `never`
 * @throws {TypeError} for an expiration that the API would refuse
 */
export function expirationSeconds(expiration: string): number | undefined {
  const text = textOf('expiration', expiration, EXPIRATION)
  if (text === 'never') return undefined
  let seconds = 0
  for (const [, amount, unit] of text.matchAll(/(\d+)(.)/g)) seconds += +amount! * UNIT_SECONDS[unit!]!
  return seconds
}
