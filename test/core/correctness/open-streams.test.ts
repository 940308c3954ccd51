/** No way of using the client leaves a stream open on the server. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, type Database, type Fetch } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestDatabase, type TestTurso } from '../../support/turso.ts'
import { failureOf } from '../../support/failure-of.ts'

describe.each(BEHAVIOUR_NAMES)('behaviour %s', (behaviour) => {
  let turso: TestTurso
  let fixture: TestDatabase
  let db: Database

  beforeAll(async () => {
    turso = await startTurso({ behaviour })
    fixture = await turso.createDatabase()
    db = fixture.database
  })
  beforeEach(() => turso.clearFaults())

  /** Rows of a kilobyte, so that they come in many pieces. */
  const manyRows = `with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
    select i, printf('%.1000c', 'x') as text from n`
  const failing = `with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
    select abs(case i when 1500 then -9223372036854775807 - 1 else i end) as i, printf('%.1000c', 'x') as text from n`

  describe('a stream of rows leaves no stream open', () => {
    test('when it is read to its end', async () => {
      let count = 0
      for await (const { i } of db.stream(manyRows)) expect(i).toBe((count += 1))
      expect(count).toBe(2000)
      expect(await turso.openStreams()).toEqual([])
    })

    test.each([1, 2, 700])('when its loop is left at row %i', async (last) => {
      for await (const { i } of db.stream(manyRows)) if (i === last) break
      expect(await turso.openStreams()).toEqual([])
    })

    test('when its loop body throws', async () => {
      const reason = new Error('enough')
      const run = async (): Promise<void> => {
        for await (const { i } of db.stream(manyRows)) if (i === 3) throw reason
      }
      expect(await failureOf(run())).toBe(reason)
      expect(await turso.openStreams()).toEqual([])
    })

    test('when it is returned from, before and after a row, and twice', async () => {
      const unread = db.stream(manyRows)
      await unread.return()
      expect(await unread.next()).toEqual({ done: true, value: undefined })
      const read = db.stream(manyRows)
      await read.next()
      await read.return()
      await read.return()
      expect(await read.next()).toEqual({ done: true, value: undefined })
      expect(await turso.openStreams()).toEqual([])
    })

    test('when something is thrown into it', async () => {
      const rows = db.stream(manyRows)
      await rows.next()
      const reason = new Error('thrown in')
      expect(await failureOf(rows.throw(reason))).toBe(reason)
      expect(await turso.openStreams()).toEqual([])
    })

    test('when its signal is aborted between rows', async () => {
      const controller = new AbortController()
      const reason = new Error('the user left')
      let seen = 0
      const run = async (): Promise<void> => {
        for await (const row of db.stream({ sql: manyRows }, { signal: controller.signal })) {
          seen += Number(row['i'] !== undefined)
          controller.abort(reason)
        }
      }
      expect(await failureOf(run())).toBe(reason)
      expect(seen).toBeLessThan(2000)
      expect(await turso.openStreams()).toEqual([])
    })

    test('when the statement fails after many rows', async () => {
      let last: unknown
      const run = async (): Promise<void> => {
        for await (const { i } of db.stream(failing)) last = i
      }
      expect(await failureOf(run())).toMatchObject({ code: 'sql_error' })
      expect(last).toBeGreaterThan(1000)
      expect(await turso.openStreams()).toEqual([])
    })

    test('when a row cannot be decoded', async () => {
      const run = async (): Promise<void> => {
        for await (const row of db.stream("select value as v from json_each('[1,9007199254740993]')"))
          expect(row).toBeDefined()
      }
      expect(await failureOf(run())).toBeInstanceOf(RangeError)
      expect(await turso.openStreams()).toEqual([])
    })

    test('when a schema refuses a row', async () => {
      const schema = {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: () => ({ issues: [{ message: 'never' }] }),
        },
      } as const
      const run = async (): Promise<void> => {
        for await (const row of db.stream({ sql: manyRows }, { schema })) expect(row).toBeDefined()
      }
      expect(await failureOf(run())).toMatchObject({ code: 'invalid_row', rowIndex: 0 })
      expect(await turso.openStreams()).toEqual([])
    })

    test.each(['clean', 'cut'] as const)('when its answer is cut (%s)', async (ending) => {
      await turso.failNext({ kind: 'truncated', on: `POST /db/${fixture.name}/v3/cursor`, ending })
      const run = async (): Promise<void> => {
        for await (const row of db.stream(manyRows)) expect(row).toBeDefined()
      }
      expect(await failureOf(run())).toMatchObject({
        code: expect.stringMatching(/^(protocol|network)$/) as string,
      })
      expect(await turso.openStreams()).toEqual([])
    })

    test('when many are read side by side, some of them to their end', async () => {
      const read = async (limit: number): Promise<number> => {
        let count = 0
        for await (const row of db.stream(manyRows)) if (row['i'] === limit || (count += 1) < 0) break
        return count
      }
      const counts = await Promise.all([10, 3000, 1, 1999, 3000, 5].map(read))
      expect(counts).toEqual([9, 2000, 0, 1998, 2000, 4])
      expect(await turso.openStreams()).toEqual([])
    })
  })

  test('a stream of rows that nobody reads sends nothing', async () => {
    await turso.requestsSeen()
    const rows = db.stream(manyRows)
    expect(rows.columns).toEqual([])
    expect(rows[Symbol.asyncIterator]()).toBe(rows)
    expect(await turso.requestsSeen()).toEqual([])
  })

  test('statements of one request each, failing ones among them, leave no stream open', async () => {
    let sent = 0
    const fetch: Fetch = (url, init) => {
      sent += 1
      return globalThis.fetch(url, init)
    }
    const { hostname, token } = fixture
    const counting = connect({ url: `libsql://${hostname}`, authToken: token, fetch })
    const calls: (() => Promise<unknown>)[] = [
      () => counting.execute('select 1'),
      () => counting.execute('select * from nowhere'),
      () => counting.batch(['select 1', 'select 2']),
      () => counting.batch(['select 1', 'selec 2']),
      () => counting.executeMultiple('select 1; select 2'),
      () => counting.executeMultiple('begin immediate; select 1'),
      () => counting.describe('select 1'),
      () => counting.execute('begin immediate'),
    ]
    const width = 25
    for (let done = 0; done < 1000; done += width)
      await Promise.all(
        Array.from({ length: width }, (_, index) =>
          calls[(done + index) % calls.length]!().catch(() => undefined),
        ),
      )
    expect(sent).toBe(1000)
    expect(await turso.openStreams()).toEqual([])
  })

  test('a stream that was opened by hand is left by close, and by await using', async () => {
    const stream = db.openStream()
    await stream.execute('begin')
    expect(await turso.openStreams()).toHaveLength(1)
    await stream.close()
    await stream.close()
    const other = db.openStream()
    await other.execute('begin')
    await other[Symbol.asyncDispose]()
    await db.openStream()[Symbol.asyncDispose]()
    expect(await turso.openStreams()).toEqual([])
  })
})
