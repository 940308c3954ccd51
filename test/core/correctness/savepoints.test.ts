/** What is all or nothing within a transaction stays so when it ends half-way, and takes nobody else along. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database, Transaction } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestTurso } from '../../support/turso.ts'
import { failureOf } from '../../support/failure-of.ts'
import { insertNoteText as insert, titlesOf } from '../../support/notes.ts'

/** Its answer is larger than the server gives, which ends its program between two steps. */
const TOO_LARGE =
  'with recursive c(x) as (select 1 union all select x + 1 from c where x < 500) select x, hex(zeroblob(100)) from c'

describe.each(BEHAVIOUR_NAMES)('behaviour %s', (behaviour) => {
  let turso: TestTurso
  let db: Database

  beforeAll(async () => {
    turso = await startTurso({ behaviour, maxResponseBytes: 20_000 })
    db = (await turso.createDatabase()).database
    await db.execute('create table notes (id integer primary key, title text unique)')
  })
  beforeEach(async () => {
    // A stream whose baton was lost with an answer expires, and its write lock with it.
    await turso.advanceClock(20_000)
    await db.execute('delete from notes')
  })

  const titles = (): Promise<unknown[]> => titlesOf(db)

  const failing = (tx: Transaction): Promise<unknown> =>
    failureOf(tx.batch([insert('first'), TOO_LARGE, insert('second')]))

  test('a batch whose answer is too large leaves nothing', async () => {
    await db.transaction(async (tx) => {
      expect(await failing(tx)).toMatchObject({ sqlCode: 'RESPONSE_TOO_LARGE' })
      await tx.execute(insert('after'))
      await tx.executeMultiple(insert('script'))
      await tx.batch([insert('batch'), insert('of two')])
    })
    expect(await titles()).toEqual(['after', 'script', 'batch', 'of two'])
  })

  test('what is issued beside a failing batch or script stays', async () => {
    await db.transaction(async (tx) => {
      const outcomes = await Promise.allSettled([
        tx.execute(insert('before')),
        failing(tx),
        tx.execute(insert('between')),
        tx.executeMultiple(`${insert('script')}; insert into nowhere values (1)`),
        tx.execute(insert('after')),
      ])
      expect(outcomes.map(({ status }) => status)).toEqual([
        'fulfilled',
        'fulfilled',
        'fulfilled',
        'rejected',
        'fulfilled',
      ])
    })
    expect(await titles()).toEqual(['before', 'between', 'after'])
  })

  test('a script whose last comment has no end is undone, and says so', async () => {
    await db.transaction(async (tx) => {
      await tx.execute(insert('before'))
      await expect(tx.executeMultiple(`${insert('never')}; /* and so on`)).rejects.toThrow(
        /comment without an end/,
      )
      await tx.execute(insert('after'))
    })
    expect(await titles()).toEqual(['before', 'after'])
  })

  test('a batch names the statement at fault, alone or among others', async () => {
    await db.transaction(async (tx) => {
      await tx.execute(insert('taken'))
      for (const [statements, statementIndex] of [
        [[insert('taken')], 0],
        [[insert('a'), insert('taken')], 1],
      ] as const)
        expect(await failureOf(tx.batch(statements))).toMatchObject({ code: 'sql_error', statementIndex })
      expect(await failureOf(tx.execute(insert('taken')))).toMatchObject({ statementIndex: null })
    })
    expect(await titles()).toEqual(['taken'])
  })

  test('a statement whose rows are too many is undone, although it had taken effect', async () => {
    await db.transaction(async (tx) => {
      const many = `insert into notes (title)
        with recursive c(x) as (select 1 union all select x + 1 from c where x < 500) select hex(randomblob(50)) from c
        returning title`
      expect(await failureOf(tx.execute(many))).toMatchObject({ sqlCode: 'RESPONSE_TOO_LARGE' })
      await tx.execute(insert('after'))
    })
    expect(await titles()).toEqual(['after'])
  })

  test.each([
    ['to its end', [insert('never'), 'release mine']],
    ['and fails', [insert('never'), 'release mine', 'insert into nowhere values (1)']],
  ])(
    'a batch that releases a savepoint around it %s takes the transaction with it',
    async (_, statements) => {
      const run = db.transaction(async (tx) => {
        await tx.execute('savepoint mine')
        await tx.batch(statements).catch(() => undefined)
        return 'done'
      })
      expect(await failureOf(run)).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
      expect(await titles()).toEqual([])
    },
  )

  test('a transaction does not commit around the end of one within it', async () => {
    const tx = await db.transaction()
    await tx.execute('savepoint mine')
    const inner = await tx.transaction()
    await inner.execute(insert('inner'))
    await inner.execute('release mine')
    const ends = [inner.commit(), Promise.resolve().then(() => tx.commit())]
    const outcomes = await Promise.allSettled(ends)
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await tx.rollback()
    expect(await titles()).toEqual([])
  })

  test('a commit within it that is aborted is not kept', async () => {
    const reason = new Error('the user left')
    await db.transaction(async (tx) => {
      await tx.execute(insert('outer'))
      const inner = await tx.transaction()
      await inner.execute(insert('inner'))
      const controller = new AbortController()
      const committing = inner.commit({ signal: controller.signal })
      controller.abort(reason)
      expect(await failureOf(committing)).toBe(reason)
    })
    expect(await titles()).toEqual(['outer'])
  })

  test('an answer to COMMIT that says something else leaves it unknown', async () => {
    for (const body of [
      '{"baton":null,"base_url":null,"results":[{"type":"ok","response":{"type":"close"}},{"type":"ok","response":{"type":"close"}}]}',
      '{"baton":null,"base_url":null,"results":[{"type":"error","error":{"message":"x"}},{"type":"ok","response":{"type":"close"}}]}',
    ]) {
      const tx = await db.transaction()
      await tx.execute(insert('perhaps'))
      await turso.failNext({ kind: 'respond', on: 'pipeline', status: 200, body, effect: true })
      expect(await failureOf(tx.commit())).toMatchObject({ code: 'stream_lost', outcome: 'unknown' })
      expect(await titles()).toEqual(['perhaps'])
      await db.execute('delete from notes')
    }
  })

  test('hostile text is looked through in linear time', async () => {
    await db.transaction(async (tx) => {
      for (const text of [`${'['.repeat(400_000)} end`, `${'create trigger '.repeat(30_000)} end`])
        expect(await failureOf(tx.execute(text))).toMatchObject({ code: 'sql_error' })
      for (const hidden of ['select $a(--); commit', "select $x('); commit; select $y(')"])
        await expect(tx.execute(hidden)).rejects.toThrow(/ended by its commit and rollback/)
    })
  })

  test('what is issued after commit is refused, and is not in it', async () => {
    const tx = await db.transaction()
    await tx.execute(insert('in'))
    const committing = tx.commit()
    await expect(tx.execute(insert('late'))).rejects.toThrow('The transaction has ended')
    await committing
    expect(await titles()).toEqual(['in'])
  })

  test('a transaction that cannot begin does not resolve, whatever its function makes of that', async () => {
    await turso.failNext({ kind: 'truncated', on: 'pipeline', ending: 'clean' })
    const run = db.transaction(async (tx) => {
      await tx.execute(insert('never')).catch(() => undefined)
      return 'done'
    })
    expect(await failureOf(run)).toMatchObject({ code: 'protocol' })
  })

  test('closing a stream whose first request is under way closes it', async () => {
    const stream = db.openStream()
    await Promise.all([stream.execute('begin'), stream.close()])
    expect(await turso.openStreams()).toEqual([])
  })
})
