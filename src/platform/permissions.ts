/** What a database token may do to which table. */

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
