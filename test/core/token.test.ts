import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, type AuthToken, type ConnectOptions, type Database, type Fetch } from '../../src/index.ts'
import {
  clearFaults,
  createTestDatabase,
  failNext,
  localPlatform,
  requestsSeen,
  type TestDatabase,
} from '../support/turso.ts'
import { failureOf } from '../support/failure-of.ts'

let fixture: TestDatabase

const client = (authToken: AuthToken | undefined, options: Partial<ConnectOptions> = {}): Database =>
  connect({ url: `libsql://${fixture.hostname}`, authToken, ...options })

beforeAll(async () => {
  fixture = await createTestDatabase()
  await fixture.database.execute('create table notes (id integer primary key, title text)')
})
beforeEach(async () => {
  await clearFaults()
  await fixture.database.execute('delete from notes')
  await requestsSeen()
})

/** A function that returns these, one after the other, and how often it was called. */
function sequence(...tokens: string[]): { next: () => string; calls: () => number } {
  let calls = 0
  return { next: () => tokens[Math.min(calls++, tokens.length - 1)]!, calls: () => calls }
}

/** A second token for the database. */
async function renew(): Promise<string> {
  return await localPlatform().databases.createToken(fixture.name, {
    authorization: 'full-access',
    expiration: '2d',
  })
}

const REFUSED = { kind: 'respond', on: 'pipeline', status: 401, body: '{"error":"expired"}' } as const
const INSERT = "insert into notes (title) values ('x')"

const count = async (): Promise<unknown> =>
  (await fixture.database.execute('select count(*) as n from notes')).rows[0]!['n']

