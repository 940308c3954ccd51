/** `@libsql/client`, and whatever has its interface. */
import type { Client, Config, ResultSet } from '@libsql/client'
import type { BenchClient, OpenClient } from './contract.ts'

/** The part of it that is used. */
type LibsqlLike = Pick<Client, 'execute' | 'batch' | 'transaction' | 'executeMultiple'>

export const openLibsqlClient =
  (createClient: (config: Config) => LibsqlLike): OpenClient =>
  ({ url, authToken, fetch }): BenchClient => {
    const client = createClient({ url, authToken, fetch })
    return {
      query: (statement) => client.execute(statement),
      write: (statement) => client.execute(statement),
      batch: (statements) => client.batch([...statements], 'write'),
      rowsOf: (outcome) => (outcome as ResultSet).rows,
      changesOf: (outcome) =>
        [outcome as ResultSet | ResultSet[]].flat().map(({ rowsAffected }) => rowsAffected),
      async transaction(work) {
        const transaction = await client.transaction('write')
        try {
          await work(transaction)
          await transaction.commit()
        } catch (error) {
          // What made it fail is what the caller must see.
          await transaction.rollback().catch(() => undefined)
          throw error
        }
      },
      executeMultiple: (script) => client.executeMultiple(script),
    }
  }
