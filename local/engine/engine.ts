/**
 * SQLite, by way of the `libsql` binding. The only file that knows the binding and works around it (version 0.5.29):
 *
 * - A prepared statement is finalised by the garbage collector alone. Until then a closed connection stays open, with
 *   its locks and its file descriptors. So an open transaction is rolled back before a close, and connections are
 *   better kept than closed.
 * - A statement that failed with SQLITE_BUSY stays active: the connection cannot commit afterwards. The callers see to
 *   it that this never happens; if it does, `isBroken` says so.
 * - Text is read up to its first NUL, and text that is not UTF-8 ends the process. So a query is wrapped in one that
 *   delivers its texts as blobs. Not so what RETURNING delivers.
 */
import Database from 'libsql'
import { HttpFailure, SqlFailure } from '../errors.ts'
import { parseFailure, type Statement } from './statement.ts'
import type { EngineValue } from './values.ts'

export interface EngineColumn {
  readonly name: string
  readonly decltype: string | null
}

/** What a statement did. */
export interface EngineResult {
  readonly columns: EngineColumn[]
  readonly rows: EngineValue[][]
  readonly affectedRowCount: number
  readonly lastInsertRowid: bigint | null
  /** Rows changed in all, those of triggers and of foreign key actions included. */
  readonly rowsWritten: number
}

/** One connection to one database file. Everything is synchronous. */
export interface Connection {
  readonly inTransaction: boolean
  /** It failed in a way after which it cannot be used any more; it must be closed. */
  readonly isBroken: boolean
  /** Runs a statement to its end. Throws `SqlFailure` when SQLite says no, `HttpFailure` 500 for text that is none. */
  readonly execute: (statement: Statement, values: EngineValue[]) => EngineResult
  /** Throws `SqlFailure` when the statement is not SQL. Unknown tables and the like are no reason. */
  readonly checkSyntax: (statement: Statement) => void
  /** The columns of its rows, without running it. Throws `SqlFailure` when it cannot be compiled. */
  readonly describe: (statement: Statement) => EngineColumn[]
  /** Whether it looks at the database file, which fixes the state that a transaction sees. */
  readonly touchesDatabase: (statement: Statement) => boolean
  /** Runs SQL of our own that always works. Throws the binding's error when it does not. */
  readonly query: (sql: string, values?: EngineValue[]) => EngineValue[][]
  /** Runs a script of our own. */
  readonly run: (script: string) => void
  readonly rollback: () => void
  /** Rolls back and closes. */
  readonly close: () => void
}

/** Opens a database file, and makes it when it does not exist. Throws the binding's error when that fails. */
export function openConnection(file: string): Connection {
  const database = new Database(file)
  database.defaultSafeIntegers(true)
  const ownStatements = new Map<string, Database.Statement>()
  let isBroken = false

  const prepare = (sql: string): Database.Statement => {
    try {
      return database.prepare(sql)
    } catch (error) {
      throw fromPrepare(error)
    }
  }

  const query = (sql: string, values: EngineValue[] = []): EngineValue[][] => {
    let statement = ownStatements.get(sql)
    if (!statement) ownStatements.set(sql, (statement = database.prepare(sql)))
    return runPrepared(statement, values)
  }

  const rollback = () => {
    if (database.inTransaction) database.exec('rollback')
  }

  return {
    get inTransaction() {
      return database.inTransaction
    },
    get isBroken() {
      return isBroken
    },
    execute(statement, values) {
      const before = statement.changesRows ? counters(query) : undefined
      const prepared = prepare(statement.sql)
      const columns = columnsOf(prepared)
      const isQuery = statement.kind === 'select' && columns.length > 0
      const running = isQuery ? prepare(exactQuery(statement.sql, columns.length)) : prepared
      let rows: EngineValue[][]
      let after: Counters | undefined
      try {
        rows = runPrepared(running, values)
        // The binding leaves an explained statement active; stepping it once more resets it.
        if (statement.kind === 'explain') prepared.get(values)
        after = before && counters(query)
      } catch (error) {
        if (primaryCodeOf(error) === SQLITE_BUSY) isBroken = true
        throw fromExecution(error)
      }
      return {
        columns,
        rows: isQuery ? rows.map(decodeExactRow) : rows,
        affectedRowCount: after ? Number(after.changes) : 0,
        lastInsertRowid: after && statement.inserts ? after.lastInsertRowid : null,
        rowsWritten: before && after ? Number(after.totalChanges - before.totalChanges) : 0,
      }
    },
    checkSyntax(statement) {
      // Compiling a pragma may run it.
      if (statement.kind === 'pragma') return
      try {
        database.prepare(statement.sql)
      } catch (error) {
        if (isSyntaxError(error)) throw fromPrepare(error)
      }
    },
    describe: (statement) => columnsOf(prepare(statement.sql)),
    touchesDatabase(statement) {
      if (statement.kind !== 'select') return statement.kind === 'write'
      const explain = prepare(`explain ${statement.sql}`)
      const opcodes = runPrepared(explain, []).map((row) => row[1])
      explain.get([])
      return opcodes.includes('Transaction')
    },
    query,
    run(script) {
      database.exec(script)
    },
    rollback,
    close() {
      rollback()
      database.close()
    },
  }
}

