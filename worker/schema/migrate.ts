/** Applies the tenants' schema to a database: all of it in one atomic batch, each migration at most once. */
import { isTursoError, type Database, type Statement } from '../../src/index.ts'
import { claim, refuseForeign, type Owner } from './owner.ts'

export interface Migration {
  version: number
  name: string
  /** SHA-256 of the file, in hex. */
  checksum: string
  statements: readonly string[]
}

/** A version lives in a table because Turso Cloud lets nobody write `PRAGMA user_version`. */
const CREATE_HISTORY = `create table if not exists _turso_edge_migrations (
  version integer primary key, name text not null, checksum text not null,
  applied_at text not null default current_timestamp)`

/**
 * Marks the database as its owner's, applies what is not applied yet, and returns the version that the database then has, 0 without migrations.
 *
 * @param isFresh the database has just been created, so that nothing needs to be read first: one request instead of two
 * @throws what `batch` throws; after a failure nothing of the schema is there. {@link ForeignDatabaseError}: it is somebody else's
 */
export async function applyMigrations(
  database: Database,
  migrations: readonly Migration[],
  owner: Owner,
  isFresh: boolean,
): Promise<number> {
  const applied = isFresh ? 0 : await readVersion(database)
  const pending = migrations.filter((migration) => migration.version > applied)
  const statements: Statement[] = [...claim(owner), CREATE_HISTORY]
  for (const { version, name, checksum, statements: body } of pending) {
    statements.push({
      sql: 'insert into _turso_edge_migrations (version, name, checksum) values (?, ?, ?)',
      args: [version, name, checksum],
    })
    statements.push(...body)
  }
  const wanted = pending.at(-1)?.version ?? applied
  try {
    await database.batch(statements)
  } catch (error) {
    if (!isTursoError(error, 'sql_error')) throw error
    await refuseForeign(database, owner)
    // An earlier attempt whose answer was lost, or this one on its way a second time, may have made it fail.
    if ((await readVersion(database)) < wanted) throw error
  }
  return wanted
}

async function readVersion(database: Database): Promise<number> {
  try {
    const { rows } = await database.execute('select max(version) as version from _turso_edge_migrations')
    return Number(rows[0]?.['version'] ?? 0)
  } catch (error) {
    if (isTursoError(error, 'sql_error') && /no such table/i.test(error.message)) return 0
    throw error
  }
}
