/** The operations on a plain file, by the binding alone. It shares no code with the local Turso. */
import Database from 'libsql'
import type { Condition, Operation, Sql, Step, Value } from './operations.ts'
import { show, type Outcome } from './outcomes.ts'

export interface Reference {
  run(operation: Operation): Outcome
  /** Goes on with a new connection. Throws an `Error` in a transaction, which would be lost. */
  reconnect(): void
  /** Rolls back and empties the database. */
  reset(): void
  close(): void
}

/** What servers do not agree on. */
export interface Disagreement {
  /** The condition `error` about a step that was skipped. */
  readonly errorHoldsForSkippedStep: boolean
  /** A step that is no SQL fails by itself, or the batch does before anything runs. */
  readonly unparsableStep: 'step_fails' | 'batch_fails'
}

export function openReference(
  file: string,
  { errorHoldsForSkippedStep, unparsableStep }: Disagreement,
): Reference {
  let database = connect(file)

  const execute = ({ sql, args, kind, isNonsense }: Sql): Outcome => {
    try {
      const statement = database.prepare(sql)
      // Nonsense is what it is, even if the binding should make something of it.
      if (isNonsense) throw new Error(`${sql} is SQL`)
      const columns = statement.columns().map(({ name, type }) => ({ name, decltype: type }))
      let rows: Value[][] = []
      if (statement.reader) rows = statement.raw().all(args) as Value[][]
      else statement.run(args)
      const counters = database.prepare('select changes(), last_insert_rowid()').raw()
      const [changes, rowid] = counters.get() as unknown as [bigint, bigint]
      return {
        columns,
        rows: rows.map((row) => row.map(show)),
        affected: kind === 'other' ? 0 : Number(changes),
        rowid: kind === 'insert' ? String(rowid) : null,
      }
    } catch (error) {
      const { message, rawCode = 0 } = error as Error & { rawCode?: number }
      return { error: message, code: isNonsense ? 'parse' : primaryName(rawCode & 0xff) }
    }
  }

  const isAutocommit = () => !database.inTransaction

  const batch = (steps: Step[]): Outcome => {
    const unparsable = steps.find(({ statement }) => statement.isNonsense)
    if (unparsable && unparsableStep === 'batch_fails') return execute(unparsable.statement)
    const outcomes: Outcome[] = []
    const isOk = (step: number) => {
      const outcome = outcomes[step]
      return typeof outcome === 'object' && !('error' in outcome)
    }
    const holds = (condition: Condition): boolean => {
      switch (condition.type) {
        case 'ok':
          return isOk(condition.step)
        case 'error':
          return outcomes[condition.step] === 'skipped' ? errorHoldsForSkippedStep : !isOk(condition.step)
        case 'not':
          return !holds(condition.cond)
        case 'and':
          return condition.conds.every(holds)
        case 'or':
          return condition.conds.some(holds)
        case 'is_autocommit':
          return isAutocommit()
      }
    }
    for (const { condition, statement } of steps) {
      outcomes.push(condition && !holds(condition) ? 'skipped' : execute(statement))
    }
    return { batch: outcomes }
  }

  const rollback = () => {
    if (database.inTransaction) database.exec('rollback')
  }

  const reconnect = () => {
    if (database.inTransaction) throw new Error('the transaction is lost')
    database.close()
    database = connect(file)
  }

  return {
    run(operation) {
      switch (operation.type) {
        case 'execute':
          return execute(operation.statement)
        case 'batch':
        case 'cursor':
          return batch(operation.steps)
        case 'sequence': {
          const unparsable = operation.statements.find(({ isNonsense }) => isNonsense)
          if (unparsable) return execute(unparsable)
          for (const statement of operation.statements) {
            const outcome = execute(statement)
            if (typeof outcome === 'object' && 'error' in outcome) return outcome
          }
          return 'done'
        }
        case 'describe': {
          const { sql, isNonsense } = operation.statement
          try {
            const columns = database.prepare(sql).columns()
            return {
              columns: columns.map(({ name, type }) => ({ name, decltype: type })),
              rows: [],
              affected: 0,
              rowid: null,
            }
          } catch (error) {
            const { message, rawCode = 0 } = error as Error & { rawCode?: number }
            return { error: message, code: isNonsense ? 'parse' : primaryName(rawCode & 0xff) }
          }
        }
        case 'get_autocommit':
          return { autocommit: isAutocommit() }
        case 'close':
          rollback()
          reconnect()
          return 'done'
      }
    },
    reconnect,
    reset() {
      rollback()
      for (const sql of resetStatements((query) => database.prepare(query).raw().all() as string[][])) {
        database.exec(sql)
      }
    },
    close: () => void database.close(),
  }
}

function connect(file: string): Database.Database {
  const database = new Database(file)
  database.defaultSafeIntegers(true)
  database.exec('pragma journal_mode = wal; pragma foreign_keys = on; pragma synchronous = off')
  return database
}

/** What empties a database, given its schema. Foreign keys stay on, so the referring table goes first. */
export const SCHEMA_QUERY = `select type, name from sqlite_schema where name not like 'sqlite_%' and type <> 'index'
  order by type = 'table', name = 't0', name`

function resetStatements(query: (sql: string) => string[][]): string[] {
  return query(SCHEMA_QUERY).map(([type, name]) => `drop ${type} if exists "${name}"`)
}

/** https://www.sqlite.org/rescode.html */
function primaryName(code: number): string {
  const names: Record<number, string> = {
    1: 'error',
    5: 'SQLITE_BUSY',
    6: 'SQLITE_LOCKED',
    18: 'SQLITE_TOOBIG',
    19: 'SQLITE_CONSTRAINT',
    20: 'SQLITE_MISMATCH',
  }
  return names[code] ?? String(code)
}
