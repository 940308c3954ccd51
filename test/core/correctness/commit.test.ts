/** A function's transaction is what its promise says: resolved means committed, whoever asked for the COMMIT. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso } from '../../support/turso.ts'

describe.each(BEHAVIOUR_NAMES)('behaviour %s', (behaviour) => {
  let db: Database
  beforeAll(async () => {
    db = (await (await startTurso({ behaviour })).createDatabase()).database
    await db.batch([
      'create table parents (id integer primary key)',
      'create table children (parent integer references parents deferrable initially deferred)',
    ])
  })

  test('a COMMIT that fails, which the function does not look at, rejects', async () => {
    const run = db.transaction(async (tx) => {
      await tx.execute('insert into children values (99)')
      await tx.commit().catch(() => undefined)
      return 'done'
    })
    await expect(run).rejects.toMatchObject({ code: 'sql_error', sqlCode: 'SQLITE_CONSTRAINT' })
  })

  test('a COMMIT that fails after the function has returned rejects', async () => {
    const run = db.transaction(async (tx) => {
      await tx.execute('insert into children values (99)')
      tx.commit().catch(() => undefined)
      return 'done'
    })
    await expect(run).rejects.toMatchObject({ code: 'sql_error' })
  })

  test('a COMMIT that was refused for a failed statement rejects', async () => {
    const run = db.transaction(async (tx) => {
      await tx.execute('insert into children values (1)')
      tx.execute('insert into nowhere values (1)').catch(() => undefined)
      await tx.commit().catch(() => undefined)
      return 'done'
    })
    await expect(run).rejects.toMatchObject({ code: 'sql_error' })
  })

  test('a COMMIT under way is waited for', async () => {
    await db.execute('insert or ignore into parents values (1)')
    await db.transaction(async (tx) => {
      await tx.execute('insert into children values (1)')
      void tx.commit()
    })
    expect((await db.execute('select count(*) as n from children')).rows).toEqual([{ n: 1 }])
  })

  test('a rollback by the function itself is no failure', async () => {
    const run = db.transaction(async (tx) => {
      await tx.execute('insert into parents values (2)')
      await tx.rollback()
      return 'left'
    })
    expect(await run).toBe('left')
    expect((await db.execute('select * from parents where id = 2')).rows).toEqual([])
  })

  test('what is not UTF-8 is refused, not stored as something else', async () => {
    for (const text of ['\ud800', 'a\udfff', '\udc00\ud800'])
      await expect(db.execute('select ?', [text])).rejects.toThrow(/Argument 1: .*lone surrogate/)
    expect((await db.execute('select ? as text', ['😀'])).rows).toEqual([{ text: '😀' }])
  })
})
