/** A tenant's database for Workers of the same account: what the session of a service binding holds. */
import { RpcTarget } from 'cloudflare:workers'
import type {
  Database,
  TenantSession,
  TenantTransaction,
  Transaction,
  TransactionMode,
} from '../../src/index.ts'

type WaitUntil = (work: Promise<unknown>) => void
type Execute = TenantSession['execute']
type Batch = TenantSession['batch']

/** Ended by its caller, or with it: then what is open is rolled back at once, and keeps no write lock. */
export class DatabaseSession extends RpcTarget implements TenantSession {
  readonly #database: Database
  readonly #waitUntil: WaitUntil
  readonly #open = new Set<Transaction>()
  readonly #over = Promise.withResolvers<void>()

  /** @param waitUntil keeps the Worker alive for what has nobody to wait for it */
  constructor(database: Database, waitUntil: WaitUntil) {
    super()
    this.#database = database
    this.#waitUntil = waitUntil
    // Until then, for what has to be done when the caller has gone.
    waitUntil(this.#over.promise)
  }

  execute(...[statement, args]: Parameters<Execute>): ReturnType<Execute> {
    return typeof statement === 'string'
      ? this.#database.execute(statement, args)
      : this.#database.execute(statement)
  }

  batch(...[statements]: Parameters<Batch>): ReturnType<Batch> {
    return this.#database.batch(statements)
  }

  async transaction(mode?: TransactionMode): Promise<OpenTransaction> {
    const transaction = await this.#database.transaction({ mode })
    this.#open.add(transaction)
    return new OpenTransaction(transaction, () => this.#end(transaction))
  }

  [Symbol.dispose](): void {
    for (const transaction of this.#open) this.#end(transaction)
    this.#over.resolve()
  }

  #end(transaction: Transaction): void {
    this.#open.delete(transaction)
    // If it fails, the database's idle limit does the same.
    this.#waitUntil(transaction.rollback().catch(() => undefined))
  }
}

class OpenTransaction extends RpcTarget implements TenantTransaction {
  readonly #transaction: Transaction
  readonly #end: () => void

  constructor(transaction: Transaction, end: () => void) {
    super()
    this.#transaction = transaction
    this.#end = end
  }

  execute(...[statement, args]: Parameters<Execute>): ReturnType<Execute> {
    return typeof statement === 'string'
      ? this.#transaction.execute(statement, args)
      : this.#transaction.execute(statement)
  }

  batch(...[statements]: Parameters<Batch>): ReturnType<Batch> {
    return this.#transaction.batch(statements)
  }

  commit(): Promise<void> {
    return this.#transaction.commit()
  }

  rollback(): Promise<void> {
    return this.#transaction.rollback()
  }

  [Symbol.dispose](): void {
    this.#end()
  }
}