describe('a token from a function', () => {
  test('is asked for at the first request, and kept', async () => {
    for (const make of [
      (next: () => string) => next,
      (next: () => string) => () => Promise.resolve(next()),
    ]) {
      const { next, calls } = sequence(fixture.token)
      const db = client(make(next))
      expect(calls()).toBe(0)
      await db.execute('select 1')
      await db.batch(['select 1'])
      await db.transaction(async (tx) => void (await tx.execute('select 1')))
      for await (const row of db.stream('select 1 as a')) expect(row).toEqual({ a: 1 })
      expect(calls()).toBe(1)
    }
  })

  test('is asked for again, once, when the server refuses the first, and the call succeeds', async () => {
    const { next, calls } = sequence('stale.stale.stale', fixture.token)
    const db = client(next)
    await db.execute(INSERT)
    expect(calls()).toBe(2)
    expect(await requestsSeen()).toHaveLength(2)
    await db.execute(INSERT)
    expect(calls()).toBe(2)
    expect(await requestsSeen()).toHaveLength(1)
    expect(await count()).toBe(2)
  })

  test('is not sent again when it is the one that was refused', async () => {
    const { next, calls } = sequence('stale.stale.stale')
    await expect(client(next).execute(INSERT)).rejects.toMatchObject({ code: 'unauthorized', status: 401 })
    expect(calls()).toBe(2)
    expect(await requestsSeen()).toHaveLength(1)
  })

  test('is asked for no third time in one call, but in the next', async () => {
    const { next, calls } = sequence('stale.1', 'stale.2', 'stale.3', fixture.token)
    const db = client(next)
    await expect(db.execute(INSERT)).rejects.toMatchObject({ code: 'unauthorized' })
    expect(calls()).toBe(2)
    expect(await requestsSeen()).toHaveLength(2)
    await expect(db.execute(INSERT)).rejects.toMatchObject({ code: 'unauthorized' })
    expect(calls()).toBe(3)
    await db.execute(INSERT)
    expect(calls()).toBe(4)
    expect(await count()).toBe(1)
  })

  test('is asked for again with retry: false too: a refused token has done nothing', async () => {
    const { next } = sequence('stale.stale.stale', fixture.token)
    await client(next, { retry: false }).execute(INSERT)
    expect(await count()).toBe(1)
  })

  test('is asked for by each of the calls that need it at once, and none of them waits for another', async () => {
    const { next, calls } = sequence(fixture.token)
    const db = client(async () => next())
    await Promise.all(Array.from({ length: 5 }, () => db.execute('select 1')))
    expect(calls()).toBe(5)
    await Promise.all(Array.from({ length: 5 }, () => db.execute('select 1')))
    expect(calls()).toBe(5)
  })

  test('is taken from another call that has renewed it meanwhile', async () => {
    let current = 'stale.stale.stale'
    let calls = 0
    const db = client(() => {
      calls += 1
      return current
    })
    await failureOf(db.execute('select 1'))
    current = fixture.token
    calls = 0
    const results = await Promise.all(Array.from({ length: 6 }, () => db.execute('select 1 as a')))
    expect(results.map(({ rows }) => rows[0])).toEqual(Array.from({ length: 6 }, () => ({ a: 1 })))
    expect(calls).toBeLessThanOrEqual(6)
    calls = 0
    await db.execute('select 1')
    expect(calls).toBe(0)
  })

  test('fails the call with what it throws or rejects with, and nothing is sent', async () => {
    const reason = new Error('no identity provider')
    for (const authToken of [
      () => {
        throw reason
      },
      () => Promise.reject(reason),
    ]) {
      const db = client(authToken)
      expect(await failureOf(db.execute('select 1'))).toBe(reason)
      expect(await failureOf(db.transaction(async (tx) => void (await tx.execute('select 1'))))).toBe(reason)
      expect(await failureOf(db.stream('select 1').next())).toBe(reason)
      expect(await failureOf(db.version())).toBe(reason)
    }
    expect(await requestsSeen()).toEqual([])
  })

  test('is asked for again at the next call, when it has failed', async () => {
    let isDown = true
    const db = client(() => (isDown ? Promise.reject(new Error('down')) : Promise.resolve(fixture.token)))
    await expect(db.execute('select 1')).rejects.toThrow('down')
    isDown = false
    await db.execute('select 1')
  })

  test('that fails to be renewed fails the call with the reason for that', async () => {
    let calls = 0
    const db = client(() => {
      if (++calls > 1) throw new Error('no second token')
      return 'stale.stale.stale'
    })
    await expect(db.execute('select 1')).rejects.toThrow('no second token')
  })

  test('that never comes is bounded by the time and the signal of the call', async () => {
    const db = client(() => new Promise<string>(() => {}))
    await expect(db.execute('select 1', [], { timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' })
    const controller = new AbortController()
    const call = db.execute('select 1', [], { signal: controller.signal })
    const reason = new Error('the user left')
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
  })

  test('goes on with a transaction in whose middle it was refused: nothing of it is lost', async () => {
    let token = fixture.token
    const sent: string[] = []
    const fetch: Fetch = (url, init) => {
      sent.push(init.headers['authorization'] ?? '')
      return globalThis.fetch(url, init)
    }
    let calls = 0
    const db = client(
      () => {
        calls += 1
        return token
      },
      { fetch },
    )
    await db.transaction(async (tx) => {
      await tx.execute(INSERT)
      await failNext(REFUSED)
      token = await renew()
      await tx.execute(INSERT)
      await tx.transaction(async (inner) => void (await inner.execute(INSERT)))
    })
    expect(calls).toBe(2)
    expect(await count()).toBe(3)
    expect(new Set(sent).size).toBe(2)
  })

  test('ends a transaction in whose middle it was refused for good', async () => {
    const db = client(() => fixture.token)
    const tx = await db.transaction({ mode: 'deferred' })
    await tx.execute('select 1')
    await failNext(REFUSED)
    expect(await failureOf(tx.execute('select 1'))).toMatchObject({
      code: 'stream_lost',
      outcome: 'rolled_back',
      cause: { code: 'unauthorized' },
    })
  })

  test('is renewed for a stream of rows, for a script and for probes', async () => {
    const fault = { kind: 'respond', status: 401, body: '{"error":"expired"}' } as const
    const renewed = await renew()
    for (const run of [
      async (db: Database) => void (await db.stream('select 1').next()),
      (db: Database) => db.executeMultiple('select 1; select 2'),
      (db: Database) => db.describe('select 1'),
      (db: Database) => db.version(),
      (db: Database) => db.health(),
      (db: Database) => db.waitUntilReady(),
    ]) {
      await clearFaults()
      const { next, calls } = sequence(fixture.token, renewed)
      await failNext(fault)
      await run(client(next))
      expect(calls()).toBe(2)
    }
  })
})

describe('a token', () => {
  test('that is a string is never replaced: a 401 is a 401', async () => {
    await expect(client('stale.stale.stale').execute('select 1')).rejects.toMatchObject({
      code: 'unauthorized',
    })
    expect(await requestsSeen()).toHaveLength(1)
  })

  test.each(['hunter2\r\nx-evil: 1', 'hunter2\n', ' hunter2', 'hünter2', 'hunter 2', ''])(
    'that no header can carry (%j) is refused without being quoted, whichever way it comes',
    async (token) => {
      for (const authToken of [token, () => token, () => Promise.resolve(token)]) {
        const error = (await failureOf(client(authToken).execute('select 1'))) as Error
        expect(error).toBeInstanceOf(TypeError)
        expect(error.message).toMatch(/^The token is .*has characters that a header cannot carry$/)
        expect(error.message).not.toMatch(/hunter|h\u00fcnter/)
        expect(error.cause).toBeUndefined()
      }
      expect(await requestsSeen()).toEqual([])
    },
  )

  test('that a function leaves out means no authorization', async () => {
    const error = await failureOf(client(() => undefined as never).execute('select 1'))
    expect(error).toMatchObject({ code: 'unauthorized' })
  })

  test('is in no error that quotes a server, also after it has been renewed', async () => {
    const echo: Fetch = (_, init) =>
      Promise.resolve(new Response(`who is ${init.headers['authorization'] ?? ''}?`, { status: 401 }))
    const { next } = sequence('first-secret', 'second-secret')
    const error = (await failureOf(client(next, { fetch: echo }).execute('select 1'))) as Error
    expect(error.message).toMatch(/who is Bearer \[secret\]\?$/)
    expect(JSON.stringify(Object.entries(error))).not.toMatch(/first-secret|second-secret/)
  })
})
