/** What every client is made to look like, so that all are asked the same and their answers compared. */

export type InputValue = null | string | number | Uint8Array

export interface BenchStatement {
  sql: string
  args: InputValue[]
}

export type NamedRow = Readonly<Record<string, unknown>>

export interface BenchTransaction {
  execute(sql: string): Promise<unknown>
}

/** A client at work. What it resolves with is its own; the readers below are for checks, outside of what is timed. */
export interface BenchClient {
  query(statement: BenchStatement): Promise<unknown>
  write(statement: BenchStatement): Promise<unknown>
  /** All or nothing. */
  batch(statements: readonly BenchStatement[]): Promise<unknown>
  /** The rows of a query. */
  rowsOf(outcome: unknown): readonly NamedRow[]
  /** How many rows a write, or each statement of a batch, has changed. */
  changesOf(outcome: unknown): number[]
  /** Commits when the work is done, and rolls back when it throws. */
  transaction?(work: (transaction: BenchTransaction) => Promise<void>): Promise<void>
  executeMultiple?(script: string): Promise<unknown>
  /** Row by row, as they arrive. */
  stream?(statement: BenchStatement): AsyncIterable<NamedRow>
}

/** What `fetch` takes first; Node has no name for it. */
export type FetchInput = Parameters<typeof fetch>[0]

export interface OpenOptions {
  /** `https:`, without a slash at the end. */
  url: string
  authToken: string
  /** Stands in for the global `fetch`, which it replaces for a client that takes no other. */
  fetch: typeof fetch
}

export type OpenClient = (options: OpenOptions) => BenchClient
