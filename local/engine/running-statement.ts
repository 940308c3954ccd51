/** Statements that run, and how the binding steps through them. */
import type Database from 'libsql'
import { decodeExactRow } from './exact-rows.ts'
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

/** The binding fetches as many at once. */
const ROWS_AT_ONCE = 100

export const NO_CHANGES: Changes = { affectedRowCount: 0, lastInsertRowid: null, rowsWritten: 0 }

/** A statement that has run to its end already. */
export function finished(rows: EngineValue[][], changes: Changes): RunningStatement {
  let position = 0
  return {
    changes,
    next: () => rows.slice(position, (position += ROWS_AT_ONCE)),
    end: () => {
      position = rows.length
    },
  }
}

/** What the binding's iterator really is: it fetches into an array, which it empties as it goes. */
interface BindingRows extends IterableIterator<EngineValue[]> {
  readonly nextRows: (EngineValue[] | undefined)[]
}

/** Starts a query that was rewritten by `exactQuery`. `attempt` runs a part of it and turns the binding's errors into ours. */
export function startQuery(
  query: Database.Statement,
  values: EngineValue[],
  attempt: <T>(part: () => T) => T,
): RunningStatement {
  const rows = attempt(() => query.raw().iterate(values) as BindingRows)
  let isDone = false
  let failure: unknown

  const end = () => {
    if (isDone) return
    isDone = true
    interrupt(query)
  }

  const fetch = (): EngineValue[][] => {
    const some: EngineValue[][] = []
    while (some.length < ROWS_AT_ONCE && !isDone) {
      const { done, value } = rows.next()
      if (done) isDone = true
      else some.push(value)
    }
    return some
  }

  return {
    changes: NO_CHANGES,
    next() {
      if (failure !== undefined) throw failure
      let some: EngineValue[][]
      try {
        some = attempt(fetch)
      } catch (error) {
        // A statement that fails is over, but its rows up to there have arrived.
        isDone = true
        failure = error
        some = rows.nextRows.filter((row) => row !== undefined)
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
