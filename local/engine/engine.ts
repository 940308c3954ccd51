/**
 * SQLite, by way of the `libsql` binding. The only file that knows the binding and works around it (version 0.5.29):
 *
 * - A prepared statement is finalised by the garbage collector alone. Until then a closed connection stays open, with
 *   its locks and its file descriptors. So an open transaction is rolled back before a close, and `connections.ts` has
 *   the garbage collected. A query that is left early is interrupted, which ends it.
 * - A statement that failed with SQLITE_BUSY stays active: the connection cannot commit afterwards. The callers see to
 *   it that this never happens; if it does, `isBroken` says so.
 * - So does a COMMIT that fails for a deferred foreign key. It fails for good when it runs again without transaction.
 * - Not every text passes through it: see `exact-rows.ts`, and `explainable.ts` for what cannot be rewritten.
 */
import type Database from 'libsql'
import { loadBinding } from './binding.ts'
import { decodeExactRow, exactQuery } from './exact-rows.ts'
import { isExplainable } from './explainable.ts'
import { exactReturning, splitReturning } from './returning.ts'
import { fromExecution, fromPrepare, isSyntaxError, primaryCodeOf, SQLITE_BUSY } from './sqlite-errors.ts'
import {
  finished,
  NO_CHANGES,
  readAll,
  resetExplained,
  startQuery,
  type RunningStatement,
} from './running-statement.ts'
import type { Statement } from './statement.ts'
import type { EngineValue } from './values.ts'
import { SqlFailure } from '../errors.ts'

export { primaryCodeOf } from './sqlite-errors.ts'

export interface EngineColumn {
  readonly name: string
  readonly decltype: string | null
}

/** A statement that is compiled and has not run. */
export interface PreparedStatement {
  readonly columns: EngineColumn[]
  /** Runs it: a query up to its first row, everything else to its end. Throws `SqlFailure` when SQLite says no. */
  readonly start: (values: EngineValue[]) => RunningStatement
}

/** One connection to one database file. Everything is synchronous. */
export interface Connection {
  readonly inTransaction: boolean
  /** It failed in a way after which it cannot be used any more; it must be closed. */
  readonly isBroken: boolean
  /** Throws `SqlFailure` when SQLite cannot compile it. */
  readonly prepare: (statement: Statement) => PreparedStatement
  /** Throws `SqlFailure` when the statement is not SQL. Unknown tables and the like are no reason. */
  readonly checkSyntax: (statement: Statement) => void
  /** The columns of its rows and whether it may write, without running it. Throws `SqlFailure` as `prepare` does. */
  readonly describe: (statement: Statement) => { columns: EngineColumn[]; isReadonly: boolean }
  /** Whether it looks at the database file, which fixes the state that a transaction sees. */
  readonly touchesDatabase: (statement: Statement) => boolean
  /** Runs SQL of our own that always works. Throws the binding's error when it does not. */
  readonly query: (sql: string, values?: EngineValue[]) => EngineValue[][]
  /** Runs a script of our own. */
  readonly run: (script: string) => void
  readonly rollback: () => void
  /** Whether nothing of what was done on it shows any more. What was rolled back does: SQLite has counted it. */
  readonly isAsGoodAsNew: () => boolean
  /** Rolls back and closes. */
  readonly close: () => void
}

