import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, isTursoError, type Database, type Fetch, type Transaction } from '../../src/index.ts'
import { startTurso, type TestDatabase, type TestTurso } from '../support/turso.ts'
import { failureOf } from '../support/failure-of.ts'
import { insertNote as insert, titlesOf } from '../support/notes.ts'

let turso: TestTurso
let fixture: TestDatabase
let db: Database

beforeAll(async () => {
  turso = await startTurso({ behaviour: 'spec' })
  fixture = await turso.createDatabase()
  db = fixture.database
  await db.execute('create table notes (id integer primary key, title text unique)')
})
beforeEach(async () => {
  await turso.clearFaults()
  // A stream whose baton was lost with an answer expires, and its write lock with it.
  await turso.advanceClock(20_000)
  await db.execute('delete from notes')
})

const failNext: TestTurso['failNext'] = (fault) => turso.failNext(fault)
const clearFaults: TestTurso['clearFaults'] = () => turso.clearFaults()
const requestsSeen: TestTurso['requestsSeen'] = () => turso.requestsSeen()

const titles = (): Promise<unknown[]> => titlesOf(db)

const streams = async (): Promise<unknown[]> =>
  (await turso.openStreams()).filter(({ database }) => database === fixture.name)

describe('a transaction', () => {
  test('is committed when its function returns, with what that returned', async () => {
    const count = await db.transaction(async (tx) => {
      await tx.execute(insert('one'))
      await tx.execute(insert('two'))
      expect(await titles()).toEqual([])
      return (await tx.execute('select count(*) as n from notes')).rows[0]!['n']
    })
    expect(count).toBe(2)
    expect(await titles()).toEqual(['one', 'two'])
    expect(await streams()).toEqual([])
  })

  test('is rolled back when its function throws, which is what the caller sees', async () => {
    const reason = new Error('changed my mind')
    const run = db.transaction(async (tx) => {
      await tx.execute(insert('gone'))
      throw reason
    })
    await expect(run).rejects.toBe(reason)
    expect(await titles()).toEqual([])
    expect(await streams()).toEqual([])
  })

  test('takes as many requests as it must: four for three statements, two when they are issued together', async () => {
    await requestsSeen()
    await db.transaction(async (tx) => {
      await tx.execute(insert('a'))
      await tx.execute(insert('b'))
      await tx.execute(insert('c'))
    })
    expect(await requestsSeen()).toHaveLength(4)
    await db.transaction(async (tx) => {
      await Promise.all([tx.execute(insert('d')), tx.execute(insert('e')), tx.execute(insert('f'))])
    })
    expect(await requestsSeen()).toHaveLength(2)
    expect(await titles()).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })

  test('without a statement sends nothing', async () => {
    await requestsSeen()
    expect(await db.transaction(async () => 7)).toBe(7)
    const tx = await db.transaction()
    await tx.rollback()
    expect(await requestsSeen()).toEqual([])
  })

  test('by hand is committed or rolled back once, and then over', async () => {
    const kept = await db.transaction()
    await kept.execute(insert('kept'))
    expect(kept.isOpen).toBe(true)
    await kept.commit()
    expect(kept.isOpen).toBe(false)
    await kept.rollback()
    await expect(kept.execute('select 1')).rejects.toThrow('The transaction has ended')
    await expect(kept.commit()).rejects.toThrow('The transaction has ended')
    const dropped = await db.transaction({ mode: 'deferred' })
    await dropped.execute(insert('dropped'))
    await dropped.rollback()
    expect(await titles()).toEqual(['kept'])
    await expect(db.transaction({ mode: 'exclusive' as never })).rejects.toThrow(/"mode" must be/)
  })

  test('that is disposed of without a commit is rolled back', async () => {
    const tx = await db.transaction()
    await tx.execute(insert('forgotten'))
    await tx[Symbol.asyncDispose]()
    expect(await titles()).toEqual([])
    expect(await streams()).toEqual([])
  })

  test('survives a statement that fails', async () => {
    await db.transaction(async (tx) => {
      await tx.execute(insert('same'))
      const error = await failureOf(tx.execute(insert('same')))
      expect(isTursoError(error, 'sql_error') && error.statementIndex).toBeNull()
      await expect(tx.execute('select nonsense')).rejects.toMatchObject({ code: 'sql_error' })
      await tx.execute(insert('other'))
    })
    expect(await titles()).toEqual(['same', 'other'])
  })

  test('begins with the second statement if the first is no SQL', async () => {
    await db.transaction(async (tx) => {
      await expect(tx.execute('selec 1')).rejects.toMatchObject({ code: 'sql_error' })
      await tx.execute(insert('after'))
    })
    expect(await titles()).toEqual(['after'])
  })

  test('has batches that are savepoints: all of it or none', async () => {
    await db.transaction(async (tx) => {
      const [, selected] = await tx.batch([insert('first'), 'select count(*) as n from notes'])
      expect(selected!.rows).toEqual([{ n: 1 }])
      const error = await failureOf(tx.batch([insert('second'), insert('first'), insert('third')]))
      expect(isTursoError(error, 'sql_error') && error.statementIndex).toBe(1)
      await tx.execute(insert('fourth'))
    })
    expect(await titles()).toEqual(['first', 'fourth'])
  })

  test('is not committed around a statement that failed and that nobody waited for', async () => {
    const tx = await db.transaction()
    await tx.execute(insert('same'))
    const unwatched = failureOf(tx.execute(insert('same')))
    await expect(tx.commit()).rejects.toMatchObject({ code: 'sql_error' })
    expect(isTursoError(await unwatched, 'sql_error')).toBe(true)
    expect(await titles()).toEqual([])
    expect(await streams()).toEqual([])
  })

  test.each(['commit', ' BEGIN immediate', '/* x */ end', '-- y\nrollback', 'ROLLBACK TRANSACTION;'])(
    'does not take the statement %j',
    async (statement) => {
      const tx = await db.transaction()
      await tx.execute(insert('open'))
      await expect(tx.execute(statement)).rejects.toThrow(/ended by its commit and rollback/)
      await tx.execute('savepoint mine')
      await tx.execute('rollback to mine')
      await tx.rollback()
    },
  )

  test('decodes as the database does, and as a call says', async () => {
    const exact = connect({
      url: `libsql://${fixture.hostname}`,
      authToken: fixture.token,
      intMode: 'bigint',
    })
    await exact.transaction(async (tx) => {
      expect((await tx.execute('select 1 as a')).rows).toEqual([{ a: 1n }])
      expect((await tx.execute('select 1', [], { rowMode: 'array', intMode: 'string' })).rows).toEqual([
        ['1'],
      ])
    })
  })
})

