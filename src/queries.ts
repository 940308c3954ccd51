/** What a database, a transaction and a stream have alike: statements in, rows out. */
import { ProtocolError } from './errors.ts'
import { decodeResult, type DecodeOptions, type ObjectRow, type Result } from './hrana/result.ts'
import { encodeStatement, type Args, type Statement, type StatementObject } from './hrana/statement.ts'
import { encodeAtomicBatch, readAtomicBatch, requireMode, type TransactionMode } from './hrana/batch.ts'
import type { TargetCall } from './hrana/target.ts'
import type { IntMode, SqlValue } from './hrana/value.ts'
import type {
  WireDescribeResult,
  WireStatement,
  WireStatementResult,
  WireStreamRequest,
  WireStreamResponse,
} from './hrana/wire.ts'
import type { CallOptions } from './http/watch.ts'
import { validateRows, type StandardSchema } from './schema.ts'

/** Per call, over the defaults of the database. */
export interface QueryOptions extends CallOptions, DecodeOptions {
  /**
   * Checks each row, and makes of it what the schema makes of it: any validator of the Standard Schema kind. Rows are
   * then typed by it.
   */
  schema?: StandardSchema | undefined
  /**
   * Declares that the statement writes nothing: outside transactions it may then be sent again whatever became of it.
   * Default false, but true of a batch with the mode `read`.
   */
  readOnly?: boolean | undefined
}

export interface BatchOptions extends QueryOptions {
  /** Of a batch outside a transaction. Default `write`. */
  mode?: TransactionMode | undefined
}

/** Options that leave rows objects: the caller may say of what type. */
export type ObjectRows = QueryOptions & { rowMode?: 'object' | undefined; schema?: undefined }

/** What rows are with other options: by the schema, or arrays. */
export type RowOf<Options> = 'schema' extends keyof Options
  ? Options extends { schema: StandardSchema<infer Output> }
    ? Output
    : Options extends { schema?: undefined }
      ? RowOfMode<Options>
      : unknown
  : RowOfMode<Options>

type RowOfMode<Options> = 'rowMode' extends keyof Options
  ? Options extends { rowMode: 'array' }
    ? SqlValue[]
    : Options extends { rowMode?: 'object' | undefined }
      ? ObjectRow
      : ObjectRow | SqlValue[]
  : ObjectRow

/** What a statement would take and return. */
export interface Description {
  /** `null` for a parameter that has no name. */
  parameters: { name: string | null }[]
  columns: { name: string; type: string | null }[]
  isExplain: boolean
  isReadOnly: boolean
}

export interface Queries {
  /**
   * Runs one statement.
   *
   * @example
   * const { rows } = await db.execute('select * from notes where id = ?', [1])
   * const notes = await db.execute(sql`select * from notes`, { schema: z.object({ id: z.number() }) })
   */
  execute<Row = ObjectRow>(statement: string, args?: Args, options?: ObjectRows): Promise<Result<Row>>
  execute<Row = ObjectRow>(statement: StatementObject, options?: ObjectRows): Promise<Result<Row>>
  execute<Row = ObjectRow>(statement: Statement): Promise<Result<Row>>
  execute<const Options extends QueryOptions>(
    statement: string,
    args: Args | undefined,
    options: Options,
  ): Promise<Result<RowOf<Options>>>
  execute<const Options extends QueryOptions>(
    statement: StatementObject,
    options: Options,
  ): Promise<Result<RowOf<Options>>>

  /**
   * Runs statements in one request: all of them take effect, or none. A {@link SqlError} names the statement at fault
   * in `statementIndex`. The mode alone may stand for the options.
   */
  batch<Row = ObjectRow>(
    statements: readonly Statement[],
    options?: TransactionMode | (ObjectRows & BatchOptions),
  ): Promise<Result<Row>[]>
  batch<const Options extends BatchOptions>(
    statements: readonly Statement[],
    options: Options,
  ): Promise<Result<RowOf<Options>>[]>

  /**
   * Runs a script of statements without arguments, separated by semicolons, up to the first that fails. Within a
   * transaction, all of them take effect or none; outside, what ran before stays, and the script may have transactions
   * of its own.
   */
  executeMultiple(script: string, options?: CallOptions): Promise<void>

  /** Compiles a statement without running it. */
  describe(statement: string, options?: CallOptions): Promise<Description>
}

/** How statements get to the server. */
export interface Runner {
  execute(statement: WireStatement, call: TargetCall): Promise<WireStatementResult>
  batch(
    statements: readonly WireStatement[],
    call: TargetCall,
    mode: TransactionMode | undefined,
  ): Promise<WireStatementResult[]>
  sequence(script: string, call: CallOptions | undefined): Promise<void>
  describe(sql: string, call: TargetCall): Promise<WireDescribeResult>
}

/** Sends one request of the protocol and resolves with its response. */
export type SendRequest = <Type extends WireStreamRequest['type']>(
  request: Extract<WireStreamRequest, { type: Type }>,
  call: TargetCall | undefined,
) => Promise<Extract<WireStreamResponse, { type: Type }>>

