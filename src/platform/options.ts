/** What callers give: objects of known members, and texts. */

/**
 * @param names of its members, separated by spaces. Default: any
 * @throws {TypeError} for what is no plain object, whose members would be missed in silence (a promise, a `Map`, inherited
 * ones), and for a member of another name, which would be ignored where it was meant to narrow something
 */
export function requireNames(what: string, value: unknown, names?: string): asserts value is object {
  const known = names?.split(' ')
  const expected = `${what} must be a plain object${known ? ` of ${known.join(', ')}` : ''}`
  if (!isPlain(value))
    throw new TypeError(`${expected}; got ${Object.prototype.toString.call(value).slice(8, -1)}`)
  for (const [name, member] of Object.entries(value))
    if (known && member !== undefined && !known.includes(name))
      throw new TypeError(`${expected}; got an unknown "${name}"`)
}

/** What a text looks like, and how to say so. */
export type Pattern = readonly [RegExp, string]

export const AUTHORIZATION: Pattern = [/^(full-access|read-only)$/, '"full-access" or "read-only"']

/**
 * The text of a text or a number.
 *
 * @throws {TypeError} for what does not look like it
 */
export function textOf(name: string, value: unknown, [pattern, expected]: Pattern): string {
  const text = /string|number/.test(typeof value)
    ? `${value as string | number}`
    : Object.prototype.toString.call(value)
  if (!pattern.test(text)) throw new TypeError(`"${name}" must be ${expected}; got "${text}"`)
  return text
}

/** Holes in the list are no texts either. */
export function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && [...(value as unknown[])].every(isText)
}

export const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** Of any realm. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
