/// <reference lib="esnext.disposable" preserve="true" />
/** Interactive transactions: what users hold. How they are kept from running outside is in hrana/transaction.ts. */
import { requireUsable, type CallOptions } from './http/watch.ts'
import type { TransactionLevel } from './hrana/transaction.ts'
import { createQueries, type Queries, type QueryDefaults } from './queries.ts'

/**
 * An open transaction. One request is under way at a time; statements that are issued together go out together. Within
 * it, `batch` and `executeMultiple` are all or nothing. A statement that fails leaves the transaction open.
 * `timeoutMs` counts from when a statement is sent, not while it waits for its turn; of those that go out together the
 * longest holds.
 *
 * A statement never runs outside the transaction: each is sent with the condition that the transaction is still open on
 * the server. BEGIN, COMMIT and ROLLBACK among them are refused.
 */
export interface Transaction extends Queries {
  /**
   * Runs a function in a transaction within this one, a savepoint: what it did is kept when it returns, as part of this
   * transaction, and undone when it throws. Until then this transaction cannot be used directly.
   */
  transaction<T>(run: (tx: Transaction) => Promise<T>, options?: CallOptions): Promise<T>
  /** A transaction within this one to be ended by hand, or by `await using`. */
  transaction(): Promise<Transaction>
  /**
   * Commits, once every statement under way has its result; rolls back and throws if one of those fails. From then on
   * no other is taken. A statement that failed before does not keep the rest from being committed.
   *
   * @throws {StreamLostError} with the outcome `unknown` when the answer is lost: it may be committed
   */
  commit(options?: CallOptions): Promise<void>
  /** Does nothing when the transaction has ended. */
  rollback(options?: CallOptions): Promise<void>
  /** Whether it can still be committed, as far as is known here. */
  readonly isOpen: boolean
  /** Rolls back what was not committed. */
  [Symbol.asyncDispose](): Promise<void>
}

export function createTransaction(level: TransactionLevel, defaults: QueryDefaults): Transaction {
  const queries = createQueries(
    {
      execute: async (statement, call) => (await level.run([statement], false, call))[0]!,
      batch: (statements, call) => level.run(statements, true, call),
      sequence: (script, call) => level.runScript(script, call),
      describe: (sql, call) => level.describe(sql, call),
    },
    defaults,
  )
  return {
    ...queries,
    transaction: startTransaction.bind(undefined, () => level.nest(), defaults) as Transaction['transaction'],
    commit: (options) => level.commit(options),
    rollback: (options) => level.rollback(options),
    get isOpen() {
      return level.isOpen()
    },
    [Symbol.asyncDispose]: () => level.rollback(),
  }
}

/** A handle when there is no function to run; otherwise ends the transaction with the function. */
export async function startTransaction<T>(
  begin: () => TransactionLevel,
  defaults: QueryDefaults,
  run?: (tx: Transaction) => Promise<T>,
  call?: CallOptions,
): Promise<T | Transaction> {
  requireUsable(call)
  const level = begin()
  const tx = createTransaction(level, defaults)
  if (run === undefined) return tx
  try {
    const result = await run(tx)
    await level.finish(call)
    return result
  } catch (error) {
    // What made it fail is what the caller must see, not that the rollback failed as well.
    await level.rollback(call).catch(() => undefined)
    throw error
  }
}
