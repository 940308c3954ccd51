import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, type ConnectOptions, type Database, type Fetch, type FetchInit } from '../../src/index.ts'
import { clearFaults, createTestDatabase, type TestDatabase } from '../support/turso.ts'

let fixture: TestDatabase

beforeAll(async () => {
  fixture = await createTestDatabase()
})
beforeEach(clearFaults)

interface Sent {
  path: string
  headers: FetchInit['headers']
}

/** A client, and what it has sent. */
function watched(options: Partial<ConnectOptions>): { db: Database; sent: Sent[] } {
  const sent: Sent[] = []
  const fetch: Fetch = (url, init) => {
    sent.push({ path: `${init.method} ${new URL(url).pathname}`, headers: init.headers })
    return globalThis.fetch(url, init)
  }
  const db = connect({ url: `libsql://${fixture.hostname}`, authToken: fixture.token, fetch, ...options })
  return { db, sent }
}

/** Each kind of request that there is. */
async function useEverything(db: Database): Promise<void> {
  await db.execute('select 1')
  await db.batch(['select 1'])
  await db.executeMultiple('select 1; select 2')
  await db.describe('select 1')
  await db.transaction(async (tx) => {
    await tx.execute('select 1')
    await tx.executeMultiple('select 1; select 2')
  })
  for await (const row of db.stream('select 1 as a')) expect(row).toEqual({ a: 1 })
  // Left early, which closes its stream by a request of its own.
  for await (const row of db.stream('select 1 as a union all select 2')) {
    expect(row).toEqual({ a: 1 })
    break
  }
  const stream = db.openStream()
  await stream.execute('select 1')
  await stream.close()
  await db.version()
  await db.health()
  await db.waitUntilReady()
}

test('headers of the caller go with every request, those of streams, probes and the end included', async () => {
  const { db, sent } = watched({ headers: { 'X-Trace': 'abc', 'cf-access-client-id': 'id' } })
  await useEverything(db)
  expect(new Set(sent.map(({ path }) => path))).toEqual(
    new Set(['POST /v3/pipeline', 'POST /v3/cursor', 'GET /version', 'GET /health']),
  )
  for (const { headers } of sent)
    expect(headers).toMatchObject({
      'x-trace': 'abc',
      'cf-access-client-id': 'id',
      authorization: `Bearer ${fixture.token}`,
      accept: 'application/json',
    })
})

test('the key of an encrypted database goes with every request', async () => {
  const { db, sent } = watched({ encryptionKey: 'c2VjcmV0LWtleS1vZi0zMi1ieXRlcw==' })
  await useEverything(db)
  for (const { headers } of sent)
    expect(headers['x-turso-encryption-key']).toBe('c2VjcmV0LWtleS1vZi0zMi1ieXRlcw==')
})

test('a body has its type, and what has none has none', async () => {
  const { db, sent } = watched({})
  await useEverything(db)
  for (const { path, headers } of sent)
    expect(headers['content-type']).toBe(path.startsWith('POST') ? 'application/json' : undefined)
})

test('a client without a token, a key or headers sends none of them', async () => {
  const { db, sent } = watched({ authToken: undefined })
  await db.execute('select 1').catch(() => undefined)
  expect(sent.map(({ headers }) => Object.keys(headers).toSorted())).toEqual([['accept', 'content-type']])
})

test('what is done to the headers after connecting changes nothing', async () => {
  const headers: Record<string, string> = { 'x-trace': 'abc' }
  const { db, sent } = watched({ headers })
  headers['x-trace'] = 'changed'
  headers['x-more'] = 'more'
  await db.execute('select 1')
  expect(sent[0]!.headers['x-trace']).toBe('abc')
  expect(sent[0]!.headers).not.toHaveProperty('x-more')
})

describe('connect', () => {
  test.each(['authorization', 'Authorization', 'Content-Type', 'accept', 'X-Turso-Encryption-Key'])(
    'refuses the header %s, which it sets itself',
    (name) => {
      expect(() => watched({ headers: { [name]: 'x' } })).toThrow(
        new TypeError(`The header "${name.toLowerCase()}" is set by this library, from its other options`),
      )
    },
  )

  test.each([
    ['x-key', 'hunter2\r\nauthorization: Bearer stolen'],
    ['x-key', 'hunter2\n'],
    ['x-key', 'hunter2 \u00fc'],
    ['x-key', 'hunter2\0'],
    ['x key', 'hunter2'],
    ['x-key:', 'hunter2'],
    ['', 'hunter2'],
    ['x-k\u00e9y', 'hunter2'],
    ['x\r\ny', 'hunter2'],
  ])('refuses the header %j with the value %j, and does not quote the value', (name, value) => {
    const connecting = (): unknown => watched({ headers: { [name]: value } })
    expect(connecting).toThrow(TypeError)
    expect(connecting).toThrow(/^The header "[^]*" has characters that a header cannot carry$/)
    expect(connecting).not.toThrow(/hunter2/)
  })

  test.each(['', 'not base64', 'hunter2!', 'hunter2\n', '===', 'c2VjcmV0-_'])(
    'refuses the encryption key %j, and does not quote it',
    (encryptionKey) => {
      expect(() => watched({ encryptionKey })).toThrow(
        new TypeError('"encryptionKey" must be a key in base64'),
      )
    },
  )
})

describe('no error says', () => {
  const KEY = 'c2VjcmV0LWtleS1vZi0zMi1ieXRlcw=='

  /** A server that says what it was told. */
  const echo =
    (status: number): Fetch =>
    (_, init) =>
      Promise.resolve(new Response(JSON.stringify({ error: JSON.stringify(init.headers) }), { status }))

  test.each([400, 401, 404, 429, 500, 502])('the token or the encryption key (%i)', async (status) => {
    const { db } = watched({ fetch: echo(status), encryptionKey: KEY, retry: false })
    for (const run of [
      () => db.execute('select 1'),
      () => db.stream('select 1').next(),
      () => db.version(),
      () => db.transaction(async (tx) => void (await tx.execute('select 1'))),
      () => db.openStream().execute('select 1'),
    ]) {
      const error = (await run().then(
        () => new Error('it did not fail'),
        (reason: unknown) => reason,
      )) as Error
      expect(error).toMatchObject({ status })
      const told = JSON.stringify([error.message, error.stack, Object.entries(error)])
      expect(told).not.toContain(fixture.token)
      expect(told).not.toContain(KEY)
      expect(error.message).toContain('[secret]')
    }
  })
})
