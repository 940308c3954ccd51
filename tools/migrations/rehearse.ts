// Applies migrations to an empty database in memory, so that a broken one fails the build and not a sign-up.

import Database from 'libsql'
import type { ScriptStatement } from '../../local/engine/sql-script.ts'
import type { MigrationFile } from './read.ts'

/** Throws `path:line: why` at the first statement that does not run or cannot be part of an atomic batch. */
export function rehearseMigrations(files: readonly MigrationFile[]): void {
  const database = new Database(':memory:')
  try {
    for (const file of files) {
      database.exec('begin')
      for (const statement of file.statements) {
        const problem = whyNotInBatch(statement.sql) ?? whyItFails(database, statement)
        if (problem) throw new Error(`${file.path}:${statement.line}: ${problem}`)
      }
      database.exec('commit')
    }
  } finally {
    database.close()
  }
}

const TRANSACTION_CONTROL =
  'all migrations of a sign-up run in one transaction, which a statement cannot begin or end'
const OUTSIDE_TRANSACTION = 'it cannot run inside a transaction, and migrations do'
const OTHER_FILES = 'a tenant has one database and no other files'

const REFUSED = new Map([
  ['BEGIN', TRANSACTION_CONTROL],
  ['COMMIT', TRANSACTION_CONTROL],
  ['END', TRANSACTION_CONTROL],
  ['ROLLBACK', TRANSACTION_CONTROL],
  ['SAVEPOINT', TRANSACTION_CONTROL],
  ['RELEASE', TRANSACTION_CONTROL],
  ['VACUUM', OUTSIDE_TRANSACTION],
  ['ATTACH', OTHER_FILES],
  ['DETACH', OTHER_FILES],
])

// SQLite accepts these inside a transaction and silently does nothing.
const INEFFECTIVE_PRAGMA = /^pragma\s+(?:\w+\.)?(foreign_keys|journal_mode|page_size|auto_vacuum|encoding)\b/i

function whyNotInBatch(sql: string): string | undefined {
  const word = /^[a-z]+/i.exec(sql)?.[0].toUpperCase() ?? ''
  const reason = REFUSED.get(word)
  if (reason) return `${word} is not allowed: ${reason}`
  const pragma = INEFFECTIVE_PRAGMA.exec(sql)?.[1]?.toLowerCase()
  return (
    pragma &&
    `PRAGMA ${pragma} is not allowed: it has no effect inside a transaction, and migrations run in one`
  )
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
