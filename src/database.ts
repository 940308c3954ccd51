/** What users hold: one database, queried over HTTP. */
import { isTursoError } from './errors.ts'
import type { Fetch } from './http/fetch.ts'
import { readHeaders } from './http/headers.ts'
import { createRetrier, type RetryOptions } from './http/retry.ts'
import { send } from './http/send.ts'
import { createTokenSource, type AuthToken } from './http/token.ts'
import { requireUsable, type CallOptions } from './http/watch.ts'
import { requireMode, type TransactionMode } from './hrana/batch.ts'
import { sendOnce } from './hrana/pipeline.ts'
import type { ObjectRow } from './hrana/result.ts'
import type { Args, Statement, StatementObject } from './hrana/statement.ts'
import { createStream, type StreamPosition } from './hrana/stream.ts'
import { requestTo, type Hooks, type Target } from './hrana/target.ts'
import { createTransactionLevel } from './hrana/transaction.ts'
import { parseDatabaseUrl } from './hrana/url.ts'
import type { IntMode } from './hrana/value.ts'
import { DEFAULT_TIMEOUT_MS } from './limits.ts'
import {
  createQueries,
  createRunner,
  requireIntMode,
  type ObjectRows,
  type Queries,
  type QueryOptions,
  type RowOf,
} from './queries.ts'
import { waitUntilReady, type ReadyOptions } from './ready.ts'
import { streamRows, type RowStream } from './row-stream.ts'
import { createDatabaseStream, type Stream } from './stream.ts'
import { startTransaction, type Transaction } from './transaction.ts'

export interface ConnectOptions extends Hooks {
  /** `libsql://`, `turso://`, `https://` or `http://`; a path in it is kept. */
  url: string
  /**
   * A database or group token, or a function that returns one: asked for the first request, and again, once, when the
   * server answers 401. None for a server without authentication.
   */
  authToken?: AuthToken | undefined
  /** The key of an encrypted database, in base64, sent with every request. */
  encryptionKey?: string | undefined
  /** Headers for every request, beside those that the protocol needs. */
  headers?: Readonly<Record<string, string>> | undefined
  /** Milliseconds that a call may take. Default 30,000. */
  timeoutMs?: number | undefined
  /** How integers come back, for calls that do not say. Default `number`. */
  intMode?: IntMode | undefined
  /**
   * How often a request is sent again. Only where that is safe: when the server cannot have acted on it (it answered
   * 429, or there was no connection), or when it writes nothing by the caller's word. `false` for never.
   */
  retry?: RetryOptions | false | undefined
  /** Host name endings to which the server may send a transaction's stream, token and all. Default `['turso.io']`. */
  baseUrlSuffixes?: readonly string[] | undefined
  /**
   * Told of what goes on behind a call that has ended: closing the stream of a transaction that was aborted or got no
   * answer, for a second at most. A Worker gives `waitUntil` of `cloudflare:workers`, or its runtime may end that with
   * the response, and the write lock stays taken for up to ten seconds.
   */
  waitUntil?: ((work: Promise<unknown>) => void) | undefined
  /** Stands in for the global `fetch`. */
  fetch?: Fetch | undefined
}

export interface TransactionOptions {
  /** `write`, the default, takes the write lock with the first statement. */
  mode?: TransactionMode | undefined
}

export interface Database extends Queries {
  /**
   * Runs a function in a transaction: committed when it returns, rolled back when it throws. The transaction begins
   * with its first statement; nothing is sent for one without any. Its statements must be made on `tx`.
   *
   * A {@link StreamLostError} says that the server has given the transaction up, and what remains of it. Nothing is
   * repeated: run it again if `outcome` is `rolled_back`.
   *
   * @example
   * await db.transaction(async (tx) => {
   *   const { rows } = await tx.execute('select balance from accounts where id = ?', [from])
   *   await tx.execute('update accounts set balance = ? where id = ?', [Number(rows[0].balance) - 10, from])
   * })
   */
  transaction<T>(run: (tx: Transaction) => Promise<T>, options?: TransactionOptions & CallOptions): Promise<T>
  /** A transaction to be ended by hand, or by `await using`, which rolls back what was not committed. */
  transaction(options?: TransactionOptions): Promise<Transaction>

  /**
   * The rows of a statement while they arrive, in constant memory. Nothing is sent before the first is asked for.
   * Leaving the loop early ends the statement on the server. `timeoutMs` holds for each wait for the server, however
   * long the rows are worked on in between.
   *
   * A failure after some rows is thrown after them; an answer that ends before the statement does is a
   * {@link ProtocolError}.
   *
   * @example
   * for await (const { id, title } of db.stream('select * from notes')) console.log(id, title)
   */
  stream<Row = ObjectRow>(statement: string, args?: Args, options?: ObjectRows): RowStream<Row>
  stream<Row = ObjectRow>(statement: StatementObject, options?: ObjectRows): RowStream<Row>
  stream<Row = ObjectRow>(statement: Statement): RowStream<Row>
  stream<const Options extends QueryOptions>(
    statement: string,
    args: Args | undefined,
    options: Options,
  ): RowStream<RowOf<Options>>
  stream<const Options extends QueryOptions>(
    statement: StatementObject,
    options: Options,
  ): RowStream<RowOf<Options>>

