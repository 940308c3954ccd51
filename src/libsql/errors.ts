/** The core's errors → the one class that code written for `@libsql/client` looks for. */
import { HttpError, NetworkError, ProtocolError, SqlError, StreamLostError, TimeoutError } from '../errors.ts'

export class LibsqlError extends Error {
  /**
   * The server's code, such as `SQLITE_CONSTRAINT`, or `SERVER_ERROR` (an HTTP status that is no success; `cause.status`
   * has it), `TRANSACTION_CLOSED`, `HRANA_PROTO_ERROR` (an answer that is not the protocol's), `HRANA_CLOSED_ERROR`
   * (the client is closed, or the answer to a COMMIT was lost), `TIMEOUT`, `UNKNOWN` and those of the configuration:
   * `URL_INVALID`, `URL_SCHEME_NOT_SUPPORTED`, `URL_PARAM_NOT_SUPPORTED`, `ENCRYPTION_KEY_NOT_SUPPORTED`,
   * `SYNC_NOT_SUPPORTED`.
   */
  code: string
  /** Such as `SQLITE_CONSTRAINT_UNIQUE`. */
  declare extendedCode?: string
  /** SQLite's number of the extended code, or of the code if there is no other: 2067, 5. */
  declare rawCode?: number

  /** @param message to which the code is prefixed */
  constructor(message: string, code: string, extendedCode?: string, rawCode?: number, cause?: Error) {
    super(`${code}: ${message}`, cause && { cause })
    this.name = 'LibsqlError'
    this.code = code
    if (extendedCode !== undefined) this.extendedCode = extendedCode
    if (rawCode !== undefined) this.rawCode = rawCode
  }
}

/** Of a statement in a batch or a transaction. */
export class LibsqlBatchError extends LibsqlError {
  /** Zero-based. */
  statementIndex: number

  constructor(
    message: string,
    statementIndex: number,
    code: string,
    extendedCode?: string,
    rawCode?: number,
    cause?: Error,
  ) {
    super(message, code, extendedCode, rawCode, cause)
    this.name = 'LibsqlBatchError'
    this.statementIndex = statementIndex
  }
}

/**
 * What is thrown for a failure of the core. As with `@libsql/client`, what `fetch` threw and what is wrong with a value
 * come through as they are.
 *
 * @param statementIndex of the only statement that it can be about, where the core names none
 */
export function toLibsqlError(error: unknown, statementIndex?: number): unknown {
  if (error instanceof SqlError) {
    const { message, sqlCode } = error
    const extendedCode = error.extendedCode ?? extendedCodeOf(sqlCode, message)
    const details = [sqlCode, extendedCode, rawCodeOf(extendedCode ?? sqlCode), error] as const
    const index = error.statementIndex ?? statementIndex
    return index === undefined
      ? new LibsqlError(message, ...details)
      : new LibsqlBatchError(message, index, ...details)
  }
  if (error instanceof NetworkError) return error.cause ?? error
  if (error instanceof HttpError) {
    const words = error.serverMessage && `: ${error.serverMessage}`
    return wrap(error, 'SERVER_ERROR', `Server returned HTTP status ${error.status}${words}`)
  }
  if (error instanceof StreamLostError)
    return wrap(error, error.outcome === 'unknown' ? 'HRANA_CLOSED_ERROR' : 'TRANSACTION_CLOSED')
  if (error instanceof ProtocolError) return wrap(error, 'HRANA_PROTO_ERROR')
  if (error instanceof TimeoutError) return wrap(error, 'TIMEOUT')
  return error
}

const wrap = (cause: Error, code: string, message = cause.message): LibsqlError =>
  new LibsqlError(message, code, undefined, undefined, cause)

/** sqld sends primary codes only, but SQLite's own words tell the kinds apart. */
function extendedCodeOf(code: string, message: string): string | undefined {
  const kind =
    code === 'SQLITE_CONSTRAINT' && /\b(UNIQUE|NOT NULL|FOREIGN KEY|CHECK) constraint failed/.exec(message)
  return kind ? `${code}_${kind[1]!.replace(' ', '')}` : undefined
}

/** In the order of their numbers, from 1. Source: https://www.sqlite.org/rescode.html */
const PRIMARY =
  'ERROR INTERNAL PERM ABORT BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT NOTFOUND FULL CANTOPEN PROTOCOL EMPTY SCHEMA TOOBIG CONSTRAINT MISMATCH MISUSE NOLFS AUTH FORMAT RANGE NOTADB'
/** Likewise, in the second byte. */
const EXTENDED: Record<string, string> = {
  CONSTRAINT:
    'CHECK COMMITHOOK FOREIGNKEY FUNCTION NOTNULL PRIMARYKEY TRIGGER UNIQUE VTAB ROWID PINNED DATATYPE',
  BUSY: 'RECOVERY SNAPSHOT TIMEOUT',
}

function rawCodeOf(code: string): number | undefined {
  const [, primary = '', extended] = /^SQLITE_([A-Z]+)(?:_([A-Z]+))?$/.exec(code) ?? []
  const number = PRIMARY.split(' ').indexOf(primary) + 1
  if (number === 0 || extended === undefined) return number || undefined
  const kind = (EXTENDED[primary] ?? '').split(' ').indexOf(extended) + 1
  return kind ? number + kind * 256 : number
}
