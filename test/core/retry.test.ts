import fc from 'fast-check'
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { HttpError, NetworkError, type TursoError } from '../../src/errors.ts'
import { createRetrier } from '../../src/http/retry.ts'
import { connect, type ConnectOptions, type Database, type Fetch } from '../../src/index.ts'
import {
  clearFaults,
  createTestDatabase,
  failNext,
  requestsSeen,
  startTurso,
  type TestDatabase,
  type TestTurso,
} from '../support/turso.ts'

let fixture: TestDatabase

/** A client that does not wait long. */
const client = (options: Partial<ConnectOptions> = {}): Database =>
  connect({
    url: `libsql://${fixture.hostname}`,
    authToken: fixture.token,
    retry: { minDelayMs: 0 },
    ...options,
  })

beforeAll(async () => {
  fixture = await createTestDatabase()
  await fixture.database.execute('create table notes (id integer primary key, title text)')
})
beforeEach(async () => {
  await clearFaults()
  await fixture.database.execute('delete from notes')
  await requestsSeen()
})

const INSERT = "insert into notes (title) values ('x')"

const titles = async (): Promise<number> =>
  (await fixture.database.execute<{ title: string }>('select title from notes')).rows.length

/** Fails as undici does in Node where the connection could not be made. */
const failed = (code: string): TypeError =>
  new TypeError('fetch failed', { cause: Object.assign(new Error(`connect ${code}`), { code }) })

/** Rejects so many times before it goes on. */
function rejecting(times: number, makeError: () => unknown): { fetch: Fetch; calls: () => number } {
  let calls = 0
  return {
    calls: () => calls,
    fetch: (url, init) => {
      calls += 1
      return calls <= times ? Promise.reject(makeError()) : globalThis.fetch(url, init)
    },
  }
}

describe('a write', () => {
  test('that was answered 429 is sent again, and takes effect once', async () => {
    await failNext({ kind: 'rate_limited', on: 'pipeline', times: 2 })
    await client().execute(INSERT)
    expect(await requestsSeen()).toHaveLength(3)
    expect(await titles()).toBe(1)
  })

  test.each(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])(
    'for which there was no connection (%s) is sent again',
    async (code) => {
      const { fetch, calls } = rejecting(2, () => failed(code))
      await client({ fetch }).execute(INSERT)
      expect(calls()).toBe(3)
      expect(await titles()).toBe(1)
    },
  )

  test('is sent again where the code is on the error itself, and not on its cause', async () => {
    const { fetch, calls } = rejecting(1, () =>
      Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
    )
    await client({ fetch }).execute(INSERT)
    expect(calls()).toBe(2)
  })

  test.each([
    ['whose connection was reset', () => failed('ECONNRESET')],
    // Linux reports these of connections that have carried something, too.
    ['whose network was lost', () => failed('ENETUNREACH')],
    ['whose host was lost', () => failed('EHOSTUNREACH')],
    ['whose connection was closed', () => failed('UND_ERR_SOCKET')],
    ['whose answer did not come', () => failed('UND_ERR_HEADERS_TIMEOUT')],
    ['that failed for a reason that is not told', () => new TypeError('fetch failed')],
    ['that failed as in workerd', () => new Error('Network connection lost.')],
    ['that failed with nothing at all', () => undefined],
  ])('%s is not sent again: it may have taken effect', async (_, makeError) => {
    const { fetch, calls } = rejecting(1, makeError)
    await expect(client({ fetch }).execute(INSERT)).rejects.toMatchObject({ code: 'network' })
    await expect(client({ fetch: rejecting(1, makeError).fetch }).batch([INSERT])).rejects.toMatchObject({
      code: 'network',
    })
    expect(calls()).toBe(1)
    expect(await requestsSeen()).toEqual([])
  })

  test.each([500, 502, 503, 504, 408])('that was answered %i is not sent again', async (status) => {
    for (const run of [
      () => client().execute(INSERT),
      () => client().batch([INSERT]),
      () => client().executeMultiple(INSERT),
    ]) {
      await failNext({ kind: 'respond', on: 'pipeline', status, effect: true })
      await expect(run()).rejects.toMatchObject({ code: 'unavailable', status })
      expect(await requestsSeen()).toHaveLength(1)
      await clearFaults()
    }
    expect(await titles()).toBe(3)
  })

  test('whose answer is cut off or not the protocol is not sent again', async () => {
    await failNext({ kind: 'truncated', on: 'pipeline', ending: 'clean' })
    await expect(client().execute(INSERT)).rejects.toMatchObject({ code: 'protocol' })
    expect(await requestsSeen()).toHaveLength(1)
    await clearFaults()
    await failNext({ kind: 'wrong_shape', on: 'pipeline', effect: true })
    await expect(client().execute(INSERT)).rejects.toMatchObject({ code: 'protocol' })
    expect(await requestsSeen()).toHaveLength(1)
    expect(await titles()).toBe(2)
  })

  test('that the database refuses is not sent again', async () => {
    await expect(client().execute('insert into nowhere values (1)')).rejects.toMatchObject({
      code: 'sql_error',
    })
    expect(await requestsSeen()).toHaveLength(1)
  })
})

