/** What users hold: one database, queried over HTTP. */
import type { CallOptions, Fetch } from './http.ts'
import { encodeAtomicBatch, readAtomicBatch, requireMode, type TransactionMode } from './hrana/batch.ts'
import { sendOnce, type PipelineTarget } from './hrana/pipeline.ts'
import { createStream } from './hrana/stream.ts'
import { parseDatabaseUrl } from './hrana/url.ts'
import type { IntMode } from './hrana/value.ts'
import { DEFAULT_TIMEOUT_MS } from './limits.ts'
import { createQueries, type Queries } from './queries.ts'
import { createTransaction, type Transaction } from './transaction.ts'

export interface ConnectOptions {
  /** `libsql://`, `turso://`, `https://` or `http://`; a path in it is kept. */
  url: string
  /** A database or group token. None for a server without authentication. */
  authToken?: string | undefined
  /** Milliseconds that a call may take. Default 30,000. */
  timeoutMs?: number | undefined
  /** How integers come back, for calls that do not say. Default `number`. */
  intMode?: IntMode | undefined
  /** Host name endings to which the server may send a transaction's stream, token and all. Default `['turso.io']`. */
  baseUrlSuffixes?: readonly string[] | undefined
  /** Stands in for the global `fetch`. */
  fetch?: Fetch | undefined
}

export interface TransactionOptions {
  /** `write`, the default, takes the write lock with the first statement. */
  mode?: TransactionMode | undefined
}

export interface Database extends Queries {
  /**
   * Runs a function in a transaction: committed when it returns, rolled back when it throws. The transaction begins
   * with its first statement; nothing is sent for one without any. Its statements must be made on `tx`.
   *
   * A {@link StreamLostError} says that the server has given the transaction up, and what remains of it. Nothing is
   * repeated: run it again if `outcome` is `rolled_back`.
   *
   * @example
   * await db.transaction(async (tx) => {
   *   const { rows } = await tx.execute('select balance from accounts where id = ?', [from])
   *   await tx.execute('update accounts set balance = ? where id = ?', [Number(rows[0].balance) - 10, from])
   * })
   */
  transaction<T>(run: (tx: Transaction) => Promise<T>, options?: TransactionOptions & CallOptions): Promise<T>
  /** A transaction to be ended by hand, or by `await using`, which rolls back what was not committed. */
  transaction(options?: TransactionOptions): Promise<Transaction>
}

/**
 * A database by its URL. Does no I/O, and touches no global, until it is used: safe at module scope on Workers.
 *
 * Its calls throw {@link SqlError}, {@link HttpError}, {@link NetworkError}, {@link TimeoutError},
 * {@link ProtocolError}, in a transaction {@link StreamLostError}, `TypeError` and `RangeError` for values that cannot
 * be bound or decoded, and the reason of an aborted `signal`. Nothing is retried.
 *
 * @throws {TypeError} for a malformed URL
 */
export function connect(options: ConnectOptions): Database {
  const baseUrl = parseDatabaseUrl(options.url)
  const { authToken: token, fetch, timeoutMs = DEFAULT_TIMEOUT_MS, baseUrlSuffixes = ['turso.io'] } = options
  if (fetch !== undefined && typeof fetch !== 'function') throw new TypeError('"fetch" must be a function')
  const defaults = { intMode: options.intMode }

  const target: PipelineTarget = { baseUrl, token, fetch, timeoutMs }

  const begin = ({ mode = 'write' }: TransactionOptions): Transaction =>
    createTransaction(createStream(target, baseUrlSuffixes), requireMode(mode), defaults)

  async function transaction<T>(
    runOrOptions: ((tx: Transaction) => Promise<T>) | TransactionOptions = {},
    callOptions: TransactionOptions & CallOptions = {},
  ): Promise<T | Transaction> {
    if (typeof runOrOptions !== 'function') return begin(runOrOptions)
    const tx = begin(callOptions)
    try {
      const result = await runOrOptions(tx)
      if (tx.isOpen) await tx.commit(callOptions)
      return result
    } catch (error) {
      // What made it fail is what the caller must see, not that the rollback failed as well.
      await tx.rollback(callOptions).catch(() => undefined)
      throw error
    }
  }

  const queries = createQueries(
    {
      async execute(stmt, call) {
        return (await sendOnce<'execute'>(target, { type: 'execute', stmt }, call)).result
      },
      async batch(statements, call) {
        const batch = encodeAtomicBatch(statements, requireMode(call?.mode ?? 'write'))
        const { result } = await sendOnce<'batch'>(target, { type: 'batch', batch }, call)
        return readAtomicBatch(result, statements.length)
      },
    },
    defaults,
  )
  return { ...queries, transaction: transaction as Database['transaction'] }
}