describe('a transaction that the server ends', () => {
  test('by ON CONFLICT ROLLBACK: nothing more of it runs', async () => {
    const tx = await db.transaction()
    await tx.execute(insert('same'))
    await expect(tx.execute("insert or rollback into notes (title) values ('same')")).rejects.toMatchObject({
      code: 'sql_error',
    })
    const lost = await failureOf(tx.execute(insert('stray')))
    expect(lost).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
    expect(await failureOf(tx.commit())).toBe(lost)
    expect(await titles()).toEqual([])
    expect(await streams()).toEqual([])
  })

  test('by ON CONFLICT ROLLBACK, and COMMIT is next: it is not reported as done', async () => {
    const tx = await db.transaction()
    await tx.execute(insert('same'))
    await failureOf(tx.execute("insert or rollback into notes (title) values ('same')"))
    expect(await failureOf(tx.commit())).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
    expect(await streams()).toEqual([])
  })

  test.each([
    ['expired', { kind: 'stream_expired', on: 'pipeline' }],
    ['restarted', { kind: 'restart', on: 'pipeline' }],
    [
      'forgotten by Cloud',
      { kind: 'respond', on: 'pipeline', status: 404, body: '{"error":"stream not found: 1:2"}' },
    ],
  ] as const)(
    'because the stream %s: statement and commit alike say that it is rolled back',
    async (_, fault) => {
      for (const end of [
        (tx: Transaction) => tx.execute(insert('never')),
        (tx: Transaction) => tx.commit(),
      ]) {
        const tx = await db.transaction()
        await tx.execute(insert('before'))
        await failNext(fault)
        expect(await failureOf(end(tx))).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
        expect(tx.isOpen).toBe(false)
        await turso.advanceClock(20_000)
      }
      await clearFaults()
      await db.transaction(async (tx) => void (await tx.execute(insert('afterwards'))))
      expect(await titles()).toEqual(['afterwards'])
    },
  )

  test.each([
    ['answered by a proxy', { kind: 'html', on: 'pipeline', effect: true }],
    ['cut off', { kind: 'truncated', on: 'pipeline', ending: 'clean' }],
    ['refused', { kind: 'respond', on: 'pipeline', status: 503, body: '' }],
  ] as const)('when COMMIT is %s, the outcome is unknown', async (_, fault) => {
    const tx = await db.transaction()
    await tx.execute(insert('perhaps'))
    await failNext(fault)
    expect(await failureOf(tx.commit())).toMatchObject({ code: 'stream_lost', outcome: 'unknown' })
  })

  test.each([
    [403, 'The tenant is suspended. This request did not run.'],
    [404, 'There is no such tenant. This request did not run.'],
    [503, 'Too many requests wait for this stream. This one did not run.'],
  ])('when COMMIT is refused with %i and certainly did not run, nothing remains', async (status, message) => {
    const tx = await db.transaction()
    await tx.execute(insert('never'))
    await failNext({ kind: 'respond', on: 'pipeline', status, body: JSON.stringify({ message }) })
    expect(await failureOf(tx.commit())).toMatchObject({
      code: 'stream_lost',
      outcome: 'rolled_back',
      cause: { status },
    })
    expect(await titles()).toEqual([])
  })

  test('when a statement before COMMIT loses its answer, nothing remains', async () => {
    const tx = await db.transaction()
    await tx.execute(insert('one'))
    await failNext({ kind: 'truncated', on: 'pipeline', ending: 'clean' })
    const error = await failureOf(tx.execute(insert('two')))
    expect(error).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back', cause: { code: 'protocol' } })
  })

  test('the first request fails with an error of its own, as nothing can have been lost', async () => {
    await failNext({ kind: 'rate_limited', on: 'pipeline', retryAfter: 3 })
    const impatient = connect({ url: `libsql://${fixture.hostname}`, authToken: fixture.token, retry: false })
    const run = impatient.transaction(async (tx) => void (await tx.execute(insert('x'))))
    await expect(run).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 3000 })
  })
})

