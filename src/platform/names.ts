/** Between the API's casing, which is mixed, and the camelCase of this library. */

import { EXPIRATION } from './expiration.ts'
import { requireNames } from './options.ts'
import { attachedBy, requireRules } from './permissions.ts'

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
  ['authorization', [/^(full-access|read-only)$/, '"full-access" or "read-only"']],
  ['sizeLimit', [/^\d{1,15}([kmgt]?b)?$/i, 'a number of bytes, or one with a unit such as 500mb']],
])

/** The members of options that are objects. */
const MEMBERS: ReadonlyMap<string, string> = new Map([
  ['seed', 'type name timestamp url'],
  ['remoteEncryption', 'encryptionKey encryptionCipher'],
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

/**
 * A copy with our names, all the way down. Of several names that are one here the first that is not empty counts, in the
 * order of their letters: `DbId` before `id` before `uuid`, `Name` before `name`.
 */
export function fromWire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromWire)
  if (typeof value !== 'object' || value === null) return value
  const ours = new Map<string, unknown>()
  for (const [wireName, member] of Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const name = fromWireName(wireName)
    if ((ours.get(name) ?? '') === '' && ((member ?? '') !== '' || !ours.has(name)))
      ours.set(name, OPAQUE.test(wireName) ? member : fromWire(member))
  }
  return Object.fromEntries(ours)
}

/**
 * A copy with the API's names, all the way down, without what is `undefined`. A `Date` becomes its text.
 *
 * @throws {TypeError} for an expiration, an authorization, a size or a time that the API would refuse, and for permissions
 * that are malformed or permit nothing
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
  if (value instanceof Date && Number.isNaN(value.getTime()))
    throw new TypeError(`"${name}" must be a time; got an invalid Date`)
  if (name === 'fineGrainedPermissions') requireRules(value)
  // AWS databases refuse permissions even when they are empty (turso-api-client-ts#30).
  if (name === 'permissions' && attachedBy(value).length === 0) return undefined
  const members = MEMBERS.get(name)
  if (members !== undefined) requireNames(`"${name}"`, value, members)
  const [pattern, expected] = CHECKED.get(name) ?? []
  if (!pattern) return value
  const text = /string|number/.test(typeof value)
    ? `${value as string | number}`
    : Object.prototype.toString.call(value)
  if (!pattern.test(text)) throw new TypeError(`"${name}" must be ${expected}; got "${text}"`)
  return text
}
