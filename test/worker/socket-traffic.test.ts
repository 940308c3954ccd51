/**
 * Random traffic on the streams of one socket, sent without waiting, whose object goes away in between: every request has its
 * own answer, and the database holds what was committed. What a stream answers is known beforehand, as streams are in order.
 */
import { env } from 'cloudflare:workers'
import { evictDurableObject, listDurableObjectIds, runInDurableObject } from 'cloudflare:test'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openStreams } from '../support/turso.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { greet, type SocketClient } from './socket-client.ts'

const RUNS = 15
const STREAM_IDS = [0, -1, 7, 2 ** 31 - 1, -(2 ** 31)]
const SQL_IDS = [1, -2]

/** What happens next, if it can: otherwise a value is selected. */
const events = fc.array(
  fc.record({
    kind: fc.constantFrom(
      ...(['open', 'close', 'begin', 'insert', 'insert', 'end', 'stored', 'cursor', 'fetch'] as const),
      ...(['select', 'mistake', 'pause', 'evict'] as const),
    ),
    on: fc.nat(),
    flag: fc.boolean(),
  }),
  { minLength: 40, maxLength: 120 },
)

type Events = typeof events extends fc.Arbitrary<infer Value> ? Value : never

interface StreamModel {
  isInTransaction: boolean
  /** Inserted by its transaction. */
  titles: string[]
  /** Which cursor is open on it: its own number. */
  hasCursor: boolean
}

/** @returns the titles that were committed */
async function play(
  client: SocketClient,
  sent: Events,
  name: string,
  evict: () => Promise<void>,
): Promise<string[]> {
  const streams = new Map<number, StreamModel>()
  const texts = new Map<number, number>()
  const committed: string[] = []
  /** Streams do not wait for each other: a number, and the write lock, are free only once their last answer has come. */
  let free = new Set(STREAM_IDS)
  let writer: number | null = null
  let counter = 0
  let answers: Promise<void>[] = []

  function ask(request: object, expected: object): void {
    answers.push(client.ask(request).then((answer) => expect({ request, ...answer }).toMatchObject(expected)))
  }
  const confirmed = (request: { type: string; [member: string]: unknown }): void =>
    ask(request, { type: 'response_ok', response: { type: request.type } })
  const execute = (streamId: number, stmt: object, result: object): void =>
    ask({ type: 'execute', stream_id: streamId, stmt }, { response: { type: 'execute', result } })
  const rowOf = (value: number): object => ({ rows: [[{ type: 'integer', value: String(value) }]] })
  async function pause(): Promise<void> {
    await Promise.all(answers)
    answers = []
    free = new Set(STREAM_IDS.filter((id) => !streams.has(id)))
    if (writer !== null && streams.get(writer)?.isInTransaction !== true) writer = null
  }

  for (const { kind, on, flag } of sent) {
    if (kind === 'pause') await pause()
    if (kind === 'evict') {
      await pause()
      // With a cursor open it is not idle, and stays.
      if (![...streams.values()].some(({ hasCursor }) => hasCursor)) await evict()
    }
    if (kind === 'open' && free.size > 0) {
      const id = [...free][on % free.size]!
      free.delete(id)
      streams.set(id, { isInTransaction: false, titles: [], hasCursor: false })
      confirmed({ type: 'open_stream', stream_id: id })
    }
    if (streams.size === 0) continue
    const [id, stream] = [...streams][on % streams.size]!
    if (kind === 'close') {
      streams.delete(id)
      confirmed({ type: 'close_stream', stream_id: id })
      if (flag) ask({ type: 'get_autocommit', stream_id: id }, { error: { code: 'STREAM_NOT_OPEN' } })
    } else if (stream.hasCursor) {
      const cursor = { cursor_id: id }
      if (kind === 'fetch')
        ask({ type: 'fetch_cursor', ...cursor, max_count: flag ? 2 : 2 ** 32 - 1 }, { type: 'response_ok' })
      else confirmed({ type: 'close_cursor', ...cursor })
      stream.hasCursor = kind === 'fetch'
    } else if (kind === 'begin' && writer === null) {
      writer = id
      stream.isInTransaction = true
      execute(id, { sql: flag ? 'begin' : 'begin immediate' }, { rows: [] })
    } else if (kind === 'insert' && stream.isInTransaction) {
      const title = `${name} ${(counter += 1)}`
      stream.titles.push(title)
      execute(id, { sql: `insert into notes (title) values ('${title}')` }, { affected_row_count: 1 })
    } else if (kind === 'end' && stream.isInTransaction) {
      if (flag) committed.push(...stream.titles)
      stream.titles = []
      stream.isInTransaction = false
      execute(id, { sql: flag ? 'commit' : 'rollback' }, { rows: [] })
    } else if (kind === 'stored') {
      const sqlId = SQL_IDS[on % SQL_IDS.length]!
      const value = texts.get(sqlId)
      if (value === undefined) {
        texts.set(sqlId, (counter += 1))
        confirmed({ type: 'store_sql', sql_id: sqlId, sql: `select ${counter}` })
      } else {
        execute(id, { sql_id: sqlId }, rowOf(value))
        if (flag && texts.delete(sqlId)) confirmed({ type: 'close_sql', sql_id: sqlId })
      }
    } else if (kind === 'cursor') {
      const sql =
        'with recursive n(i) as (select 1 union all select i + 1 from n where i < 40) select i from n'
      stream.hasCursor = true
      confirmed({ type: 'open_cursor', stream_id: id, cursor_id: id, batch: { steps: [{ stmt: { sql } }] } })
    } else if (kind === 'mistake') {
      ask(
        { type: 'execute', stream_id: id, stmt: { sql: 'select * from nowhere' } },
        { error: { code: 'SQLITE_UNKNOWN' } },
      )
      ask({ type: 'get_autocommit', stream_id: id }, { response: { is_autocommit: !stream.isInTransaction } })
    } else {
      execute(id, { sql: `select ${(counter += 1)}` }, rowOf(counter))
    }
  }
  await pause()
  return committed
}

