/** One page of a table that is read in the order of a key, at a cost that has a limit. */

import { MAX_ROWS_SCANNED } from '../limits.ts'

export type Argument = string | number

/** What an index gives, in the order of its key. */
export interface Scan {
  /** A select that ends with its `order by`. Its columns are those of the rows. */
  sql: string
  args: Argument[]
  key: string
  order: 'asc' | 'desc'
  /** What no index helps with, as conditions on the columns. */
  filters: (readonly [condition: string, argument: Argument])[]
  limit: number
}

export interface Page<Row> {
  rows: Row[]
  /** The key to go on behind; `null` at the end. */
  last: Argument | null
}

/** With filters only {@link MAX_ROWS_SCANNED} are looked at, so a page may be short, even empty, and not be the last. */
export async function readPage<Row extends Record<string, unknown>>(
  directory: D1Database,
  { sql, args, key, order, filters, limit }: Scan,
): Promise<Page<Row>> {
  const isFiltered = filters.length > 0
  const scan = `with scan as (${sql} limit ${isFiltered ? MAX_ROWS_SCANNED : limit + 1})`
  const conditions = filters.map(([condition]) => `(${condition})`).join(' and ')
  const found = `select * from scan ${isFiltered ? `where ${conditions}` : ''} order by ${key} ${order} limit ?`
  const end = `select count(*) as scanned, ${order === 'asc' ? 'max' : 'min'}(${key}) as last from scan`
  const values = filters.map(([, argument]) => argument)
  const statements = [directory.prepare(`${scan} ${found}`).bind(...args, ...values, limit + 1)]
  if (isFiltered) statements.push(directory.prepare(`${scan} ${end}`).bind(...args))
  const [page, scanned] = await directory.batch<Record<string, unknown>>(statements)
  const rows = (page?.results ?? []) as Row[]
  if (rows.length > limit) return { rows: rows.slice(0, limit), last: rows[limit - 1]![key] as Argument }
  const reached = scanned?.results[0]
  const isCut = reached?.['scanned'] === MAX_ROWS_SCANNED
  return { rows, last: isCut ? (reached['last'] as Argument) : null }
}
