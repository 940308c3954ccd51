import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  connect,
  type ConnectOptions,
  type Database,
  type RequestEvent,
  type ResponseEvent,
} from '../../src/index.ts'
import {
  clearFaults,
  createTestDatabase,
  failNext,
  requestsSeen,
  type TestDatabase,
} from '../support/turso.ts'

let fixture: TestDatabase

type Event = ['request', RequestEvent] | ['response', ResponseEvent]

/** A client, and what it tells. */
function observed(options: Partial<ConnectOptions> = {}): { db: Database; events: Event[] } {
  const events: Event[] = []
  const db = connect({
    url: `libsql://${fixture.hostname}`,
    authToken: fixture.token,
    retry: { minDelayMs: 0 },
    onRequest: (event) => events.push(['request', event]),
    onResponse: (event) => events.push(['response', event]),
    ...options,
  })
  return { db, events }
}

const responses = (events: Event[]): ResponseEvent[] =>
  events.flatMap((event) => (event[0] === 'response' ? [event[1]] : []))

const statements = (events: Event[]): (readonly string[])[] =>
  events.flatMap((event) => (event[0] === 'request' ? [event[1].statements] : []))

beforeAll(async () => {
  fixture = await createTestDatabase()
  await fixture.database.execute('create table notes (id integer primary key, title text)')
})
beforeEach(async () => {
  await clearFaults()
  await fixture.database.batch(['delete from notes', "insert into notes (title) values ('a'), ('b'), ('c')"])
  await requestsSeen()
})

test('a request is told before it is sent, and its answer after, with the same object', async () => {
  const { db, events } = observed()
  const order: string[] = []
  const told = connect({
    url: `libsql://${fixture.hostname}`,
    authToken: fixture.token,
    onRequest: () => order.push('request'),
    onResponse: () => order.push('response'),
    fetch: async (url, init) => {
      order.push('fetch')
      const response = await globalThis.fetch(url, init)
      order.push('answer')
      return response
    },
  })
  await told.execute('select 1')
  expect(order).toEqual(['request', 'fetch', 'answer', 'response'])

  await db.execute('select 1')
  expect(events.map(([kind]) => kind)).toEqual(['request', 'response'])
  expect(responses(events)[0]!.request).toBe(events[0]![1])
})

test('a request is told by where it goes and the texts of its statements, never their arguments', async () => {
  const { db, events } = observed()
  await db.execute('select * from notes where title = ?', ['hunter2'])
  await db.execute('select :secret', { secret: 'hunter2' })
  await db.batch([{ sql: 'select ?', args: ['hunter2'] }, 'select 2'])
  await db.executeMultiple('select 3; select 4')
  await db.describe('select 5')
  for await (const row of db.stream('select ?', ['hunter2'])) expect(Object.values(row)).toEqual(['hunter2'])
  // What ends a cursor's stream has no statement.
  expect(statements(events).filter(({ length }) => length > 0)).toEqual([
    ['select * from notes where title = ?'],
    ['select :secret'],
    ['BEGIN IMMEDIATE', 'select ?', 'select 2', 'COMMIT'],
    ['select 3; select 4'],
    ['select 5'],
    ['select ?'],
  ])
  expect(JSON.stringify(events)).not.toContain('hunter2')
  expect(new Set(events.flatMap(([kind, event]) => (kind === 'request' ? [event.url] : [])))).toEqual(
    new Set([`https://${fixture.hostname}/v3/pipeline`, `https://${fixture.hostname}/v3/cursor`]),
  )
  expect(JSON.stringify(events)).not.toContain(fixture.token)
})

test('an answer says how long it took and how many rows were read and written', async () => {
  const { db, events } = observed()
  const inserted = await db.execute("insert into notes (title) values ('d'), ('e')")
  const selected = await db.execute('select * from notes')
  const both = await db.batch(['select * from notes', "insert into notes (title) values ('f')"])
  const [first, second, third] = responses(events)
  expect(first).toMatchObject({ rowsWritten: inserted.rowsWritten, retries: 0, error: undefined })
  expect(inserted.rowsWritten).toBe(2)
  expect(second).toMatchObject({ rowsRead: selected.rowsRead, rowsWritten: 0 })
  expect(selected.rowsRead).toBe(5)
  // BEGIN and COMMIT count as well, as they are what the request had in it.
  expect(third!.rowsRead).toBeGreaterThanOrEqual(both[0]!.rowsRead)
  expect(third!.rowsWritten).toBeGreaterThanOrEqual(both[1]!.rowsWritten)
  for (const { durationMs } of responses(events)) expect(durationMs).toBeGreaterThanOrEqual(0)
})

test('a retry belongs to the request that it repeats', async () => {
  const { db, events } = observed()
  await failNext({ kind: 'rate_limited', on: 'pipeline', times: 2 })
  await db.execute('select 1')
  expect(events).toHaveLength(2)
  expect(responses(events)[0]).toMatchObject({ retries: 2, error: undefined })
  expect(await requestsSeen()).toHaveLength(3)
})

