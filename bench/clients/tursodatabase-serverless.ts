import { connect, Statement } from '@tursodatabase/serverless'
import type { BenchClient, NamedRow, OpenClient } from './contract.ts'

export const openTursodatabaseServerless: OpenClient = ({ url, authToken, fetch }): BenchClient => {
  globalThis.fetch = fetch
  const connection = connect({ url, authToken })
  return {
    query: ({ sql, args }) => connection.all(sql, args),
    write: ({ sql, args }) => connection.run(sql, args),
    batch: (statements) => connection.batch([...statements], 'immediate'),
    rowsOf: (outcome) => outcome as NamedRow[],
    changesOf: (outcome) =>
      Array.isArray(outcome)
        ? (outcome as { rowsAffected: number }[]).map(({ rowsAffected }) => rowsAffected)
        : [(outcome as { changes: number }).changes],
    async transaction(work) {
      const run = connection.transactionAsync((tx) => work({ execute: (sql) => tx.execute(sql) }))
      await run.immediate()
    },
    executeMultiple: (script) => connection.exec(script),
    // The one way of it that does not collect the rows first.
    stream: ({ sql, args }) =>
      new Statement({ url, authToken }, sql).iterate(args) as AsyncIterable<NamedRow>,
  }
}
