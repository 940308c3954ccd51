// What Turso would not run as a part of the one batch that all migrations of a sign-up are, though libSQL does.

import { SqlFailure } from '../../local/errors.ts'
import { tokenize } from '../../local/engine/sql-tokens.ts'
import { parseStatement, setsUserVersion, type Statement } from '../../local/engine/statement.ts'

const TRANSACTION_CONTROL =
  'all migrations of a sign-up run in one transaction, which a statement cannot begin or end'
const OTHER_FILES = 'a tenant has one database and no other files'
const WITHOUT_EFFECT = 'it has no effect inside a transaction, and migrations run in one'

/** By what {@link nameOf} calls it. */
const REASONS = new Map([
  ['BEGIN', TRANSACTION_CONTROL],
  ['COMMIT', TRANSACTION_CONTROL],
  ['END', TRANSACTION_CONTROL],
  ['ROLLBACK', TRANSACTION_CONTROL],
  ['SAVEPOINT', TRANSACTION_CONTROL],
  ['RELEASE', TRANSACTION_CONTROL],
  ['VACUUM', 'it cannot run inside a transaction, and migrations do'],
  ['ATTACH', OTHER_FILES],
  ['DETACH', OTHER_FILES],
  ['CREATE TEMP', 'Turso makes nothing temporary'],
  ['PRAGMA foreign_keys', WITHOUT_EFFECT],
  ['PRAGMA journal_mode', WITHOUT_EFFECT],
  ['PRAGMA page_size', WITHOUT_EFFECT],
  ['PRAGMA auto_vacuum', WITHOUT_EFFECT],
  ['PRAGMA encoding', WITHOUT_EFFECT],
])

/** `undefined`: nothing is known against it. */
export function whyRefused(sql: string): string | undefined {
  const name = nameOf(sql)
  const reason = REASONS.get(name) ?? reasonOf(parse(sql))
  return reason && `${name} is not allowed: ${reason}`
}

function reasonOf(statement: Statement | undefined): string | undefined {
  if (statement === undefined) return 'Turso does not run it'
  if (setsUserVersion(statement))
    return 'Turso Cloud does not let it be set, and which migrations a database has is recorded without it'
  return statement.parameters.length > 0 ? 'nothing is bound to its parameters' : undefined
}

function parse(sql: string): Statement | undefined {
  try {
    return parseStatement(sql)
  } catch (error) {
    if (error instanceof SqlFailure) return undefined
    throw error
  }
}

/** Its first word, and of a pragma its name too, without the schema. */
function nameOf(sql: string): string {
  const [verb = '', second = '', third, fourth = ''] = tokenize(sql).map(({ text }) => text)
  const name = verb.toUpperCase()
  if (name === 'PRAGMA') return `PRAGMA ${(third === '.' ? fourth : second).toLowerCase()}`
  return name === 'CREATE' && /^temp(?:orary)?$/i.test(second) ? 'CREATE TEMP' : name
}
