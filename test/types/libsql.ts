/** The types of `turso-edge/libsql`, under the strictest of callers. Compiled and never run. */
import {
  createClient,
  LibsqlError,
  type Client,
  type Config,
  type ResultSet,
  type Row,
  type Transaction,
  type Value,
} from 'turso-edge/libsql'
import { typeOf } from './type-of.ts'

export async function aClientIsThatOfLibsql(config: Config): Promise<void> {
  const client: Client = createClient(config)
  const result = await client.execute({ sql: 'select ?', args: [1] })
  typeOf(result).is<ResultSet>()
  typeOf(result.rows).is<Row[]>()
  for (const row of result.rows) typeOf(row['id']).is<Value | undefined>()
  typeOf(await client.batch(['select 1', ['select ?', [1]]], 'read')).is<ResultSet[]>()
  typeOf(await client.transaction('write')).is<Transaction>()
  // @ts-expect-error -- undefined is not NULL
  await client.execute({ sql: 'select ?', args: [undefined] })
}

export function optionsMayBeUndefined(authToken: string | undefined): void {
  createClient({ url: 'libsql://example.turso.io', authToken, intMode: undefined, concurrency: undefined })
  createClient({ url: 'libsql://example.turso.io', fetch })
}

export function anErrorHasACode(error: unknown): string | undefined {
  return error instanceof LibsqlError ? error.code : undefined
}
