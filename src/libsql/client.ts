/** The interface of `@libsql/client`, over the core. */
import { connect } from '../database.ts'
import { tell } from '../hrana/target.ts'
import { toConnectOptions } from './config.ts'
import { LibsqlError, toLibsqlError } from './errors.ts'
import { createLimit } from './limit.ts'
import { migrate } from './migrate.ts'
import { toResultSet } from './result.ts'
import { toStatement } from './statement.ts'
import { wrapTransaction } from './transaction.ts'
import type { Config, InArgs, InStatement, RemoteClient, Transaction } from './types.ts'

const DEFAULT_CONCURRENCY = 20

/**
 * Stands in for the function of the same name in `@libsql/client`. Does no I/O, and touches no global, until it is
 * used.
 *
 * @example
 * const client = createClient({ url: 'libsql://name-organization.turso.io', authToken })
 * const { rows } = await client.execute('select * from notes where id = ?', [1])
 *
 * @throws {LibsqlError} for a URL that cannot be used and for `encryptionKey`
 * @throws {TypeError} for a configuration that is none
 */
export function createClient(config: Config): RemoteClient {
  const database = connect(toConnectOptions(config))
  const limit = createLimit(config.concurrency ?? DEFAULT_CONCURRENCY)
  const transactions = new Set<Transaction>()
  let isClosed = false

  const call = <T>(run: () => Promise<T>): Promise<T> =>
    limit(async () => {
      if (isClosed) throw new LibsqlError('The client is closed', 'HRANA_CLOSED_ERROR')
      try {
        return await run()
      } catch (error) {
        throw toLibsqlError(error)
      }
    })

  function close(): void {
    isClosed = true
    for (const tx of transactions) tx.close()
  }

  return {
    execute: (stmt: InStatement, args?: InArgs) =>
      call(async () => {
        const statement = toStatement(typeof stmt === 'string' ? [stmt, args] : stmt)
        return toResultSet(await database.execute(statement, { rowMode: 'array' }))
      }),
    batch: (stmts, mode = 'deferred') =>
      call(async () => {
        const results = await database.batch(stmts.map(toStatement), { mode, rowMode: 'array' })
        return results.map(toResultSet)
      }),
    migrate: (stmts) =>
      call(async () => {
        const results = await migrate(database, stmts.map(toStatement))
        return results.map(toResultSet)
      }),
    transaction: (mode = 'write') =>
      call(async () => {
        const inBackground = (work: Promise<unknown>): void => tell(config.waitUntil, work)
        const core = await database.transaction({ mode })
        const tx = wrapTransaction(core, inBackground, () => transactions.delete(tx))
        transactions.add(tx)
        return tx
      }),
    executeMultiple: (sql) => call(() => database.executeMultiple(sql)),
    sync() {
      throw new LibsqlError('sync not supported in http mode', 'SYNC_NOT_SUPPORTED')
    },
    close,
    reconnect() {
      close()
      isClosed = false
    },
    get closed() {
      return isClosed
    },
    protocol: 'http',
  }
}
