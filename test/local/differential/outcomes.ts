/** What became of an operation, in a form in which two of them can be compared. */
import type { Value } from './operations.ts'

export type Outcome =
  | {
      columns: { name: string | null; decltype: string | null }[]
      /** See {@link show}. */
      rows: string[][]
      affected: number
      rowid: string | null
    }
  | { error: string; code: string }
  | { batch: Outcome[] }
  | { autocommit: boolean }
  | 'skipped'
  | 'done'

/** A value with its type: `i:1`, `f:1`, `t:1`. */
export function show(value: Value): string {
  if (value === null) return 'null'
  switch (typeof value) {
    case 'bigint':
      return `i:${value}`
    case 'number':
      // JSON has no infinities.
      return `f:${Number.isFinite(value) ? (Object.is(value, -0) ? '-0' : value) : null}`
    case 'string':
      return `t:${value}`
    default:
      return `b:${Buffer.from(value).toString('hex')}`
  }
}
