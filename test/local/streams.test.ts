import { describe, expect, test } from 'vitest'
import { createClock, errorOf, rowsOf, start, statement } from './harness.ts'

describe('a baton', () => {
  test('is good for one request, which returns the next', async () => {
    const { create } = await start()
    const database = await create('acme')
    const first = await database.run([statement('begin')], { keep: true })
    expect(first.baton).toMatch(/^[A-Za-z0-9+/]{64}$/)
    const second = await database.run([{ type: 'get_autocommit' }], { baton: first.baton, keep: true })
    expect(second.results[0]).toMatchObject({ response: { is_autocommit: false } })
    const reused = await database.send({ baton: first.baton, requests: [] })
    expect([reused.status, reused.text]).toEqual([400, 'Received a baton that has already been used'])
    const last = await database.run([statement('rollback')], { baton: second.baton })
    expect(last.baton).toBeNull()
    const closed = await database.send({ baton: second.baton, requests: [] })
    expect([closed.status, closed.text]).toEqual([400, 'Received an invalid baton'])
  })

  test('is refused while its request still runs, and that request goes on', async () => {
    const { create } = await start()
    const database = await create('acme')
    await database.execute('create table t (a)')
    const writer = await database.run([statement('begin immediate')], { keep: true })
    const { baton } = await database.run([], { keep: true })
    const waiting = database.run([statement('insert into t values (1)')], { baton, keep: true })
    const second = await database.send({ baton, requests: [] })
    expect([second.status, second.text]).toEqual([400, 'Received a baton that has already been used'])
    await database.run([statement('commit')], { baton: writer.baton })
    expect((await waiting).results[0]?.type).toBe('ok')
  })

  test.each([
    ['no base64', '!'],
    ['too short', 'AAAA'],
    ['forged', 'A'.repeat(64)],
  ])('that is %s is invalid', async (_, baton) => {
    const { create } = await start()
    const { status, text } = await (await create('acme')).send({ baton, requests: [] })
    expect([status, text]).toEqual([400, 'Received an invalid baton'])
  })

  test('works on its own database only', async () => {
    const { create } = await start()
    const [acme, other] = [await create('acme'), await create('other')]
    const { baton } = await acme.run([statement('begin')], { keep: true })
    const { status, text } = await other.send({ baton, requests: [] })
    expect([status, text]).toEqual([400, 'Received an invalid baton'])
    expect((await acme.run([], { baton })).baton).toBeNull()
  })

  test('is kept alive by an empty pipeline', async () => {
    const clock = createClock()
    const { create } = await start({ now: clock.now })
    const database = await create('acme')
    let { baton } = await database.run([statement('begin')], { keep: true })
    for (let round = 0; round < 3; round++) {
      clock.advance(9_000)
      baton = (await database.run([], { baton, keep: true })).baton
    }
    const { results } = await database.run([{ type: 'get_autocommit' }], { baton })
    expect(results[0]).toMatchObject({ response: { is_autocommit: false } })
  })
})

describe('an idle stream', () => {
  test('is rolled back, gives the write lock free, and is remembered for 300 seconds', async () => {
    const clock = createClock()
    const { create, turso } = await start({ now: clock.now })
    const database = await create('acme')
    await database.execute('create table t (a)')
    const { baton } = await database.run(
      [statement('begin immediate'), statement('insert into t values (1)')],
      {
        keep: true,
      },
    )
    expect(turso.streams()).toEqual([{ database: 'acme', inTransaction: true }])
    clock.advance(10_000)
    const [inserted, counted] = await database.execute('insert into t values (2)', 'select a from t')
    expect(inserted?.type).toBe('ok')
    expect(rowsOf(counted)).toEqual([[{ type: 'integer', value: '2' }]])
    expect(turso.streams()).toEqual([])
    const expired = await database.send({ baton, requests: [] })
    expect([expired.status, expired.body]).toEqual([
      400,
      { message: 'The stream has expired due to inactivity', code: 'STREAM_EXPIRED' },
    ])
    clock.advance(300_000)
    const forgotten = await database.send({ baton, requests: [] })
    expect([forgotten.status, forgotten.text]).toEqual([400, 'Received an invalid baton'])
  })

  test('lets a writer in that is already waiting', async () => {
    const clock = createClock()
    const { create } = await start({ now: clock.now })
    const database = await create('acme')
    await database.execute('create table t (a)')
    await database.run([statement('begin immediate')], { keep: true })
    const waiting = database.execute('insert into t values (1)')
    clock.advance(10_000)
    expect((await waiting)[0]?.type).toBe('ok')
  })
})

