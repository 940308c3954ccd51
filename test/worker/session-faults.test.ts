import {
  abortAllDurableObjects,
  createExecutionContext,
  evictDurableObject,
  waitOnExecutionContext,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Fault } from '../../local/faults/script.ts'
import { app } from '../../worker/app.ts'
import { SESSION_IDLE_MS } from '../../worker/limits.ts'
import { Queue, type QueueError } from '../../worker/session/queue.ts'
import {
  clearFaults,
  failNext,
  holdNext,
  localPlatform,
  openStreams,
  requestsSeen,
} from '../support/turso.ts'
import type { HoldOrder } from '../support/hold-order.ts'
import { BEFORE_IDLE_MS } from '../support/patience.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { resetClock } from './clock.ts'
import { greet } from './socket-client.ts'
import { alarmAfter, answerOf, close, execute, insert, refusalOf, sessionOf } from './gateway-client.ts'

let tenant: SignupAnswer

beforeAll(async () => {
  tenant = await signUpNow({ id: 'faults' })
})
beforeEach(clearFaults)
afterEach(resetClock)

function send(requests: object[], baton: string | null = null, token = tenant.token.jwt): Promise<Response> {
  return call('/t/faults/v3/pipeline', {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ baton, requests }),
  })
}

const titles = async (): Promise<string[]> => {
  const { results } = await answerOf(send([execute('select title from notes order by id'), close]))
  return results[0]!.response!.result!.rows.map(([title]) => title!.value)
}

const streams = async (): Promise<unknown[]> =>
  (await openStreams()).filter(({ database }) => database === tenant.database.name)

