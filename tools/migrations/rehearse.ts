// Applies migrations to an empty database in memory, so that a broken one fails the build and not a sign-up.

import Database from 'libsql'
import type { ScriptStatement } from '../../local/engine/sql-script.ts'
import type { MigrationFile } from './read.ts'
import { whyRefused } from './refused.ts'

/** Throws `path:line: why` at the first statement that does not run here, or would not as a part of a signup's batch. */
export function rehearseMigrations(files: readonly MigrationFile[]): void {
  const database = new Database(':memory:')
  try {
    for (const file of files) {
      database.exec('begin')
      for (const statement of file.statements) {
        const problem = whyRefused(statement.sql) ?? whyItFails(database, statement)
        if (problem) throw new Error(`${file.path}:${statement.line}: ${problem}`)
      }
      database.exec('commit')
    }
  } finally {
    database.close()
  }
}

function whyItFails(database: Database.Database, { sql }: ScriptStatement): string | undefined {
  try {
    const statement = database.prepare(sql)
    if (statement.reader) statement.all()
    else statement.run()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
