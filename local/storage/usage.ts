/**
 * Rows read and written, by database and hour. Counted in memory and written down once a second, so a process that is
 * killed loses the last second of its counts, and nothing else. The costliest statements are kept in memory alone.
 */
import type { Connection } from '../engine/engine.ts'
import { MAX_TOP_QUERIES, USAGE_FLUSH_MS } from '../limits.ts'

export interface RowCounts {
  readonly rowsRead: number
  readonly rowsWritten: number
}

export interface Usage {
  /** Counts what a statement did. `sql` makes it a candidate for the top queries. */
  add(databaseId: string, counts: RowCounts & { readonly sql?: string | undefined }): void
  /** What was counted in the hours that a period touches. */
  between(databaseId: string, fromMs: number, toMs: number): RowCounts
  /** The statements that touched the most rows since the start, the costliest first. */
  topQueries(databaseId: string): (RowCounts & { readonly sql: string })[]
  /** Forgets the statements of a database. */
  forget(databaseId: string): void
  /** Writes down what is counted in memory, and counts no more. */
  close(): void
}

const HOUR_MS = 3_600_000

export function createUsage({ query }: Connection, now: () => number): Usage {
  let pending = new Map<string, { databaseId: string; hour: number; rowsRead: number; rowsWritten: number }>()
  const statements = new Map<string, Map<string, { rowsRead: number; rowsWritten: number }>>()
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    const entries = pending
    pending = new Map()
    for (const { databaseId, hour, rowsRead, rowsWritten } of entries.values()) {
      query(
        `insert into usage (database_id, hour, rows_read, rows_written) values (?, ?, ?, ?)
          on conflict do update set rows_read = rows_read + excluded.rows_read,
            rows_written = rows_written + excluded.rows_written`,
        [databaseId, BigInt(hour), BigInt(rowsRead), BigInt(rowsWritten)],
      )
    }
  }

  const noteStatement = (databaseId: string, sql: string, { rowsRead, rowsWritten }: RowCounts) => {
    let known = statements.get(databaseId)
    if (!known) statements.set(databaseId, (known = new Map()))
    const entry = known.get(sql)
    if (entry) {
      entry.rowsRead += rowsRead
      entry.rowsWritten += rowsWritten
      return
    }
    known.set(sql, { rowsRead, rowsWritten })
    if (known.size <= 2 * MAX_TOP_QUERIES) return
    statements.set(databaseId, new Map(byCost(known).slice(0, MAX_TOP_QUERIES)))
  }

  return {
    add(databaseId, { rowsRead, rowsWritten, sql }) {
      if (isClosed || (rowsRead === 0 && rowsWritten === 0)) return
      if (sql !== undefined) noteStatement(databaseId, sql, { rowsRead, rowsWritten })
      const hour = Math.floor(now() / HOUR_MS)
      const key = `${databaseId} ${hour}`
      const entry = pending.get(key)
      if (entry) {
        entry.rowsRead += rowsRead
        entry.rowsWritten += rowsWritten
      } else {
        pending.set(key, { databaseId, hour, rowsRead, rowsWritten })
      }
      timer ??= setTimeout(flush, USAGE_FLUSH_MS).unref()
    },
    between(databaseId, fromMs, toMs) {
      flush()
      const [[rowsRead, rowsWritten] = []] = query(
        `select coalesce(sum(rows_read), 0), coalesce(sum(rows_written), 0) from usage
          where database_id = ? and hour between ? and ?`,
        [databaseId, BigInt(Math.floor(fromMs / HOUR_MS)), BigInt(Math.floor(toMs / HOUR_MS))],
      )
      return { rowsRead: Number(rowsRead), rowsWritten: Number(rowsWritten) }
    },
    topQueries: (databaseId) =>
      byCost(statements.get(databaseId) ?? new Map<string, RowCounts>())
        .slice(0, MAX_TOP_QUERIES)
        .map(([sql, counts]) => ({ sql, ...counts })),
    forget: (databaseId) => void statements.delete(databaseId),
    close() {
      isClosed = true
      flush()
    },
  }
}

function byCost<T extends RowCounts>(statements: Map<string, T>): [string, T][] {
  return [...statements].sort(([, a], [, b]) => b.rowsRead + b.rowsWritten - a.rowsRead - a.rowsWritten)
}
