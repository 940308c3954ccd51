/** Reads the statements of a request before any of it runs. */
import type { WireCondition } from '../../src/hrana/wire.ts'
import { checkCondition } from './conditions.ts'
import type { ExecutionContext } from './context.ts'
import { checkKindsOfArguments, type Arguments } from '../engine/parameters.ts'
import { parseScript, parseStatement, type Statement } from '../engine/statement.ts'
import { HttpFailure, ProtocolFailure, SqlFailure } from '../errors.ts'
import type { BatchStep, SqlReference, StatementRequest } from './requests.ts'
import type { Stream } from './stream.ts'

/** A statement that is ready to run when its condition holds. */
export interface Step {
  readonly condition: WireCondition | undefined
  /** Or why there is none. */
  readonly statement: Statement | SqlFailure
  readonly args: Arguments
  readonly wantRows: boolean
}

/** Reads a single statement. Throws `SqlFailure`, and `ProtocolFailure` for the whole pipeline. */
export function programOfStatement(context: ExecutionContext, request: StatementRequest): Step[] {
  const statement = parseStatement(resolveSql(context.stream, request))
  return [{ condition: undefined, statement, args: request.args, wantRows: wantsRows(context, request) }]
}

/**
 * Reads a batch. Throws as {@link programOfStatement} does; where a step that is no SQL fails alone, its error is in its
 * place.
 */
export function programOfBatch(context: ExecutionContext, batch: BatchStep[]): Step[] {
  const { stream, version, behaviour } = context
  return batch.map(({ condition, statement: request }, index): Step => {
    const sql = resolveSql(stream, request)
    const statement = behaviour.unparsableStep === 'step_fails' ? tryParse(sql) : parseStatement(sql)
    if (behaviour.unparsableStep === 'batch_fails' && !(statement instanceof SqlFailure)) {
      stream.connection.checkSyntax(statement)
      checkKindsOfArguments(request.args)
    }
    if (condition) checkCondition(condition, index, version)
    return { condition, statement, args: request.args, wantRows: wantsRows(context, request) }
  })
}

/** Reads a script, whose statements run as long as none fails. Throws as {@link programOfStatement} does. */
export function programOfSequence(context: ExecutionContext, request: SqlReference): Step[] {
  const statements = parseScript(resolveSql(context.stream, request))
  for (const statement of statements) context.stream.connection.checkSyntax(statement)
  return statements.map((statement, index) => ({
    condition: index === 0 ? undefined : { type: 'ok', step: index - 1 },
    statement,
    args: NO_ARGUMENTS,
    wantRows: false,
  }))
}

const NO_ARGUMENTS: Arguments = { positional: [], named: new Map() }

/** The SQL text that a request means. Throws `ProtocolFailure` when it means none, or two. */
export function resolveSql(stream: Stream, { sql, sqlId }: SqlReference): string {
  if (sql !== undefined && sqlId !== undefined) {
    throw new ProtocolFailure('Either `sql` or `sql_id` are required, but not both')
  }
  if (sql !== undefined) return sql
  if (sqlId === undefined) throw new ProtocolFailure('Either `sql` or `sql_id` are required')
  const stored = stream.storedSql.get(sqlId)
  if (stored === undefined) throw new ProtocolFailure(`SQL text ${sqlId} not found`)
  return stored
}

function wantsRows({ behaviour }: ExecutionContext, { wantRows }: StatementRequest): boolean {
  return wantRows || !behaviour.honoursWantRows
}

function tryParse(sql: string): Statement | SqlFailure {
  try {
    return parseStatement(sql)
  } catch (error) {
    if (error instanceof SqlFailure) return error
    throw error
  }
}

/** Throws `HttpFailure` 403 for what the token does not allow: a program as a whole, before any of it runs. */
export function checkRights({ isReadOnly, databaseName }: ExecutionContext, steps: Step[]): void {
  const needsWriteRight = steps.some(
    ({ statement }) => !(statement instanceof SqlFailure) && statement.needsWriteRight,
  )
  if (isReadOnly && needsWriteRight) {
    throw new HttpFailure(
      403,
      `Authorization forbidden: Current session doesn't not have Write permission to namespace ${databaseName}`,
    )
  }
}
