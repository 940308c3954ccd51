/**
 * Whose a database is, written in it: the only thing that travels with it. A copy carries the marker of what it was
 * copied from, under that one's name, which says nothing about the copy.
 */
import { isTursoError, type Database, type Statement } from '../../src/index.ts'

export interface Owner {
  /** Name of the database. */
  database: string
  tenant: string
  /** Of this life of the tenant. */
  nonce: string
}

/** The database has the name of a tenant's, and is somebody else's. */
export class ForeignDatabaseError extends Error {
  override readonly name = 'ForeignDatabaseError'
}

/** Part of the batch that applies the schema: all of it fails if the database is marked as another's. */
export function claim({ database, tenant, nonce }: Owner): Statement[] {
  return [
    `create table if not exists _turso_edge_owner (
      database text primary key, tenant text not null, nonce text not null,
      claimed_at text not null default current_timestamp)`,
    {
      sql: `insert into _turso_edge_owner (database, tenant, nonce) select ?1, ?2, ?3 where not exists
        (select 1 from _turso_edge_owner where database = ?1 and tenant = ?2 and nonce = ?3)`,
      args: [database, tenant, nonce],
    },
  ]
}

/** @returns `null` for a database that nobody has marked as his under this name */
export async function readOwner(database: Database, name: string): Promise<Owner | null> {
  try {
    const { rows } = await database.execute(
      'select tenant, nonce from _turso_edge_owner where database = ?',
      [name],
    )
    const [row] = rows
    return row === undefined
      ? null
      : { database: name, tenant: String(row['tenant']), nonce: String(row['nonce']) }
  } catch (error) {
    if (isTursoError(error, 'sql_error') && /no such table/i.test(error.message)) return null
    throw error
  }
}

/**
 * Whether there is something in a database, and no mark of any kind: a copy has that of what it was copied from. What this
 * Worker creates is empty until its mark is there.
 */
export async function isUnmarked(database: Database): Promise<boolean> {
  const { rows } = await database.execute(
    `select name from sqlite_schema where type = 'table'
      and name not like 'sqlite~_%' escape '~' and name not like 'libsql~_%' escape '~'`,
  )
  return rows.length > 0 && !rows.some(({ name }) => name === '_turso_edge_owner')
}

/** @throws {ForeignDatabaseError} */
export async function refuseForeign(database: Database, own: Owner): Promise<void> {
  const owner = await readOwner(database, own.database)
  if (owner === null || (owner.tenant === own.tenant && owner.nonce === own.nonce)) return
  throw new ForeignDatabaseError("There is a database of that name, and it is marked as another tenant's")
}
