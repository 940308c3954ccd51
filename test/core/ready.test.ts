import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect, type ConnectOptions, type Database, type Fetch } from '../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestDatabase, type TestTurso } from '../support/turso.ts'
import { failureOf } from '../support/failure-of.ts'

const GAP_MS = 60_000

/** As undici has it in Node. */
const refused = (): TypeError =>
  new TypeError('fetch failed', {
    cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
  })

describe.each(BEHAVIOUR_NAMES)('a database that has just been created (%s)', (behaviour) => {
  let turso: TestTurso
  let fixture: TestDatabase

  beforeEach(async () => {
    const options = { behaviour, traps: { createToServeGapMs: GAP_MS } }
    turso = await startTurso(options)
    fixture = await turso.createDatabase()
  })

  test('answers 404 for a while, and is waited for', async () => {
    const db = fixture.database
    await expect(db.execute('select 1')).rejects.toMatchObject({ code: 'not_found' })
    await turso.requestsSeen()
    const waiting = db.waitUntilReady({ timeoutMs: 25_000 })
    await vi.waitUntil(async () => (await turso.requestsSeen()).length > 0, { timeout: 20_000 })
    await turso.advanceClock(GAP_MS)
    expect(await waiting).toBeUndefined()
    expect((await db.execute('select 1 as a')).rows).toEqual([{ a: 1 }])
    expect(await turso.openStreams()).toEqual([])
  })

  test('that does not answer in time is a timeout, which says what it answered at last', async () => {
    const error = await failureOf(fixture.database.waitUntilReady({ timeoutMs: 1_000 }))
    expect(error).toMatchObject({
      code: 'timeout',
      timeoutMs: 1_000,
      message: expect.stringMatching(
        /^The database was not ready within 1000 ms; at last POST .* answered 404/,
      ),
      cause: { code: 'not_found' },
    })
    expect((await turso.requestsSeen()).length).toBeGreaterThan(1)
  })

  test('is waited for no longer than a signal lets it', async () => {
    const controller = new AbortController()
    const reason = new Error('the user left')
    const waiting = failureOf(fixture.database.waitUntilReady({ signal: controller.signal }))
    await vi.waitUntil(async () => (await turso.requestsSeen()).length > 1, { timeout: 20_000 })
    controller.abort(reason)
    expect(await waiting).toBe(reason)
    await turso.requestsSeen()
    expect(await failureOf(fixture.database.waitUntilReady({ signal: AbortSignal.abort(reason) }))).toBe(
      reason,
    )
    expect(await turso.requestsSeen()).toEqual([])
  })
})

describe('waiting for a database', () => {
  let turso: TestTurso
  let fixture: TestDatabase
  const client = (options: Partial<ConnectOptions> = {}): Database =>
    connect({ url: `libsql://${fixture.hostname}`, authToken: fixture.token, ...options })

  beforeAll(async () => {
    turso = await startTurso({ behaviour: 'spec' })
    fixture = await turso.createDatabase()
  })
  beforeEach(async () => {
    await turso.clearFaults()
  })

  test('that is there takes one request', async () => {
    await client().waitUntilReady()
    expect(await turso.requestsSeen()).toHaveLength(1)
  })

  test('goes on while it is unavailable, rate limited, or not to be reached', async () => {
    await turso.failNext({ kind: 'html', on: 'pipeline', status: 502 })
    await turso.failNext({ kind: 'rate_limited', on: 'pipeline', nth: 2 })
    let calls = 0
    const fetch: Fetch = (url, init) =>
      ++calls === 1 ? Promise.reject(refused()) : globalThis.fetch(url, init)
    await client({ fetch, retry: false }).waitUntilReady()
    expect(calls).toBe(4)
  })

  test.each([
    [400, 'invalid_request'],
    [401, 'unauthorized'],
    [402, 'plan_limit'],
    [403, 'forbidden'],
    [302, 'protocol'],
  ])('is in vain after %i, and ends at once', async (status, code) => {
    await turso.failNext({ kind: 'respond', on: 'pipeline', status, body: '{"error":"no"}' })
    await expect(client().waitUntilReady()).rejects.toMatchObject({ code, status })
    expect(await turso.requestsSeen()).toHaveLength(1)
  })

  test('with a token that is refused ends at once', async () => {
    await expect(client({ authToken: undefined }).waitUntilReady()).rejects.toMatchObject({
      code: 'unauthorized',
    })
    expect(await turso.requestsSeen()).toHaveLength(1)
  })

  test('that the server asks to be left alone for longer than there is time is a timeout, without a second look', async () => {
    await turso.failNext({ kind: 'rate_limited', on: 'pipeline', retryAfter: 3_600, times: 99 })
    await expect(client({ retry: false }).waitUntilReady({ timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'timeout',
      cause: { code: 'rate_limited', retryAfterMs: 3_600_000 },
    })
    expect(await turso.requestsSeen()).toHaveLength(1)
  })

  test('that never answers is a timeout, too', async () => {
    const db = client({ fetch: () => new Promise(() => {}) })
    await expect(db.waitUntilReady({ timeoutMs: 50 })).rejects.toMatchObject({
      code: 'timeout',
      timeoutMs: 50,
    })
  })

  test('lasts as long as the client waits for a call, unless it is said', async () => {
    const db = client({ timeoutMs: 120, fetch: () => Promise.reject(refused()), retry: false })
    await expect(db.waitUntilReady()).rejects.toMatchObject({
      code: 'timeout',
      timeoutMs: 120,
      cause: { code: 'network' },
    })
    await expect(db.waitUntilReady({ timeoutMs: 0 })).rejects.toThrow(/"timeoutMs" must be/)
  })
})

describe('probes', () => {
  let turso: TestTurso
  let db: Database

  beforeAll(async () => {
    turso = await startTurso({ behaviour: 'sqld' })
    db = (await turso.createDatabase({ retry: { minDelayMs: 0 } })).database
  })
  beforeEach(async () => {
    await turso.clearFaults()
  })

  test('the version is what the server says of it, without white space around it', async () => {
    expect(await db.version()).toMatch(/^\S.*\S$/)
    await turso.failNext({ kind: 'respond', on: 'GET /db/*/version', status: 200, body: ' sqld 0.24.33 \n' })
    expect(await db.version()).toBe('sqld 0.24.33')
  })

  test('a server that answers is healthy, and one that says so is not', async () => {
    expect(await db.health()).toBe(true)
    await turso.failNext({ kind: 'respond', on: 'GET /db/*/health', status: 503, times: 99 })
    expect(await db.health()).toBe(false)
  })

  test('no answer, and a refusal, is no health that could be told', async () => {
    await turso.failNext({ kind: 'respond', on: 'GET /db/*/health', status: 401 })
    await expect(db.health()).rejects.toMatchObject({ code: 'unauthorized' })
    const unreachable = connect({
      url: 'libsql://db.example',
      fetch: () => Promise.reject(refused()),
      retry: false,
    })
    await expect(unreachable.health()).rejects.toMatchObject({ code: 'network' })
    await expect(unreachable.version()).rejects.toMatchObject({ code: 'network' })
  })

  test('take a signal and a time', async () => {
    const stalling = connect({ url: 'libsql://db.example', fetch: () => new Promise(() => {}) })
    await expect(stalling.version({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' })
    const reason = new Error('the user left')
    await expect(stalling.health({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})
