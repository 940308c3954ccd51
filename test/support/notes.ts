/** What tests of one table of notes have alike. */
import type { Database } from '../../src/index.ts'

export const insertNote = (title: string): { sql: string; args: string[] } => ({
  sql: 'insert into notes (title) values (?)',
  args: [title],
})

/** The same without arguments, as scripts have it. */
export const insertNoteText = (title: string): string => `insert into notes (title) values ('${title}')`

/** In the order in which they were inserted. */
export const titlesOf = async (db: Database): Promise<unknown[]> =>
  (await db.execute('select title from notes order by rowid', [], { rowMode: 'array' })).rows.flat()
