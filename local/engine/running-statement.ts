/** Statements that run, and how the binding steps through them. */
import type Database from 'libsql'
import { decodeExactRow } from './exact-rows.ts'
import { createRowFetcher, MAX_ROWS_AT_ONCE, type BindingRows } from './row-fetcher.ts'
import { primaryCodeOf } from './sqlite-errors.ts'
import type { EngineValue } from './values.ts'

/** What a statement changed. */
export interface Changes {
  readonly affectedRowCount: number
  readonly lastInsertRowid: bigint | null
  /** Rows changed in all, those of triggers and of foreign key actions included. */
  readonly rowsWritten: number
}

/** A statement that runs. It must be read to its end, or ended. */
export interface RunningStatement {
  readonly changes: Changes
  /**
   * Some of its next rows, at most 100; none at its end. Throws `SqlFailure` when SQLite says no, `HttpFailure` 500 for
   * a text that is none; it has ended then.
   */
  readonly next: () => EngineValue[][]
  /** Ends it early. Harmless when it has ended. */
  readonly end: () => void
}

export const NO_CHANGES: Changes = { affectedRowCount: 0, lastInsertRowid: null, rowsWritten: 0 }

/** A statement that has run to its end already. */
export function finished(rows: EngineValue[][], changes: Changes): RunningStatement {
  let position = 0
  return {
    changes,
    next: () => rows.slice(position, (position += MAX_ROWS_AT_ONCE)),
    end: () => {
      position = rows.length
    },
  }
}

/** Starts a query that was rewritten by `exactQuery`. `attempt` runs a part of it and turns the binding's errors into ours. */
export function startQuery(
  query: Database.Statement,
  values: EngineValue[],
  attempt: <T>(part: () => T) => T,
): RunningStatement {
  const rows = createRowFetcher(attempt(() => query.raw().iterate(values) as BindingRows))
  let isOver = false
  let failure: unknown

  const end = () => {
    if (!isOver && !rows.isDone) interrupt(query)
    isOver = true
  }

  return {
    changes: NO_CHANGES,
    next() {
      if (failure !== undefined) throw failure
      if (isOver || rows.isDone) return []
      let some: EngineValue[][]
      try {
        some = attempt(() => rows.fetch())
      } catch (error) {
        // A statement that fails is over, but its rows up to there have arrived.
        isOver = true
        failure = error
        some = rows.arrived()
        if (some.length === 0) throw error
      }
      try {
        return some.map(decodeExactRow)
      } catch (error) {
        end()
        throw error
      }
    },
    end,
  }
}

/** Runs a statement to its end. */
export function readAll(statement: Database.Statement, values: EngineValue[]): EngineValue[][] {
  // A statement without columns has no `raw()` and is not run by `all()`.
  if (statement.reader) return statement.raw().all(values) as EngineValue[][]
  statement.run(values)
  return []
}

/** The binding leaves an explained statement active; stepping it once more resets it. */
export function resetExplained(statement: Database.Statement, values: EngineValue[]): void {
  statement.get(values)
}

/**
 * Ends an active query: an interrupted statement fails its next step and is over, and nothing is rolled back by that.
 * When its transaction was rolled back it fails for that reason.
 */
function interrupt(query: Database.Statement): void {
  ;(query as Database.Statement & { interrupt(): void }).interrupt()
  try {
    query.get([])
  } catch (error) {
    if (primaryCodeOf(error) === undefined) throw error
  }
}
