/** What a transaction says of itself when calls of it fail, are aborted or are swallowed. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database, Transaction } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestDatabase, type TestTurso } from '../../support/turso.ts'
import { insertNoteText as insert, titlesOf } from '../../support/notes.ts'

describe.each(BEHAVIOUR_NAMES)('behaviour %s', (behaviour) => {
  let turso: TestTurso
  let fixture: TestDatabase
  let db: Database
  let pipeline: string

  beforeAll(async () => {
    turso = await startTurso({ behaviour })
    fixture = await turso.createDatabase()
    db = fixture.database
    pipeline = `POST /db/${fixture.name}/v3/pipeline`
    await db.execute('create table notes (title text unique)')
  })
  beforeEach(async () => {
    await turso.clearFaults()
    await turso.advanceClock(20_000)
    await db.execute('delete from notes')
  })

  const titles = (): Promise<unknown[]> => titlesOf(db)

  test.each([
    ['reset_after', { kind: 'reset_after' }],
    ['server_error', { kind: 'server_error', effect: true }],
    ['truncated', { kind: 'truncated', ending: 'clean' }],
  ] as const)(
    'a first statement whose answer is lost (%s) and swallowed: transaction() does not resolve',
    async (_, fault) => {
      await turso.failNext({ ...fault, on: pipeline })
      const run = db.transaction(async (tx) => {
        await tx.execute(insert('never')).catch(() => undefined)
        return 'done'
      })
      await expect(run).rejects.toMatchObject({ code: expect.any(String) as string })
      await turso.advanceClock(20_000)
      expect(await titles()).toEqual([])
    },
  )

  test('whoever aborts a request hears its own reason, and who shared the request that it was lost', async () => {
    const tx = await db.transaction()
    await tx.execute(insert('before'))
    const controller = new AbortController()
    const hold = await turso.holdNext('pipeline', { holds: 'half' })
    const calls = [
      tx.execute(insert('one')),
      tx.execute({ sql: insert('two') }, { signal: controller.signal }),
      tx.execute(insert('three')),
    ].map((call) => call.catch((error: unknown) => error))
    const reason = new Error('the user left')
    await hold.reached()
    controller.abort(reason)
    const [one, two, three] = await Promise.all(calls)
    expect(two).toBe(reason)
    expect(one).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back', cause: reason })
    expect(three).toBe(one)
    await expect(tx.commit()).rejects.toBe(one)
  })

  test('BEGIN that is refused and swallowed: transaction() does not resolve', async () => {
    await turso.failNext({
      kind: 'respond',
      status: 200,
      on: pipeline,
      body: JSON.stringify({
        baton: 'b',
        base_url: null,
        results: [
          {
            type: 'ok',
            response: {
              type: 'batch',
              result: {
                step_results: [null],
                step_errors: [{ message: 'database is locked', code: 'SQLITE_BUSY' }],
              },
            },
          },
          { type: 'ok', response: { type: 'batch', result: { step_results: [null], step_errors: [null] } } },
        ],
      }),
    })
    const run = db.transaction(async (tx) => {
      await tx.execute(insert('never')).catch(() => undefined)
      return 'done'
    })
    await expect(run).rejects.toThrow('database is locked')
  })
  test('a script that ends in a comment that is not closed is refused, and not undone in silence', async () => {
    await db.transaction(async (tx) => {
      await expect(tx.executeMultiple(`${insert('undone')} /* note`)).rejects.toThrow(TypeError)
      await tx.execute(insert('kept'))
    })
    expect(await titles()).toEqual(['kept'])
  })

  test.each([';commit', '-- x\r\ncommit', '-- x\u2028y\ncommit', ' ; ; rollback'])(
    '%j is refused as COMMIT is',
    async (sql) => {
      const tx = await db.transaction()
      await tx.execute(insert('a'))
      await expect(tx.execute(sql)).rejects.toThrow(/ended by its commit and rollback/)
      await tx.rollback()
      expect(await titles()).toEqual([])
    },
  )
  test('a statement that is issued after COMMIT does not say that it is rolled back when the answer is lost', async () => {
    const tx: Transaction = await db.transaction()
    await tx.execute(insert('a'))
    await turso.failNext({ kind: 'reset_after', on: pipeline })
    const [commit, statement] = await Promise.allSettled([tx.commit(), tx.execute(insert('b'))])
    expect(commit).toMatchObject({ reason: { outcome: 'unknown' } })
    expect(statement.status).toBe('rejected')
    expect(statement).not.toMatchObject({ reason: { outcome: 'rolled_back' } })
    expect(await titles()).toEqual(['a'])
  })
  test('a call that was aborted before anything was sent leaves no stream open', async () => {
    const run = db.transaction(async (tx) => {
      await tx.execute(insert('a'))
      await tx.execute({ sql: insert('b') }, { signal: AbortSignal.abort(new Error('left')) })
    })
    await expect(run).rejects.toThrow('left')
    expect(await turso.openStreams()).toEqual([])
  })
  test('a call that was aborted before anything was sent does not cost others of the transaction', async () => {
    const tx = await db.transaction()
    await tx.execute(insert('a'))
    const [one, two] = await Promise.allSettled([
      tx.execute({ sql: insert('b') }, { signal: AbortSignal.abort(new Error('left')) }),
      tx.execute(insert('c')),
    ])
    expect(one).toMatchObject({ status: 'rejected' })
    expect(two).toMatchObject({ status: 'fulfilled' })
  })
})
