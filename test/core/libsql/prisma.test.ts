/** Prisma's adapter, driven by the interface through which Prisma drives it. */
import { PrismaLibSql } from '@prisma/adapter-libsql/web'
import { beforeEach, describe, expect, test } from 'vitest'
import { createClient } from '../../../src/libsql/index.ts'
import { createTestDatabase } from '../../support/turso.ts'

class PrismaTursoEdge extends PrismaLibSql {
  override createClient = createClient
}

type Adapter = Awaited<ReturnType<PrismaLibSql['connect']>>
type Query = Parameters<Adapter['queryRaw']>[0]
type ScalarType = Query['argTypes'][number]['scalarType']

let adapter: Adapter

beforeEach(async () => {
  const { hostname, token } = await createTestDatabase()
  adapter = await new PrismaTursoEdge({ url: `libsql://${hostname}`, authToken: token }).connect()
  await adapter.executeScript(`
    CREATE TABLE "User" ("id" INTEGER NOT NULL PRIMARY KEY, "email" TEXT NOT NULL, "big" BIGINT, "at" DATETIME, "data" BLOB);
    CREATE UNIQUE INDEX "User_email_key" ON "User" ("email");
    CREATE TABLE "Post" ("id" INTEGER NOT NULL PRIMARY KEY, "userId" INTEGER NOT NULL REFERENCES "User" ("id"));
  `)
})

function query(sql: string, ...args: [value: unknown, type: ScalarType][]): Query {
  return {
    sql,
    args: args.map(([value]) => value),
    argTypes: args.map(([, scalarType]) => ({ scalarType, arity: 'scalar' as const })),
  }
}

const insert = (email: string): Query => query('INSERT INTO "User" ("email") VALUES (?)', [email, 'string'])
const emails = async (): Promise<unknown[]> =>
  (await adapter.queryRaw(query('SELECT "email" FROM "User" ORDER BY "id"'))).rows.flat()

const kindOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no failure',
    (error: unknown) => (error as { cause?: unknown }).cause ?? error,
  )

describe('@prisma/adapter-libsql', () => {
  test('runs queries with every kind of value', async () => {
    const bytes = new Uint8Array([0, 255, 128])
    const row = query(
      'INSERT INTO "User" ("email", "big", "at", "data") VALUES (?, ?, ?, ?) RETURNING *',
      ['ada@test', 'string'],
      ['9007199254740991', 'bigint'],
      ['2024-01-02T03:04:05.678Z', 'datetime'],
      [bytes, 'unknown'],
    )
    const { columnNames, columnTypes, rows } = await adapter.queryRaw(row)
    expect(columnNames).toEqual(['id', 'email', 'big', 'at', 'data'])
    expect(columnTypes).toHaveLength(5)
    expect(rows).toEqual([[1, 'ada@test', 9007199254740991, '2024-01-02T03:04:05.678+00:00', bytes]])
    expect(await adapter.executeRaw(query('UPDATE "User" SET "email" = ?', ['eve@test', 'string']))).toBe(1)
  })

  test('recognises a violation of uniqueness, with the field and the table', async () => {
    await adapter.executeRaw(insert('ada@test'))
    expect(await kindOf(adapter.executeRaw(insert('ada@test')))).toMatchObject({
      kind: 'UniqueConstraintViolation',
      constraint: { fields: ['email'] },
      originalCode: '2067',
    })
  })

  test('recognises violations of NOT NULL and of a foreign key', async () => {
    expect(
      await kindOf(adapter.executeRaw(query('INSERT INTO "User" ("email") VALUES (NULL)'))),
    ).toMatchObject({
      kind: 'NullConstraintViolation',
      constraint: { fields: ['email'] },
    })
    const tx = await adapter.startTransaction()
    await tx.executeRaw(query('PRAGMA defer_foreign_keys = off'))
    const orphan = tx.executeRaw(query('INSERT INTO "Post" ("userId") VALUES (77)'))
    expect(await kindOf(orphan)).toMatchObject({ kind: 'ForeignKeyConstraintViolation' })
    await tx.rollback()
  })

  test('commits and rolls back transactions', async () => {
    const kept = await adapter.startTransaction('SERIALIZABLE')
    await kept.executeRaw(insert('kept@test'))
    await kept.commit()
    const gone = await adapter.startTransaction()
    await gone.executeRaw(insert('gone@test'))
    expect((await gone.queryRaw(query('SELECT count(*) FROM "User"'))).rows).toEqual([[2]])
    await gone.rollback()
    expect(await emails()).toEqual(['kept@test'])
  })

  test('goes on with a transaction after a violation, and has savepoints in it', async () => {
    const tx = await adapter.startTransaction()
    await tx.executeRaw(insert('one@test'))
    expect(await kindOf(tx.executeRaw(insert('one@test')))).toMatchObject({
      kind: 'UniqueConstraintViolation',
    })
    await tx.executeRaw(query('SAVEPOINT s1'))
    await tx.executeRaw(insert('two@test'))
    await tx.executeRaw(query('ROLLBACK TO s1'))
    await tx.executeRaw(query('RELEASE SAVEPOINT s1'))
    await tx.commit()
    expect(await emails()).toEqual(['one@test'])
  })
})
