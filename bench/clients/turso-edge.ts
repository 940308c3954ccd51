import { connect, type Result } from '../../src/index.ts'
import type { BenchClient, OpenClient } from './contract.ts'

export const openTursoEdge: OpenClient = ({ url, authToken, fetch }): BenchClient => {
  const db = connect({ url, authToken, fetch })
  return {
    query: ({ sql, args }) => db.execute(sql, args),
    write: ({ sql, args }) => db.execute(sql, args),
    batch: (statements) => db.batch(statements, 'write'),
    rowsOf: (outcome) => (outcome as Result).rows,
    changesOf: (outcome) => [outcome as Result | Result[]].flat().map(({ rowsAffected }) => rowsAffected),
    transaction: (work) => db.transaction((tx) => work(tx)),
    executeMultiple: (script) => db.executeMultiple(script),
    stream: ({ sql, args }) => db.stream(sql, args),
  }
}