test('a closed stream leaves nothing to the next one', async () => {
  const { create } = await start()
  const database = await create('acme')
  await database.execute(
    'create table t (a)',
    'begin',
    'insert into t values (1)',
    'pragma foreign_keys = off',
  )
  const [autocommit, keys, rows] = (
    await database.run([
      { type: 'get_autocommit' },
      statement('pragma foreign_keys'),
      statement('select * from t'),
    ])
  ).results
  expect(autocommit).toMatchObject({ response: { is_autocommit: true } })
  expect(rowsOf(keys)).toEqual([[{ type: 'integer', value: '1' }]])
  expect(rowsOf(rows)).toEqual([])
})

test.each([
  ['nothing', 'select 1', '0', '0'],
  ['a row that it inserts', 'insert into t values (9)', '3', '1'],
  ['an insert without a row', 'insert or ignore into t values (1)', '0', '0'],
  ['an upsert', 'insert into t values (1) on conflict do update set a = 8', '0', '1'],
  ['an update', 'update t set a = a + 10', '0', '2'],
])('last_insert_rowid() and changes() of a new stream know of %s', async (_, sql, rowid, changes) => {
  const { create } = await start()
  const database = await create('acme')
  await database.execute('create table t (a unique)', 'insert into t values (1), (2)')
  const [done, counters, schema] = await database.execute(
    sql,
    'select last_insert_rowid(), changes()',
    'select * from sqlite_temp_schema',
  )
  expect(done).not.toMatchObject({ response: { result: { last_insert_rowid: '2' } } })
  expect(rowsOf(counters)).toEqual([
    [
      { type: 'integer', value: rowid },
      { type: 'integer', value: changes },
    ],
  ])
  expect(rowsOf(schema)).toEqual([])
})

test('what total_changes() and a view say on a new stream is what they say on a new connection', async () => {
  const { create } = await start()
  const database = await create('acme')
  await database.execute(
    'create table t (a unique, rowid_before default (last_insert_rowid()))',
    'create view counters as select total_changes(), changes(), last_insert_rowid()',
    'insert into t (a) values (1), (2)',
  )
  const zero = { type: 'integer', value: '0' }
  const [counters] = await database.execute('select * from counters')
  expect(rowsOf(counters)).toEqual([[zero, zero, zero]])
  // It sets the rowid, and changes nothing.
  const [failed] = await database.execute('insert into t (a) values (3), (1)')
  expect(errorOf(failed).code).toBe('SQLITE_CONSTRAINT')
  const [rolledBack] = await database.execute('begin', 'insert into t (a) values (3)')
  expect(rolledBack?.type).toBe('ok')
  await database.execute('insert into t (a) values (4)')
  const [rows, total] = await database.execute(
    'select rowid_before from t where a = 4',
    'select total_changes()',
  )
  expect([rowsOf(rows), rowsOf(total)]).toEqual([[[zero]], [[zero]]])
})

test('a client that goes away while it waits leaves no stream and no lock behind', async () => {
  const { create, turso } = await start()
  const database = await create('acme')
  await database.execute('create table t (a)')
  const writer = await database.run([statement('begin immediate')], { keep: true })
  const aborter = new AbortController()
  const requests = [statement('insert into t values (1)')]
  const waiting = database.send({ requests }, { signal: aborter.signal })
  await expect.poll(() => turso.streams().length).toBe(2)
  aborter.abort()
  expect((await waiting).status).toBe(400)
  expect(turso.streams()).toHaveLength(1)
  await database.run([statement('commit')], { baton: writer.baton })
  expect((await database.execute('insert into t values (2)'))[0]?.type).toBe('ok')
})

test('a client that goes away while its query runs ends it, and others are served until then', async () => {
  const { create, turso } = await start()
  const database = await create('acme')
  const aborter = new AbortController()
  const sql = 'with recursive n (i) as (select 1 union all select i + 1 from n) select i from n'
  const requests = [{ type: 'execute', stmt: { sql, want_rows: false } }]
  const running = database.send({ requests }, { signal: aborter.signal })
  expect(rowsOf((await database.execute('select 1'))[0])).toHaveLength(1)
  expect(turso.streams()).toHaveLength(1)
  aborter.abort()
  expect((await running).status).toBe(400)
  expect(turso.streams()).toEqual([])
})