/** Opens a database file, and makes it when it does not exist. Throws the binding's error when that fails. */
export function openConnection(file: string): Connection {
  const Libsql = loadBinding()
  const database = new Libsql(file)
  database.defaultSafeIntegers(true)
  const ownStatements = new Map<string, Database.Statement>()
  let isBroken = false
  let isClosed = false
  let hasChanges = false
  /** Statements that failed to end a transaction, and are active since. */
  const unended: Database.Statement[] = []

  const prepare = (sql: string): Database.Statement => {
    try {
      return database.prepare(sql)
    } catch (error) {
      throw fromPrepare(error, sql)
    }
  }

  const query = (sql: string, values: EngineValue[] = []): EngineValue[][] => {
    let statement = ownStatements.get(sql)
    if (!statement) ownStatements.set(sql, (statement = database.prepare(sql)))
    return readAll(statement, values)
  }

  /** Throws `SqlFailure` for an EXPLAIN whose text the binding would not survive. */
  const checkExplainable = (sql: string) => {
    const [[schema] = []] = query(`select cast(group_concat(sql, ';\n') as blob) from sqlite_schema`)
    if (!isExplainable(sql, schema as Uint8Array | null)) {
      throw new SqlFailure(
        'SQLITE_ERROR',
        'SQLite error: the local Turso cannot explain a text that is not UTF-8',
      )
    }
  }

  /** Runs a part of a statement. */
  const attempt = <T>(part: () => T): T => {
    try {
      return part()
    } catch (error) {
      if (primaryCodeOf(error) === SQLITE_BUSY) isBroken = true
      throw fromExecution(error)
    }
  }

  const runToEnd = (statement: Statement, prepared: Database.Statement, values: EngineValue[]) => {
    if (statement.kind === 'explain') checkExplainable(statement.sql)
    const before = statement.changesRows ? countersOf(query) : undefined
    const exact = statement.changesRows ? prepareReturning(database, statement.sql, prepared) : prepared
    const endsTransaction = statement.kind === 'end' || statement.kind === 'savepoint'
    if (endsTransaction) unended.push(prepared)
    const rows = attempt(() => {
      const read = readAll(exact, values)
      if (statement.kind === 'explain') resetExplained(prepared, values)
      return read
    })
    if (endsTransaction) unended.pop()
    endUnended()
    if (!before) return finished(rows, NO_CHANGES)
    const after = countersOf(query)
    hasChanges ||= after.totalChanges > 0n
    return finished(exact === prepared ? rows : rows.map(decodeExactRow), {
      affectedRowCount: Number(after.changes),
      lastInsertRowid: statement.inserts ? after.lastInsertRowid : null,
      rowsWritten: Number(after.totalChanges - before.totalChanges),
    })
  }

  const endUnended = () => {
    if (database.inTransaction) return
    for (const statement of unended.splice(0)) {
      try {
        statement.run([])
      } catch {
        // There is nothing to end, it says, and is over.
      }
    }
  }

  const rollback = () => {
    if (database.inTransaction) database.exec('rollback')
    endUnended()
  }

  return {
    get inTransaction() {
      // The binding ends the process when it is asked that of a closed one.
      return !isClosed && database.inTransaction
    },
    get isBroken() {
      return isBroken
    },
    prepare(statement) {
      const prepared = prepare(statement.sql)
      const columns = columnsOf(prepared)
      const isQuery = statement.kind === 'select' && columns.length > 0
      return {
        columns,
        start: (values) =>
          isQuery
            ? startQuery(prepare(exactQuery(statement.sql, columns.length)), values, attempt)
            : runToEnd(statement, prepared, values),
      }
    },
    checkSyntax(statement) {
      // Compiling a pragma may run it.
      if (statement.kind === 'pragma') return
      try {
        database.prepare(statement.sql)
      } catch (error) {
        if (isSyntaxError(error)) throw fromPrepare(error, statement.sql)
      }
    },
    describe(statement) {
      return { columns: columnsOf(prepare(statement.sql)), isReadonly: statement.isReadonly }
    },
    touchesDatabase({ kind, sql }) {
      if (kind !== 'select') return kind === 'write' || kind === 'explain' || kind === 'pragma'
      return NAMES_A_TABLE.test(sql)
    },
    query,
    run(script) {
      database.exec(script)
    },
    rollback,
    isAsGoodAsNew() {
      if (hasChanges) return false
      const [traces] = query(
        'select total_changes(), changes(), last_insert_rowid(), exists (select 1 from sqlite_temp_schema)',
      )
      return traces!.every((trace) => trace === 0n)
    },
    close() {
      if (isClosed) return
      rollback()
      isClosed = true
      database.close()
    },
  }
}

/** Without one of these words a query has no table. A few queries with one have none either, and count as well. */
const NAMES_A_TABLE = /\b(?:from|in)\b/i

/** The statement with its RETURNING clause rewritten. Throws `SqlFailure` where that is more than SQLite can compile. */
function prepareReturning(
  database: Database.Database,
  sql: string,
  prepared: Database.Statement,
): Database.Statement {
  const returning = prepared.reader ? splitReturning(sql) : undefined
  if (!returning) return prepared
  try {
    const columns = database.prepare(`${returning.head} returning *`).columns()
    const names = columns.map(({ name }) => name)
    return database.prepare(exactReturning(returning, names))
  } catch (error) {
    throw fromPrepare(error, sql)
  }
}

function columnsOf(statement: Database.Statement): EngineColumn[] {
  return statement.columns().map(({ name, type }) => ({ name, decltype: type }))
}

function countersOf(query: Connection['query']) {
  const [row] = query('select changes(), total_changes(), last_insert_rowid()')
  const [changes, totalChanges, lastInsertRowid] = row as [bigint, bigint, bigint]
  return { changes, totalChanges, lastInsertRowid }
}
