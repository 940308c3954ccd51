import { createClient, type Client } from '@libsql/client'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect } from '../../src/index.ts'
import { postSignup, signUp, startStack, type RunningStack } from './worker-and-turso.ts'

let stack: RunningStack

beforeAll(async () => {
  stack = await startStack()
})
afterAll(async () => {
  await stack.close()
})

const titles = async (client: Client): Promise<unknown[]> =>
  (await client.execute('select title from notes order by id')).rows.map((row) => row['title'])

describe('an unmodified @libsql/client', () => {
  test('writes and reads with the http_url and the token of a signup', async () => {
    const { database, token } = await signUp(stack, 'direct')
    for (const url of [database.http_url, database.url]) {
      const client = createClient({ url, authToken: token.jwt })
      await client.batch([{ sql: 'insert into notes (title) values (?)', args: [url] }], 'write')
      expect(await titles(client)).toContain(url)
      client.close()
    }
  })

  test("gets 401 or 404 with another tenant's token", async () => {
    const one = await signUp(stack, 'mine')
    const two = await signUp(stack, 'yours')
    for (const url of [one.database.http_url, one.database.gateway_url]) {
      const client = createClient({ url, authToken: two.token.jwt })
      await expect(client.execute('select * from notes')).rejects.toThrow(/40[14]|doesn't exist/)
      client.close()
    }
  })

  test('runs interactive transactions through the gateway: one committed, one rolled back', async () => {
    const { database, token } = await signUp(stack, 'interactive')
    const client = createClient({ url: database.gateway_url, authToken: token.jwt })
    const kept = await client.transaction('write')
    await kept.execute("insert into notes (title) values ('kept')")
    const { rows } = await kept.execute('select count(*) as n from notes')
    expect(rows[0]!['n']).toBe(1)
    await kept.commit()
    const dropped = await client.transaction('write')
    await dropped.execute("insert into notes (title) values ('dropped')")
    await dropped.rollback()
    expect(await titles(client)).toEqual(['kept'])
    client.close()
    expect(stack.turso.streams()).toEqual([])
  })

  test('executes with arguments of every kind, and runs batches whole or not at all through the gateway', async () => {
    const { database, token } = await signUp(stack, 'batches')
    const client = createClient({ url: database.gateway_url, authToken: token.jwt, intMode: 'bigint' })
    onTestFinished(() => client.close())
    const args = { a: null, b: 0.1, c: 'ß\u{1F600}', d: new Uint8Array([0, 255]), e: 2n ** 62n }
    const { rows } = await client.execute({ sql: 'select :a as a, :b as b, :c as c, :d as d, :e as e', args })
    expect({ ...rows[0], d: [...new Uint8Array(rows[0]!['d'] as ArrayBuffer)] }).toMatchObject({
      ...args,
      d: [0, 255],
    })
    const [inserted] = await client.batch(
      [
        { sql: 'insert into notes (title) values (?)', args: ['a'] },
        "insert into notes (title) values ('b')",
      ],
      'write',
    )
    expect(inserted).toMatchObject({ rowsAffected: 1, lastInsertRowid: 1n })
    await expect(
      client.batch(["insert into notes (title) values ('c')", 'insert into nowhere values (1)'], 'write'),
    ).rejects.toThrow(/nowhere/)
    await client.executeMultiple("insert into notes (title) values ('d'); create table t (a)")
    await client.migrate(['create table u (a)'])
    expect(await titles(client)).toEqual(['a', 'b', 'd'])
    expect(stack.turso.streams().filter((stream) => stream.database === database.name)).toEqual([])
  })

  test('runs transactions side by side, on two tenants and on one', async () => {
    const tenants = await Promise.all(['side-a', 'side-b'].map((id) => signUp(stack, id)))
    await Promise.all(
      tenants.flatMap(({ database, token }) =>
        [1, 2, 3].map(async (n) => {
          const client = createClient({ url: database.gateway_url, authToken: token.jwt })
          const transaction = await client.transaction('write')
          await transaction.execute({ sql: 'insert into notes (title) values (?)', args: [`note ${n}`] })
          await transaction.commit()
          client.close()
        }),
      ),
    )
    for (const { database, token } of tenants) {
      const client = createClient({ url: database.http_url, authToken: token.jwt })
      expect((await titles(client)).map(String).toSorted()).toEqual(['note 1', 'note 2', 'note 3'])
      client.close()
    }
  })

  test("keeps the database's own words for an SQL error, directly and through the gateway", async () => {
    const { database, token } = await signUp(stack, 'errors')
    for (const url of [database.http_url, database.gateway_url]) {
      const client = createClient({ url, authToken: token.jwt })
      await expect(client.execute('select * from nowhere')).rejects.toThrow(/no such table: nowhere/)
      client.close()
    }
  })
})

test('an unmodified drizzle queries and runs transactions through the gateway', async () => {
  const { database, token } = await signUp(stack, 'drizzle')
  const client = createClient({ url: database.gateway_url, authToken: token.jwt })
  onTestFinished(() => client.close())
  expect(client.protocol).toBe('http')
  const notes = sqliteTable('notes', {
    id: integer().primaryKey({ autoIncrement: true }),
    title: text().notNull(),
  })
  const db = drizzle(client)
  await db.insert(notes).values([{ title: 'a' }, { title: 'b' }])
  await db.transaction(async (tx) => {
    const [{ id } = { id: 0 }] = await tx.select().from(notes).limit(1)
    await tx.insert(notes).values({ title: `after ${id}` })
  })
  await expect(
    db.transaction(async (tx) => {
      await tx.insert(notes).values({ title: 'undone' })
      throw new Error('no')
    }),
  ).rejects.toThrow('no')
  await db.batch([
    db.insert(notes).values({ title: 'in a batch' }),
    db.update(notes).set({ title: 'c' }).where(eq(notes.title, 'b')),
  ])
  expect(await db.select({ title: notes.title }).from(notes).orderBy(notes.id)).toEqual(
    ['a', 'c', 'after 1', 'in a batch'].map((title) => ({ title })),
  )
})

describe('when Turso cannot be reached', () => {
  test('a signup is 202 with Retry-After, and is done once it is back', async () => {
    await signUp(stack, 'before')
    await stack.unplug()
    const accepted = await postSignup(stack, 'patient')
    expect(accepted.status).toBe(202)
    expect(Number(accepted.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(accepted.headers.get('location')).toMatch(/\/v1\/tenants\/patient$/)
    await stack.plug()
    // An alarm may be at it; then the signup that follows is told so, and comes again.
    const { tenant, database, token } = await vi.waitFor(() => signUp(stack, 'patient'), {
      timeout: 60_000,
      interval: 500,
    })
    expect(tenant.status).toBe('active')
    const db = connect({ url: database.http_url, authToken: token.jwt })
    expect((await db.execute('select * from notes')).rows).toEqual([])
  })

  test('the gateway says so in the form that Hrana clients read', async () => {
    const { database, token } = await signUp(stack, 'cut-off')
    await stack.unplug()
    const client = createClient({ url: database.gateway_url, authToken: token.jwt })
    await expect(client.execute('select 1')).rejects.toThrow(/No whole answer came/)
    await expect(client.transaction('write').then((tx) => tx.execute('select 1'))).rejects.toThrow(
      /No whole answer came/,
    )
    client.close()
    await stack.plug()
  })
})

test('no token and no key is in the log', async () => {
  const { token } = await signUp(stack, 'logged')
  const logs = stack.logs()
  expect(logs).toMatch(/signup_/)
  for (const secret of [token.jwt, 'local-platform-token', 'signup-key', 'b1b1b1'])
    expect(logs).not.toContain(secret)
})
