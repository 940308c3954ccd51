import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test, vi } from 'vitest'
import type { WireBatch, WireCondition } from '../../src/hrana/wire.ts'
import type { LocalTurso } from '../../local/index.ts'
import { createClock, errorOf, rowsOf, start, statement, type TestDatabase } from './harness.ts'

interface Options {
  baton?: string | null
  signal?: AbortSignal
}

/** Sends a cursor request. */
function open(
  { turso, database }: { turso: LocalTurso; database: TestDatabase },
  batch: WireBatch,
  { baton = null, signal }: Options = {},
): Promise<Response> {
  return turso.fetch(
    new Request(`${database.url}/v3/cursor`, {
      method: 'POST',
      headers: { authorization: `Bearer ${database.jwt}` },
      body: JSON.stringify({ baton, batch }),
      ...(signal && { signal }),
    }),
  )
}

const batchOf = (...steps: [string, WireCondition?][]): WireBatch => ({
  steps: steps.map(([sql, condition]) => ({ stmt: { sql }, ...(condition && { condition }) })),
})

/** Reads lines as they come. */
function linesOf(response: Response) {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest: string[] = []
  let partial = ''
  return {
    async next(): Promise<any> /* oxlint-disable-line typescript/no-explicit-any -- tests look into it freely */ {
      while (rest.length === 0) {
        const { value, done } = await reader.read()
        if (done) return undefined
        const lines = (partial + value).split('\n')
        partial = lines.pop()!
        rest = lines
      }
      return JSON.parse(rest.shift()!)
    },
    cancel: () => reader.cancel(),
  }
}

async function readAll(response: Response): Promise<unknown[]> {
  const text = await response.text()
  expect(text).toMatch(/\n$/)
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
}

