/** What users hold: one database, queried over HTTP. */
import type { CallOptions, Fetch } from './http.ts'
import { encodeAtomicBatch, readAtomicBatch, type TransactionMode } from './hrana/batch.ts'
import { sendOnce, type PipelineTarget } from './hrana/pipeline.ts'
import { decodeResult, type DecodeOptions, type ObjectRow, type Result } from './hrana/result.ts'
import { encodeStatement, type Args, type Statement, type StatementObject } from './hrana/statement.ts'
import type { SqlValue } from './hrana/value.ts'
import { parseDatabaseUrl } from './hrana/url.ts'
import { DEFAULT_TIMEOUT_MS } from './limits.ts'

export interface ConnectOptions extends DecodeOptions {
  /** `libsql://`, `turso://`, `https://` or `http://`; a path in it is kept. */
  url: string
  /** A database or group token. None for a server without authentication. */
  authToken?: string | undefined
  /** Milliseconds that a call may take. Default 30,000. */
  timeoutMs?: number | undefined
  /** Stands in for the global `fetch`. */
  fetch?: Fetch | undefined
}

/** Per call, over the defaults given to {@link connect}. */
export interface QueryOptions extends CallOptions, DecodeOptions {}

export interface BatchOptions extends QueryOptions {
  /** Default `write`. */
  mode?: TransactionMode | undefined
}

/** Options with `rowMode: 'array'`, which make rows arrays. */
export type ArrayRows = QueryOptions & { rowMode: 'array' }

export interface Database {
  /**
   * Runs one statement.
   *
   * @example
   * const { rows } = await db.execute('select * from notes where id = ?', [1])
   */
  execute(statement: string, args: Args | undefined, options: ArrayRows): Promise<Result<SqlValue[]>>
  execute<Row = ObjectRow>(statement: string, args?: Args, options?: QueryOptions): Promise<Result<Row>>
  execute(statement: StatementObject, options: ArrayRows): Promise<Result<SqlValue[]>>
  execute<Row = ObjectRow>(statement: StatementObject, options?: QueryOptions): Promise<Result<Row>>

  /**
   * Runs statements as one transaction in one request: all of them take effect, or none. A {@link SqlError} names the
   * statement at fault in `statementIndex`. The mode alone may stand for the options.
   */
  batch(
    statements: readonly Statement[],
    options: ArrayRows & { mode?: TransactionMode },
  ): Promise<Result<SqlValue[]>[]>
  batch<Row = ObjectRow>(
    statements: readonly Statement[],
    options?: BatchOptions | TransactionMode,
  ): Promise<Result<Row>[]>
}

/**
 * A database by its URL. Does no I/O, and touches no global, until it is used: safe at module scope on Workers.
 *
 * Its calls throw {@link SqlError}, {@link HttpError}, {@link NetworkError}, {@link TimeoutError},
 * {@link ProtocolError}, `TypeError` and `RangeError` for values that cannot be bound or decoded, and the reason of an
 * aborted `signal`. Nothing is retried.
 *
 * @throws {TypeError} for a malformed URL
 */
export function connect(options: ConnectOptions): Database {
  const baseUrl = parseDatabaseUrl(options.url)
  const { authToken, fetch, timeoutMs, intMode, rowMode } = options
  if (fetch !== undefined && typeof fetch !== 'function') throw new TypeError('"fetch" must be a function')

  const target = (call: QueryOptions | undefined): PipelineTarget => ({
    baseUrl,
    token: authToken,
    fetch,
    timeoutMs: call?.timeoutMs ?? timeoutMs ?? DEFAULT_TIMEOUT_MS,
    signal: call?.signal,
  })
  const decoding = (call: QueryOptions | undefined): DecodeOptions => ({
    intMode: call?.intMode ?? intMode,
    rowMode: call?.rowMode ?? rowMode,
  })

  return {
    async execute<Row>(
      statement: Statement,
      argsOrOptions?: Args | QueryOptions,
      options?: QueryOptions,
    ): Promise<Result<Row>> {
      const isText = typeof statement === 'string'
      const call = isText ? options : (argsOrOptions as QueryOptions | undefined)
      const stmt = encodeStatement(
        isText ? { sql: statement, args: argsOrOptions as Args | undefined } : statement,
      )
      const { result } = await sendOnce<'execute'>(target(call), { type: 'execute', stmt })
      return decodeResult<Row>(result, decoding(call))
    },

    async batch<Row>(
      statements: readonly Statement[],
      optionsOrMode?: BatchOptions | TransactionMode,
    ): Promise<Result<Row>[]> {
      const options = typeof optionsOrMode === 'string' ? { mode: optionsOrMode } : optionsOrMode
      if (statements.length === 0) return []
      const encoded = statements.map((statement, index) => {
        try {
          return encodeStatement(statement)
        } catch (error) {
          throw withContext(error, `Statement ${index} of the batch`)
        }
      })
      const batch = encodeAtomicBatch(encoded, options?.mode ?? 'write')
      const { result } = await sendOnce<'batch'>(target(options), { type: 'batch', batch })
      return readAtomicBatch(result, statements.length).map((wire) =>
        decodeResult<Row>(wire, decoding(options)),
      )
    },
  }
}

function withContext(error: unknown, context: string): unknown {
  if (error instanceof Error) error.message = `${context}: ${error.message}`
  return error
}
