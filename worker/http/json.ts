/** Our own values as our JSON has them. Pure. */

/**
 * camelCase → snake_case for the names of all members, at any depth; what is `undefined` is left out. `metadata` is the
 * caller's own and stays as it is.
 */
export function toJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(
    members.map(([name, member]) => [snakeCase(name), name === 'metadata' ? member : toJson(member)]),
  )
}

const snakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
