import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { WireStreamRequest } from '../../src/hrana/wire.ts'
import { createWriteLock } from '../../local/hrana/write-lock.ts'
import { createClock, errorOf, rowsOf, start, statement, type TestDatabase } from './harness.ts'

const insert = (value: string) => statement(`insert into t values ('${value}')`)
const timedOut = { code: 'TRANSACTION_TIMEOUT', message: 'Transaction timed out' }

async function acme() {
  const clock = createClock()
  const { create, turso } = await start({ now: clock.now, streamIdleMs: 60_000 })
  const database = await create('acme')
  await database.execute('create table t (a)')
  /** A transaction that holds the write lock. */
  const { baton } = await database.run([statement('begin immediate'), insert('victim')], { keep: true })
  return { clock, database, turso, baton }
}

const valuesOf = async (database: TestDatabase) => {
  const [result] = await database.execute('select a from t order by rowid')
  return rowsOf(result).map(([value]) => value)
}
const text = (value: string) => ({ type: 'text', value })

describe('a transaction that holds the write lock', () => {
  test('is rolled back after 5 seconds when another stream wants to write, and its next program hears of it', async () => {
    const { clock, database, baton } = await acme()
    const writer = database.run([insert('writer')])
    clock.advance(4_999)
    expect(await valuesOf(database)).toEqual([])
    clock.advance(1)
    expect((await writer).results[0]?.type).toBe('ok')
    const victim = await database.run([insert('late'), { type: 'get_autocommit' }, insert('after')], {
      baton,
    })
    expect(errorOf(victim.results[0])).toEqual(timedOut)
    expect(victim.results[1]).toMatchObject({ response: { is_autocommit: true } })
    expect(victim.results[2]?.type).toBe('ok')
    expect(await valuesOf(database)).toEqual([text('writer'), text('after')])
  })

  test('is rolled back at once when it is older than that already', async () => {
    const { clock, database, baton } = await acme()
    clock.advance(30_000)
    expect((await database.execute("insert into t values ('writer')"))[0]?.type).toBe('ok')
    const { results } = await database.run([statement('select 1'), statement('commit')], { baton })
    expect(errorOf(results[0])).toEqual(timedOut)
    expect(errorOf(results[1]).message).toBe('SQLite error: cannot commit - no transaction is active')
  })

  test('lives on as long as nobody wants to write', async () => {
    const { clock, database, baton } = await acme()
    clock.advance(50_000)
    expect(await valuesOf(database)).toEqual([])
    const { results } = await database.run([statement('commit')], { baton })
    expect(results[0]?.type).toBe('ok')
    expect(await valuesOf(database)).toEqual([text('victim')])
  })

  test('fails in every step of its next batch, whatever the conditions', async () => {
    const { clock, database, baton } = await acme()
    clock.advance(5_000)
    await database.execute("insert into t values ('writer')")
    const { results } = await database.run(
      [
        {
          type: 'batch',
          batch: {
            steps: [
              { stmt: { sql: "insert into t values ('late')" } },
              { stmt: { sql: 'select 1' }, condition: { type: 'ok', step: 0 } },
            ],
          },
        },
      ],
      { baton },
    )
    expect(results[0]).toMatchObject({ response: { result: { step_errors: [timedOut, timedOut] } } })
    expect(await valuesOf(database)).toEqual([text('writer')])
  })

  test('loses a script as a whole', async () => {
    const { clock, database, baton } = await acme()
    clock.advance(5_000)
    await database.execute("insert into t values ('writer')")
    const { results } = await database.run([{ type: 'sequence', sql: 'select 1; commit' }], { baton })
    expect(errorOf(results[0])).toEqual(timedOut)
  })

  test('is followed by those who wait, in the order of their arrival, each with a time of its own', async () => {
    const { clock, database, turso } = await acme()
    const begin: WireStreamRequest[] = [statement('begin immediate')]
    const first = database.run([...begin, insert('first')], { keep: true })
    const second = database.run([...begin, insert('second'), statement('commit')])
    await expect.poll(() => turso.streams().length).toBe(3)
    clock.advance(5_000)
    const { baton } = await database.run([], { keep: true }).then(() => first)
    clock.advance(4_999)
    await database.run([insert('first again'), statement('commit')], { baton })
    expect((await second).results.map(({ type }) => type)).toEqual(['ok', 'ok', 'ok', 'ok'])
    expect(await valuesOf(database)).toEqual(['first', 'first again', 'second'].map(text))
  })
})

