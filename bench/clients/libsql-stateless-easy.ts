import { createClient } from 'libsql-stateless-easy'
import type { BenchClient, NamedRow, OpenClient } from './contract.ts'

interface EasyResult {
  rows: NamedRow[]
  rowsAffected: number
}

export const openLibsqlStatelessEasy: OpenClient = ({ url, authToken, fetch }): BenchClient => {
  // Otherwise it asks the server for its version as soon as it is made.
  const client = createClient({ url, authToken, fetch, disableCriticalChecks: true })
  return {
    query: (statement) => client.execute(statement),
    write: (statement) => client.execute(statement),
    batch: (statements) => client.batch([...statements], 'write'),
    rowsOf: (outcome) => (outcome as EasyResult).rows,
    changesOf: (outcome) =>
      [outcome as EasyResult | EasyResult[]].flat().map(({ rowsAffected }) => rowsAffected),
    executeMultiple: (script) => client.executeMultiple(script),
  }
}
