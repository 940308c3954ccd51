/** `execute` and `batch`, which a database and a transaction have alike: arguments in, rows out. */
import type { CallOptions } from './http.ts'
import type { TransactionMode } from './hrana/batch.ts'
import { decodeResult, type DecodeOptions, type ObjectRow, type Result } from './hrana/result.ts'
import { encodeStatement, type Args, type Statement, type StatementObject } from './hrana/statement.ts'
import type { SqlValue } from './hrana/value.ts'
import type { WireStatement, WireStatementResult } from './hrana/wire.ts'

/** Per call, over the defaults of the database. */
export interface QueryOptions extends CallOptions, DecodeOptions {}

export interface BatchOptions extends QueryOptions {
  /** Of a batch outside a transaction. Default `write`. */
  mode?: TransactionMode | undefined
}

/** Options with `rowMode: 'array'`, which make rows arrays. */
export type ArrayRows = QueryOptions & { rowMode: 'array' }

export interface Queries {
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
  execute<Row = ObjectRow>(statement: Statement): Promise<Result<Row>>

  /**
   * Runs statements in one request: all of them take effect, or none. A {@link SqlError} names the statement at fault
   * in `statementIndex`. The mode alone may stand for the options.
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

/** How statements get to the server. */
export interface Runner {
  execute(statement: WireStatement, options: QueryOptions | undefined): Promise<WireStatementResult>
  batch(
    statements: readonly WireStatement[],
    options: BatchOptions | undefined,
  ): Promise<WireStatementResult[]>
}

/** @param defaults for what a call does not say */
export function createQueries(runner: Runner, defaults: Pick<DecodeOptions, 'intMode'>): Queries {
  const decode = <Row>(wire: WireStatementResult, call: QueryOptions | undefined): Result<Row> =>
    decodeResult<Row>(wire, {
      intMode: call?.intMode ?? defaults.intMode,
      rowMode: call?.rowMode,
    })

  return {
    async execute<Row>(
      statement: Statement,
      argsOrOptions?: Args | QueryOptions,
      options?: QueryOptions,
    ): Promise<Result<Row>> {
      const isText = typeof statement === 'string'
      const call = isText ? options : (argsOrOptions as QueryOptions | undefined)
      const encoded = encodeStatement(
        isText ? { sql: statement, args: argsOrOptions as Args | undefined } : statement,
      )
      return decode<Row>(await runner.execute(encoded, call), call)
    },

    async batch<Row>(
      statements: readonly Statement[],
      optionsOrMode?: BatchOptions | TransactionMode,
    ): Promise<Result<Row>[]> {
      const call = typeof optionsOrMode === 'string' ? { mode: optionsOrMode } : optionsOrMode
      const encoded = statements.map((statement, index) => {
        try {
          return encodeStatement(statement)
        } catch (error) {
          throw withContext(error, `Statement ${index} of the batch`)
        }
      })
      if (encoded.length === 0) return []
      return (await runner.batch(encoded, call)).map((wire) => decode<Row>(wire, call))
    },
  }
}

function withContext(error: unknown, context: string): unknown {
  if (error instanceof Error) error.message = `${context}: ${error.message}`
  return error
}