  /**
   * The protocol itself: a server-side connection to be closed by whoever opened it. Servers give it up after ten
   * seconds without a request. For transactions use {@link Database.transaction}, which also watches over them.
   */
  openStream(): Stream
  /**
   * Goes on with a stream that was opened elsewhere. A baton can be used once: nobody else may use it any more.
   *
   * @throws {TypeError} for a `baseUrl` that is not trusted with the token
   */
  resume(position: StreamPosition): Stream

  /** What the server says of its version. */
  version(options?: CallOptions): Promise<string>
  /** Whether the server calls itself healthy. Throws when there is no answer. */
  health(options?: CallOptions): Promise<boolean>
  /**
   * Waits for a database that has just been created, which answers 404 for some seconds.
   *
   * @throws {TimeoutError} when it does not answer a query within `timeoutMs`, with the last failure as its `cause`
   * @throws what else a query throws, at once: waiting does not help against a refused token
   */
  waitUntilReady(options?: ReadyOptions): Promise<void>
}

/**
 * A database by its URL. Does no I/O, and touches no global, until it is used: safe at module scope on Workers.
 *
 * Its calls throw {@link SqlError}, {@link HttpError}, {@link NetworkError}, {@link TimeoutError},
 * {@link ProtocolError}, in a transaction {@link StreamLostError}, with a `schema` {@link RowError}, `TypeError` and
 * `RangeError` for values that cannot be bound or decoded, and the reason of an aborted `signal`. Nothing that may
 * have taken effect is sent again.
 *
 * @throws {TypeError} {@link RangeError} for a malformed URL or option
 */
export function connect(options: ConnectOptions): Database {
  const { fetch, encryptionKey, onRequest, onResponse, waitUntil, baseUrlSuffixes = ['turso.io'] } = options
  for (const [name, value] of Object.entries({ fetch, onRequest, onResponse, waitUntil }))
    if (value !== undefined && typeof value !== 'function')
      throw new TypeError(`"${name}" must be a function`)
  if (!Array.isArray(baseUrlSuffixes))
    throw new TypeError('"baseUrlSuffixes" must be an array of host name endings')
  if (options.intMode !== undefined) requireIntMode(options.intMode)
  requireUsable(options)
  const defaults = { intMode: options.intMode }

  const target: Target = {
    baseUrl: parseDatabaseUrl(options.url),
    baseUrlSuffixes,
    token: createTokenSource(options.authToken),
    headers: {
      ...readHeaders(options.headers ?? {}),
      ...(encryptionKey === undefined ? {} : { 'x-turso-encryption-key': requireBase64(encryptionKey) }),
    },
    secret: encryptionKey,
    fetch,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    retrier: createRetrier(options.retry),
    hooks: { onRequest, onResponse },
    waitUntil,
  }

  const probe = (path: string, call: CallOptions | undefined): Promise<string> =>
    send(requestTo(target, 'GET', path, { ...call, isRepeatable: true }))

  async function transaction<T>(
    runOrOptions: ((tx: Transaction) => Promise<T>) | TransactionOptions = {},
    callOptions: TransactionOptions & CallOptions = {},
  ): Promise<T | Transaction> {
    const isCallback = typeof runOrOptions === 'function'
    const mode = requireMode((isCallback ? callOptions : runOrOptions).mode ?? 'write')
    return await startTransaction(
      () => createTransactionLevel(createStream(target), mode),
      defaults,
      isCallback ? runOrOptions : undefined,
      callOptions,
    )
  }

  return {
    ...createQueries(
      createRunner((request, call) => sendOnce(target, request, call)),
      defaults,
    ),
    transaction: transaction as Database['transaction'],
    stream: ((
      statement: Statement,
      argsOrOptions?: Args | QueryOptions,
      lastOptions?: QueryOptions,
    ): RowStream<unknown> =>
      streamRows(target, defaults, statement, argsOrOptions, lastOptions)) as Database['stream'],
    openStream: () => createDatabaseStream(target, defaults),
    resume: (position) => createDatabaseStream(target, defaults, position),
    version: async (call) => (await probe('version', call)).trim(),
    health: (call) =>
      probe('health', call).then(
        () => true,
        (error: unknown) => {
          if (isTursoError(error, 'unavailable')) return false
          throw error
        },
      ),
    waitUntilReady: (call) => waitUntilReady(target, call),
  }
}

function requireBase64(encryptionKey: string): string {
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(encryptionKey)) return encryptionKey
  throw new TypeError('"encryptionKey" must be a key in base64')
}