describe('what writes nothing', () => {
  const reads: [string, (db: Database) => Promise<unknown>][] = [
    ['a statement that is readOnly', (db) => db.execute('select 1', [], { readOnly: true })],
    ['a batch with the mode read', (db) => db.batch(['select 1'], 'read')],
    ['a batch with the mode read among its options', (db) => db.batch(['select 1'], { mode: 'read' })],
    ['a batch that is readOnly', (db) => db.batch(['select 1'], { readOnly: true })],
    ['a description', (db) => db.describe('select 1')],
    ['the version', (db) => db.version()],
    ['the health', (db) => db.health()],
    [
      'a stream of rows that is readOnly',
      async (db) => {
        for await (const row of db.stream('select 1 as a', [], { readOnly: true }))
          expect(row).toEqual({ a: 1 })
      },
    ],
  ]

  test.each(reads)('%s is sent again after a failure of the server', async (_, run) => {
    for (const status of [500, 502, 503]) {
      await clearFaults()
      await failNext({ kind: 'html', status })
      await run(client())
      expect((await requestsSeen()).length).toBeGreaterThan(1)
    }
  })

  test.each(reads)('%s is sent again after a failure of the network', async (_, run) => {
    const { fetch, calls } = rejecting(1, () => failed('ECONNRESET'))
    await run(client({ fetch }))
    expect(calls()).toBeGreaterThan(1)
  })

  test.each(reads)('%s is not sent again after any other refusal', async (_, run) => {
    for (const status of [400, 403, 404, 409, 422]) {
      await clearFaults()
      await failNext({ kind: 'respond', status, body: '{"error":"no"}' })
      await expect(run(client())).rejects.toMatchObject({ status })
      expect(await requestsSeen()).toHaveLength(1)
    }
  })

  test('a batch with the mode read that is said not to be readOnly is not sent again', async () => {
    await failNext({ kind: 'server_error', on: 'pipeline' })
    const run = client().batch(['select 1'], { mode: 'read', readOnly: false })
    await expect(run).rejects.toMatchObject({ code: 'unavailable' })
    expect(await requestsSeen()).toHaveLength(1)
  })

  test('a select of which nobody has said that it writes nothing is not sent again', async () => {
    await failNext({ kind: 'server_error', on: 'pipeline' })
    await expect(client().execute('select 1')).rejects.toMatchObject({ code: 'unavailable' })
    expect(await requestsSeen()).toHaveLength(1)
  })
})

describe('a transaction', () => {
  /** A client, and what it sends beside the close that gives a lost stream back. */
  function noting(): { db: Database; sent: string[] } {
    const sent: string[] = []
    const fetch: Fetch = (url, init) => {
      if (!init.body!.endsWith('"requests":[{"type":"close"}]}')) sent.push(init.body!)
      return globalThis.fetch(url, init)
    }
    return { db: client({ fetch }), sent }
  }

  test('goes on after a 429 in its middle, since nothing of that request has run', async () => {
    await client().transaction(async (tx) => {
      await tx.execute(INSERT)
      await failNext({ kind: 'rate_limited', on: 'pipeline', times: 2 })
      await tx.execute(INSERT)
    })
    expect(await titles()).toBe(2)
  })

  test.each(['execute', 'batch'] as const)(
    'never repeats a request that may have run, whatever is said of its %s',
    async (method) => {
      // Deferred, so that what is left of it holds no write lock.
      const { db, sent } = noting()
      const tx = await db.transaction({ mode: 'deferred' })
      await tx.execute('select 1')
      await failNext({ kind: 'server_error', on: 'pipeline', effect: true })
      const run =
        method === 'execute'
          ? tx.execute('select 1', [], { readOnly: true })
          : tx.batch(['select 1', 'select 2'], { mode: 'read' })
      await expect(run).rejects.toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
      expect(sent).toHaveLength(2)
    },
  )

  test('never repeats its COMMIT', async () => {
    const { db, sent } = noting()
    const tx = await db.transaction()
    await tx.execute(INSERT)
    await failNext({ kind: 'server_error', on: 'pipeline', effect: true })
    await expect(tx.commit()).rejects.toMatchObject({ code: 'stream_lost', outcome: 'unknown' })
    expect(sent).toHaveLength(2)
    expect(await titles()).toBe(1)
  })

  test('does not send a statement of a stream by hand again, either: its baton is used up', async () => {
    const { db, sent } = noting()
    const stream = db.openStream()
    await stream.execute('select 1')
    await failNext({ kind: 'server_error', on: 'pipeline', effect: true })
    await expect(stream.execute('select 1', [], { readOnly: true })).rejects.toMatchObject({
      code: 'unavailable',
    })
    expect(sent).toHaveLength(2)
  })
})

