import { env } from 'cloudflare:workers'
import {
  evictDurableObject,
  listDurableObjectIds,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Socket } from '../../worker/index.ts'
import { clearFaults, failNext, openStreams, requestsSeen } from '../support/turso.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { signUpNow, type SignupAnswer } from './client.ts'
import { putClockForward, resetClock } from './clock.ts'
import { greet, type SocketClient } from './socket-client.ts'

let acme: SignupAnswer
let client: SocketClient
let known = new Set<string>()

beforeAll(async () => {
  acme = await signUpNow({ id: 'cursor-socket' })
})
beforeEach(async () => {
  await clearFaults()
  known = new Set((await listDurableObjectIds(env.SOCKETS)).map(String))
  client = await greet(acme.token.jwt, 'cursor-socket')
  await client.get({ type: 'open_stream', stream_id: 1 })
})
afterEach(async () => {
  resetClock()
  client.close()
  await vi.waitFor(async () => {
    const own = (await openStreams()).filter(({ database }) => database === acme.database.name)
    if (own.length > 0) throw new Error('a stream is left')
  }, PATIENCE_MS)
})

const numbers = (count: number): string =>
  `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${count}) select i from n`
/** Not without an end: Miniflare does not tell the local Turso that nobody reads any more. */
const MANY = numbers(100_000)

const open = (...statements: string[]): object => ({
  type: 'open_cursor',
  stream_id: 1,
  cursor_id: 1,
  batch: { steps: statements.map((sql) => ({ stmt: { sql } })) },
})
const fetchCursor = (maxCount: number): object => ({
  type: 'fetch_cursor',
  cursor_id: 1,
  max_count: maxCount,
})
const CLOSE = { type: 'close_cursor', cursor_id: 1 }
const execute = (sql: string): object => ({ type: 'execute', stream_id: 1, stmt: { sql } })
const request = (requestId: number, request: object): object => ({
  type: 'request',
  request_id: requestId,
  request,
})

/** The object of the socket of this test. */
async function newestObject(): Promise<DurableObjectStub<Socket>> {
  const id = (await listDurableObjectIds(env.SOCKETS)).find((candidate) => !known.has(candidate.toString()))
  return env.SOCKETS.get(id!)
}

interface Fetched {
  entries: { type: string; row?: { value: string }[]; step?: number; last_insert_rowid?: unknown }[]
  done: boolean
}

const fetched = async (maxCount: number): Promise<Fetched> =>
  (await client.get(fetchCursor(maxCount))) as unknown as Fetched

