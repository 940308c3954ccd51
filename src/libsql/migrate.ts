/** A batch during which foreign keys are not enforced. */
import type { Database } from '../database.ts'
import type { Result } from '../hrana/result.ts'
import type { Statement } from '../hrana/statement.ts'
import type { SqlValue } from '../hrana/value.ts'

/**
 * The setting is of the connection, and cannot be changed within a transaction: hence a stream, and around the batch.
 * All goes out in one request.
 */
export async function migrate(
  database: Database,
  statements: readonly Statement[],
): Promise<Result<SqlValue[]>[]> {
  const stream = database.openStream()
  const options = { rowMode: 'array' } as const
  const [off, results, on, closed] = await Promise.allSettled([
    stream.execute('PRAGMA foreign_keys=off', [], options),
    stream.batch(statements, { ...options, mode: 'deferred' }),
    stream.execute('PRAGMA foreign_keys=on', [], options),
    // Not its close(), which has nothing to close before the first answer.
    stream.send([{ type: 'close' }]),
  ])
  for (const outcome of [off, results, on, closed]) if (outcome.status === 'rejected') throw outcome.reason
  return results.status === 'fulfilled' ? results.value : []
}
