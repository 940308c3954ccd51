/**
 * The door of `turso-edge/drizzle`: what `drizzle-orm/libsql` exports, without the `@libsql/client` that it brings into
 * a bundle even when another client is given.
 */
// oxlint-disable no-restricted-imports -- What this module is for. An optional peer dependency.
import { DefaultLogger, type DrizzleConfig, type ExtractTablesWithRelations } from 'drizzle-orm'
import { LibSQLDatabase } from 'drizzle-orm/libsql/driver-core'
import { LibSQLSession } from 'drizzle-orm/libsql/session'
import { createTableRelationsHelpers, extractTablesRelationalConfig } from 'drizzle-orm/relations'
import { SQLiteAsyncDialect } from 'drizzle-orm/sqlite-core'
import { createClient } from '../libsql/client.ts'
import type { Client, Config } from '../libsql/types.ts'
import { withReadableBlobs } from './blobs.ts'

export { LibSQLDatabase }

type Schema = Record<string, unknown>

/** What a database is reached by: a URL, the configuration of a client, or a client. */
export type DrizzleSource<TClient> = { connection: string | Config } | { client: TClient }

/**
 * Stands in for the function of the same name in `drizzle-orm/libsql`. The client may be one of `turso-edge/libsql` or
 * of `@libsql/client`; it is `$client` of the result.
 *
 * @example
 * const db = drizzle({ connection: { url, authToken }, schema })
 * const notes = await db.query.notes.findMany({ with: { tags: true } })
 *
 * @throws what {@link createClient} throws
 */
export function drizzle<TSchema extends Schema = Record<string, never>, TClient extends Client = Client>(
  ...params:
    | [source: TClient | string, config?: DrizzleConfig<TSchema>]
    | [config: DrizzleConfig<TSchema> & DrizzleSource<TClient>]
): LibSQLDatabase<TSchema> & { $client: TClient } {
  const [first, second] = params
  if (typeof first === 'string') return construct(open<TClient>(first), second)
  if ('execute' in first) return construct(first, second)
  const { client, connection } = first as { client?: TClient; connection: string | Config }
  return construct(client ?? open<TClient>(connection), first)
}

/** Whoever names a type of client gives the client too. */
const open = <TClient extends Client>(connection: string | Config): TClient =>
  createClient(typeof connection === 'string' ? { url: connection } : connection) as Client as TClient

function construct<TSchema extends Schema, TClient extends Client>(
  client: TClient,
  { logger, schema: fullSchema, casing, cache }: DrizzleConfig<TSchema> = {},
): LibSQLDatabase<TSchema> & { $client: TClient } {
  const dialect = new SQLiteAsyncDialect(casing && { casing })
  const { tables, tableNamesMap } = extractTablesRelationalConfig<ExtractTablesWithRelations<TSchema>>(
    fullSchema ?? {},
    createTableRelationsHelpers,
  )
  const schema = fullSchema && { fullSchema, schema: tables, tableNamesMap }
  const options = {
    ...(logger && { logger: logger === true ? new DefaultLogger() : logger }),
    ...(cache && { cache }),
  }
  const session = new LibSQLSession<TSchema, ExtractTablesWithRelations<TSchema>>(
    withReadableBlobs(client),
    dialect,
    schema,
    options,
    undefined,
  )
  const db = new LibSQLDatabase<TSchema>('async', dialect, session, schema)
  if (cache) db.$cache = { invalidate: (mutation) => cache.onMutate(mutation) }
  return Object.assign(db, { $client: client })
}
