/**
 * Every error that this library throws for the world's mistakes. The caller's own (an unsupported value, a malformed
 * option) are `TypeError` and `RangeError`; an aborted `signal` rejects with its own reason, as `fetch` does.
 *
 * Compare `code`, not classes: an error that has crossed Durable Object RPC keeps its properties and loses its class.
 */

/** What went wrong, by what a caller would do next. Closed: `switch (error.code)` can be exhaustive. */
export type TursoErrorCode =
  /** The database refused the statement; `sqlCode` has its reason. */
  | 'sql_error'
  /** The stream of a transaction is gone; `outcome` tells what is known about it. */
  | 'stream_lost'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'already_exists'
  /** The organization's plan does not allow it. */
  | 'plan_limit'
  | 'rate_limited'
  | 'invalid_request'
  /** The request is well-formed, but this kind of database cannot do it. */
  | 'unsupported'
  /** The server failed or is overloaded: the same call may succeed later. A statement may have taken effect. */
  | 'unavailable'
  /** No answer arrived. Whether the request took effect is unknown. */
  | 'network'
  /** No answer arrived in time. Whether the request took effect is unknown. */
  | 'timeout'
  /** A row does not match the `schema` of the call. The statement has taken effect. */
  | 'invalid_row'
  /** The answer broke the contract: not the expected JSON, cut off, or a redirect. The request may have taken effect. */
  | 'protocol'

/** Base of all errors below. */
export class TursoError extends Error {
  override readonly name: string = 'TursoError'
  readonly code: TursoErrorCode

  constructor(code: TursoErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/**
 * The database refused a statement. The other statements of an atomic batch have been rolled back, unless `sqlCode` is
 * `TRANSACTION_CLOSED`: then a statement of the batch ended the transaction by itself, perhaps with a COMMIT.
 */
export class SqlError extends TursoError {
  override readonly name = 'SqlError'
  declare readonly code: 'sql_error'
  /** The server's code, such as `SQLITE_CONSTRAINT` or `SQL_PARSE_ERROR`; `UNKNOWN` when it sent none. */
  readonly sqlCode: string
  /** Such as `SQLITE_CONSTRAINT_UNIQUE`; `null` from servers that send primary codes only (sqld). */
  readonly extendedCode: string | null
  /** Zero-based index of the failed statement in a batch; `null` outside a batch or when the server does not say. */
  readonly statementIndex: number | null

  constructor(
    message: string,
    sqlCode: string,
    options: { extendedCode?: string | null; statementIndex?: number | null } = {},
  ) {
    super('sql_error', message)
    this.sqlCode = sqlCode
    this.extendedCode = options.extendedCode ?? null
    this.statementIndex = options.statementIndex ?? null
  }
}

/** The server has given up the stream that a transaction ran on. Never retried: only the caller can start over. */
export class StreamLostError extends TursoError {
  override readonly name = 'StreamLostError'
  declare readonly code: 'stream_lost'
  /** `rolled_back`: nothing of the transaction remains. `unknown`: a COMMIT may or may not have taken effect. */
  readonly outcome: 'rolled_back' | 'unknown'

  constructor(message: string, outcome: 'rolled_back' | 'unknown', options?: { cause?: unknown }) {
    super('stream_lost', message, options)
    this.outcome = outcome
  }
}

export interface HttpErrorDetails {
  status: number
  /** The server's own words, at most 4,096 characters, without the token of the request; empty when it had none. */
  serverMessage: string
  /** As the server named the request, for a support ticket. */
  requestId: string | null
  /** From `Retry-After`, in milliseconds. */
  retryAfterMs: number | null
}

/** The server answered with a status that is not a success. `code` says what to do about it. */
export class HttpError extends TursoError implements HttpErrorDetails {
  override readonly name = 'HttpError'
  declare readonly status: number
  declare readonly serverMessage: string
  declare readonly requestId: string | null
  declare readonly retryAfterMs: number | null

  constructor(code: TursoErrorCode, message: string, details: HttpErrorDetails) {
    super(code, message)
    Object.assign(this, details)
  }
}

/** The request failed without an answer: name resolution, connection, TLS, or a connection cut in mid-answer. */
export class NetworkError extends TursoError {
  override readonly name = 'NetworkError'
  declare readonly code: 'network'

  constructor(message: string, cause: unknown) {
    super('network', message, { cause })
  }
}

/** `timeoutMs` passed before the whole answer was there. */
export class TimeoutError extends TursoError {
  override readonly name = 'TimeoutError'
  declare readonly code: 'timeout'
  readonly timeoutMs: number

  constructor(message: string, timeoutMs: number, cause?: unknown) {
    super('timeout', message, { cause })
    this.timeoutMs = timeoutMs
  }
}

/** The server's answer is not what the protocol promises. */
export class ProtocolError extends TursoError {
  override readonly name = 'ProtocolError'
  declare readonly code: 'protocol'

  constructor(message: string, cause?: unknown) {
    super('protocol', message, { cause })
  }
}

/** A row is not what the caller's `schema` asks for. The statement has run; in a transaction it can be rolled back. */
export class RowError extends TursoError {
  override readonly name = 'RowError'
  declare readonly code: 'invalid_row'
  /** Zero-based. */
  readonly rowIndex: number
  /** As the validator gave them. */
  readonly issues: readonly RowIssue[]

  constructor(message: string, rowIndex: number, issues: readonly RowIssue[]) {
    super('invalid_row', message)
    this.rowIndex = rowIndex
    this.issues = issues
  }
}

/** What a validator says of a row. */
export interface RowIssue {
  readonly message: string
  /** Where in the row. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

interface ErrorsWithACodeOfTheirOwn {
  sql_error: SqlError
  stream_lost: StreamLostError
  network: NetworkError
  timeout: TimeoutError
  invalid_row: RowError
  protocol: ProtocolError | HttpError
}

/** The class that carries a code. */
export type TursoErrorOf<Code extends TursoErrorCode> = Code extends keyof ErrorsWithACodeOfTheirOwn
  ? ErrorsWithACodeOfTheirOwn[Code]
  : HttpError

const NAMES = /^(Turso|Sql|StreamLost|Http|Network|Timeout|Row|Protocol)Error$/

/**
 * Whether an error is this library's, and optionally of one code. Works for errors that crossed RPC or a realm.
 *
 * @example
 * if (isTursoError(error, 'rate_limited')) await wait(error.retryAfterMs ?? 1000)
 */
export function isTursoError<Code extends TursoErrorCode = TursoErrorCode>(
  error: unknown,
  code?: Code,
): error is TursoErrorOf<Code> {
  if (typeof error !== 'object' || error === null) return false
  const { name, code: found } = error as { name?: unknown; code?: unknown }
  // The name as well, since errors of others have codes such as `not_found` too.
  return NAMES.test(String(name)) && typeof found === 'string' && (code === undefined || found === code)
}
