/** Reading what a request says. Everything throws `HttpFailure` 400 that names the member. */
import { HttpFailure } from '../errors.ts'
import type { Fields } from './call.ts'

/** A member that may be absent or `null`. */
export function optionalText(body: Fields, name: string): string | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' || value.includes('\0'))
    throw new HttpFailure(400, `${name} must be a string`)
  return value
}

export function requiredText(body: Fields, name: string): string {
  const value = optionalText(body, name)
  if (value === undefined || value === '') throw new HttpFailure(400, `${name} is required`)
  return value
}

export function optionalFlag(body: Fields, name: string): boolean | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'boolean') throw new HttpFailure(400, `${name} must be a boolean`)
  return value
}

/** A list of texts that match a pattern. `null` is the empty list; absent is `undefined`. */
export function optionalTexts(body: Fields, name: string, pattern: RegExp): string[] | undefined {
  const value = body[name]
  if (value === undefined) return undefined
  if (value === null) return []
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string' && pattern.test(item))) {
    throw new HttpFailure(400, `${name} must be a list of valid strings`)
  }
  return value as string[]
}

/** A whole number in the query, `otherwise` when it is absent. */
export function queryNumber(
  query: URLSearchParams,
  name: string,
  { min, max, otherwise }: { min: number; max: number; otherwise: number },
): number {
  const text = query.get(name)
  if (text === null) return otherwise
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw new HttpFailure(400, `${name} must be a number from ${min} to ${max}`)
  }
  return value
}
