/** Keeps drizzle-orm from spoiling blobs. */
import { createRowMaker } from '../libsql/result.ts'
import type { Client, ResultSet, Transaction, Value } from '../libsql/types.ts'

/** What drizzle-orm calls. */
type UsedTransaction = Pick<Transaction, 'execute' | 'commit' | 'rollback'>
type UsedClient = Pick<Client, 'batch' | 'migrate'> & {
  execute: Transaction['execute']
  transaction: () => Promise<UsedTransaction>
}

/**
 * Where there is no `Buffer`, as on Workers without Node compatibility, drizzle-orm decodes every `ArrayBuffer` as
 * UTF-8 before a column sees it, which loses what is no text. It leaves bytes alone, so there it gets bytes.
 */
export function withReadableBlobs(client: Client): Client {
  if ((globalThis as { Buffer?: unknown }).Buffer) return client
  const used: UsedClient = {
    execute: async (stmt) => withBytes(await client.execute(stmt)),
    batch: async (...args) => (await client.batch(...args)).map(withBytes),
    migrate: (stmts) => client.migrate(stmts),
    async transaction() {
      const tx = await client.transaction()
      return {
        execute: async (stmt) => withBytes(await tx.execute(stmt)),
        commit: () => tx.commit(),
        rollback: () => tx.rollback(),
      }
    },
  }
  return used as Client
}

function withBytes(result: ResultSet): ResultSet {
  const toRow = createRowMaker(result.columns)
  result.rows = result.rows.map((row) => toRow(Array.from(row, toBytes)))
  return result
}

const toBytes = (value: Value): Value =>
  value instanceof ArrayBuffer ? (new Uint8Array(value) as unknown as Value) : value
