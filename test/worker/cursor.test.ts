import { abortAllDurableObjects } from 'cloudflare:test'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect } from '../../src/index.ts'
import { clearFaults, failNext, holdNext, openStreams, requestsSeen } from '../support/turso.ts'
import { BEFORE_IDLE_MS } from '../support/patience.ts'
import { call, ORIGIN, signUpNow, type SignupAnswer } from './client.ts'
import { resetClock } from './clock.ts'
import { alarmAfter, answerOf, close, execute, insert, refusalOf, sessionOf } from './gateway-client.ts'

let tenant: SignupAnswer

beforeAll(async () => {
  tenant = await signUpNow({ id: 'cursor' })
})
beforeEach(clearFaults)
afterEach(resetClock)

const batchOf = (...sql: string[]): object => ({ steps: sql.map((text) => ({ stmt: { sql: text } })) })

function post(path: string, body: object): Promise<Response> {
  return call(`/t/cursor/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.token.jwt}` },
    body: JSON.stringify(body),
  })
}
const cursor = (sql: string | string[], baton: string | null = null): Promise<Response> =>
  post('v3/cursor', { baton, batch: batchOf(...[sql].flat()) })
const pipeline = (requests: object[], baton: string | null = null): Promise<Response> =>
  post('v3/pipeline', { baton, requests })

interface Line {
  type?: string
  baton?: string | null
  base_url?: string | null
  row?: { value: string }[]
}

