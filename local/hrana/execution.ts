/** Runs statements, batches and scripts on a stream, one writer at a time. */
import type {
  WireBatchResult,
  WireDescribeResult,
  WireError,
  WireStatementResult,
} from '../../src/hrana/wire.ts'
import { checkCondition, isFulfilled, type StepOutcome } from './conditions.ts'
import { HttpFailure, ProtocolFailure, SqlFailure, streamClosed } from '../errors.ts'
import { WRITE_LOCK_WAIT_MS } from '../limits.ts'
import { bindArguments, type Arguments } from '../engine/parameters.ts'
import type { BatchStep, SqlReference, StatementRequest } from './requests.ts'
import { parseScript, parseStatement, type Statement } from '../engine/statement.ts'
import { releaseWriteLock, type Stream } from './streams.ts'
import { encodeValue } from '../engine/values.ts'

/** Where a request runs, and with which rights. */
export interface ExecutionContext {
  readonly stream: Stream
  readonly version: 2 | 3
  readonly isReadOnly: boolean
  /** The name of the database as the client wrote it, for error messages. */
  readonly databaseName: string
  readonly signal: AbortSignal
}

/** Runs one statement. Throws `SqlFailure` in-band, `ProtocolFailure` and `HttpFailure` for the whole pipeline. */
export async function execute(
  context: ExecutionContext,
  request: StatementRequest,
): Promise<WireStatementResult> {
  const statement = parseStatement(resolveSql(context.stream, request))
  checkRights(context, [statement])
  return runStatement(context, statement, request)
}

/**
 * Runs the steps whose conditions hold. A failing step does not stop the others, but nothing runs when one of them is
 * not SQL. Throws as {@link execute} does.
 */
export async function executeBatch(context: ExecutionContext, steps: BatchStep[]): Promise<WireBatchResult> {
  const { stream, version } = context
  const statements = steps.map(({ condition, statement }, index) => {
    const parsed = parseStatement(resolveSql(stream, statement))
    stream.connection.checkSyntax(parsed)
    if (condition) checkCondition(condition, index, version)
    return parsed
  })
  checkRights(context, statements)

  const outcomes: StepOutcome[] = []
  const step_results: (WireStatementResult | null)[] = []
  const step_errors: (WireError | null)[] = []
  const isAutocommit = () => !stream.connection.inTransaction
  for (const [index, statement] of statements.entries()) {
    ensureOpen(stream)
    const { condition, statement: request } = steps[index]!
    let result: WireStatementResult | null = null
    let failure: WireError | null = null
    if (!condition || isFulfilled(condition, outcomes, isAutocommit)) {
      try {
        result = await runStatement(context, statement, request)
      } catch (error) {
        failure = toWireError(error)
      }
    }
    outcomes.push(result ? 'ok' : failure ? 'error' : undefined)
    step_results.push(result)
    step_errors.push(failure)
  }
  return { step_results, step_errors }
}

/** Runs a script up to its first failing statement, which it throws as {@link execute} does. */
export async function executeSequence(context: ExecutionContext, request: SqlReference): Promise<void> {
  const statements = parseScript(resolveSql(context.stream, request))
  for (const statement of statements) context.stream.connection.checkSyntax(statement)
  checkRights(context, statements)
  for (const statement of statements) await runStatement(context, statement, NO_ARGUMENTS)
}

const NO_ARGUMENTS = { args: { positional: [], named: new Map() }, wantRows: false }

/** What a statement takes and gives, without running it. Throws as {@link execute} does. */
export function describe({ stream }: ExecutionContext, request: SqlReference): WireDescribeResult {
  const statement = parseStatement(resolveSql(stream, request))
  const cols = stream.connection.describe(statement)
  return {
    params: statement.parameters.map((name) => ({ name })),
    cols: cols.map(({ name, decltype }) => ({ name, decltype })),
    is_explain: statement.kind === 'explain',
    is_readonly: statement.isReadonly,
  }
}

