/** Which migrations a database has, and whether they are those of this Worker. */
import { isTursoError, type Database } from '../../src/index.ts'

/** Name of its table. */
export const HISTORY = '_turso_edge_migrations'

export interface AppliedMigration {
  version: number
  name: string
  /** SHA-256 of the file, in hex. */
  checksum: string
}

/** What a database has, or is to be made from, does not go together with this Worker. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'
}

/** @returns `null` for a database that has no history at all */
export async function readHistory(database: Database): Promise<AppliedMigration[] | null> {
  try {
    const { rows } = await database.execute(
      'select version, name, checksum from _turso_edge_migrations order by version',
    )
    return rows.map(({ version, name, checksum }) => ({
      version: Number(version),
      name: String(name),
      checksum: String(checksum),
    }))
  } catch (error) {
    if (isTursoError(error, 'sql_error') && /no such table/i.test(error.message)) return null
    throw error
  }
}

export function versionOf(history: readonly AppliedMigration[] | null): number {
  return history?.at(-1)?.version ?? 0
}

/**
 * A history is the first so many of the Worker's migrations, as they are. Anything else was changed, is of a later Worker, or
 * has a hole, and nobody knows what applying the rest to it would make of it.
 *
 * @throws {SchemaError} that names the file
 */
export function checkHistory(
  history: readonly AppliedMigration[],
  migrations: readonly AppliedMigration[],
): void {
  for (const applied of history) {
    const own = migrations.find(({ version }) => version === applied.version)
    if (own === undefined)
      throw new SchemaError(
        `The database has the migration ${fileName(applied)}, which this Worker does not have: it is of a later one, or the file was removed`,
      )
    if (own.checksum !== applied.checksum)
      throw new SchemaError(
        `The migration ${fileName(own)} was changed after it was applied to the database${own.name === applied.name ? '' : ` as ${fileName(applied)}`}. Restore the file, and put the change into another one`,
      )
  }
  const skipped = migrations.find(
    ({ version }) => version < versionOf(history) && !history.some((applied) => applied.version === version),
  )
  if (skipped !== undefined)
    throw new SchemaError(
      `The database has later migrations than ${fileName(skipped)}, and not that one. Give the file the next number`,
    )
}

const fileName = ({ version, name }: AppliedMigration): string =>
  `${String(version).padStart(4, '0')}_${name}.sql`