async function linesOf(response: Promise<Response>): Promise<Line[]> {
  const settled = await response
  expect(settled.status).toBe(200)
  return (await settled.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

const streams = async (): Promise<{ inTransaction: boolean }[]> =>
  (await openStreams())
    .filter(({ database }) => database === tenant.database.name)
    .map(({ inTransaction }) => ({ inTransaction }))

const numbers = (count: number): string =>
  `with recursive c(n) as (select 1 union all select n + 1 from c where n < ${count}) select n, hex(zeroblob(60)) from c`

async function restOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<'whole' | 'cut off'> {
  try {
    while (!(await reader.read()).done);
    return 'whole'
  } catch {
    return 'cut off'
  }
}

describe('a cursor that leaves nothing behind', () => {
  test('goes through without an object, and leaves no stream open at the database', async () => {
    const [head, ...entries] = await linesOf(cursor(numbers(3)))
    expect(head).toEqual({ baton: null, base_url: null })
    const types = entries.map(({ type }) => type).filter((type) => type !== 'replication_index')
    expect(types).toEqual(['step_begin', 'row', 'row', 'row', 'step_end'])
    await expect.poll(streams).toEqual([])
    expect(await requestsSeen()).toEqual([
      `POST ${tenant.database.hostname}/v3/cursor`,
      `POST ${tenant.database.hostname}/v3/pipeline`,
    ])
  })

  test('has its values passed on untouched', async () => {
    const text = await (await cursor("select -0.0, 9007199254740993, char(0), '🦊'")).text()
    expect(text).toMatch(/"value":-0/)
    expect(text).toContain('9007199254740993')
  })

  test('of a client that goes away ends at the database', async () => {
    const response = await cursor(numbers(1_000_000))
    const reader = response.body!.getReader()
    await reader.read()
    expect(await streams()).toHaveLength(1)
    await reader.cancel()
    await expect.poll(streams).toEqual([])
  })

  test.each(['https://evil.example', 'https://u:p@x.turso.io'])(
    'that the database sends to %s is not followed: no request carries the token there',
    async (url) => {
      await failNext({ kind: 'base_url', on: 'cursor', url })
      const [head] = await linesOf(cursor('select 1'))
      expect(head).toEqual({ baton: null, base_url: null })
      await expect.poll(streams).toEqual([])
      expect((await requestsSeen()).every((line) => line.includes(tenant.database.hostname))).toBe(true)
    },
  )

  test('that the database refuses, redirects or cuts off at once is told as for pipelines', async () => {
    await failNext({ kind: 'rate_limited', on: 'cursor', retryAfter: 7 })
    const limited = await cursor('select 1')
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
    await limited.body?.cancel()
    await failNext({ kind: 'redirect', on: 'cursor', to: 'https://evil.example/' })
    expect(await refusalOf(cursor('select 1'))).toMatchObject({ status: 502, code: 'UPSTREAM_REFUSED' })
    await failNext({ kind: 'respond', on: 'cursor', status: 200, body: '{"baton":nul' })
    expect(await refusalOf(cursor('select 1'))).toMatchObject({
      status: 502,
      code: 'NO_ANSWER',
      outcome: 'unknown',
    })
    await failNext({
      kind: 'respond',
      on: 'cursor',
      status: 500,
      body: '{"error":"Operation was blocked: quota"}',
    })
    const blocked = await refusalOf(cursor('select 1'))
    expect(blocked).toMatchObject({ status: 403, code: 'BLOCKED', message: expect.stringContaining('quota') })
  })

  test.each([
    ['no body', { status: 204 }],
    ['an object that is no head of a cursor', { status: 200, body: '{"error":"try later"}\n' }],
  ])('that is answered by %s may have run, in a session or without', async (_, answer) => {
    const fault = { kind: 'respond', on: 'cursor', ...answer } as const
    await failNext(fault)
    const unknown = { status: 502, code: 'NO_ANSWER', outcome: 'unknown' }
    expect(await refusalOf(cursor('select 1'))).toMatchObject(unknown)
    await clearFaults()
    await failNext(fault)
    expect(await refusalOf(cursor('begin'))).toMatchObject(unknown)
    const { baton } = await answerOf(pipeline([execute('begin')]))
    await clearFaults()
    await failNext(fault)
    const lost = { status: 400, code: 'STREAM_LOST', outcome: 'unknown' }
    expect(await refusalOf(cursor('commit', baton))).toMatchObject(lost)
    expect(await refusalOf(pipeline([execute('commit')], baton))).toMatchObject(lost)
    // The database has not had it, so that its stream can be closed.
    await expect.poll(streams, { timeout: BEFORE_IDLE_MS }).toEqual([])
  })

  test('is no cursor without a batch', async () => {
    const invalid = { status: 400, code: 'INVALID_REQUEST' }
    expect(await refusalOf(post('v3/cursor', { baton: null }))).toMatchObject(invalid)
    expect(await refusalOf(post('v3/cursor', { batch: [] }))).toMatchObject(invalid)
    expect(await refusalOf(call('/t/cursor/v3/cursor'))).toMatchObject({ status: 405 })
  })
})

describe("a cursor on a session's stream", () => {
  test('runs in its transaction, and the next request waits for its end', async () => {
    const begun = await answerOf(pipeline([execute('begin immediate'), insert('seen inside')]))
    const [head, ...entries] = await linesOf(
      cursor("select title from notes where title = 'seen inside'", begun.baton),
    )
    expect(entries.find(({ type }) => type === 'row')?.row?.[0]?.value).toBe('seen inside')
    await answerOf(pipeline([execute('rollback'), close], head!.baton))
    expect(await streams()).toEqual([])
  })

  test('may begin a session and its transaction, as the serverless driver does', async () => {
    const [head] = await linesOf(cursor(['begin', "insert into notes (title) values ('by cursor')"]))
    expect(head!.baton).not.toBeNull()
    expect(await streams()).toEqual([{ inTransaction: true }])
    const [next] = await linesOf(cursor('commit', head!.baton))
    await answerOf(pipeline([close], next!.baton))
    const { results } = await answerOf(
      pipeline([execute("select 1 from notes where title = 'by cursor'"), close]),
    )
    expect(results[0]!.response!.result!.rows).toHaveLength(1)
  })

  test('has its baton used once, also while it runs', async () => {
    const begun = await answerOf(pipeline([execute('begin')]))
    const running = await cursor(numbers(10_000), begun.baton)
    const [again, lines] = await Promise.all([
      refusalOf(cursor('select 1', begun.baton)),
      linesOf(Promise.resolve(running)),
    ])
    expect(again).toMatchObject({ code: 'BATON_REUSED' })
    await answerOf(pipeline([close], lines[0]!.baton))
  })

  test('has the stored texts of a stream that the database has no more', async () => {
    const stored = await answerOf(pipeline([{ type: 'store_sql', sql_id: 7, sql: 'select 77' }]))
    await alarmAfter(9_000, stored.baton!)
    const batch = { steps: [{ stmt: { sql_id: 7 } }] }
    const [head, ...entries] = await linesOf(post('v3/cursor', { baton: stored.baton, batch }))
    expect(entries.find(({ type }) => type === 'row')?.row?.[0]?.value).toBe('77')
    await answerOf(pipeline([close], head!.baton))
  })

  const unanswered = /"NO_ANSWER".*did not run/
  test.each([
    ['is refused', { kind: 'respond', status: 500, body: 'no' } as const, /^no$/],
    ['is turned away', { kind: 'rate_limited', retryAfter: 7 } as const, /Too many/],
    ['makes no sense', { kind: 'respond', status: 200, body: 'no' } as const, unanswered],
    ['fails', { kind: 'replace', from: '{"type":"ok"', to: '{"type":"error"' } as const, unanswered],
    ['is sent elsewhere', { kind: 'base_url', url: 'https://evil.example' } as const, unanswered],
  ])(
    'whose texts have to be stored again did not run when that %s, and may be sent again',
    async (_, fault, told) => {
      const stored = await answerOf(pipeline([{ type: 'store_sql', sql_id: 7, sql: 'select 77' }]))
      await alarmAfter(9_000, stored.baton!)
      await expect.poll(streams).toEqual([])
      const batch = { steps: [{ stmt: { sql_id: 7 } }] }
      await failNext({ ...fault, on: 'pipeline' })
      const refused = await post('v3/cursor', { baton: stored.baton, batch })
      const text = await refused.text()
      expect([refused.ok, text]).toEqual([false, expect.stringMatching(told)])
      expect(text).not.toContain('outcome')
      await expect.poll(streams, { timeout: BEFORE_IDLE_MS }).toEqual([])
      const [head, ...entries] = await linesOf(post('v3/cursor', { baton: stored.baton, batch }))
      expect(entries.find(({ type }) => type === 'row')?.row?.[0]?.value).toBe('77')
      await answerOf(pipeline([close], head!.baton))
    },
  )

  test('that is turned away when its texts are stored again may be sent again', async () => {
    const stored = await answerOf(pipeline([{ type: 'store_sql', sql_id: 7, sql: 'select 77' }]))
    await alarmAfter(9_000, stored.baton!)
    await expect.poll(streams).toEqual([])
    const batch = { steps: [{ stmt: { sql_id: 7 } }] }
    await failNext({ kind: 'rate_limited', on: 'cursor', retryAfter: 7 })
    const limited = await post('v3/cursor', { baton: stored.baton, batch })
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
    await limited.body?.cancel()
    await expect.poll(streams, { timeout: BEFORE_IDLE_MS }).toEqual([])
    const [head] = await linesOf(post('v3/cursor', { baton: stored.baton, batch }))
    await answerOf(pipeline([close], head!.baton))
  })

  test.each([
    ['refuses', 500],
    ['does not answer as one should', 200],
  ])('that the database %s leaves no stream that was opened for its texts', async (_, status) => {
    const stored = await answerOf(pipeline([{ type: 'store_sql', sql_id: 7, sql: 'select 77' }]))
    await alarmAfter(9_000, stored.baton!)
    await expect.poll(streams).toEqual([])
    await failNext({ kind: 'respond', on: 'cursor', status, body: 'no' })
    const batch = { steps: [{ stmt: { sql_id: 7 } }] }
    expect((await post('v3/cursor', { baton: stored.baton, batch })).ok).toBe(false)
    // Long before the database gives it up.
    await expect.poll(streams, { timeout: BEFORE_IDLE_MS }).toEqual([])
  })

  test('whose object is gone in the middle breaks off, and both of its batons are told that the outcome is unknown', async () => {
    const begun = await answerOf(pipeline([execute('begin')]))
    const reader = (await cursor(numbers(1_000_000), begun.baton)).body!.getReader()
    const { value } = await reader.read()
    const { baton } = JSON.parse(new TextDecoder().decode(value).split('\n')[0]!) as Line
    await abortAllDurableObjects()
    expect(await restOf(reader)).toBe('cut off')
    const lost = { code: 'STREAM_LOST', outcome: 'unknown' }
    for (const either of [baton, begun.baton])
      expect(await refusalOf(pipeline([execute('commit')], either))).toMatchObject(lost)
  })

  test('of a client that goes away is ended and rolled back at once, and the session with it', async () => {
    const begun = await answerOf(pipeline([execute('begin immediate'), insert('gone')]))
    const response = await cursor(numbers(1_000_000), begun.baton)
    const reader = response.body!.getReader()
    const { value } = await reader.read()
    const { baton } = JSON.parse(new TextDecoder().decode(value).split('\n')[0]!) as Line
    await reader.cancel()
    await expect.poll(streams).toEqual([])
    const lost = { code: 'STREAM_LOST', outcome: 'unknown' }
    expect(await refusalOf(pipeline([execute('commit')], baton))).toMatchObject(lost)
  })
})

describe('a drain', () => {
  const readSome = async (response: Response): Promise<ReadableStreamDefaultReader<Uint8Array>> => {
    const reader = response.body!.getReader()
    await reader.read()
    return reader
  }
  test('ends a cursor that its client has not read by then, and rolls back', async () => {
    const begun = await answerOf(pipeline([execute('begin immediate'), insert('drained')]))
    const reader = await readSome(await cursor(numbers(1_000_000), begun.baton))
    await sessionOf(begun.baton!).drain(Date.now())
    await expect.poll(streams).toEqual([])
    expect(await restOf(reader)).toBe('cut off')
    expect(await refusalOf(pipeline([execute('commit')], begun.baton))).toMatchObject({
      code: 'SESSION_KILLED',
      outcome: 'unknown',
      message: expect.stringContaining('maintenance') as string,
    })
  })

  test.each(['the drain', 'a kill'])('is told of %s, also to the baton that the cursor gave', async (by) => {
    const begun = await answerOf(pipeline([execute('begin')]))
    const response = await cursor(numbers(1_000_000), begun.baton)
    const reader = response.body!.getReader()
    const { value } = await reader.read()
    const { baton } = JSON.parse(new TextDecoder().decode(value).split('\n')[0]!) as Line
    const session = sessionOf(begun.baton!)
    await (by === 'a kill' ? session.kill() : session.drain(Date.now()))
    expect(await restOf(reader)).toBe('cut off')
    expect(await refusalOf(pipeline([execute('commit')], baton))).toMatchObject({
      code: 'SESSION_KILLED',
      outcome: 'unknown',
      message: expect.stringContaining(by === 'a kill' ? 'by an operator' : 'maintenance') as string,
    })
  })

  test('that comes before the cursor has begun has it refused, and the stream closed', async () => {
    const begun = await answerOf(pipeline([execute('begin')]))
    const hold = await holdNext('cursor', { holds: 'answer' })
    const running = cursor('select 1', begun.baton)
    await hold.reached()
    await sessionOf(begun.baton!).drain(Date.now())
    await hold.letGo()
    expect(await refusalOf(running)).toMatchObject({ code: 'SESSION_KILLED', outcome: 'unknown' })
    await expect.poll(streams, { timeout: BEFORE_IDLE_MS }).toEqual([])
  })

  test('lets it go on until then', async () => {
    const begun = await answerOf(pipeline([execute('begin')]))
    const reader = await readSome(await cursor(numbers(1_000_000), begun.baton))
    await sessionOf(begun.baton!).drain(Date.now() + 20_000)
    await alarmAfter(9_000, begun.baton!)
    expect(await streams()).toEqual([{ inTransaction: true }])
    await alarmAfter(20_000, begun.baton!)
    await expect.poll(streams).toEqual([])
    expect(await restOf(reader)).toBe('cut off')
  })
})

describe('what clients ask before they begin', () => {
  test('is answered without asking the database', async () => {
    for (const path of ['v2', 'v3', 'version', 'health'])
      expect((await call(`/t/cursor/${path}`)).status).toBe(200)
    expect(await requestsSeen()).toEqual([])
    const fetchGateway = (input: string | URL | Request, init?: RequestInit) =>
      call(new Request(input, init).url.slice(ORIGIN.length), init)
    const db = connect({ url: `${ORIGIN}/t/cursor/`, authToken: tenant.token.jwt, fetch: fetchGateway })
    expect(await db.version()).toMatch(/^turso-edge /)
    let rows = 0
    for await (const row of db.stream(numbers(5_000))) rows += row['n'] === rows + 1 ? 1 : 0
    expect(rows).toBe(5_000)
  })
})
