/** One suite for drizzle's own driver over this client, and for the driver that leaves `@libsql/client` out. */
import { count, DrizzleQueryError, eq, sql } from 'drizzle-orm'
import { Cache } from 'drizzle-orm/cache/core'
import { sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { drizzle as ofDrizzleOrm } from 'drizzle-orm/libsql'
import { drizzle as ofDrizzleOrmWeb } from 'drizzle-orm/libsql/web'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { drizzle, type LibSQLDatabase } from '../../../src/drizzle/index.ts'
import { createClient, LibsqlError, type Client } from '../../../src/libsql/index.ts'
import { createTestDatabase, requestsSeen } from '../../support/turso.ts'
import * as schema from './schema.ts'

const { authors, books } = schema

const isWorker = navigator.userAgent === 'Cloudflare-Workers'

interface Connection {
  url: string
  authToken: string
}

const openDatabase = async (): Promise<Connection> => {
  const { hostname, token } = await createTestDatabase()
  return { url: `libsql://${hostname}`, authToken: token }
}

type Db = LibSQLDatabase<typeof schema>

describe.each<[string, (connection: Connection) => Db]>([
  ['drizzle-orm/libsql', (connection) => ofDrizzleOrm({ client: createClient(connection), schema })],
  ['drizzle-orm/libsql/web', (connection) => ofDrizzleOrmWeb({ client: createClient(connection), schema })],
  ['turso-edge/drizzle', (connection) => drizzle({ connection, schema })],
])('%s', (name, open) => {
  let connection: Connection
  let db: Db

  beforeEach(async () => {
    connection = await openDatabase()
    db = open(connection)
    for (const statement of schema.createTables) await db.run(statement)
  })

  test('inserts and selects with every kind of value', async () => {
    const printedAt = new Date(1_700_000_000_000)
    const [author] = await db.insert(authors).values({ name: 'Ada' }).returning()
    const result = await db.insert(books).values({
      title: 'Notes',
      price: 12.5,
      isSold: true,
      printedAt,
      keywords: ['a', 'b'],
      authorId: author!.id,
    })
    expect([result.rowsAffected, result.lastInsertRowid]).toEqual([1, 1n])
    expect(await db.select().from(books)).toEqual([
      {
        id: 1,
        title: 'Notes',
        price: 12.5,
        isSold: true,
        printedAt,
        keywords: ['a', 'b'],
        authorId: author!.id,
      },
    ])
    expect(await db.select({ n: count() }).from(books)).toEqual([{ n: 1 }])
    expect(await db.$count(books)).toBe(1)
    expect(await db.select().from(books).where(eq(books.id, 2)).get()).toBeUndefined()
  })

  test('joins', async () => {
    await db.insert(authors).values([{ name: 'Ada' }, { name: 'Grace' }])
    await db.insert(books).values({ title: 'Notes', authorId: 1 })
    const rows = await db
      .select({ name: authors.name, title: books.title })
      .from(authors)
      .leftJoin(books, eq(books.authorId, authors.id))
      .orderBy(authors.id)
    expect(rows).toEqual([
      { name: 'Ada', title: 'Notes' },
      { name: 'Grace', title: null },
    ])
    const whole = await db
      .select()
      .from(authors)
      .leftJoin(books, eq(books.authorId, authors.id))
      .orderBy(authors.id)
    expect(whole.map((row) => row.books?.title)).toEqual(['Notes', undefined])
  })

  test('answers relational queries', async () => {
    await db.insert(authors).values([{ name: 'Ada' }, { name: 'Grace' }])
    await db.insert(books).values([
      { title: 'One', authorId: 1 },
      { title: 'Two', authorId: 1 },
    ])
    const found = await db.query.authors.findMany({
      columns: { name: true },
      with: { books: { columns: { title: true }, orderBy: books.id } },
      orderBy: authors.id,
    })
    expect(found).toEqual([
      { name: 'Ada', books: [{ title: 'One' }, { title: 'Two' }] },
      { name: 'Grace', books: [] },
    ])
    const book = await db.query.books.findFirst({ with: { author: { columns: { name: true } } } })
    expect(book?.author?.name).toBe('Ada')
  })

  test('runs raw SQL, prepared statements and placeholders', async () => {
    await db.insert(authors).values({ name: 'Ada' })
    expect(await db.all(sql`select id, name from authors`)).toEqual([{ id: 1, name: 'Ada' }])
    expect(await db.get(sql`select name from authors`)).toEqual({ name: 'Ada' })
    const [values] = await db.values(sql`select id, name from authors`)
    expect(Array.from(values!)).toEqual([1, 'Ada'])
    const byName = db
      .select()
      .from(authors)
      .where(eq(authors.name, sql.placeholder('name')))
      .prepare()
    expect(await byName.all({ name: 'Ada' })).toHaveLength(1)
    expect(await byName.all({ name: 'Bob' })).toEqual([])
  })

  test('runs a batch in one request, all of it or nothing', async () => {
    await requestsSeen()
    const [inserted, found, , first] = await db.batch([
      db.insert(authors).values({ name: 'Ada' }).returning({ id: authors.id }),
      db.select().from(authors),
      db.run(sql`update authors set name = 'Eve'`),
      db.query.authors.findFirst(),
    ])
    expect(await requestsSeen()).toHaveLength(1)
    expect(inserted).toEqual([{ id: 1 }])
    expect(found.map((author) => author.name)).toEqual(['Ada'])
    expect(first?.name).toBe('Eve')
    await expect(
      db.batch([db.insert(authors).values({ name: 'Bob' }), db.insert(authors).values({ name: 'Eve' })]),
    ).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT', statementIndex: 1 })
    expect(await db.$count(authors)).toBe(1)
  })

  test('commits a transaction, and rolls one back that throws', async () => {
    const returned = await db.transaction(async (tx) => {
      await tx.insert(authors).values({ name: 'Ada' })
      expect(await tx.$count(authors)).toBe(1)
      expect(await db.$count(authors)).toBe(0)
      return 'done'
    })
    expect(returned).toBe('done')
    await expect(
      db.transaction(async (tx) => {
        await tx.insert(authors).values({ name: 'Bob' })
        tx.rollback()
      }),
    ).rejects.toThrow('Rollback')
    expect((await db.select().from(authors)).map((author) => author.name)).toEqual(['Ada'])
  })

  test('nests transactions', async () => {
    await db.transaction(async (tx) => {
      await tx.insert(authors).values({ name: 'outer' })
      await tx.transaction(async (inner) => {
        await inner.insert(authors).values({ name: 'inner' })
        await expect(
          inner.transaction(async (innermost) => {
            await innermost.insert(authors).values({ name: 'gone' })
            throw new Error('changed my mind')
          }),
        ).rejects.toThrow('changed my mind')
      })
      await tx.insert(authors).values({ name: 'after' })
    })
    expect((await db.select().from(authors)).map((author) => author.name)).toEqual([
      'outer',
      'inner',
      'after',
    ])
  })

  test('tells a violation of uniqueness by the cause of its error', async () => {
    await db.insert(authors).values({ name: 'Ada' })
    const error = await db
      .insert(authors)
      .values({ name: 'Ada' })
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(DrizzleQueryError)
    const { cause } = error as DrizzleQueryError
    expect(cause).toBeInstanceOf(LibsqlError)
    expect(cause).toMatchObject({ extendedCode: 'SQLITE_CONSTRAINT_UNIQUE', rawCode: 2067 })
  })

  const picture = new Uint8Array([0, 255, 128, 200])

  /** What was stored as a picture, read in every way. */
  async function readPictures(): Promise<unknown[]> {
    await db.insert(authors).values({ name: 'Ada', picture })
    const [selected] = await db.select().from(authors)
    const [[batched]] = await db.batch([db.select().from(authors)])
    const inside = await db.transaction((tx) => tx.select().from(authors).get())
    return [selected, batched, inside].map((author) => author!.picture)
  }

  test('stores blobs that are no text', async () => {
    expect(await readPictures()).toEqual([picture, picture, picture])
  })

  // In Node the local Turso runs in the same process, and needs it.
  test.runIf(isWorker && name === 'turso-edge/drizzle')('stores them where there is no Buffer', async () => {
    vi.stubGlobal('Buffer', undefined)
    onTestFinished(() => void vi.unstubAllGlobals())
    db = open(connection)
    expect(await readPictures()).toEqual([picture, picture, picture])
  })

  // Its migrator reads files.
  test.skipIf(isWorker)('migrates from a folder, and only what is new', async () => {
    const { migrate } = await import('drizzle-orm/libsql/migrator')
    const fresh = open(await openDatabase())
    const config = { migrationsFolder: 'test/core/drizzle/migrations' }
    await migrate(fresh, config)
    await migrate(fresh, config)
    expect(await fresh.all(sql`select created_at from __drizzle_migrations`)).toHaveLength(2)
    await fresh.run(sql`insert into books (id) values (1)`)
  })
})

describe('turso-edge/drizzle', () => {
  test.each<[string, (connection: Connection, client: Client) => LibSQLDatabase]>([
    ['a URL', ({ url, authToken }) => drizzle(`${url}?authToken=${authToken}`)],
    ['a URL as connection', ({ url, authToken }) => drizzle({ connection: `${url}?authToken=${authToken}` })],
    ['a configuration as connection', (connection) => drizzle({ connection })],
    ['a client', (_, client) => drizzle(client)],
    ['a client by its name', (_, client) => drizzle({ client })],
  ])('is made of %s', async (_, open) => {
    const connection = await openDatabase()
    const db = open(connection, createClient(connection))
    expect(await db.get(sql`select 1 as one`)).toEqual({ one: 1 })
  })

  test('gives its client as $client', async () => {
    const client = createClient(await openDatabase())
    expect(drizzle({ client }).$client).toBe(client)
  })

  test('translates names as casing says, and logs what it runs', async () => {
    const queries: string[] = []
    const logger = { logQuery: (query: string) => void queries.push(query) }
    const people = sqliteTable('people', { firstName: text() })
    const db = drizzle({ connection: await openDatabase(), logger, casing: 'snake_case' })
    await db.run(sql`create table people (first_name text)`)
    await db.insert(people).values({ firstName: 'Ada' })
    expect(await db.select().from(people)).toEqual([{ firstName: 'Ada' }])
    expect(queries.at(-1)).toBe('select "first_name" from "people"')
  })

  test('asks a cache before the database, and tells it of changes', async () => {
    const stored = new Map<string, unknown[]>()
    class MemoryCache extends Cache {
      override strategy = () => 'all' as const
      override get = async (key: string) => stored.get(key)
      override put = async (key: string, rows: unknown[]) => void stored.set(key, rows)
      override onMutate = async () => stored.clear()
    }
    const db = drizzle({ connection: await openDatabase(), cache: new MemoryCache() })
    for (const statement of schema.createTables) await db.run(statement)
    await db.insert(authors).values({ name: 'Ada' })
    expect(await db.select().from(authors)).toHaveLength(1)
    expect(stored.size).toBe(1)
    await db.$cache.invalidate({ tables: 'authors' })
    expect(stored.size).toBe(0)
  })

  test('needs to be told what to connect to', () => {
    expect(() => drizzle({ schema } as never)).toThrow(TypeError)
  })
})
