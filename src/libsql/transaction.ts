/** The core's transaction behind the interface of `@libsql/client`. */
import type { Transaction as CoreTransaction } from '../transaction.ts'
import { LibsqlError, toLibsqlError } from './errors.ts'
import { toResultSet } from './result.ts'
import { toStatement } from './statement.ts'
import type { InStatement, ResultSet, Transaction } from './types.ts'

/**
 * @param inBackground told of what nobody waits for, which never rejects
 * @param onEnd called when it has ended, in whatever way, perhaps more than once
 */
export function wrapTransaction(
  tx: CoreTransaction,
  inBackground: (work: Promise<unknown>) => void,
  onEnd: () => void,
): Transaction {
  let hasEnded = false
  const isClosed = (): boolean => hasEnded || !tx.isOpen

  function end(): void {
    hasEnded = true
    onEnd()
  }

  async function run<T>(action: () => Promise<T>, statementIndex?: number): Promise<T> {
    if (isClosed())
      throw new LibsqlError(
        'Cannot execute statements because the transaction is closed',
        'TRANSACTION_CLOSED',
      )
    try {
      return await action()
    } catch (error) {
      if (!tx.isOpen) onEnd()
      // A BEGIN that fails is no statement's fault.
      throw toLibsqlError(error, tx.isOpen ? statementIndex : undefined)
    }
  }

  async function batch(stmts: InStatement[]): Promise<ResultSet[]> {
    const statements = stmts.map(toStatement)
    const results = await run(
      () => tx.batch(statements, { rowMode: 'array' }),
      statements.length === 1 ? 0 : undefined,
    )
    return results.map(toResultSet)
  }

  async function endBy(action: 'commit' | 'rollback'): Promise<void> {
    hasEnded = true
    try {
      await tx[action]()
    } catch (error) {
      throw toLibsqlError(error)
    } finally {
      end()
    }
  }

  return {
    execute: async (stmt) => (await batch([stmt]))[0]!,
    batch,
    executeMultiple: (sql) => run(() => tx.executeMultiple(sql)),
    async commit() {
      if (isClosed())
        throw new LibsqlError(
          'Cannot commit the transaction because it is already closed',
          'TRANSACTION_CLOSED',
        )
      await endBy('commit')
    },
    async rollback() {
      if (!isClosed()) await endBy('rollback')
    },
    close() {
      if (!isClosed()) inBackground(tx.rollback().catch(() => undefined))
      end()
    },
    get closed() {
      return isClosed()
    },
  }
}
