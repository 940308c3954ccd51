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
export function toWireError(error: unknown, { sendsExtendedCode, errorsOf }: Behaviour): WireError {
  if (!(error instanceof SqlFailure)) throw error
  const { message, code } = errorsOf === 'cloud' ? inWordsOfCloud(error) : error
  const { extendedCode } = error
  return { message, code, ...(sendsExtendedCode && extendedCode && { extended_code: extendedCode }) }
}

function inWordsOfCloud({ message, code }: SqlFailure): { message: string; code: string } {
  return {
    message: message
      .replace(/^SQL string could not be parsed: unsupported statement: /, 'SQL not allowed statement: ')
      .replace(/^SQL input error: /, 'SQLite input error: '),
    code: CODES_OF_CLOUD[code] ?? code,
  }
}

/** Section 9.2 of its protocol. */
const CODES_OF_CLOUD: Record<string, string> = {
  SQL_NO_STATEMENT: 'SQL_PARSE_ERROR',
  ARGS_INVALID: 'SQL_INPUT_ERROR',
  ARGS_BOTH_POSITIONAL_AND_NAMED: 'SQL_INPUT_ERROR',
}
