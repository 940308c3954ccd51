/** What a caller can tell about an error by its code. Compiled and never run. */
import {
  isTursoError,
  type HttpError,
  type NetworkError,
  type ProtocolError,
  type RowError,
  type RowIssue,
  type SqlError,
  type StreamLostError,
  type TimeoutError,
  type TursoError,
  type TursoErrorCode,
} from 'turso-edge'
import { typeOf } from './type-of.ts'

export function aCodeNarrowsToItsClass(error: unknown): void {
  if (isTursoError(error, 'sql_error')) {
    typeOf(error).is<SqlError>()
    typeOf(error.sqlCode).is<string>()
    typeOf(error.extendedCode).is<string | null>()
    typeOf(error.statementIndex).is<number | null>()
  }
  if (isTursoError(error, 'stream_lost')) {
    typeOf(error).is<StreamLostError>()
    typeOf(error.outcome).is<'rolled_back' | 'unknown'>()
  }
  if (isTursoError(error, 'rate_limited')) {
    typeOf(error).is<HttpError>()
    typeOf(error.retryAfterMs).is<number | null>()
    typeOf(error.status).is<number>()
  }
  if (isTursoError(error, 'invalid_row')) {
    typeOf(error).is<RowError>()
    typeOf(error.rowIndex).is<number>()
    typeOf(error.issues).is<readonly RowIssue[]>()
  }
  if (isTursoError(error, 'network')) typeOf(error).is<NetworkError>()
  if (isTursoError(error, 'timeout')) typeOf(error.timeoutMs).is<TimeoutError['timeoutMs']>()
  if (isTursoError(error, 'protocol')) typeOf(error).is<ProtocolError | HttpError>()
  // @ts-expect-error -- there is no such code
  isTursoError(error, 'nope')
}

export function anyErrorOfTheLibraryHasACodeAndAMessage(error: unknown): void {
  if (!isTursoError(error)) {
    // @ts-expect-error -- it can be anything
    void error.code
    return
  }
  typeOf(error.code).is<TursoErrorCode>()
  typeOf(error.message).is<string>()
  const base: TursoError = error
  void base
}

/** Without a `default`: a code that is added to the union does not compile here until it is thought of. */
export function everyCodeCanBeThoughtOf(code: TursoErrorCode): 'caller' | 'later' | 'unknown' {
  switch (code) {
    case 'sql_error':
    case 'unauthorized':
    case 'forbidden':
    case 'not_found':
    case 'already_exists':
    case 'plan_limit':
    case 'invalid_request':
    case 'unsupported':
    case 'invalid_row':
      return 'caller'
    case 'rate_limited':
    case 'unavailable':
      return 'later'
    case 'stream_lost':
    case 'network':
    case 'timeout':
    case 'protocol':
      return 'unknown'
  }
}
