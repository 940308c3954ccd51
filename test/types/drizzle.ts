/** The types of `turso-edge/drizzle`: those of drizzle-orm. Compiled and never run. */
import { eq } from 'drizzle-orm'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { drizzle } from 'turso-edge/drizzle'
import { createClient, type Client } from 'turso-edge/libsql'
import { typeOf } from './type-of.ts'

const notes = sqliteTable('notes', { id: integer().primaryKey(), title: text() })

export async function rowsAreThoseOfTheTable(url: string, authToken: string | undefined): Promise<void> {
  const db = drizzle({ connection: { url, authToken }, schema: { notes } })
  typeOf(await db.select().from(notes).where(eq(notes.id, 1))).is<{ id: number; title: string | null }[]>()
  typeOf(await db.query.notes.findFirst()).is<{ id: number; title: string | null } | undefined>()
  typeOf(await db.transaction(async (tx) => (await tx.select().from(notes)).length)).is<number>()
  // @ts-expect-error -- a title is text
  await db.insert(notes).values({ title: 1 })
}

export function theClientCanBeGiven(url: string): void {
  typeOf(drizzle({ client: createClient({ url }) }).$client).is<ReturnType<typeof createClient>>()
  typeOf(drizzle(url).$client).is<Client>()
}
