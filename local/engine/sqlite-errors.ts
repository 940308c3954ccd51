/** Errors of SQLite and of the binding, in sqld's words. Source: libsql-server/src/hrana/stmt.rs */
import { loadBinding } from './binding.ts'
import { SqlFailure } from '../errors.ts'
import { locateError } from './error-offset.ts'
import { parseFailure } from './statement.ts'

export const SQLITE_BUSY = 5

/** The names that sqld gives to SQLite's primary result codes. */
const CODES = new Map([
  [2, 'SQLITE_INTERNAL'],
  [3, 'SQLITE_PERM'],
  [4, 'SQLITE_ABORT'],
  [SQLITE_BUSY, 'SQLITE_BUSY'],
  [6, 'SQLITE_LOCKED'],
  [7, 'SQLITE_NOMEM'],
  [8, 'SQLITE_READONLY'],
  [9, 'SQLITE_INTERRUPT'],
  [10, 'SQLITE_IOERR'],
  [11, 'SQLITE_CORRUPT'],
  [12, 'SQLITE_NOTFOUND'],
  [13, 'SQLITE_FULL'],
  [14, 'SQLITE_CANTOPEN'],
  [15, 'SQLITE_PROTOCOL'],
  [17, 'SQLITE_SCHEMA'],
  [18, 'SQLITE_TOOBIG'],
  [19, 'SQLITE_CONSTRAINT'],
  [20, 'SQLITE_MISMATCH'],
  [21, 'SQLITE_MISUSE'],
  [22, 'SQLITE_NOLFS'],
  [23, 'SQLITE_AUTH'],
  [25, 'SQLITE_RANGE'],
  [26, 'SQLITE_NOTADB'],
])

/** https://www.sqlite.org/rescode.html#extrc; Turso's protocol names them as SQLite does. */
const CONSTRAINT_CODES = new Map([
  [275, 'SQLITE_CONSTRAINT_CHECK'],
  [531, 'SQLITE_CONSTRAINT_COMMITHOOK'],
  [787, 'SQLITE_CONSTRAINT_FOREIGNKEY'],
  [1043, 'SQLITE_CONSTRAINT_FUNCTION'],
  [1299, 'SQLITE_CONSTRAINT_NOTNULL'],
  [1555, 'SQLITE_CONSTRAINT_PRIMARYKEY'],
  [1811, 'SQLITE_CONSTRAINT_TRIGGER'],
  [2067, 'SQLITE_CONSTRAINT_UNIQUE'],
  [2323, 'SQLITE_CONSTRAINT_VTAB'],
  [2579, 'SQLITE_CONSTRAINT_ROWID'],
  [2835, 'SQLITE_CONSTRAINT_PINNED'],
  [3091, 'SQLITE_CONSTRAINT_DATATYPE'],
])

/** SQLite's primary result code, or `undefined` for an error that is not SQLite's. */
export function primaryCodeOf(error: unknown): number | undefined {
  const rawCode = rawCodeOf(error)
  return rawCode === undefined ? undefined : rawCode & 0xff
}

/** The error of a statement that failed while it ran. */
export function fromExecution(error: unknown): SqlFailure {
  return new SqlFailure(
    CODES.get(primaryCodeOf(error) ?? 0) ?? 'SQLITE_UNKNOWN',
    `SQLite error: ${messageOf(error)}`,
    CONSTRAINT_CODES.get(rawCodeOf(error) ?? 0),
  )
}

/**
 * The error of a statement that could not be compiled. sqld parses a statement itself before SQLite does, hence the
 * separate code for what is not SQL at all; and it tells errors that have a place in the text from those that have none.
 */
export function fromPrepare(error: unknown, sql: string): SqlFailure {
  const message = messageOf(error)
  if (isSyntaxError(error)) return parseFailure(message)
  const place = primaryCodeOf(error) === 1 ? locateError(message, sql) : 'nowhere'
  if (place === 'nowhere') return fromExecution(error)
  const at = place === 'somewhere' ? '' : ` (at offset ${place})`
  return new SqlFailure('SQL_INPUT_ERROR', `SQL input error: ${message}${at}`)
}

/** Whether a statement is no SQL; an unknown table and the like are another matter. */
export function isSyntaxError(error: unknown): boolean {
  return /: syntax error$|^incomplete input$|^unrecognized token: /.test(messageOf(error))
}

/** What SQLite says of a value that is larger than its limit. */
export function tooBig(): SqlFailure {
  return new SqlFailure('SQLITE_TOOBIG', 'SQLite error: string or blob too big')
}

function rawCodeOf(error: unknown): number | undefined {
  return error instanceof loadBinding().SqliteError ? error.rawCode : undefined
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