test('so does a request that is sent again with another token', async () => {
  let calls = 0
  const { db, events } = observed({ authToken: () => (calls++ === 0 ? 'stale.stale.stale' : fixture.token) })
  await db.execute('select 1')
  expect(events).toHaveLength(2)
  expect(responses(events)[0]).toMatchObject({ retries: 1, error: undefined })
})

describe('what a call fails with', () => {
  test('is told, and is the error that the caller gets', async () => {
    const { db, events } = observed({ retry: false })
    await failNext({ kind: 'server_error', on: 'pipeline' })
    const error: unknown = await db.execute('select 1').catch((reason: unknown) => reason)
    expect(responses(events)).toEqual([
      expect.objectContaining({ error, retries: 0, rowsRead: 0, rowsWritten: 0 }),
    ])
    expect(responses(events)[0]!.error).toBe(error)
  })

  test('is told with the retries that came before it', async () => {
    const { db, events } = observed()
    await failNext({ kind: 'rate_limited', on: 'pipeline', times: 9 })
    await expect(db.execute('select 1')).rejects.toMatchObject({ code: 'rate_limited' })
    expect(responses(events)[0]).toMatchObject({ retries: 2, error: { code: 'rate_limited' } })
  })

  test('is told of a timeout and of a signal', async () => {
    const { db, events } = observed({ fetch: () => new Promise(() => {}) })
    const reason = new Error('the user left')
    const controller = new AbortController()
    const aborted = db.execute('select 1', [], { signal: controller.signal })
    controller.abort(reason)
    await expect(aborted).rejects.toBe(reason)
    await expect(db.execute('select 1', [], { timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' })
    expect(responses(events).map(({ error }) => error)).toEqual([
      reason,
      expect.objectContaining({ code: 'timeout' }),
    ])
  })

  test('is told of an answer that is not the protocol', async () => {
    const { db, events } = observed()
    await failNext({ kind: 'truncated', on: 'pipeline', ending: 'clean' })
    await expect(db.execute('select 1')).rejects.toMatchObject({ code: 'protocol' })
    expect(responses(events)[0]).toMatchObject({ error: { code: 'protocol' } })
  })

  test('is no failure of the request when the database has refused a statement', async () => {
    const { db, events } = observed()
    await expect(db.execute('select nonsense')).rejects.toMatchObject({ code: 'sql_error' })
    expect(responses(events)[0]).toMatchObject({ error: undefined })
  })

  test('is not told when nothing was sent', async () => {
    const { db, events } = observed()
    await expect(db.execute('select ?', [undefined as never])).rejects.toThrow(/cannot be bound/)
    await db.transaction(async () => {})
    expect(events).toEqual([])
  })
})

test('each request of a transaction is told, with what this library adds to it', async () => {
  const { db, events } = observed()
  await db.transaction(async (tx) => {
    await tx.execute('select 1')
    await tx.batch(['select 2', 'select 3'])
    await Promise.all([tx.execute('select 4'), tx.execute('select 5')])
  })
  const requests = (await requestsSeen()).length
  expect(events).toHaveLength(2 * requests)
  const texts = statements(events).flat()
  expect(texts.filter((text) => text.startsWith('select'))).toEqual([1, 2, 3, 4, 5].map((n) => `select ${n}`))
  expect(texts[0]).toBe('BEGIN IMMEDIATE')
  expect(texts.at(-1)).toBe('COMMIT')
})

test('a stream of rows is told when its first line is there, not when its last row was used', async () => {
  const { db, events } = observed()
  const rows = db.stream('select * from notes')
  expect(events).toEqual([])
  await rows.next()
  expect(events.slice(0, 2).map(([kind]) => kind)).toEqual(['request', 'response'])
  expect(responses(events)[0]).toMatchObject({ rowsRead: 0, rowsWritten: 0, error: undefined })
  await rows.return(undefined)
})

test('what a hook throws changes nothing', async () => {
  const db = observed({
    onRequest: () => {
      throw new Error('a hook that is broken')
    },
    onResponse: () => {
      throw new Error('a hook that is broken')
    },
  }).db
  expect((await db.execute('select 1 as a')).rows).toEqual([{ a: 1 }])
  await expect(db.execute('select nonsense')).rejects.toMatchObject({ code: 'sql_error' })
  await db.transaction(async (tx) => void (await tx.execute('select 1')))
  for await (const row of db.stream('select 1 as a')) expect(row).toEqual({ a: 1 })
})

test('one hook without the other is enough', async () => {
  const seen: string[] = []
  const first = observed({ onRequest: ({ statements }) => seen.push(...statements), onResponse: undefined })
  await first.db.execute('select 1')
  const second = observed({
    onRequest: undefined,
    onResponse: ({ request }) => seen.push(...request.statements),
  })
  await second.db.execute('select 2')
  expect(seen).toEqual(['select 1', 'select 2'])
})
