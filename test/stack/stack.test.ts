import { createClient, type Client } from '@libsql/client'
import { connect as connectServerless } from '@tursodatabase/serverless'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
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

test('an unmodified @tursodatabase/serverless queries and runs transactions through the gateway', async () => {
  const { database, token } = await signUp(stack, 'serverless')
  // It adds a path to a URL that has no slash at its end.
  const db = connectServerless({ url: database.gateway_url.replace(/\/$/, ''), authToken: token.jwt })
  const add = async (title: string): Promise<void> => {
    await (await db.prepare('insert into notes (title) values (?)')).run([title])
  }
  await add('alone')
  await db.transaction(add)('committed')
  const failing = db.transaction(async () => {
    await add('undone')
    throw new Error('change of mind')
  })
  await expect(failing()).rejects.toThrow('change of mind')
  const rows = (await (await db.prepare('select title from notes order by id')).all()) as { title: string }[]
  expect(rows.map(({ title }) => title)).toEqual(['alone', 'committed'])
  await db.close()
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