async function acme(options: Parameters<typeof start>[0] = {}) {
  const { create, turso, api } = await start(options)
  const database = await create('acme')
  await database.execute('create table t (a unique)', 'insert into t values (1), (2)')
  return { database, turso, api }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** What is in use, without what could be collected. */
function usedBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const ENDLESS = 'with recursive n (i) as (select 1 union all select i + 1 from n) select i from n'

describe('a cursor', () => {
  test('streams the entries of its steps, and a baton first', async () => {
    const server = await acme()
    const response = await open(
      server,
      batchOf(
        ['select a from t order by a'],
        ['insert into t values (3) returning a'],
        ['select 1', { type: 'error', step: 0 }],
        ['insert into t values (3)'],
        ['select * from nope'],
      ),
    )
    expect(response.status).toBe(200)
    const [header, ...entries] = await readAll(response)
    expect(header).toEqual({ baton: expect.any(String), base_url: null })
    const integer = (value: string) => ({ type: 'integer', value })
    expect(entries).toEqual([
      { type: 'step_begin', step: 0, cols: [{ name: 'a', decltype: null }] },
      { type: 'row', row: [integer('1')] },
      { type: 'row', row: [integer('2')] },
      { type: 'step_end', affected_row_count: 0, last_insert_rowid: null },
      { type: 'step_begin', step: 1, cols: [{ name: 'a', decltype: null }] },
      { type: 'row', row: [integer('3')] },
      { type: 'step_end', affected_row_count: 1, last_insert_rowid: '3' },
      { type: 'step_begin', step: 3, cols: [] },
      {
        type: 'step_error',
        step: 3,
        error: { code: 'SQLITE_CONSTRAINT', message: 'SQLite error: UNIQUE constraint failed: t.a' },
      },
      {
        type: 'step_error',
        step: 4,
        error: { code: 'SQLITE_UNKNOWN', message: 'SQLite error: no such table: nope' },
      },
    ])
  })

  test.each([1, 50, 100, 101, 250])('delivers what a query found before it fails in row %i', async (row) => {
    const server = await acme()
    const sql = `with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000)
      select i, abs(i - ${row} - 9223372036854775807 - 1) from n`
    const [, begin, ...entries] = (await readAll(await open(server, batchOf([sql])))) as { type: string }[]
    expect(begin).toMatchObject({ type: 'step_begin' })
    expect(entries.slice(0, -1).map(({ type }) => type)).toEqual(Array(row - 1).fill('row'))
    expect(entries.at(-1)).toMatchObject({
      type: 'step_error',
      error: { message: 'SQLite error: integer overflow' },
    })
    expect(server.turso.streams()).toHaveLength(1)
    expect((await server.database.execute('drop table t'))[0]?.type).toBe('ok')
  })

  test('shares its stream with pipelines before and after it', async () => {
    const server = await acme()
    const { database } = server
    const begun = await database.run([statement('begin'), statement('insert into t values (3)')], {
      keep: true,
    })
    const response = await open(server, batchOf(['select count(*) from t']), { baton: begun.baton })
    const entries = (await readAll(response)) as { baton?: string; row?: unknown }[]
    expect(entries[2]).toEqual({ type: 'row', row: [{ type: 'integer', value: '3' }] })
    await database.run([statement('rollback')], { baton: entries[0]!.baton! })
    expect(rowsOf((await database.execute('select * from t'))[0])).toHaveLength(2)
  })

  test('delivers rows of a query that never ends, while others are served', async () => {
    const server = await acme()
    const lines = linesOf(await open(server, batchOf([ENDLESS])))
    await lines.next()
    expect(await lines.next()).toMatchObject({ type: 'step_begin' })
    for (let row = 1; row <= 5_000; row++) {
      expect(await lines.next()).toEqual({ type: 'row', row: [{ type: 'integer', value: `${row}` }] })
    }
    expect(rowsOf((await server.database.execute('select 1'))[0])).toHaveLength(1)
    await lines.cancel()
    expect(server.turso.streams()).toEqual([])
  })

  test('answers with 1,000,000 rows without holding them', async () => {
    const server = await acme()
    const sql = `with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000000)
      select i, 'this is row number ' || i from n`
    const response = await open(server, batchOf([sql]))
    const growth: number[] = []
    const before = usedBytes()
    let rows = 0
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const already = rows
      for (const line of chunk.split('\n')) if (line.startsWith('{"type":"row"')) rows++
      if (Math.floor(already / 100_000) !== Math.floor(rows / 100_000)) growth.push(usedBytes() - before)
    }
    // Chunks end with a line, so none is counted twice.
    expect(rows).toBe(1_000_000)
    expect(Math.max(...growth)).toBeLessThan(32 * 1024 * 1024)
  }, 120_000)

  test('holds its stream until its end: the next request waits, and one after close does not', async () => {
    const server = await acme()
    const { database, turso } = server
    const lines = linesOf(await open(server, batchOf([ENDLESS])))
    const { baton } = await lines.next()
    const aborter = new AbortController()
    const waiting = database.send({ baton, requests: [statement('select 1')] }, { signal: aborter.signal })
    const order: string[] = []
    void waiting.then(() => order.push('answered'))
    for (let row = 0; row < 10_000; row++) await lines.next()
    expect(order).toEqual([])
    await lines.cancel()
    expect((await waiting).status).toBe(400)
    expect(turso.streams()).toEqual([])
  })

  test('is not ended by the close of its stream, which is closed with it', async () => {
    const server = await acme()
    const { database, turso } = server
    const sql =
      'with recursive n (i) as (select 1 union all select i + 1 from n where i < 20000) select i from n'
    const lines = linesOf(await open(server, batchOf([sql])))
    const { baton } = await lines.next()
    expect((await database.run([], { baton })).baton).toBeNull()
    expect(turso.streams()).toEqual([])
    let rows = 0
    for (let entry = await lines.next(); entry; entry = await lines.next()) if (entry.type === 'row') rows++
    expect(rows).toBe(20_000)
  })

  test('outlives the idle time of its stream', async () => {
    const clock = createClock()
    const server = await acme({ now: clock.now })
    const lines = linesOf(await open(server, batchOf([ENDLESS])))
    const { baton } = await lines.next()
    clock.advance(10_000)
    const expired = await server.database.send({ baton, requests: [] })
    expect(expired.body.code).toBe('STREAM_EXPIRED')
    for (let row = 0; row < 10_000; row++) await lines.next()
    expect(await lines.next()).toMatchObject({ type: 'row' })
    await lines.cancel()
  })
})

test('a cursor holds few rows when they are large', async () => {
  const server = await acme()
  const sql =
    'with recursive n (i) as (select 1 union all select i + 1 from n where i < 60) select zeroblob(2000000) from n'
  const lines = linesOf(await open(server, batchOf([sql])))
  await lines.next()
  await lines.next()
  const growth: number[] = []
  const before = usedBytes()
  let rows = 0
  for (let entry = await lines.next(); entry?.type === 'row'; entry = await lines.next()) {
    rows++
    growth.push(usedBytes() - before)
  }
  expect(rows).toBe(60)
  expect(Math.max(...growth)).toBeLessThan(60_000_000)
})