async function titlesOf({ tenant, token }: SignupAnswer, name: string): Promise<string[]> {
  const requests = [
    { type: 'execute', stmt: { sql: `select title from notes where title like '${name} %' order by id` } },
    { type: 'close' },
  ]
  const response = await call(`/t/${tenant.id}/v3/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token.jwt}` },
    body: JSON.stringify({ baton: null, requests }),
  })
  const { results } = await response.json<{
    results: [{ response: { result: { rows: [{ value: string }][] } } }]
  }>()
  return results[0].response.result.rows.map(([title]) => title.value)
}

test('traffic on several streams is answered as each of them alone, and nothing is left behind', async () => {
  const acme = await signUpNow({ id: 'socket-traffic' })
  const { tenant, database, token } = acme
  let run = 0
  await fc.assert(
    fc.asyncProperty(events, async (sent) => {
      const name = `run ${(run += 1)}`
      const known = new Set((await listDurableObjectIds(env.SOCKETS)).map(String))
      const client = await greet(token.jwt, tenant.id)
      const id = (await listDurableObjectIds(env.SOCKETS)).find((other) => !known.has(other.toString()))!
      const object = env.SOCKETS.get(id)
      // It may have gone by itself.
      const committed = await play(client, sent, name, () =>
        evictDurableObject(object).catch(() => undefined),
      )
      client.close()
      await client.closed
      await expect
        .poll(async () => (await openStreams()).filter((stream) => stream.database === database.name))
        .toEqual([])
      expect(await titlesOf(acme, name)).toEqual(committed)
      const kept = (): Promise<unknown[]> =>
        runInDurableObject(object, async (_, { storage }) => [
          ...(await storage.list()).keys(),
          await storage.getAlarm(),
        ])
      await expect.poll(kept).toEqual([null])
      await expect.poll(() => env.TENANT_SESSIONS.getByName(tenant.id).list('', 100)).toEqual([])
    }),
    { numRuns: RUNS, seed: 1, endOnFailure: true },
  )
}, 600_000)
