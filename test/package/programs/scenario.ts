/** What a user's program does with a database, wherever it runs. Copied into a project that has installed the package. */
import { connect, isTursoError, sql } from 'turso-edge'

export interface Access {
  readonly url: string
  readonly authToken: string
}

interface Note {
  id: number
  title: string
}

/** Everything in the answer is JSON, and the same in every runtime. */
export async function runScenario({ url, authToken }: Access): Promise<Record<string, unknown>> {
  const db = connect({ url, authToken })
  const created = await db.batch([
    'create table notes (id integer primary key, title text unique, body blob)',
    sql`insert into notes (title) values (${'a'}), (${'b'})`,
  ])
  const found = await db.execute<Note>('select id, title from notes where title = :title', { title: 'b' })

  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
  await db.execute('update notes set body = ? where id = ?', [bytes, 1])
  const [blob] = (await db.execute('select body from notes where id = 1', [], { rowMode: 'array' })).rows

  const committed = await db.transaction(async (tx) => {
    await tx.execute('insert into notes (title) values (?)', ['c'])
    return (await tx.execute('select count(*) as n from notes')).rows
  })
  const thrown = await db
    .transaction(async (tx) => {
      await tx.execute('delete from notes')
      await tx.execute('insert into notes (title) values (?), (?)', ['d', 'd'])
    })
    .catch((error: unknown) => error)
  const left = await db.execute('select title from notes order by id')

  return {
    created: created.map(({ rowsAffected }) => rowsAffected),
    found: found.rows,
    blob: blob?.map((value) => (value instanceof Uint8Array ? [...value].join() : 'no bytes')),
    committed,
    refused: isTursoError(thrown, 'sql_error') ? thrown.sqlCode : String(thrown),
    left: left.rows,
  }
}