describe('base_url in a transaction', () => {
  test.each(['https://evil.example', 'http://169.254.169.254/', 'https://u:p@x.turso.io'])(
    '%s is not followed: no further request carries the token',
    async (url) => {
      const seen: string[] = []
      const watching: Fetch = (address, init) => {
        seen.push(new URL(address).hostname)
        return globalThis.fetch(address, init)
      }
      const watched = connect({
        url: `libsql://${fixture.hostname}`,
        authToken: fixture.token,
        fetch: watching,
      })
      await failNext({ kind: 'base_url', on: 'pipeline', url })
      const run = watched.transaction(async (tx) => {
        await tx.execute('select 1')
        await tx.execute('select 2')
      })
      await expect(run).rejects.toMatchObject({ code: 'protocol' })
      expect(new Set(seen)).toEqual(new Set([fixture.hostname]))
    },
  )

  test('of the own host is followed', async () => {
    await failNext({ kind: 'base_url', on: 'pipeline', url: `https://${fixture.hostname}` })
    await db.transaction(async (tx) => {
      await tx.execute(insert('moved'))
      await tx.execute(insert('on'))
    })
    expect(await titles()).toEqual(['moved', 'on'])
  })
})

test('a signal ends the call under way with its reason, and the transaction with it', async () => {
  let arrived = (): void => undefined
  const isThere = new Promise<void>((resolve) => (arrived = resolve))
  const slow: Fetch = (url, init) =>
    isSlow ? (arrived(), new Promise(() => {})) : globalThis.fetch(url, init)
  let isSlow = false
  const slowly = connect({ url: `libsql://${fixture.hostname}`, authToken: fixture.token, fetch: slow })
  const tx = await slowly.transaction({ mode: 'deferred' })
  await tx.execute('select 1')
  isSlow = true
  const controller = new AbortController()
  const call = tx.execute({ sql: 'select 2' }, { signal: controller.signal })
  await isThere
  const reason = new Error('the user left')
  controller.abort(reason)
  await expect(call).rejects.toBe(reason)
  expect(tx.isOpen).toBe(false)
  const timed = await slowly.transaction({ mode: 'deferred' })
  await expect(timed.execute({ sql: 'select 1' }, { timeoutMs: 20 })).rejects.toMatchObject({
    code: 'timeout',
  })
})