test('deleting a database closes its streams, also those that wait', async () => {
  const { api, create, turso } = await start()
  const database = await create('acme')
  const { baton } = await database.run([statement('begin immediate')], { keep: true })
  const waiting = database.send({ requests: [statement('begin immediate')] })
  await expect.poll(() => turso.streams().length).toBe(2)
  await api('DELETE', 'databases/acme')
  expect(turso.streams()).toEqual([])
  expect((await database.send({ baton, requests: [] })).status).toBe(404)
  const again = await create('acme')
  expect((await again.execute('select * from sqlite_schema'))[0]?.type).toBe('ok')
  expect((await again.send({ baton, requests: [] })).text).toBe('Received an invalid baton')
  await waiting
})

test('the stream after the 128th waits a second and is refused with 429', async () => {
  const { create, turso } = await start()
  const database = await create('acme')
  const batons = await Promise.all(Array.from({ length: 128 }, () => database.run([], { keep: true })))
  expect(turso.streams()).toHaveLength(128)
  const { status, body } = await database.send({ requests: [] })
  expect([status, body]).toEqual([429, { error: 'Timed out while opening database connection' }])
  const waiting = database.run([])
  await database.run([], { baton: batons[0]!.baton })
  expect((await waiting).baton).toBeNull()
})

test('the stream that would be the 128th to wait is refused with 429 at once', async () => {
  const { create } = await start()
  const database = await create('acme')
  const streams = Array.from({ length: 128 }, () => database.run([], { keep: true }))
  const batons = (await Promise.all(streams)).map(({ baton }) => baton)
  const waiting = Array.from({ length: 127 }, () => database.send({ requests: [{ type: 'close' }] }))
  const refused = await database.send({ requests: [] })
  expect([refused.status, refused.body]).toEqual([429, { error: 'Too many concurrent requests' }])
  await Promise.all(batons.map((baton) => database.run([], { baton })))
  expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([200]))
})

describe('the write lock', () => {
  test('queues write transactions in the order of their arrival', async () => {
    const { create } = await start()
    const database = await create('acme')
    await database.execute('create table t (id integer primary key, a)')
    const writers = Array.from({ length: 20 }, async (_, index) => {
      const { baton, results } = await database.run([statement('begin immediate')], { keep: true })
      expect(results[0]?.type).toBe('ok')
      await database.run([statement(`insert into t (a) values (${index})`), statement('commit')], { baton })
    })
    await Promise.all(writers)
    const [rows] = await database.execute('select a from t order by id')
    expect(rowsOf(rows)).toEqual(writers.map((_, index) => [{ type: 'integer', value: `${index}` }]))
  })

  test('does not keep readers waiting', async () => {
    const { create } = await start()
    const database = await create('acme')
    await database.execute('create table t (a)')
    const writer = await database.run([statement('begin immediate'), statement('insert into t values (1)')], {
      keep: true,
    })
    const [rows] = await database.execute('select * from t')
    expect(rowsOf(rows)).toEqual([])
    await database.run([statement('commit')], { baton: writer.baton })
  })

  test('is not given to a transaction that has read an older state, which can still read and end', async () => {
    const { create } = await start()
    const database = await create('acme')
    await database.execute('create table t (a)', 'insert into t values (1)')
    const reader = await database.run([statement('begin'), statement('select * from t')], { keep: true })
    await database.execute('insert into t values (2)')
    const upgrade = await database.run(
      [statement('insert into t values (3)'), statement('select * from t')],
      {
        baton: reader.baton,
        keep: true,
      },
    )
    expect(errorOf(upgrade.results[0]).code).toBe('SQLITE_BUSY')
    expect(rowsOf(upgrade.results[1])).toHaveLength(1)
    const after = await database.run(
      [statement('commit'), statement('insert into t values (4)'), statement('select count(*) from t')],
      { baton: upgrade.baton },
    )
    expect(rowsOf(after.results[2])).toEqual([[{ type: 'integer', value: '3' }]])
  })

  test('is given to a transaction that has read the current state, or none', async () => {
    const { create } = await start()
    const database = await create('acme')
    await database.execute('create table t (a)')
    const stream = await database.run([statement('begin'), statement('select 1')], { keep: true })
    await database.execute('insert into t values (1)')
    const { results } = await database.run(
      [statement('select * from t'), statement('insert into t values (2)'), statement('commit')],
      { baton: stream.baton },
    )
    expect(results.map(({ type }) => type)).toEqual(Array(4).fill('ok'))
  })
})
