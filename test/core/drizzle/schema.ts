/** Tables that the tests of drizzle share. */
import { relations, sql } from 'drizzle-orm'
import { customType, integer, real, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** drizzle's own blob columns need `Buffer`, which Workers without Node compatibility have not. */
const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => 'blob',
  fromDriver: (value) => new Uint8Array(value),
})

export const authors = sqliteTable('authors', {
  id: integer('id').primaryKey(),
  name: text('name').notNull().unique(),
  picture: bytes('picture'),
})

export const books = sqliteTable('books', {
  id: integer('id').primaryKey(),
  title: text('title').notNull(),
  price: real('price'),
  isSold: integer('is_sold', { mode: 'boolean' }).notNull().default(false),
  printedAt: integer('printed_at', { mode: 'timestamp_ms' }),
  keywords: text('keywords', { mode: 'json' }).$type<string[]>(),
  authorId: integer('author_id').references(() => authors.id),
})

export const authorsRelations = relations(authors, ({ many }) => ({ books: many(books) }))
export const booksRelations = relations(books, ({ one }) => ({
  author: one(authors, { fields: [books.authorId], references: [authors.id] }),
}))

export const createTables = [
  sql`create table authors (id integer primary key, name text not null unique, picture blob)`,
  sql`create table books (id integer primary key, title text not null, price real, is_sold integer not null default 0,
    printed_at integer, keywords text, author_id integer references authors (id))`,
]
