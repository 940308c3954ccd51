/** The door of `turso-edge/libsql`: what `@libsql/client` exports, by the same names. */

export { createClient } from './client.ts'
export { LibsqlBatchError, LibsqlError } from './errors.ts'
export type {
  Client,
  Config,
  InArgs,
  InStatement,
  IntMode,
  InValue,
  RemoteClient,
  Replicated,
  ResultSet,
  Row,
  Transaction,
  TransactionMode,
  Value,
} from './types.ts'
