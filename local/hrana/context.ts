/** Where requests run, and under which rules. */
import type { WireError } from '../../src/hrana/wire.ts'
import type { Behaviour } from '../behaviour.ts'
import { SqlFailure } from '../errors.ts'
import type { Stream } from './stream.ts'

export interface ExecutionContext {
  readonly stream: Stream
  readonly version: 2 | 3
  readonly behaviour: Behaviour
  readonly isReadOnly: boolean
  /** The database is blocked, for all its statements or for those that write. */
  readonly isBlocked: { readonly reads: boolean; readonly writes: boolean }
  /** What one request may answer, in bytes as sqld estimates them. */
  readonly maxResponseBytes: number
  /** What is left for all requests of the pipeline together. */
  readonly budget: { bytes: number }
  /** The name of the database as the client wrote it, for error messages. */
  readonly databaseName: string
  /** Counts what a statement did, for the usage of the database. */
  readonly count: (counts: { sql: string; rowsRead: number; rowsWritten: number }) => void
  /** Aborted when the client has gone away. */
  readonly signal: AbortSignal
}

/** The in-band form of a failed statement. Rethrows what is not in-band. */
export function toWireError(error: unknown, behaviour: Behaviour): WireError {
  const { sendsExtendedCode, inputCodes, refusedStatements } = behaviour
  if (!(error instanceof SqlFailure)) throw error
  const { extendedCode } = error
  const message =
    refusedStatements === 'not_allowed'
      ? error.message.replace(UNSUPPORTED, 'SQL not allowed statement: ')
      : error.message
  const code = (inputCodes === 'of_sql' && CODES_OF_SQL[error.code]) || error.code
  return { message, code, ...(sendsExtendedCode && extendedCode && { extended_code: extendedCode }) }
}

const UNSUPPORTED = /^SQL string could not be parsed: unsupported statement: /

/** Section 9.2 of Turso Cloud's protocol. */
const CODES_OF_SQL: Record<string, string> = {
  SQL_NO_STATEMENT: 'SQL_PARSE_ERROR',
  ARGS_INVALID: 'SQL_INPUT_ERROR',
  ARGS_BOTH_POSITIONAL_AND_NAMED: 'SQL_INPUT_ERROR',
}