// Reference: whoever came first and did not give up holds the lock.
type Command = { type: 'acquire' | 'abort' | 'release'; who: number } | { type: 'wait'; ms: number }
const who = fc.nat(5)
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('acquire' as const), who }) },
  fc.record({ type: fc.constant('abort' as const), who }),
  fc.record({ type: fc.constant('release' as const), who }),
  fc.record({ type: fc.constant('wait' as const), ms: fc.nat(8_000) }),
)

test('the lock has one holder, goes on in order, and is taken only from a holder whose time is over', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 60 }), async (commands) => {
      const clock = createClock(0)
      let model: { who: number; sinceMs: number } | undefined
      let queue: number[] = []
      const next = () => {
        const [first] = queue
        queue = queue.slice(1)
        model = first === undefined ? undefined : { who: first, sinceMs: clock.now() }
      }
      const stolen: number[] = []
      const lock = createWriteLock<number>({
        timeoutMs: 5_000,
        now: clock.now,
        rollBack(holder) {
          stolen.push(holder)
          lock.release()
        },
      })
      const granted = new Map<number, boolean>()
      const aborters = new Map<number, AbortController>()
      const expectedlyStolen: number[] = []
      const enforceModel = () => {
        while (model && queue.length > 0 && clock.now() - model.sinceMs >= 5_000) {
          expectedlyStolen.push(model.who)
          next()
        }
      }
      for (const one of commands) {
        if (one.type === 'wait') {
          clock.advance(one.ms)
          lock.enforce()
          enforceModel()
        } else if (one.type === 'acquire') {
          if (model?.who === one.who || queue.includes(one.who)) continue
          const aborter = new AbortController()
          aborters.set(one.who, aborter)
          granted.delete(one.who)
          void lock.acquire(one.who, aborter.signal).then((isGranted) => granted.set(one.who, isGranted))
          if (model) queue.push(one.who)
          else model = { who: one.who, sinceMs: clock.now() }
          enforceModel()
        } else if (one.type === 'abort') {
          if (!queue.includes(one.who)) continue
          aborters.get(one.who)?.abort()
          queue = queue.filter((waiter) => waiter !== one.who)
        } else if (model?.who === one.who) {
          lock.release()
          next()
        }
        await Promise.resolve()
        await Promise.resolve()
        await Promise.resolve()
        expect(stolen).toEqual(expectedlyStolen)
        const holder = model?.who
        expect(holder === undefined || granted.get(holder)).toBe(true)
        expect(queue.filter((waiter) => granted.has(waiter))).toEqual([])
      }
    }),
  )
})

test('a pragma fixes what a transaction sees, and a later write fails without breaking the stream', async () => {
  const { create } = await start()
  const database = await create('acme')
  await database.execute('create table t (a)')
  for (const pragma of ['user_version', 'table_info(t)', 'page_count', 'data_version']) {
    const { baton } = await database.run([statement('begin'), statement(`pragma ${pragma}`)], { keep: true })
    await database.execute('insert into t values (1)')
    const { results } = await database.run(
      [statement('insert into t values (2)'), statement('rollback'), statement('insert into t values (3)')],
      { baton },
    )
    expect(errorOf(results[0]).code).toBe('SQLITE_BUSY')
    expect(results.slice(1, 3).map(({ type }) => type)).toEqual(['ok', 'ok'])
  }
})