describe('a request that something on the way sends twice, so that the second finds the stream gone,', () => {
  const byPipeline = (sql: string, baton: string | null): Promise<Response> =>
    send([execute(sql), close], baton)
  const byCursor = (sql: string, baton: string | null): Promise<Response> =>
    call('/t/faults/v3/cursor', {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.token.jwt}` },
      body: JSON.stringify({ baton, batch: { steps: [{ stmt: { sql } }] } }),
    })

  test.each([
    ['sqld', 'commit', 'pipeline', 400, 'Received an invalid baton'],
    [
      'sqld',
      ';end transaction',
      'pipeline',
      400,
      '{"message":"The stream has expired","code":"STREAM_EXPIRED"}',
    ],
    ['sqld', 'commit;', 'pipeline', 400, 'Received a baton that has already been used'],
    ['sqld', 'commit', 'cursor', 400, 'Received a baton that has already been used'],
    ['Turso Cloud', 'COMMIT', 'pipeline', 404, '{"error":"stream not found: 1"}'],
    ['Turso Cloud', 'commit', 'cursor', 404, '{"error":"stream not found: 1"}'],
  ] as const)(
    'in the words of %s, is not called rolled back where it may have committed: %s by a %s',
    async (_, sql, on, status, body) => {
      const { baton } = await answerOf(send([execute('begin'), insert('twice')]))
      await failNext({ kind: 'respond', on, status, body, effect: true })
      const told = await refusalOf((on === 'cursor' ? byCursor : byPipeline)(sql, baton))
      expect(told).toMatchObject({ status: 400, code: 'STREAM_LOST', outcome: 'unknown' })
      expect(await titles()).toEqual(['twice'])
      expect(await refusalOf(send([execute('select 1')], baton))).toMatchObject({ outcome: 'unknown' })
      await answerOf(send([execute('delete from notes'), close]))
    },
  )
})

describe('an object that is gone', () => {
  /** A transaction, request by request. */
  const around = (middle: object): object[][] => [
    [execute('begin')],
    [middle],
    [execute('select 1')],
    [execute('commit'), close],
  ]

  test('between any two requests of a transaction is not noticed', async () => {
    let baton: string | null = null
    for (const requests of around(insert('kept'))) {
      if (baton !== null) await evictDurableObject(sessionOf(baton))
      baton = (await answerOf(send(requests, baton))).baton
    }
    expect(await titles()).toEqual(['kept'])
    await answerOf(send([execute('delete from notes'), close]))
  })

  test.each(
    [1, 2, 3].flatMap(
      (at) =>
        [
          [at, 'before it had any effect', 'request'],
          [at, 'behind its effect', 'answer'],
        ] as const,
    ),
  )(
    'in the middle of request %i, %s, leaves the outcome unknown, and sends nothing again',
    async (at, _, holds) => {
      // Nothing that would hold the write lock until the database finds out.
      const steps = around(execute('select title from notes'))
      let baton: string | null = null
      for (const requests of steps.slice(0, at)) baton = (await answerOf(send(requests, baton))).baton
      const hold = await holdNext('pipeline', { holds })
      if (holds === 'request') await failNext({ kind: 'reset_before', on: 'pipeline' })
      const running = send(steps[at]!, baton)
      await hold.reached()
      await abortAllDurableObjects()
      const unanswered = await refusalOf(running)
      expect(unanswered).toMatchObject({ outcome: 'unknown' })
      await hold.letGo()
      await clearFaults()
      await requestsSeen()
      const lost = { code: 'STREAM_LOST', outcome: 'unknown' }
      expect(await refusalOf(send([execute('commit')], baton))).toMatchObject(lost)
      expect((await requestsSeen()).filter((line) => line.includes(tenant.database.hostname))).toEqual([])
    },
  )
})

describe('an object that goes away while a transaction writes', () => {
  const NAMES = ['the first request', 'a write in the middle', 'the commit'] as const
  const writing = (title: string): object[][] => [
    [execute('begin immediate'), insert(title)],
    [insert(title)],
    [execute('commit'), close],
  ]
  const toDatabase = async (): Promise<string[]> =>
    (await requestsSeen()).filter((line) => line.includes(tenant.database.hostname))

  /** How many of its two rows are there once the database has met its limits; nothing else may be left by then. */
  async function rowsLeftBy(title: string): Promise<number> {
    await failNext({ kind: 'stream_expired', on: 'pipeline' })
    const found = (await titles()).filter((other) => other === title).length
    expect(await streams()).toEqual([])
    await answerOf(send([execute('begin immediate'), insert('next'), execute('commit'), close]))
    expect((await titles()).filter((other) => other === title)).toHaveLength(found)
    return found
  }

  beforeEach(async () => {
    await failNext({ kind: 'stream_expired', on: 'pipeline' })
    await answerOf(send([execute('delete from notes'), close]))
    await clearFaults()
  })

  // Held until the object has gone.
  const moments: [when: string, holds: NonNullable<HoldOrder['holds']>, hasEffect: boolean][] = [
    ['before it reaches the database', 'request', false],
    ['before the effect that it has later', 'request', true],
    ['behind its effect', 'answer', true],
    ['when a part of its answer has come', 'half', true],
  ]

  test.each(
    NAMES.flatMap((name, at) =>
      moments.map(([when, holds, hasEffect]) => [name, when, at, holds, hasEffect] as const),
    ),
  )('in %s, %s, has its client told the truth', async (name, when, at, holds, hasEffect) => {
    const title = `${name} ${when}`
    const steps = writing(title)
    let baton: string | null = null
    for (const requests of steps.slice(0, at)) baton = (await answerOf(send(requests, baton))).baton
    await clearFaults()
    const hold = await holdNext('pipeline', { holds })
    if (!hasEffect) await failNext({ kind: 'reset_before', on: 'pipeline' })
    const running = send(steps[at]!, baton)
    await hold.reached()
    expect(await toDatabase()).toHaveLength(1)
    // What has begun is seen by its stream, and what has committed by the end of that.
    const isWithout = holds === 'request' ? 'the first request' : 'the commit'
    expect(await streams()).toHaveLength(name === isWithout ? 0 : 1)
    await abortAllDurableObjects()
    expect(await refusalOf(running)).toMatchObject({ outcome: 'unknown' })
    const again = baton === null ? [] : [steps[at]!, [execute('commit'), close], [execute('rollback'), close]]
    for (const requests of again)
      expect(await refusalOf(send(requests, baton))).toMatchObject({
        code: 'STREAM_LOST',
        outcome: 'unknown',
      })
    expect(await toDatabase()).toEqual([])
    await hold.letGo()
    await clearFaults()
    expect(await rowsLeftBy(title)).toBe(at === 2 && hasEffect ? 2 : 0)
  })

  test.each(NAMES.map((name, at) => [name, at] as const))(
    'behind the answer to %s is not noticed, and each request is sent once',
    async (name, gone) => {
      let baton: string | null = null
      for (const [at, requests] of writing(name).entries()) {
        baton = (await answerOf(send(requests, baton))).baton
        if (at === gone) await abortAllDurableObjects()
      }
      expect(await toDatabase()).toHaveLength(3)
      expect(await streams()).toEqual([])
      expect(await rowsLeftBy(name)).toBe(2)
    },
  )

  test.each([
    [NAMES[0], 1],
    [NAMES[1], 2],
  ] as const)(
    'behind the answer to %s, and comes back for its alarm, says rolled back, and so it is',
    async (name, requests) => {
      let baton: string | null = null
      for (const request of writing(name).slice(0, requests))
        baton = (await answerOf(send(request, baton))).baton
      await abortAllDurableObjects()
      await alarmAfter(SESSION_IDLE_MS, baton!)
      await toDatabase()
      const expired = await refusalOf(send([execute('commit'), close], baton))
      expect(expired).toMatchObject({ code: 'STREAM_EXPIRED', outcome: 'rolled_back' })
      expect(await toDatabase()).toEqual([])
      expect(await rowsLeftBy(name)).toBe(0)
    },
  )
})

describe('a database that', () => {
  test('has no connection free is asked again for a stream, and only for that', async () => {
    await requestsSeen()
    // Those of objects that are gone, until the database gives them up.
    const left = (await streams()).length
    await failNext({ kind: 'rate_limited', on: 'pipeline', times: 2 })
    const { baton } = await answerOf(send([execute('begin')]))
    expect(await requestsSeen()).toHaveLength(3)
    await failNext({ kind: 'rate_limited', on: 'pipeline' })
    expect((await send([execute('select 1')], baton)).status).toBe(429)
    await expect.poll(async () => (await streams()).length).toBeLessThanOrEqual(left)
    expect(await refusalOf(send([execute('commit')], baton))).toMatchObject({ outcome: 'unknown' })
  })

  describe('sends a stream from host to host', () => {
    const hop = (n: number | string): Promise<void> =>
      failNext({
        kind: 'base_url',
        on: 'pipeline',
        url: `https://flip-${n}.turso.io/db/${tenant.database.name}`,
      })
    const hosts = async (): Promise<string[]> =>
      (await requestsSeen()).flatMap((line) => /flip-\d+|evil/.exec(line) ?? [])

    test('is followed eight times over HTTP, then the session is lost, and nothing of it stays', async () => {
      await requestsSeen()
      let { baton } = await answerOf(send([execute('begin'), insert('flipped')]))
      let refused: object = {}
      for (let n = 0; n <= 8; n++) {
        await clearFaults()
        await hop(n)
        const response = await send([execute('select 1')], baton)
        expect([n, response.ok]).toEqual([n, n < 8])
        const answer = (await response.json()) as { baton?: string; code?: string; outcome?: string }
        if (answer.baton === undefined) refused = answer
        else baton = answer.baton
      }
      expect(refused).toMatchObject({ code: 'STREAM_LOST', outcome: 'unknown' })
      await clearFaults()
      expect(await refusalOf(send([execute('commit')], baton))).toMatchObject({ code: 'STREAM_LOST' })
      expect(await titles()).not.toContain('flipped')
    })

    test('is followed eight times on a WebSocket, and to a strange host not even once', async () => {
      const client = await greet(tenant.token.jwt, 'faults')
      const on = (stream_id: number, sql: string): object => ({ ...execute(sql), stream_id })
      for (const id of [1, 2]) await client.get({ type: 'open_stream', stream_id: id })
      await client.get(on(1, 'begin'))
      const lost = { error: { code: 'STREAM_LOST', outcome: 'unknown' } }
      const seen: string[] = []
      for (let n = 0; n <= 8; n++) {
        seen.push(...(await hosts()))
        await clearFaults()
        await hop(n)
        const answer = await client.ask(on(1, 'select 1'))
        expect([n, answer]).toMatchObject([n, n < 8 ? { type: 'response_ok' } : lost])
      }
      await expect.poll(async () => seen.push(...(await hosts())) && seen.at(-1)).toBe('flip-8')
      // At the ninth it is only closed.
      expect([...new Set(seen)]).toEqual(Array.from({ length: 9 }, (_, n) => `flip-${n}`))
      await clearFaults()
      expect(await client.ask(on(1, 'commit'))).toMatchObject(lost)
      await client.get(on(2, 'begin'))
      await requestsSeen()
      await failNext({ kind: 'base_url', on: 'pipeline', url: 'https://evil.example' })
      expect(await client.ask(on(2, 'select 1'))).toMatchObject(lost)
      expect(await hosts()).toEqual([])
      client.close()
    })
  })

  test('is blocked says so with 403, and is not asked again', async () => {
    const body = '{"error":"Operation was blocked: SQL read operations are forbidden (quota)"}'
    for (const requests of [[execute('begin')], [execute('select 1'), close]]) {
      await failNext({ kind: 'respond', on: 'pipeline', status: 500, body })
      const blocked = await refusalOf(send(requests))
      expect(blocked).toMatchObject({
        status: 403,
        code: 'BLOCKED',
        message: expect.stringContaining('quota') as string,
      })
    }
    expect((await requestsSeen()).length).toBeLessThanOrEqual(2)
  })

  test('does not take the token of a session any more ends it with its own words; another token begins another', async () => {
    const own = await signUpNow({ id: 'rotating' })
    const ask = (requests: object[], baton: string | null, token: string): Promise<Response> =>
      call('/t/rotating/v3/pipeline', {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ baton, requests }),
      })
    const { baton } = await answerOf(ask([execute('begin'), insert('by the old token')], null, own.token.jwt))
    const { databases } = localPlatform()
    await databases.invalidateTokens(own.database.name)
    expect((await ask([execute('commit')], baton, own.token.jwt)).status).toBe(401)
    const fresh = await databases.createToken(own.database.name)
    // Its baton is of the old token.
    expect(await refusalOf(ask([execute('commit')], baton, fresh))).toMatchObject({ code: 'BATON_INVALID' })
    const lost = { code: 'STREAM_LOST', outcome: 'unknown' }
    expect(await refusalOf(ask([execute('commit')], baton, own.token.jwt))).toMatchObject(lost)
    const next = await answerOf(ask([execute('begin'), execute('select 1')], null, fresh))
    await answerOf(ask([close], next.baton, fresh))
  })
})

