/** Fetches rows from the binding, fewer at a time the larger they are, so that a few large ones do not fill the memory. */
import type { EngineValue } from './values.ts'

/**
 * What the binding's iterator really is (version 0.5.29): when its index is at the end of 100 rows, it fetches as many as
 * its array has room for.
 */
export interface BindingRows extends IterableIterator<EngineValue[]> {
  nextRows: (EngineValue[] | undefined)[]
  nextRowIndex: number
}

/** The binding fetches no more than this at once. */
export const MAX_ROWS_AT_ONCE = 100

const FIRST_ROWS = 10
const TARGET_BYTES = 1024 * 1024

export interface RowFetcher {
  /** The next rows. Throws the binding's error; what arrived before it is in `arrived`. */
  fetch(): EngineValue[][]
  /** All rows have been fetched. */
  readonly isDone: boolean
  /** The rows that the last fetch brought. */
  arrived(): EngineValue[][]
}

export function createRowFetcher(rows: BindingRows): RowFetcher {
  let count = FIRST_ROWS
  let isDone = false
  const arrived = () => rows.nextRows.filter((row) => row !== undefined)

  return {
    get isDone() {
      return isDone
    },
    arrived,
    fetch() {
      const fetched = Array<EngineValue[] | undefined>(count).fill(undefined)
      rows.nextRows = fetched
      rows.nextRowIndex = MAX_ROWS_AT_ONCE
      // It takes its first row out of the array.
      fetched[0] = rows.next().value as EngineValue[] | undefined
      const end = fetched.indexOf(undefined)
      isDone = end !== -1
      const some = (isDone ? fetched.slice(0, end) : fetched) as EngineValue[][]
      let bytes = 1
      for (const row of some) bytes += sizeOf(row)
      count = Math.max(1, Math.min(MAX_ROWS_AT_ONCE, Math.floor((some.length * TARGET_BYTES) / bytes)))
      return some
    },
  }
}

function sizeOf(row: EngineValue[]): number {
  let bytes = 0
  for (const value of row) {
    bytes += typeof value === 'string' || value instanceof Uint8Array ? value.length : 8
  }
  return bytes
}