describe('a client that goes away', () => {
  test.each<[string, (lines: { cancel: () => Promise<void> }, aborter: AbortController) => unknown]>([
    ['cancels the body', (lines) => lines.cancel()],
    ['aborts the request', (_, aborter) => aborter.abort()],
  ])('and %s frees the stream and the write lock', async (_, goAway) => {
    const server = await acme()
    const { database, turso } = server
    const aborter = new AbortController()
    const batch = batchOf(['begin immediate'], ['insert into t values (3)'], [ENDLESS])
    const lines = linesOf(await open(server, batch, { signal: aborter.signal }))
    for (let entry = 0; entry < 1_000; entry++) await lines.next()
    expect(turso.streams()).toEqual([{ database: 'acme', inTransaction: true }])
    await goAway(lines, aborter)
    expect(turso.streams()).toEqual([])
    const [inserted, rows] = await database.execute('insert into t values (4)', 'select a from t')
    expect(inserted?.type).toBe('ok')
    expect(rowsOf(rows)).toHaveLength(3)
    const [dropped] = await database.execute('drop table t')
    expect(dropped?.type).toBe('ok')
  })

  test('while its cursor waits for the write lock never gets it', async () => {
    const server = await acme()
    const { database, turso } = server
    const writer = await database.run([statement('begin immediate')], { keep: true })
    const response = await open(server, batchOf(['insert into t values (3)']))
    await expect.poll(() => turso.streams().length).toBe(2)
    await response.body!.cancel()
    expect(turso.streams()).toHaveLength(1)
    await database.run([statement('commit')], { baton: writer.baton })
    expect(rowsOf((await database.execute('select a from t'))[0])).toHaveLength(2)
  })
})

test('a cursor whose database is deleted is cut off', async () => {
  const server = await acme()
  const lines = linesOf(await open(server, batchOf([ENDLESS])))
  await lines.next()
  await server.api('DELETE', 'databases/acme')
  await expect(
    (async () => {
      for (;;) await lines.next()
    })(),
  ).rejects.toThrow('terminated')
})

test('a cursor in a transaction that was taken from it fails in the step it is in and in all others', async () => {
  const clock = createClock()
  const server = await acme({ now: clock.now })
  const lines = linesOf(
    await open(server, batchOf(['begin immediate'], ['insert into t values (3)'], [ENDLESS], ['commit'])),
  )
  for (let entry = 0; entry < 1_000; entry++) await lines.next()
  clock.advance(5_000)
  expect((await server.database.execute('insert into t values (3)'))[0]?.type).toBe('ok')
  let entry = await lines.next()
  while (entry.type === 'row') entry = await lines.next()
  const error = { code: 'TRANSACTION_TIMEOUT', message: 'Transaction timed out' }
  expect(entry).toEqual({ type: 'step_error', step: 2, error })
  expect(await lines.next()).toEqual({ type: 'step_error', step: 3, error })
  expect(await lines.next()).toBeUndefined()
})

test('an insert of a cursor that nobody reads does not keep others from writing', async () => {
  const server = await acme()
  const response = await open(server, batchOf(['insert into t values (3)'], [ENDLESS]))
  expect((await server.database.execute('insert into t values (4)'))[0]?.type).toBe('ok')
  await response.body!.cancel()
})

test('protocol errors of a cursor are 400, and leave no stream behind', async () => {
  const server = await acme()
  const { database, turso } = server
  const wrong = await open(server, batchOf(['select 1', { type: 'ok', step: 0 }]))
  expect([wrong.status, await wrong.text()]).toEqual([400, 'Invalid reference to step in a batch condition'])
  const { results } = await database.run([{ type: 'describe', sql: 'nonsense' }])
  expect(errorOf(results[0]).code).toBe('SQL_PARSE_ERROR')
  const invalid = await open(server, batchOf(['select 1']), { baton: 'A'.repeat(64) })
  expect([invalid.status, await invalid.text()]).toEqual([400, 'Received an invalid baton'])
  expect(turso.streams()).toEqual([])
})

test('a text that is not UTF-8 is the last entry of a cursor', async () => {
  const server = await acme()
  const entries = await readAll(await open(server, batchOf(["select cast(x'ff' as text)"])))
  expect(entries.at(-1)).toMatchObject({
    type: 'error',
    error: { message: expect.stringContaining('UTF-8') },
  })
})

describe('a cursor that nobody reads', () => {
  test('is cut off after the idle time, and its stream is closed', async () => {
    const clock = createClock()
    const local = await acme({ now: clock.now, streamIdleMs: 10_000 })
    const endless =
      'with recursive c (i) as (select 1 union all select i + 1 from c) select hex(zeroblob(2000)) from c'
    const response = await open(local, batchOf(['begin immediate'], [endless]))
    const reader = response.body!.getReader()
    let isCut = false
    reader.closed.catch(() => (isCut = true))
    for (let round = 0; round < 3; round++) {
      clock.advance(9_000)
      await reader.read()
      await reader.read()
    }
    expect(isCut).toBe(false)
    // It is made a little ahead of its reader.
    await vi.waitFor(async () => {
      clock.advance(10_000)
      await local.api('GET', 'databases')
      expect(isCut).toBe(true)
    }, 20_000)
    const [written] = await local.database.execute('insert into t values (3)')
    expect(written?.type).toBe('ok')
    expect(local.turso.streams()).toEqual([])
  })
})