describe('how often', () => {
  test('three times at most, unless it is said', async () => {
    await failNext({ kind: 'rate_limited', on: 'pipeline', times: 100 })
    await expect(client().execute('select 1')).rejects.toMatchObject({ code: 'rate_limited' })
    expect(await requestsSeen()).toHaveLength(3)
    for (const attempts of [1, 2, 5]) {
      const db = client({ retry: { attempts, minDelayMs: 0 } })
      await expect(db.execute('select 1')).rejects.toMatchObject({ code: 'rate_limited' })
      expect(await requestsSeen()).toHaveLength(attempts)
    }
  })

  test('once, if retry is false', async () => {
    await failNext({ kind: 'rate_limited', on: 'pipeline' })
    await expect(client({ retry: false }).execute('select 1')).rejects.toMatchObject({ code: 'rate_limited' })
    const { fetch, calls } = rejecting(1, () => failed('ECONNREFUSED'))
    await expect(client({ retry: false, fetch }).version()).rejects.toMatchObject({ code: 'network' })
    expect(calls()).toBe(1)
    expect(await requestsSeen()).toHaveLength(1)
  })

  test('as often as the budget of the client allows, however many calls it is for', async () => {
    const { fetch, calls } = rejecting(Infinity, () => failed('ECONNREFUSED'))
    const db = client({ fetch, retry: { attempts: 3, minDelayMs: 0, budget: 4 } })
    for (let call = 0; call < 20; call++)
      await expect(db.execute('select 1')).rejects.toMatchObject({ code: 'network' })
    expect(calls()).toBe(20 + 4)
  })

  test('again, when calls have succeeded', async () => {
    let isFailing = true
    let calls = 0
    const fetch: Fetch = (url, init) => {
      calls += 1
      return isFailing ? Promise.reject(failed('ECONNREFUSED')) : globalThis.fetch(url, init)
    }
    const db = client({ fetch, retry: { minDelayMs: 0, budget: 1 } })
    const callsOf = async (): Promise<number> => {
      calls = 0
      await db.execute('select 1').catch(() => undefined)
      return calls
    }
    expect([await callsOf(), await callsOf()]).toEqual([2, 1])
    isFailing = false
    for (let call = 0; call < 11; call++) await db.execute('select 1')
    isFailing = true
    expect([await callsOf(), await callsOf()]).toEqual([2, 1])
  })

  test.each([
    { attempts: -1 },
    { attempts: Number.NaN },
    { minDelayMs: -1 },
    { maxDelayMs: Number.NaN },
    { budget: -1 },
    { budget: 'many' as never },
  ])('%j is refused by connect', (retry) => {
    expect(() => client({ retry })).toThrow(new RegExp(`"retry.${Object.keys(retry)[0]}" must be a number`))
  })
})

