/** A statement as `@libsql/client` takes it → the core's. */
import type { Args, StatementObject } from '../hrana/statement.ts'
import type { InArgs, InStatement } from './types.ts'

/** Tuples are taken everywhere, and no arguments may be said in any way: theirs does so, whatever its types say. */
export function toStatement(statement: InStatement | [string, (InArgs | undefined)?]): StatementObject {
  if (typeof statement === 'string') return { sql: statement }
  const [sql, args] = Array.isArray(statement) ? statement : [statement.sql, statement.args]
  return { sql, args: (args || undefined) as Args | undefined }
}