describe('a cursor', () => {
  test('gives as many entries as are asked for, says when there are no more, and lets the stream go on', async () => {
    expect(await client.get(open(numbers(3), "insert into notes (title) values ('c')"))).toEqual({
      type: 'open_cursor',
    })
    const { entries, done } = await fetched(2)
    expect([entries.map(({ type }) => type), done]).toEqual([['step_begin', 'row'], false])
    expect(await fetched(0)).toMatchObject({ entries: [], done: false })
    const rest = await fetched(1_000)
    expect(rest.entries.map(({ type }) => type)).toEqual(['row', 'row', 'step_end', 'step_begin', 'step_end'])
    expect(rest.entries.at(-1)!.last_insert_rowid).toMatch(/^\d+$/)
    expect(rest.done).toBe(true)
    expect(await fetched(10)).toMatchObject({ entries: [], done: true })
    expect(await client.get(CLOSE)).toEqual({ type: 'close_cursor' })
    expect(await client.get(execute('select 1'))).toMatchObject({ type: 'execute' })
  })

  test('may be asked ahead 64 times, and no more: what its client does not read would be held for it', async () => {
    /** All of them are there before the database has opened the cursor. */
    const openAndFetch = (times: number): void => {
      client.send(request(0, open(numbers(200))))
      for (let id = 1; id <= times; id++) client.send(request(id, fetchCursor(1)))
    }
    openAndFetch(64)
    const answers = await Promise.all(Array.from({ length: 65 }, () => client.next()))
    expect(answers.map(({ type }) => type)).toEqual(answers.map(() => 'response_ok'))
    await client.get(CLOSE)
    openAndFetch(65)
    expect(await client.closed).toMatchObject({ code: 1008, reason: /More than 64 fetches/ })
  })

  test('may have everything behind it in one go', async () => {
    const asked = [
      open(numbers(5)),
      fetchCursor(3),
      fetchCursor(3),
      fetchCursor(3),
      CLOSE,
      execute('select 1'),
    ]
    for (const [id, wanted] of asked.entries()) client.send(request(id, wanted))
    const answers = await Promise.all(asked.map(() => client.next()))
    const byId = answers.toSorted((a, b) => a.request_id! - b.request_id!)
    expect(byId.map(({ type }) => type)).toEqual(asked.map(() => 'response_ok'))
    expect(byId.slice(1, 4).map(({ response }) => (response as unknown as Fetched).entries.length)).toEqual([
      3, 3, 1,
    ])
    expect(byId.slice(1, 4).map(({ response }) => (response as unknown as Fetched).done)).toEqual([
      false,
      false,
      true,
    ])
  })

  test('is read no further than it is asked for, and ends when it is closed', async () => {
    await client.get(open(MANY))
    expect((await fetched(5)).entries).toHaveLength(5)
    await client.get(CLOSE)
    expect(await client.ask(fetchCursor(1))).toMatchObject({ error: { code: 'CURSOR_NOT_OPEN' } })
    // The database was told by hanging up, which ends its stream too.
    expect(await client.ask(execute('select 1'))).toMatchObject({ error: { code: 'STREAM_LOST' } })
  })

  test('gives a megabyte of rows in several messages, whatever was asked for', async () => {
    await client.get(open(`select i, hex(zeroblob(5000)) from (${numbers(300)})`))
    let rows = 0
    let messages = 0
    for (let done = false; !done; messages++) {
      const next = await fetched(4_000_000_000)
      done = next.done
      rows += next.entries.filter(({ type }) => type === 'row').length
      expect(JSON.stringify(next).length).toBeLessThan(700_000)
    }
    expect(rows).toBe(300)
    expect(messages).toBeGreaterThan(4)
    await client.get(CLOSE)
  })

  test('sees its transaction, which goes on behind it', async () => {
    await client.get(execute('begin immediate'))
    await client.get(execute("insert into notes (title) values ('in transaction')"))
    await client.get(open('select title from notes order by id desc limit 1'))
    expect((await fetched(10)).entries[1]!.row).toMatchObject([{ value: 'in transaction' }])
    await client.get(CLOSE)
    expect(await client.get({ type: 'get_autocommit', stream_id: 1 })).toMatchObject({ is_autocommit: false })
    await client.get(execute('rollback'))
  })

  test('that only reads is closed in the middle without harm to its transaction', async () => {
    await client.get(execute('begin immediate'))
    await client.get(execute("insert into notes (title) values ('read in part')"))
    await client.get(open(numbers(5_000)))
    expect((await fetched(5)).entries).toHaveLength(5)
    const [closed, asked] = await Promise.all([
      client.get(CLOSE),
      client.get({ type: 'get_autocommit', stream_id: 1 }),
    ])
    expect([closed, asked]).toEqual([
      { type: 'close_cursor' },
      { type: 'get_autocommit', is_autocommit: false },
    ])
    await client.get(execute('commit'))
    const { result } = (await client.get(
      execute("select count(*) from notes where title = 'read in part'"),
    )) as unknown as { result: { rows: unknown } }
    expect(result.rows).toEqual([[{ type: 'integer', value: '1' }]])
  })

  test('that writes is cut off when it is closed, and its transaction with it', async () => {
    await client.get(execute('begin immediate'))
    await client.get(open(numbers(5_000), "insert into notes (title) values ('behind the rows')"))
    expect((await fetched(5)).entries).toHaveLength(5)
    await client.get(CLOSE)
    expect(await client.ask(execute('commit'))).toMatchObject({ error: { code: 'STREAM_LOST' } })
  })

  test('tells of a step that fails, and goes on as the batch does', async () => {
    await client.get(open('select * from nowhere', 'select 1'))
    const { entries } = await fetched(10)
    expect(entries.map(({ type }) => type)).toEqual(['step_error', 'step_begin', 'row', 'step_end'])
    await client.get(CLOSE)
  })

  test('uses stored texts', async () => {
    await client.get({ type: 'store_sql', sql_id: 1, sql: 'select 7' })
    await client.get({
      type: 'open_cursor',
      stream_id: 1,
      cursor_id: 1,
      batch: { steps: [{ stmt: { sql_id: 1 } }] },
    })
    expect((await fetched(10)).entries[1]!.row).toMatchObject([{ value: '7' }])
    await client.get(CLOSE)
  })

  test('is closed with its stream', async () => {
    await client.get(open(MANY))
    await fetched(1)
    await client.get({ type: 'close_stream', stream_id: 1 })
    expect(await client.ask(fetchCursor(1))).toMatchObject({ error: { code: 'CURSOR_NOT_OPEN' } })
    await expect.poll(openStreams).toEqual([])
  })

  test('is closed with its socket', async () => {
    await client.get(open(MANY))
    await fetched(1)
    client.close()
    await expect.poll(openStreams).toEqual([])
  })

  test('whose number is in use ends the socket', async () => {
    await client.get(open(MANY))
    client.send(request(1, open('select 1')))
    expect(await client.closed).toMatchObject({ code: 1008, reason: /Cursor 1 is in use/ })
  })

  test('that could not be opened keeps its number until it is closed', async () => {
    await failNext({ kind: 'respond', on: 'cursor', status: 403, body: '{"error":"not you"}' })
    expect(await client.ask(open('select 1'))).toMatchObject({ error: { message: 'not you' } })
    expect(await client.ask(fetchCursor(1))).toMatchObject({ type: 'response_error' })
    await client.get(CLOSE)
    expect(await client.ask(fetchCursor(1))).toMatchObject({ error: { code: 'CURSOR_NOT_OPEN' } })
  })

  test.each(['cut', 'clean'] as const)('that the database breaks off (%s) is an error', async (ending) => {
    const lines: unknown[] = []
    const warn = vi
      .spyOn(console, 'warn')
      .mockImplementation((line: string) => void lines.push(JSON.parse(line)))
    await failNext({ kind: 'truncated', on: 'cursor', share: 0.6, ending })
    await client.get(open(numbers(2_000)))
    let answer = await client.ask(fetchCursor(500))
    while (answer.type === 'response_ok') answer = await client.ask(fetchCursor(500))
    expect(answer).toMatchObject({ error: { code: 'NO_ANSWER', outcome: 'unknown' } })
    warn.mockRestore()
    const ofTheUpgrade = { tenant: acme.tenant.id, request_id: expect.stringMatching(/./) as string }
    expect(lines).toContainEqual(expect.objectContaining({ event: 'cursor_failed', ...ofTheUpgrade }))
    await client.get(CLOSE)
    expect(await requestsSeen()).toContain(`POST ${acme.database.hostname}/v3/cursor`)
  })

  test('that a drain ends says so to the fetch that waits, and to those behind it', async () => {
    await client.get(execute('begin immediate'))
    await client.get(open(MANY))
    await fetched(1)
    const object = await newestObject()
    await object.drain(Date.now())
    const answers = [await client.ask(fetchCursor(10_000)), await client.ask(fetchCursor(1))]
    answers.push(await client.ask(execute('commit')))
    const killed = {
      code: 'SESSION_KILLED',
      outcome: 'unknown',
      message: expect.stringContaining('maintenance') as string,
    }
    expect(answers.at(-1)).toMatchObject({ error: killed })
    // Of what had come before, entries may still be given.
    expect(answers.slice(0, 2)).toMatchObject([{ error: killed }, { error: killed }])
    await client.get(CLOSE)
  })

  test('that nobody reads is closed, so that it does not hold the database', async () => {
    await client.get(open(MANY))
    await fetched(1)
    putClockForward(61_000)
    expect(await runDurableObjectAlarm(await newestObject())).toBe(true)
    expect(await client.ask(fetchCursor(1))).toMatchObject({ error: { code: 'CURSOR_EXPIRED' } })
    await expect.poll(openStreams).toEqual([])
    await client.get(CLOSE)
  })

  test('does not outlive the instance that reads it, and says so', async () => {
    const object = await newestObject()
    // As an instance leaves it that is gone with an open cursor: one that is only idle is not evicted then.
    await runInDurableObject(object, (_, state) => {
      const [socket] = state.getWebSockets()
      const attachment = socket!.deserializeAttachment() as object
      socket!.serializeAttachment({ ...attachment, cursors: new Map([[1, 1]]) })
    })
    await evictDurableObject(object)
    expect(await client.ask(fetchCursor(1))).toMatchObject({
      error: { code: 'CURSOR_LOST', outcome: 'unknown' },
    })
    await client.get(CLOSE)
    expect(await client.ask(fetchCursor(1))).toMatchObject({ error: { code: 'CURSOR_NOT_OPEN' } })
    await client.get(execute('select 1'))
  })
})