describe('a transaction whose request', () => {
  const lost = { code: 'STREAM_LOST', outcome: 'unknown' }
  /** The database has not had the request, so that its stream is as it was. */
  const unheard: Fault = { kind: 'respond', on: 'pipeline', status: 200, body: '', nth: 1 }
  const begin = async (): Promise<string> => (await answerOf(send([execute('begin immediate')]))).baton!

  /** Long before the database gives its stream up. */
  const expectNone = async (): Promise<void> => {
    await expect.poll(streams, { timeout: BEFORE_IDLE_MS }).toEqual([])
  }

  beforeEach(async () => {
    await failNext({ kind: 'stream_expired', on: 'pipeline' })
    await answerOf(send([close]))
  })

  test('has not reached the database keeps no write lock', async () => {
    const baton = await begin()
    await failNext(unheard)
    expect(await refusalOf(send([execute('commit')], baton))).toMatchObject(lost)
    await expectNone()
  })

  test.each(['pipeline', 'cursor'])(
    'has not reached the database when an operator ends it keeps none either (%s)',
    async (endpoint) => {
      const baton = await begin()
      const hold = await holdNext(endpoint)
      const body = { baton, requests: [insert('never')], batch: { steps: [{ stmt: { sql: 'select 1' } }] } }
      const running = call(`/t/faults/v3/${endpoint}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${tenant.token.jwt}` },
        body: JSON.stringify(body),
      })
      await hold.reached()
      expect(await sessionOf(baton).kill()).toBe(true)
      expect(await refusalOf(running)).toMatchObject({ code: 'SESSION_KILLED', outcome: 'unknown' })
      await expectNone()
    },
  )

  test('was a cursor of which it is not known how it has left its stream keeps no write lock', async () => {
    const baton = await begin()
    await failNext(unheard)
    const cursor = await call('/t/faults/v3/cursor', {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.token.jwt}` },
      body: JSON.stringify({ baton, batch: { steps: [{ stmt: { sql: 'select 1' } }] } }),
    })
    const next = (JSON.parse((await cursor.text()).split('\n')[0]!) as { baton: string }).baton
    expect(await refusalOf(send([execute('commit')], next))).toMatchObject(lost)
    await expectNone()
  })
})

describe('the queue of a stream', () => {
  afterEach(() => void vi.useRealTimers())

  test('is in order, has an end, and nobody waits in it for ever', async () => {
    vi.useFakeTimers()
    const queue = new Queue({ maxWaiting: 2, maxWaitMs: 1_000 })
    const ran: number[] = []
    const first = Promise.withResolvers<undefined>()
    const runs = [
      queue.run(() => first.promise),
      ...[1, 2].map((n) => queue.run(async () => void ran.push(n))),
    ]
    const reasonOf = (run: Promise<unknown>): Promise<string> =>
      run.then(
        () => 'ran',
        (error: unknown) => (error as QueueError).reason,
      )
    expect(await reasonOf(queue.run(async () => void ran.push(3)))).toBe('full')
    first.resolve(undefined)
    await Promise.all(runs)
    expect(ran).toEqual([1, 2])
    const second = Promise.withResolvers<undefined>()
    const holding = queue.run(() => second.promise)
    const waiting = reasonOf(queue.run(async () => void ran.push(4)))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await waiting).toBe('timeout')
    second.resolve(undefined)
    await holding
    await queue.run(async () => void ran.push(5))
    expect(ran).toEqual([1, 2, 5])
    expect(queue.isBusy).toBe(false)
  })

  test('has room again as soon as somebody who waits in it has gone', async () => {
    const queue = new Queue({ maxWaiting: 1, maxWaitMs: 60_000 })
    const ran: string[] = []
    const first = Promise.withResolvers<undefined>()
    const running = queue.run(() => first.promise)
    const gone = new AbortController()
    const waiting = queue.run(async () => void ran.push('gone'), gone.signal)
    gone.abort()
    await expect(waiting).rejects.toMatchObject({ reason: 'abandoned' })
    const next = queue.run(async () => void ran.push('next'))
    first.resolve(undefined)
    await Promise.all([running, next])
    expect(ran).toEqual(['next'])
  })
})

test('a client that has hung up before its request was sent on leaves no transaction behind', async () => {
  const { baton } = await answerOf(send([execute('begin immediate'), insert('hung up')]))
  const request = new Request('https://tenants.example/t/faults/v3/pipeline', {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.token.jwt}` },
    body: JSON.stringify({ baton, requests: [execute('select 1')] }),
    signal: AbortSignal.abort(),
  })
  const context = createExecutionContext()
  await app.fetch(request, env, context)
  await waitOnExecutionContext(context)
  // Its own limit would end it after nine seconds.
  await expect.poll(streams, { timeout: BEFORE_IDLE_MS }).toEqual([])
})
