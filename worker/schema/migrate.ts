/** Applies the tenants' schema to a database: all of it in one atomic batch, each migration at most once. */
import { isTursoError, type Database, type Statement } from '../../src/index.ts'
import { checkHistory, readHistory, SchemaError, versionOf, type AppliedMigration } from './history.ts'
import { claim, refuseForeign, type Owner } from './owner.ts'

export interface Migration extends AppliedMigration {
  statements: readonly string[]
}

/** What is known of a database before anything is read from it. */
export type Beginning =
  /** It has just been created, so that nothing needs to be read first: one request instead of two. */
  | 'fresh'
  /** It is a copy of a template, which must have come about by migrations of this Worker. */
  | 'seeded'
  | 'unknown'

/** A version lives in a table because Turso Cloud lets nobody write `PRAGMA user_version`. */
const CREATE_HISTORY = `create table if not exists _turso_edge_migrations (
  version integer primary key, name text not null, checksum text not null,
  applied_at text not null default current_timestamp)`

/**
 * Marks the database as its owner's, applies what is not applied yet, and returns the version that the database then has, 0
 * without migrations.
 *
 * @param isProven whether the database is known to be of this signup; else it must be empty, a copy, or marked as its own
 * @throws what `batch` throws; after a failure nothing of the schema is there. {@link ForeignDatabaseError}: it is somebody
 * else's; {@link SchemaError}: what is applied is not of this Worker
 */
export async function applyMigrations(
  database: Database,
  migrations: readonly Migration[],
  owner: Owner,
  beginning: Beginning,
  isProven: boolean,
): Promise<number> {
  const content = isProven ? 'anything' : beginning === 'seeded' ? 'copy' : 'nothing'
  const history = beginning === 'fresh' ? null : await readHistory(database)
  if (beginning === 'seeded' && versionOf(history) === 0 && migrations.length > 0)
    throw new SchemaError('The template has no migrations in it: it is no database that this Worker has made')
  checkHistory(history ?? [], migrations)
  const pending = migrations.filter(({ version }) => version > versionOf(history))
  const statements: Statement[] = [...claim(owner, content), CREATE_HISTORY]
  for (const { version, name, checksum, statements: body } of pending) {
    statements.push({
      sql: 'insert into _turso_edge_migrations (version, name, checksum) values (?, ?, ?)',
      args: [version, name, checksum],
    })
    statements.push(...body)
  }
  const wanted = versionOf(pending) || versionOf(history)
  try {
    await database.batch(statements)
  } catch (error) {
    if (!isTursoError(error, 'sql_error')) throw error
    await refuseForeign(database, owner, content)
    // An earlier attempt whose answer was lost, or this one on its way a second time, may have made it fail.
    const present = await readHistory(database)
    if (present === null || versionOf(present) < wanted) throw error
    checkHistory(present, migrations)
  }
  return wanted
}