test('what is aborted before it is sent is taken back, and costs nobody the transaction', async () => {
  await db.transaction(async (tx) => {
    const reason = new Error('the user left')
    const aborted = tx.execute(insert('never'), { signal: AbortSignal.abort(reason) })
    await expect(aborted).rejects.toBe(reason)
    await expect(tx.execute(insert('never'), { timeoutMs: -1 })).rejects.toBeInstanceOf(RangeError)
    await tx.execute(insert('first'))
    const controller = new AbortController()
    const waiting = [
      tx.execute(insert('second')),
      Promise.resolve().then(() => tx.execute(insert('never'), { signal: controller.signal })),
      Promise.resolve().then(() => tx.execute(insert('third'))),
    ]
    setTimeout(() => controller.abort(reason))
    controller.abort(reason)
    expect((await Promise.allSettled(waiting)).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
  })
  expect(await titles()).toEqual(['first', 'second', 'third'])
})

describe('a transaction that was lost while its function looked away', () => {
  test.each([
    ['its answer was lost', { kind: 'truncated', on: 'pipeline', ending: 'clean' }, 'stream_lost'],
    ['it could not begin', { kind: 'respond', on: 'pipeline', status: 503, body: '' }, 'unavailable'],
  ] as const)('because %s does not resolve', async (_, fault, code) => {
    const run = db.transaction(async (tx) => {
      if (code === 'stream_lost') await tx.execute(insert('gone'))
      await failNext(fault)
      await tx.execute(insert('gone')).catch(() => undefined)
      return 'done'
    })
    expect(await failureOf(run)).toMatchObject({ code })
    expect(await titles()).toEqual([])
  })
})

describe('a statement that ends a transaction is refused before it is sent', () => {
  test.each([
    'commit',
    '-- done\r\ncommit',
    ';; commit',
    '/* a */ -- b\r\nEND',
    '-- x\u2028y\ncommit',
    'rollback',
    'rollback transaction',
    'BEGIN IMMEDIATE',
  ])('%j', async (statement) => {
    await db.transaction(async (tx) => {
      await tx.execute(insert('kept'))
      await expect(tx.execute(statement)).rejects.toThrow(/ended by its commit and rollback/)
      await expect(
        tx.executeMultiple(`insert into notes (title) values ('never');${statement}`),
      ).rejects.toThrow(/ended by its commit and rollback/)
    })
    expect(await titles()).toEqual(['kept'])
  })

  test('but not words like it in literals, comments, savepoints and triggers', async () => {
    await db.transaction(async (tx) => {
      await tx.execute(`insert into notes (title) values ('; commit'); -- ; rollback`)
      await tx.executeMultiple(`
        create table if not exists log (title text);
        create trigger logging after insert on notes begin
          insert into log select case when new.title is null then '; end' else new.title end;
        end;
        savepoint mine; insert into notes (title) values ('in the log'); rollback to mine; release mine;
        drop trigger logging; drop table log; /* ; commit */`)
    })
    expect(await titles()).toEqual(['; commit'])
  })

  test('in linear time', () => {
    const many = `${'/**/'.repeat(50_000)} select 1`
    return db.transaction(async (tx) => expect((await tx.execute(many)).rows).toEqual([{ '1': 1 }]))
  })
})
