/** What a database token may do to which table, and which databases it may attach. */
import { isTexts, requireNames } from './options.ts'

const ACTIONS = [
  'data_read',
  'data_add',
  'data_update',
  'data_delete',
  'schema_add',
  'schema_update',
  'schema_delete',
] as const

export type TableAction = (typeof ACTIONS)[number]

/** As the API and the claim `perm` of a token have it. */
export interface TablePermission {
  /** Tables; `null` for all of them. */
  t: string[] | null
  a: TableAction[]
}

/**
 * The option `fineGrainedPermissions` of `createToken`, from tables and what may be done to them; `*` is every table.
 * What is not named is not allowed, but for reading SQLite's own tables.
 *
 * @throws {TypeError} for an unknown action, and when nothing would be allowed: a token that is asked for without
 * permissions can do everything
 * @see https://docs.turso.tech/sdk/authorization/fine-grained-permissions
 * @example
 * permissions({ notes: ['data_read', 'data_add'], '*': ['data_read'] })
 */
export function permissions(tables: Readonly<Record<string, readonly TableAction[]>>): TablePermission[] {
  const rules = Object.entries(tables).map(([table, actions]) => {
    const unknown = actions.find((action) => !ACTIONS.includes(action))
    if (unknown !== undefined || actions.length === 0)
      throw new TypeError(`The permissions of "${table}" must be some of ${ACTIONS.join(', ')}`)
    return { t: table === '*' ? null : [table], a: [...actions] }
  })
  if (rules.length === 0) throw new TypeError('Permissions must name a table, or "*" for all of them')
  return rules
}

/**
 * A token that is asked for without rules can do everything, so what is amiss with them must not be left out.
 *
 * @throws {TypeError} for what {@link permissions} does not return
 */
export function requireRules(rules: unknown): asserts rules is TablePermission[] {
  // A hole in the list is no rule either.
  if (Array.isArray(rules) && rules.length > 0 && [...(rules as unknown[])].every(isRule)) return
  throw new TypeError(
    `"fineGrainedPermissions" must be what permissions() returns: rules that permit something, of tables "t" and actions "a": ${ACTIONS.join(', ')}`,
  )
}

function isRule(rule: unknown): boolean {
  const { t, a, ...others } = (rule ?? {}) as Partial<TablePermission>
  return (
    (t === null || (isTexts(t) && t.length > 0)) &&
    isTexts(a) &&
    a.length > 0 &&
    a.every((action) => ACTIONS.includes(action as TableAction)) &&
    Object.keys(others).length === 0
  )
}

/**
 * The databases of the option `permissions`; none when it is absent.
 *
 * @throws {TypeError} for anything but `{ readAttach: { databases } }`, such as rules that belong elsewhere
 */
export function attachedBy(permissions: unknown): readonly string[] {
  if (permissions === undefined) return []
  requireNames('"permissions", which "fineGrainedPermissions" is not,', permissions, 'readAttach')
  const { readAttach = { databases: [] } } = permissions as { readAttach?: { databases?: unknown } }
  requireNames('"readAttach"', readAttach, 'databases')
  if (!isTexts(readAttach.databases))
    throw new TypeError('"databases" must be a list of those that may be attached')
  return readAttach.databases
}
