/** Programs whose results are collected: statements, batches, scripts; and what is told without running anything. */
import type {
  WireBatchResult,
  WireDescribeResult,
  WireError,
  WireStatementResult,
} from '../../src/hrana/wire.ts'
import { toWireError, type ExecutionContext } from './context.ts'
import { parseDescribed } from '../engine/statement.ts'
import { encodeValue } from '../engine/values.ts'
import {
  checkRights,
  programOfBatch,
  programOfSequence,
  programOfStatement,
  resolveSql,
  type Step,
} from './program.ts'
import type { BatchStep, SqlReference, StatementRequest } from './requests.ts'
import { createResponseSize } from './response-size.ts'
import { runProgram, type ProgramEvent } from './run-program.ts'

/** sqld's addition: how far the database had come. */
type Replicated<T> = T & { replication_index?: string | null }

/** Runs one statement. Throws `SqlFailure` in-band, `ProtocolFailure` and `HttpFailure` for the whole pipeline. */
export async function execute(
  context: ExecutionContext,
  request: StatementRequest,
): Promise<Replicated<WireStatementResult>> {
  const { results, failure } = await collect(context, programOfStatement(context, request))
  if (failure) throw failure
  return { ...results[0]!, ...replicationIndex(context) }
}

/** Runs the steps whose conditions hold. A failing step does not stop the others. Throws as {@link execute} does. */
export async function executeBatch(
  context: ExecutionContext,
  batch: BatchStep[],
): Promise<Replicated<WireBatchResult>> {
  const { results, errors } = await collect(context, programOfBatch(context, batch))
  const { sendsReplicationIndex } = context.behaviour
  return {
    step_results: results.map((result) =>
      result && sendsReplicationIndex ? { ...result, replication_index: null } : result,
    ),
    step_errors: errors,
    ...replicationIndex(context),
  }
}

/** Runs a script up to its first failing statement, which it throws as {@link execute} does. */
export async function executeSequence(context: ExecutionContext, request: SqlReference): Promise<void> {
  const { failure } = await collect(context, programOfSequence(context, request))
  if (failure) throw failure
}

/** What a statement takes and gives, without running it. Throws as {@link execute} does. */
export function describe(context: ExecutionContext, request: SqlReference): WireDescribeResult {
  const { stream, behaviour } = context
  const statement = parseDescribed(resolveSql(stream, request))
  // Some pragmas take effect when they are compiled.
  if (statement.changesConnection) stream.isClean = false
  const { columns, isReadonly } = stream.connection.describe(statement)
  const isBare = behaviour.parameterNames === 'bare'
  return {
    params: statement.parameters.map((name) => ({ name: isBare ? (name?.slice(1) ?? null) : name })),
    cols: columns.map(({ name, decltype }) => ({ name, decltype })),
    is_explain: statement.kind === 'explain',
    is_readonly: isReadonly,
  }
}

function replicationIndex({ behaviour, stream }: ExecutionContext): { replication_index?: string } {
  return behaviour.sendsReplicationIndex ? { replication_index: `${stream.database.version}` } : {}
}

interface Collected {
  /** By step; `null` for one that failed or was skipped. */
  readonly results: (WireStatementResult | null)[]
  readonly errors: (WireError | null)[]
  /** The first that failed. */
  readonly failure: Error | undefined
}

/**
 * Throws `SqlFailure` RESPONSE_TOO_LARGE in the middle of it: what was done stays, what comes later does not run.
 * `HttpFailure` 403 before any of it.
 */
async function collect(context: ExecutionContext, steps: Step[]): Promise<Collected> {
  checkRights(context, steps)
  const results: (WireStatementResult | null)[] = steps.map(() => null)
  const errors: (WireError | null)[] = steps.map(() => null)
  const size = createResponseSize(Math.min(context.maxResponseBytes, context.budget.bytes))
  let failure: Error | undefined
  let current = emptyResult()
  for await (const event of runProgram(context, steps)) {
    switch (event.type) {
      case 'begin':
        current = emptyResult()
        current.cols = event.columns.map(({ name, decltype }) => ({ name, decltype }))
        size.addColumns(event.columns)
        break
      case 'rows':
        size.addRows(event.rows)
        for (const row of event.rows) current.rows.push(row.map(encodeValue))
        break
      case 'end':
        results[event.step] = ended(current, event)
        break
      case 'failed':
        failure ??= event.failure
        errors[event.step] = toWireError(event.failure, context.behaviour)
    }
  }
  context.budget.bytes -= size.bytes
  return { results, errors, failure }
}

function emptyResult(): WireStatementResult {
  return { cols: [], rows: [], affected_row_count: 0, last_insert_rowid: null }
}

function ended(
  result: WireStatementResult,
  { changes, durationMs }: Extract<ProgramEvent, { type: 'end' }>,
): WireStatementResult {
  return {
    ...result,
    affected_row_count: changes.affectedRowCount,
    last_insert_rowid: changes.lastInsertRowid?.toString() ?? null,
    rows_read: result.rows.length,
    rows_written: changes.rowsWritten,
    query_duration_ms: durationMs,
  }
}
