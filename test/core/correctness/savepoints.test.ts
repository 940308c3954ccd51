/** What is all or nothing within a transaction stays so when it ends half-way, and takes nobody else along. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database, Transaction } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestTurso } from '../../support/turso.ts'
import { failureOf } from './failure-of.ts'

const insert = (title: string): string => `insert into notes (title) values ('${title}')`
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

  const titles = async (): Promise<unknown[]> =>
    (await db.execute('select title from notes order by id')).rows.map(({ title }) => title)

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
