/**
 * The ways in which a request can be refused, one class for each layer of the protocol.
 * In-band errors keep the stream; the others lose the whole pipeline.
 */

/** A statement or batch failed: HTTP 200, `{"type":"error"}` in its place, the rest of the pipeline goes on. */
export class SqlFailure extends Error {
  readonly code: string
  /** What exactly, for constraint violations: `SQLITE_CONSTRAINT_UNIQUE` and the like. */
  readonly extendedCode: string | undefined

  constructor(code: string, message: string, extendedCode?: string) {
    super(message)
    this.code = code
    this.extendedCode = extendedCode
  }
}

/** The client broke the protocol: HTTP 400 with the message as plain text. The stream is closed. */
export class ProtocolFailure extends Error {}

/** The baton names a stream that sat idle for too long: HTTP 400 with a code. */
export class StreamExpired extends Error {
  constructor() {
    super('The stream has expired due to inactivity')
  }
}

/** Everything else (authorisation, unknown database, overload): this status and `{"error": message}`. */
export class HttpFailure extends Error {
  readonly status: number
  /** Goes along as `code`, where the service has one. */
  readonly code: string | undefined

  constructor(status: number, message: string, code?: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** sqld's answer for a request on a stream that is closed. */
export function streamClosed(): ProtocolFailure {
  return new ProtocolFailure('Stream for this baton was closed')
}

/** sqld's answer for a database that does not exist, and for a token that is for another one. */
export function unknownDatabase(name: string): HttpFailure {
  return new HttpFailure(404, `Namespace \`${name}\` doesn't exist`)
}

/** The data folder cannot be used. The message says which folder, why, and what to do about it. */
export class DataFolderError extends Error {}
