/** Between the API's casing, which is mixed, and the camelCase of this library. */

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
 * @throws {TypeError} for a `Date` without a time
 */
export function toWire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toWire)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => [
        toWireName(name),
        member instanceof Date ? textOfTime(name, member) : toWire(member),
      ]),
  )
}

function textOfTime(name: string, time: Date): string {
  if (Number.isNaN(time.getTime())) throw new TypeError(`"${name}" must be a time; got an invalid Date`)
  return time.toISOString()
}
