/** Between the API's casing, which is mixed, and the camelCase of this library. */

import { EXPIRATION } from './expiration.ts'
import type { DatabasePermissions } from './types.ts'

/** What the same thing is called in several ways on the wire has one name here. */
const RENAMED: ReadonlyMap<string, string> = new Map([
  ['dbId', 'id'],
  ['uuid', 'id'],
  ['primary', 'primaryLocation'],
  ['primaryRegion', 'primaryLocation'],
  ['regions', 'locations'],
  ['databaseType', 'engine'],
  ['jwksName', 'name'],
  ['jwksUrl', 'url'],
])

/** Objects whose members are named by somebody else. */
const OPAQUE = /^(data|failures)$/

/** What is checked before it is sent: its pattern, and what it must be. */
const CHECKED: ReadonlyMap<string, readonly [RegExp, string]> = new Map([
  ['expiration', EXPIRATION],
  ['sizeLimit', [/^\d{1,15}([kmgt]?b)?$/i, 'a number of bytes, or one with a unit such as 500mb']],
])

/** `allowedAwsVpcIds` → `allowed_aws_vpc_ids`. */
export function toWireName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** `allowed_aws_vpc_ids` → `allowedAwsVpcIds`, `Hostname` → `hostname`, `DbId` → `id`. */
export function fromWireName(name: string): string {
  const camel = name
    .replace(/^[A-Z]/, (letter) => letter.toLowerCase())
    .replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
  return RENAMED.get(camel) ?? camel
}

/** A copy with our names, all the way down. */
export function fromWire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromWire)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      fromWireName(name),
      OPAQUE.test(name) ? member : fromWire(member),
    ]),
  )
}

/**
 * A copy with the API's names, all the way down, without what is `undefined`. A `Date` becomes its text.
 *
 * @throws {TypeError} for an expiration or a size that the API would refuse, and for permissions that permit nothing
 */
export function toWire(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(toWire)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, member]) => [toWireName(name), toWire(check(name, member))])
      .filter(([, member]) => member !== undefined),
  )
}

function check(name: string, value: unknown): unknown {
  if (value === undefined) return value
  // An empty list would be a token that can do everything.
  if (name === 'fineGrainedPermissions' && !(value as unknown[]).length)
    throw new TypeError(`"${name}" must permit something`)
  // AWS databases refuse permissions even when they are empty (turso-api-client-ts#30).
  if (name === 'permissions' && !(value as DatabasePermissions).readAttach?.databases.length) return undefined
  const [pattern, expected] = CHECKED.get(name) ?? []
  if (!pattern) return value
  const text = `${value as string | number}`
  if (!pattern.test(text)) throw new TypeError(`"${name}" must be ${expected}; got "${text}"`)
  return text
}