function runPrepared(statement: Database.Statement, values: EngineValue[]): EngineValue[][] {
  // A statement without columns has no `raw()` and is not run by `all()`.
  if (statement.reader) return statement.raw().all(values) as EngineValue[][]
  statement.run(values)
  return []
}

function columnsOf(statement: Database.Statement): EngineColumn[] {
  return statement.columns().map(({ name, type }) => ({ name, decltype: type }))
}

interface Counters {
  readonly changes: bigint
  readonly totalChanges: bigint
  readonly lastInsertRowid: bigint
}

function counters(query: Connection['query']): Counters {
  const [row] = query('select changes(), total_changes(), last_insert_rowid()')
  const [changes, totalChanges, lastInsertRowid] = row as [bigint, bigint, bigint]
  return { changes, totalChanges, lastInsertRowid }
}

/**
 * The same rows in the same order, with every text as a blob after the letter `t`, and every blob after `b`.
 * The offset keeps SQLite from merging the queries, which would compute a column more than once.
 */
function exactQuery(sql: string, width: number): string {
  const names = Array.from({ length: width }, (_, index) => `c${index}`)
  const exact = names.map(
    (name) =>
      `case typeof(${name}) when 'text' then cast('t' || ${name} as blob)` +
      ` when 'blob' then cast('b' || ${name} as blob) else ${name} end`,
  )
  return (
    `with "turso-edge rows" (${names.join()}) as (${sql}) ` +
    `select ${exact.join()} from (select * from "turso-edge rows" limit -1 offset 0)`
  )
}

function decodeExactRow(row: EngineValue[]): EngineValue[] {
  return row.map((value) => {
    if (!Buffer.isBuffer(value)) return value
    return value[0] === LETTER_T ? decodeText(value.subarray(1)) : value.subarray(1)
  })
}

/** sqld gives up on the whole request as well. */
function decodeText(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    throw new HttpFailure(500, 'Internal Error: `a text is not valid UTF-8`')
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const LETTER_T = 't'.charCodeAt(0)

const SQLITE_BUSY = 5

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

/** SQLite's primary result code, or `undefined` for an error that is not SQLite's. */
export function primaryCodeOf(error: unknown): number | undefined {
  const rawCode = error instanceof Database.SqliteError ? error.rawCode : undefined
  return rawCode === undefined ? undefined : rawCode & 0xff
}

function fromExecution(error: unknown): SqlFailure {
  return new SqlFailure(
    CODES.get(primaryCodeOf(error) ?? 0) ?? 'SQLITE_UNKNOWN',
    `SQLite error: ${messageOf(error)}`,
  )
}

/** sqld parses a statement itself before SQLite does, hence the separate code for what is not SQL at all. */
function fromPrepare(error: unknown): SqlFailure {
  if (isSyntaxError(error)) return parseFailure(messageOf(error))
  if (primaryCodeOf(error) === 1)
    return new SqlFailure('SQL_INPUT_ERROR', `SQL input error: ${messageOf(error)}`)
  return fromExecution(error)
}

function isSyntaxError(error: unknown): boolean {
  return /: syntax error$|^incomplete input$|^unrecognized token: /.test(messageOf(error))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
