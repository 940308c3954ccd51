import { LibsqlDialect } from '@libsql/kysely-libsql'
import { CamelCasePlugin, Kysely, sql, type Generated } from 'kysely'
import { beforeEach, describe, expect, test } from 'vitest'
import { createClient, LibsqlError } from '../../../src/libsql/index.ts'
import { createTestDatabase } from '../../support/turso.ts'

interface Tables {
  author: { id: Generated<number>; name: string; picture: ArrayBuffer | Uint8Array | null }
  book: { id: Generated<number>; title: string; authorId: number; pages: number | bigint | null }
}

let kysely: Kysely<Tables>
let config: { url: string; authToken: string }

beforeEach(async () => {
  const { hostname, token } = await createTestDatabase()
  config = { url: `libsql://${hostname}`, authToken: token }
  kysely = new Kysely<Tables>({
    dialect: new LibsqlDialect({ client: createClient(config) }),
    plugins: [new CamelCasePlugin()],
  })
  await kysely.schema
    .createTable('author')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('picture', 'blob')
    .execute()
  await kysely.schema
    .createTable('book')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('title', 'text', (column) => column.notNull())
    .addColumn('authorId', 'integer', (column) => column.references('author.id'))
    .addColumn('pages', 'integer')
    .execute()
})

const author = (name: string) => ({ name, picture: null })

describe('@libsql/kysely-libsql', () => {
  test('inserts, joins, updates and deletes', async () => {
    const { insertId } = await kysely.insertInto('author').values(author('Ada')).executeTakeFirstOrThrow()
    expect(insertId).toBe(1n)
    await kysely
      .insertInto('book')
      .values({ title: 'Notes', authorId: Number(insertId), pages: 7 })
      .execute()
    const rows = await kysely
      .selectFrom('book')
      .innerJoin('author', 'author.id', 'book.authorId')
      .select(['title', 'name', 'book.authorId', sql<string>`typeof(pages)`.as('typeOfPages')])
      .execute()
    expect(rows).toEqual([{ title: 'Notes', name: 'Ada', authorId: 1, typeOfPages: 'integer' }])
    const updated = await kysely.updateTable('author').set({ name: 'Eve' }).executeTakeFirst()
    expect(updated.numUpdatedRows).toBe(1n)
    expect(await kysely.deleteFrom('book').returning('title').execute()).toEqual([{ title: 'Notes' }])
  })

  test('stores blobs and large integers', async () => {
    const exact = new Kysely<Tables>({
      dialect: new LibsqlDialect({ client: createClient({ ...config, intMode: 'bigint' }) }),
      plugins: [new CamelCasePlugin()],
    })
    const picture = new Uint8Array([0, 255, 128])
    await exact.insertInto('author').values({ name: 'Ada', picture }).execute()
    await exact
      .insertInto('book')
      .values({ title: 'Long', authorId: 1, pages: 2n ** 62n })
      .execute()
    const { picture: stored } = await exact.selectFrom('author').select('picture').executeTakeFirstOrThrow()
    expect(new Uint8Array(stored as ArrayBuffer)).toEqual(picture)
    expect(await exact.selectFrom('book').select('pages').execute()).toEqual([{ pages: 2n ** 62n }])
  })

  test('commits a transaction, and rolls one back that throws', async () => {
    await kysely.transaction().execute(async (tx) => {
      await tx.insertInto('author').values(author('Ada')).execute()
      // Kysely itself runs one query at a time on SQLite, and would wait for its own transaction.
      expect((await createClient(config).execute('select * from author')).rows).toEqual([])
    })
    const failed = kysely.transaction().execute(async (tx) => {
      await tx.insertInto('author').values(author('Bob')).execute()
      throw new Error('changed my mind')
    })
    await expect(failed).rejects.toThrow('changed my mind')
    expect(await kysely.selectFrom('author').select('name').execute()).toEqual([{ name: 'Ada' }])
  })

  test('has savepoints within a transaction, as SQL', async () => {
    await kysely.transaction().execute(async (tx) => {
      await tx.insertInto('author').values(author('Ada')).execute()
      await sql`savepoint one`.execute(tx)
      await tx.insertInto('author').values(author('Bob')).execute()
      await sql`rollback to one`.execute(tx)
      await sql`release one`.execute(tx)
    })
    expect(await kysely.selectFrom('author').select('name').execute()).toEqual([{ name: 'Ada' }])
  })

  test('goes on with a transaction in which a statement failed', async () => {
    await kysely.insertInto('author').values(author('Ada')).execute()
    await kysely.transaction().execute(async (tx) => {
      const error = await tx
        .insertInto('author')
        .values(author('Ada'))
        .execute()
        .catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(LibsqlError)
      expect(error).toMatchObject({ code: 'SQLITE_CONSTRAINT', rawCode: 2067 })
      await tx.insertInto('author').values(author('Bob')).execute()
    })
    expect(await kysely.selectFrom('author').select('name').execute()).toEqual([
      { name: 'Ada' },
      { name: 'Bob' },
    ])
  })

  test('looks at the schema', async () => {
    const tables = await kysely.introspection.getTables()
    expect(tables.map(({ name }) => name)).toEqual(['author', 'book'])
  })
})