/** The in-band form of a failed statement. Rethrows what is not in-band. */
export function toWireError(error: unknown): WireError {
  if (error instanceof SqlFailure) return { message: error.message, code: error.code }
  throw error
}

function resolveSql(stream: Stream, { sql, sqlId }: SqlReference): string {
  if (sql !== undefined && sqlId !== undefined) {
    throw new ProtocolFailure('Either `sql` or `sql_id` are required, but not both')
  }
  if (sql !== undefined) return sql
  if (sqlId === undefined) throw new ProtocolFailure('Either `sql` or `sql_id` are required')
  const stored = stream.storedSql.get(sqlId)
  if (stored === undefined) throw new ProtocolFailure(`SQL text ${sqlId} not found`)
  return stored
}

/** Its database may be deleted whenever a request waits. */
function ensureOpen(stream: Stream): void {
  if (stream.isClosed) throw streamClosed()
}

/** A program is refused as a whole, before any of it runs. */
function checkRights({ isReadOnly, databaseName }: ExecutionContext, statements: Statement[]): void {
  if (isReadOnly && statements.some((statement) => statement.needsWriteRight)) {
    throw new HttpFailure(
      403,
      `Authorization forbidden: Current session doesn't not have Write permission to namespace ${databaseName}`,
    )
  }
}

async function runStatement(
  { stream, signal }: ExecutionContext,
  statement: Statement,
  request: { readonly args: Arguments; readonly wantRows: boolean },
): Promise<WireStatementResult> {
  ensureOpen(stream)
  const values = bindArguments(statement, request.args)
  if (statement.takesWriteLock) await takeWriteLock(stream, signal)
  const startedMs = performance.now()
  try {
    noteSnapshot(stream, statement)
    // Said before they run, because a statement that fails may have done a part of its work.
    if (statement.changesConnection) stream.isClean = false
    if (statement.takesWriteLock && statement.kind !== 'begin') stream.hasWritten = true
    const result = stream.connection.execute(statement, values)
    return {
      cols: result.columns.map(({ name, decltype }) => ({ name, decltype })),
      rows: request.wantRows ? result.rows.map((row) => row.map(encodeValue)) : [],
      affected_row_count: result.affectedRowCount,
      last_insert_rowid: result.lastInsertRowid?.toString() ?? null,
      rows_read: result.rows.length,
      rows_written: result.rowsWritten,
      query_duration_ms: performance.now() - startedMs,
    }
  } finally {
    if (!stream.connection.inTransaction) {
      // A rollback counts as a write as well: a needless new version only makes a later upgrade fail too early.
      stream.snapshot = undefined
      releaseWriteLock(stream)
    }
  }
}

/** Waits until no other stream writes. Throws `SqlFailure` SQLITE_BUSY where sqld would. */
async function takeWriteLock(stream: Stream, signal: AbortSignal): Promise<void> {
  if (stream.holdsWriteLock) return
  checkSnapshot(stream)
  const { writeLock } = stream.database
  const isGranted = await writeLock.acquire(WRITE_LOCK_WAIT_MS, signal)
  if (stream.isClosed || signal.aborted) {
    if (isGranted) writeLock.release()
    throw streamClosed()
  }
  if (!isGranted) throw busy()
  stream.holdsWriteLock = true
  try {
    checkSnapshot(stream)
  } catch (error) {
    releaseWriteLock(stream)
    throw error
  }
}

/** Remembers which version of the database a transaction sees from here on. */
function noteSnapshot(stream: Stream, statement: Statement): void {
  if (stream.holdsWriteLock || stream.snapshot !== undefined || !stream.connection.inTransaction) return
  if (stream.connection.touchesDatabase(statement)) stream.snapshot = stream.database.version
}

/**
 * A transaction that has read an older version cannot write any more. SQLite would say so itself, but the binding does
 * not survive it.
 */
function checkSnapshot({ snapshot, database }: Stream): void {
  if (snapshot !== undefined && snapshot !== database.version) throw busy()
}

function busy(): SqlFailure {
  return new SqlFailure('SQLITE_BUSY', 'SQLite error: database is locked')
}