/**
 * Each by one request, outside of any transaction that this library knows of.
 *
 * @param isKept whether the stream of a request goes on after it
 */
export function createRunner(send: SendRequest, isKept = false): Runner {
  return {
    execute: async (stmt, call) => (await send({ type: 'execute', stmt }, call)).result,
    async batch(statements, call, mode = 'write') {
      const batch = encodeAtomicBatch(statements, requireMode(mode), isKept)
      return readAtomicBatch((await send({ type: 'batch', batch }, call)).result, statements.length, batch)
    },
    async sequence(sql, call) {
      await send({ type: 'sequence', sql }, call)
    },
    describe: async (sql, call) => (await send({ type: 'describe', sql }, call)).result,
  }
}

/** What calls do not say. */
export type QueryDefaults = Pick<QueryOptions, 'intMode'>

type Call = TargetCall & Required<Pick<DecodeOptions, 'rowMode' | 'intMode'>>

/**
 * The options of a call with nothing left open.
 *
 * @throws {TypeError} for an option that is malformed, before anything is sent
 */
export function resolveCall(options: QueryOptions | undefined, defaults: QueryDefaults): Call {
  const { signal, timeoutMs, schema, readOnly, ...modes } = options ?? {}
  const { rowMode = 'object', intMode = defaults.intMode ?? 'number' } = modes
  if (!/^(object|array)$/.test(rowMode)) throw new TypeError(`"rowMode" must be "object" or "array"`)
  requireIntMode(intMode)
  if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function')
    throw new TypeError('"schema" must be a validator of the Standard Schema kind')
  return { signal, timeoutMs, rowMode, intMode, isRepeatable: readOnly }
}

/** @throws {TypeError} for anything but a mode */
export function requireIntMode(intMode: IntMode): void {
  if (!/^(number|bigint|string)$/.test(intMode))
    throw new TypeError(`"intMode" must be "number", "bigint" or "string"`)
}

/** @throws {TypeError} {@link RangeError} for what is not a statement with its arguments and options */
export function readArguments<Options>(
  statement: Statement,
  argsOrOptions: Args | Options | undefined,
  options: Options | undefined,
): { encoded: WireStatement; options: Options | undefined } {
  if (typeof statement !== 'string')
    return { encoded: encodeStatement(statement), options: argsOrOptions as Options | undefined }
  return { encoded: encodeStatement({ sql: statement, args: argsOrOptions as Args | undefined }), options }
}

export function createQueries(runner: Runner, defaults: QueryDefaults): Queries {
  async function execute(
    statement: Statement,
    argsOrOptions?: Args | QueryOptions,
    lastOptions?: QueryOptions,
  ): Promise<Result<unknown>> {
    const { encoded, options } = readArguments(statement, argsOrOptions, lastOptions)
    const call = resolveCall(options, defaults)
    const result = decodeResult<unknown>(await runner.execute(encoded, call), call)
    if (options?.schema) result.rows = await validateRows(options.schema, result.rows)
    return result
  }

  async function batch(
    statements: readonly Statement[],
    optionsOrMode?: BatchOptions | TransactionMode,
  ): Promise<Result<unknown>[]> {
    const options = typeof optionsOrMode === 'string' ? { mode: optionsOrMode } : optionsOrMode
    const encoded = statements.map((statement, index) => {
      try {
        return encodeStatement(statement)
      } catch (error) {
        throw withContext(error, `Statement ${index} of the batch`)
      }
    })
    if (encoded.length === 0) return []
    const call = resolveCall(options, defaults)
    call.isRepeatable ??= options?.mode === 'read'
    const wires = await runner.batch(encoded, call, options?.mode)
    const results = wires.map((wire) => decodeResult<unknown>(wire, call))
    const { schema } = options ?? {}
    if (schema) for (const result of results) result.rows = await validateRows(schema, result.rows)
    return results
  }

  return {
    execute: execute as Queries['execute'],
    batch: batch as Queries['batch'],

    async executeMultiple(script, options) {
      if (typeof script !== 'string') throw new TypeError('A script is a string of SQL statements')
      await runner.sequence(script, options)
    },

    async describe(statement, options) {
      const call = { ...options, isRepeatable: true }
      const description: Partial<WireDescribeResult> | null = await runner.describe(
        encodeStatement(statement).sql!,
        call,
      )
      const { params, cols, is_explain = false, is_readonly = false } = description ?? {}
      if (!Array.isArray(params) || !Array.isArray(cols))
        throw new ProtocolError('A description without parameters or columns')
      return {
        parameters: params.map((parameter) => ({ name: parameter?.name ?? null })),
        columns: cols.map((column) => ({ name: column?.name ?? '', type: column?.decltype ?? null })),
        isExplain: is_explain,
        isReadOnly: is_readonly,
      }
    },
  }
}

function withContext(error: unknown, context: string): unknown {
  if (error instanceof Error) error.message = `${context}: ${error.message}`
  return error
}
