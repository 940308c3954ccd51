/**
 * The types of `@libsql/client` 0.18, by the same names, so that `import type` lines need nothing but another module.
 * Each can be assigned to its counterpart and back.
 *
 * Source: the declarations of `@libsql/core` 0.18
 */

/** See {@link Config.intMode}. */
export type IntMode = 'number' | 'bigint' | 'string'

export interface Config {
  /**
   * `libsql://`, `turso://`, `https://` or `http://`, with `?tls=0`, `?tls=1` and `?authToken=` as `@libsql/client`
   * has them.
   */
  url: string
  /** A database or group token. None, and none of an empty one, for a server without authentication. */
  authToken?: string | undefined
  /** `false` makes `libsql:` mean plain HTTP; the URL then needs a port. */
  tls?: boolean | undefined
  /** How integers come back: `number`, the default, throws a `RangeError` above 2^53 rather than round. */
  intMode?: IntMode | undefined
  /** Stands in for the global `fetch`. Gets one `Request`. */
  fetch?: Function | undefined
  /** Requests under way at once; the others wait. Default 20; 0 for no limit. A transaction counts as none. */
  concurrency?: number | undefined
  /** Key of a database that is encrypted in Turso Cloud, sent with every request. */
  remoteEncryptionKey?: string | undefined
  /** Refused: it is for local files. */
  encryptionKey?: string | undefined
  /** Without effect, as for any remote database. */
  syncUrl?: string | undefined
  /** Without effect, as for any remote database. */
  syncInterval?: number | undefined
  /** Without effect, as for any remote database. */
  readYourWrites?: boolean | undefined
  /** Without effect, as for any remote database. */
  offline?: boolean | undefined
  /** Without effect, as for any remote database. See `timeoutMs`. */
  timeout?: number | undefined
  /** Milliseconds that a call may take. No limit by default, as in `@libsql/client`, which has no such option. */
  timeoutMs?: number | undefined
  /**
   * Host name endings to which the server may send a transaction's stream, token and all. Default `['turso.io']`;
   * `@libsql/client`, which has no such option, follows to anywhere.
   */
  baseUrlSuffixes?: readonly string[] | undefined
  /**
   * Told of what goes on behind a call that has ended, such as the rollback by {@link Transaction.close}: a Worker gives
   * `waitUntil` of `cloudflare:workers`. `@libsql/client` has no such option.
   */
  waitUntil?: ((work: Promise<unknown>) => void) | undefined
}

export type TransactionMode = 'write' | 'read' | 'deferred'

export type Value = null | string | number | bigint | ArrayBuffer

export type InValue = Value | boolean | Uint8Array | Date

/** Positional, or by name: written with or without the prefix `:`, `@` or `$`. */
export type InArgs = Array<InValue> | Record<string, InValue>

export type InStatement = { sql: string; args?: InArgs } | string

/** Values by column name, and, hidden from enumeration, by index. Of equal names the first wins. */
export interface Row {
  /** Of the columns. */
  length: number
  [index: number]: Value
  [name: string]: Value
}

export interface ResultSet {
  /** Column names in order, duplicates kept. */
  columns: Array<string>
  /** Declared types, such as `INTEGER`; empty for expressions and from servers that do not send them. */
  columnTypes: Array<string>
  rows: Array<Row>
  /** Rows changed by INSERT, UPDATE or DELETE. */
  rowsAffected: number
  /** Exact, whatever `intMode` is. */
  lastInsertRowid: bigint | undefined
  /** Rows as arrays, bigints as decimal strings, blobs as base64. */
  toJSON(): unknown
}

export type Replicated = { frame_no: number; frames_synced: number } | undefined

/** Its methods reject with {@link LibsqlError}, `TypeError` and `RangeError`, and with what `fetch` threw. */
export interface Client {
  /** Runs one statement on a stream of its own. */
  execute(stmt: InStatement): Promise<ResultSet>
  execute(sql: string, args?: InArgs): Promise<ResultSet>
  /** Runs statements in one request: all of them take effect, or none. The default mode is `deferred`. */
  batch(stmts: Array<InStatement | [string, InArgs?]>, mode?: TransactionMode): Promise<Array<ResultSet>>
  /** A `deferred` batch during which foreign keys are not enforced. */
  migrate(stmts: Array<InStatement>): Promise<Array<ResultSet>>
  /** A transaction to be ended by hand. The default mode is `write`. Nothing is sent before its first statement. */
  transaction(mode?: TransactionMode): Promise<Transaction>
  /** Runs a script up to its first failure, in no transaction but those that it begins itself. */
  executeMultiple(sql: string): Promise<void>
  sync(): Promise<Replicated>
  /** Closes the open transactions, and refuses further calls. What is under way is left to finish. */
  close(): void
  /** Opens the client again. */
  reconnect(): void
  closed: boolean
  /** `http`. */
  protocol: string
}

/** What `createClient` makes, which is a {@link Client} of the older versions of `@libsql/client` too. */
export interface RemoteClient extends Client {
  /** @throws {LibsqlError} always, with the code `SYNC_NOT_SUPPORTED`: there is no replica to bring up to date */
  sync(): Promise<never>
}

/** Its methods reject as those of {@link Client} do, with the code `TRANSACTION_CLOSED` once it has ended. */
export interface Transaction {
  /** A statement that fails leaves the transaction open. */
  execute(stmt: InStatement): Promise<ResultSet>
  /** Runs statements in one request, as a savepoint: all of them take effect, or none, and it stays open. */
  batch(stmts: Array<InStatement>): Promise<Array<ResultSet>>
  /** Runs a script, as a savepoint. */
  executeMultiple(sql: string): Promise<void>
  /** Does nothing when the transaction has ended. */
  rollback(): Promise<void>
  commit(): Promise<void>
  /** Rolls back what was not committed, without waiting for it. */
  close(): void
  closed: boolean
}