describe('how long it waits', () => {
  const server = (retryAfterMs: number | null): TursoError =>
    new HttpError('rate_limited', 'x', { status: 429, serverMessage: '', requestId: null, retryAfterMs })

  test('at random up to a bound that doubles, and never less than the server said', () => {
    const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    const laws = fc.property(
      unit,
      fc.nat({ max: 1_000 }),
      fc.nat({ max: 10_000 }),
      fc.option(fc.nat({ max: 60_000 })),
      fc.integer({ min: 1, max: 60 }),
      (random, minDelayMs, maxDelayMs, retryAfterMs, attempt) => {
        const retrier = createRetrier({ attempts: 100, minDelayMs, maxDelayMs, budget: 100 }, () => random)
        const delayMs = retrier.delayAfter(server(retryAfterMs), attempt)!
        const least = retryAfterMs ?? 0
        expect(delayMs).toBeGreaterThanOrEqual(least)
        expect(delayMs).toBeLessThanOrEqual(least + Math.min(maxDelayMs, minDelayMs * 2 ** (attempt - 1)))
      },
    )
    fc.assert(laws, { seed: 20260412 })
  })

  test('from nothing to the whole of the bound', () => {
    const highest = createRetrier({ attempts: 9, minDelayMs: 100, maxDelayMs: 1_000 }, () => 1)
    const network = new NetworkError('x', undefined)
    expect([1, 2, 3, 4, 5, 6].map((attempt) => highest.delayAfter(network, attempt))).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ])
    const lowest = createRetrier({}, () => 0)
    expect(lowest.delayAfter(server(null), 1)).toBe(0)
    expect(lowest.delayAfter(server(2_500), 1)).toBe(2_500)
  })

  test('spends its budget and earns it back, a tenth for each success, and never more than all of it', () => {
    const laws = fc.property(
      fc.array(fc.boolean(), { maxLength: 200 }),
      fc.nat({ max: 5 }),
      (successes, budget) => {
        const retrier = createRetrier({ attempts: 2, minDelayMs: 0, budget })
        let retries = 0
        let earned = 0
        for (const isSuccess of successes) {
          if (isSuccess) {
            retrier.onSuccess()
            earned += 0.1
          } else if (retrier.delayAfter(server(null), 1) !== undefined) retries += 1
        }
        expect(retries).toBeLessThanOrEqual(budget + earned + 1e-9)
        expect(retries).toBeGreaterThanOrEqual(
          Math.min(budget, successes.filter((isSuccess) => !isSuccess).length),
        )
      },
    )
    fc.assert(laws, { seed: 20260413 })
  })

  test('does not wait at all where what the server asks for is more than what is left of the time', async () => {
    await failNext({ kind: 'rate_limited', on: 'pipeline', retryAfter: 3_600 })
    await expect(client().execute('select 1')).rejects.toMatchObject({ retryAfterMs: 3_600_000 })
    expect(await requestsSeen()).toHaveLength(1)
  })

  test('as long as the server asks for, when that is less', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    await failNext({ kind: 'rate_limited', on: 'pipeline', retryAfter: 0.251 })
    await client().execute('select 1')
    expect(timers.mock.calls.map(([, ms]) => ms)).toContain(251)
    timers.mockRestore()
  })

  test('no longer than a signal lets it', async () => {
    await failNext({ kind: 'rate_limited', on: 'pipeline', retryAfter: 20 })
    const controller = new AbortController()
    const reason = new Error('the user left')
    const call = client({
      fetch: async (url, init) => {
        const response = await globalThis.fetch(url, init)
        controller.abort(reason)
        return response
      },
    }).execute('select 1', [], { signal: controller.signal })
    await expect(call).rejects.toBe(reason)
    expect(await requestsSeen()).toHaveLength(1)
  })

  test('within the time of the call: what it waits for is all attempts together', async () => {
    const { fetch, calls } = rejecting(Infinity, () => failed('ECONNREFUSED'))
    const db = client({ fetch, retry: { attempts: 1e9, minDelayMs: 5, maxDelayMs: 5, budget: 1e9 } })
    await expect(db.execute('select 1', [], { timeoutMs: 60 })).rejects.toMatchObject({
      code: expect.stringMatching(/network|timeout/),
    })
    expect(calls()).toBeGreaterThan(1)
  })
})

describe('what is like a server of Turso', () => {
  let turso: TestTurso
  beforeAll(async () => {
    turso = await startTurso({ behaviour: 'cloud' })
  })

  test('has a write take effect once for each call that succeeded, whatever fails around it', async () => {
    const { database: db } = await turso.createDatabase({
      retry: { attempts: 5, minDelayMs: 0, budget: 1e9 },
    })
    await db.execute('create table counts (n integer)')
    let succeeded = 0
    let unknown = 0
    const kinds = ['rate_limited', 'server_error', 'reset_before', 'reset_after', 'html'] as const
    for (let round = 0; round < 30; round++) {
      const kind = kinds[round % kinds.length]!
      await turso.failNext({
        kind,
        on: 'pipeline',
        ...(round % 2 && !kind.startsWith('r') && { effect: true }),
      })
      await db.execute('insert into counts values (1)').then(
        () => (succeeded += 1),
        () => (unknown += 1),
      )
      await turso.clearFaults()
    }
    const { rows } = await db.execute<{ n: number }>('select count(*) as n from counts')
    expect(succeeded).toBeGreaterThan(0)
    expect(rows[0]!.n).toBeGreaterThanOrEqual(succeeded)
    expect(rows[0]!.n).toBeLessThanOrEqual(succeeded + unknown)
  })
})
