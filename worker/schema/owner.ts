/**
 * Whose a database is, written in it: the only thing that travels with it. A copy carries the marker of what it was
 * copied from, under that one's name, which says nothing about the copy.
 */
import { HISTORY } from './history.ts'
import { isTursoError, type Database, type Statement } from '../../src/index.ts'

export interface Owner {
  /** Name of the database. */
  database: string
  tenant: string
  /** Of this life of the tenant. */
  nonce: string
}

/** The database has the name of a tenant's, and is somebody else's, for all that can be told. */
export class ForeignDatabaseError extends Error {
  override readonly name = 'ForeignDatabaseError'
}

/** What this Worker creates is empty until its mark is there, but for what the database makes for itself. */
const TABLES = `select name from sqlite_schema where type in ('table', 'view')
  and name not like 'sqlite~_%' escape '~' and name not like 'libsql~_%' escape '~'`

/** What may be in a database for it to be claimed, if it is not marked as the owner's already. */
export type Content =
  /** It is known to be the owner's. */
  | 'anything'
  | 'nothing'
  /** A template's, which has a history of migrations; or nothing. */
  | 'copy'

/** Part of the batch that applies the schema: all of it fails if the database is marked as another's, or has other content. */
export function claim({ database, tenant, nonce }: Owner, content: Content): Statement[] {
  const args = [database, tenant, nonce]
  const isMarked =
    'exists (select 1 from _turso_edge_owner where database = ?1 and tenant = ?2 and nonce = ?3)'
  const isEmpty = `not exists (select 1 from _turso_edge_owner) and
    not exists (${TABLES} and name <> '_turso_edge_owner')`
  const isCopy = content === 'copy' ? `or exists (${TABLES} and name = '${HISTORY}')` : ''
  return [
    `create table if not exists _turso_edge_owner (
      database text primary key, tenant text not null, nonce text not null,
      claimed_at text not null default current_timestamp)`,
    // Whatever tables somebody else has made, text that is no JSON is an error.
    ...(content === 'anything'
      ? []
      : [
          {
            sql: `select json(case when ${isMarked} or (${isEmpty}) ${isCopy} then 'null' else '' end)`,
            args,
          },
        ]),
    {
      sql: `insert into _turso_edge_owner (database, tenant, nonce) select ?1, ?2, ?3 where not ${isMarked}`,
      args,
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

/** What a database says of itself. */
export interface Marks {
  owner: Owner | null
  /** What it is a copy of, directly or not: it has their marks too. */
  copyOf: string[]
  /** Whether there is anything in it but marks. */
  hasTables: boolean
}

export async function readMarks(database: Database, name: string): Promise<Marks> {
  const tables = (await database.execute(TABLES)).rows.map((row) => row['name'])
  const hasTables = tables.some((table) => table !== '_turso_edge_owner')
  if (!tables.includes('_turso_edge_owner')) return { owner: null, copyOf: [], hasTables }
  const { rows } = await database.execute('select database from _turso_edge_owner where database <> ?', [
    name,
  ])
  const copyOf = rows.map((row) => String(row['database']))
  return { owner: await readOwner(database, name), copyOf, hasTables }
}

/**
 * For the case that a claim has failed.
 *
 * @throws {ForeignDatabaseError}
 */
export async function refuseForeign(database: Database, own: Owner, content: Content): Promise<void> {
  const owner = await readOwner(database, own.database)
  if (owner?.tenant === own.tenant && owner.nonce === own.nonce) return
  if (owner !== null)
    throw new ForeignDatabaseError("There is a database of that name, and it is marked as another tenant's")
  if (content === 'anything') return
  const names = (await database.execute(TABLES)).rows.map(({ name }) => name)
  if (names.length > 0 && !(content === 'copy' && names.includes(HISTORY)))
    throw new ForeignDatabaseError(
      'There is a database of that name with tables in it that are not of this signup',
    )
}

/**
 * Marks a database as its owner's, or finds that it is already.
 *
 * @throws {ForeignDatabaseError} and what `batch` throws
 */
export async function markAsOwn(database: Database, own: Owner, content: Content): Promise<void> {
  try {
    await database.batch(claim(own, content))
  } catch (error) {
    if (isTursoError(error, 'sql_error')) await refuseForeign(database, own, content)
    throw error
  }
}
