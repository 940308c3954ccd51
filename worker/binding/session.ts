/** A tenant's database for Workers of the same account: what the session of a service binding holds. */
import { RpcTarget } from 'cloudflare:workers'
import type {
  Args,
  Database,
  Result,
  SessionBatchOptions,
  SessionCallOptions,
  Statement,
  TenantSession,
  TenantTransaction,
  Transaction,
  TransactionOptions,
} from '../../src/index.ts'
import { isTursoError } from '../../src/index.ts'
import { TENANT_SUSPENDED } from '../hrana/error.ts'
import { MAX_SESSION_TRANSACTIONS } from '../limits.ts'

type WaitUntil = (work: Promise<unknown>) => void

/** Ended by its caller, or with it: then what is open is rolled back at once, and keeps no write lock. */
export class DatabaseSession extends RpcTarget implements TenantSession {
  readonly #database: () => Promise<Database>
  readonly #waitUntil: WaitUntil
  readonly #open = new Set<HeldTransaction>()
  readonly #over = Promise.withResolvers<void>()
  #isOver = false

  /** @param waitUntil keeps the Worker alive for what has nobody to wait for it */
  constructor(database: () => Promise<Database>, waitUntil: WaitUntil) {
    super()
    this.#database = database
    this.#waitUntil = waitUntil
    // Until then, for what has to be done when the caller has gone.
    waitUntil(this.#over.promise)
  }

  async execute<Row>(...call: ExecuteArguments): Promise<Result<Row>> {
    return await told(execute(await this.#usable(), call))
  }

  async batch<Row>(
    statements: readonly Statement[],
    options?: SessionBatchOptions | null,
  ): Promise<Result<Row>[]> {
    const database = await this.#usable()
    return await told(database.batch<Row>(statements, { ...known(options), mode: options?.mode }))
  }

  async transaction(options?: TransactionOptions | null): Promise<OpenTransaction> {
    const database = await this.#usable()
    const transaction = await database.transaction({ mode: options?.mode })
    if (this.#isOver) throw ended()
    for (const held of this.#open) if (!held.transaction.isOpen) this.#open.delete(held)
    if (this.#open.size >= MAX_SESSION_TRANSACTIONS) throw tooManyTransactions()
    const held: HeldTransaction = { transaction, gone: new AbortController(), committing: null }
    this.#open.add(held)
    return new OpenTransaction(held, () => this.#end(held))
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    for (const held of this.#open) this.#end(held)
    this.#over.resolve()
  }

  async #usable(): Promise<Database> {
    if (this.#isOver) throw ended()
    return await this.#database()
  }

  /** A commit that was asked for comes to its end; whatever else is under way is cut off. */
  #end(held: HeldTransaction): void {
    this.#open.delete(held)
    if (held.committing === null) held.gone.abort(ended())
    // If it fails, the gateway's idle limit does the same.
    this.#waitUntil(
      Promise.resolve(held.committing)
        .then(() => held.transaction.rollback())
        .catch(() => undefined),
    )
  }
}

interface HeldTransaction {
  transaction: Transaction
  /** Aborted when nobody waits for its statements any more. */
  gone: AbortController
  /** Settled with it; `null` when none is under way. */
  committing: Promise<unknown> | null
}

class OpenTransaction extends RpcTarget implements TenantTransaction {
  readonly #held: HeldTransaction
  readonly #end: () => void

  constructor(held: HeldTransaction, end: () => void) {
    super()
    this.#held = held
    this.#end = end
  }

  async execute<Row>(...call: ExecuteArguments): Promise<Result<Row>> {
    const { transaction, signal } = this.#usable()
    return await told(execute(transaction, call, signal))
  }

  async batch<Row>(
    statements: readonly Statement[],
    options?: SessionCallOptions | null,
  ): Promise<Result<Row>[]> {
    const { transaction, signal } = this.#usable()
    return await told(transaction.batch<Row>(statements, { ...known(options), signal }))
  }

  async commit(options?: Pick<SessionCallOptions, 'timeoutMs'> | null): Promise<void> {
    const held = this.#held
    const committing = this.#usable().transaction.commit({ timeoutMs: options?.timeoutMs })
    held.committing = committing.catch(() => undefined)
    await told(committing).finally(() => (held.committing = null))
  }

  async rollback(options?: Pick<SessionCallOptions, 'timeoutMs'> | null): Promise<void> {
    await this.#held.transaction.rollback({ timeoutMs: options?.timeoutMs })
  }

  [Symbol.dispose](): void {
    this.#end()
  }

  #usable(): { transaction: Transaction; signal: AbortSignal } {
    const { transaction, gone } = this.#held
    gone.signal.throwIfAborted()
    return { transaction, signal: gone.signal }
  }
}

type Options = SessionCallOptions | null | undefined
type ExecuteArguments = [statement: Statement, argsOrOptions?: Args | Options, options?: Options]

async function execute<Row>(
  on: Pick<Database, 'execute'>,
  [statement, second, third]: ExecuteArguments,
  signal?: AbortSignal,
): Promise<Result<Row>> {
  return typeof statement === 'string'
    ? await on.execute<Row>(statement, (second ?? undefined) as Args | undefined, { ...known(third), signal })
    : await on.execute<Row>(statement, { ...known(second as Options), signal })
}

/** What a session knows of the library's options. */
const known = (options: Options): SessionCallOptions => ({
  timeoutMs: options?.timeoutMs,
  intMode: options?.intMode,
  readOnly: options?.readOnly,
})

/** What the gateway says of the tenant itself is told by the code that the tenant's other calls have for it. */
async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const { message, cause } = error as Error
    const refusal = isTursoError(error, 'stream_lost') ? cause : error
    if (!isTursoError(refusal, 'forbidden') || refusal.serverMessage !== TENANT_SUSPENDED.message) throw error
    const { status, serverMessage } = refusal
    const outcome = isTursoError(error, 'stream_lost') ? { outcome: error.outcome } : {}
    throw Object.assign(new Error(message), { code: 'tenant_suspended', status, serverMessage, ...outcome })
  }
}

/** Own properties cross the binding, classes do not. */
const ended = (): Error =>
  Object.assign(new Error('The session or its transaction was disposed, and takes no statements any more'), {
    code: 'session_ended',
  })

const tooManyTransactions = (): Error =>
  Object.assign(
    new Error(
      `The session has ${MAX_SESSION_TRANSACTIONS} open transactions, which is its limit: commit, roll back or dispose one first`,
    ),
    { code: 'too_many_transactions' },
  )
