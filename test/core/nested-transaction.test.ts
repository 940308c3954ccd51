import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database, Transaction } from '../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestDatabase, type TestTurso } from '../support/turso.ts'
import { failureOf } from '../support/failure-of.ts'
import { insertNote as insert, titlesOf } from '../support/notes.ts'

const OPEN_WITHIN = 'A transaction within this one is open'

describe.each(BEHAVIOUR_NAMES)('a transaction within a transaction (%s)', (behaviour) => {
  let turso: TestTurso
  let fixture: TestDatabase
  let db: Database

  beforeAll(async () => {
    turso = await startTurso({ behaviour })
    fixture = await turso.createDatabase()
    db = fixture.database
    await db.execute('create table notes (id integer primary key, title text unique)')
  })
  beforeEach(async () => {
    await turso.clearFaults()
    await db.execute('delete from notes')
    await turso.requestsSeen()
  })

  const titles = (): Promise<unknown[]> => titlesOf(db)

  test('is kept with the one around it, and returns what its function returns', async () => {
    const value = await db.transaction(async (tx) => {
      await tx.execute(insert('outer'))
      const inner = await tx.transaction(async (within) => {
        await within.execute(insert('inner'))
        expect(within.isOpen).toBe(true)
        return 7
      })
      expect(await titles()).toEqual([])
      await tx.execute(insert('after'))
      return inner
    })
    expect(value).toBe(7)
    expect(await titles()).toEqual(['outer', 'inner', 'after'])
    expect(await turso.openStreams()).toEqual([])
  })

  test('is undone alone when it throws, with the reason that it throws', async () => {
    const reason = new Error('changed my mind')
    await db.transaction(async (tx) => {
      await tx.execute(insert('before'))
      const inner = tx.transaction(async (within) => {
        await within.execute(insert('gone'))
        await within.batch([insert('gone too'), insert('gone as well')])
        throw reason
      })
      expect(await failureOf(inner)).toBe(reason)
      expect(tx.isOpen).toBe(true)
      await tx.execute(insert('after'))
    })
    expect(await titles()).toEqual(['before', 'after'])
  })

  test('takes the one around it along when nobody catches what it throws', async () => {
    const reason = new Error('changed my mind')
    const run = db.transaction(async (tx) => {
      await tx.execute(insert('before'))
      await tx.transaction(async (within) => {
        await within.execute(insert('gone'))
        throw reason
      })
    })
    expect(await failureOf(run)).toBe(reason)
    expect(await titles()).toEqual([])
    expect(await turso.openStreams()).toEqual([])
  })

  test('goes with the one around it, although it was kept itself', async () => {
    const run = db.transaction(async (tx) => {
      await tx.transaction(async (within) => void (await within.execute(insert('gone'))))
      throw new Error('all of it')
    })
    await expect(run).rejects.toThrow('all of it')
    expect(await titles()).toEqual([])
  })

  test('may be as deep as it likes, each undone or kept by itself', async () => {
    const descend = async (tx: Transaction, depth: number): Promise<void> => {
      await tx.execute(insert(`in ${depth}`))
      if (depth < 6) await tx.transaction((within) => descend(within, depth + 1)).catch(() => undefined)
      await tx.execute(insert(`out ${depth}`))
      if (depth === 4) throw new Error('undo from 4 on')
    }
    await db.transaction((tx) => descend(tx, 1))
    expect(await titles()).toEqual(['in 1', 'in 2', 'in 3', 'out 3', 'out 2', 'out 1'])
  })

  test('may follow another, many times', async () => {
    await db.transaction(async (tx) => {
      for (let round = 0; round < 8; round++)
        await tx
          .transaction(async (within) => {
            await within.execute(insert(`round ${round}`))
            if (round % 2 === 1) throw new Error('odd')
          })
          .catch(() => undefined)
    })
    expect(await titles()).toEqual(['round 0', 'round 2', 'round 4', 'round 6'])
  })

  test('goes on after a statement of it that failed', async () => {
    await db.transaction(async (tx) => {
      await tx.transaction(async (within) => {
        await within.execute(insert('same'))
        await expect(within.execute(insert('same'))).rejects.toMatchObject({ code: 'sql_error' })
        await expect(within.batch([insert('x'), insert('same')])).rejects.toMatchObject({ statementIndex: 1 })
        await within.execute(insert('other'))
      })
    })
    expect(await titles()).toEqual(['same', 'other'])
  })

  test('is not kept around a statement that failed and that nobody waited for', async () => {
    await db.transaction(async (tx) => {
      await tx.execute(insert('same'))
      const inner = tx.transaction(async (within) => {
        await within.execute(insert('gone'))
        void failureOf(within.execute(insert('same')))
      })
      expect(await failureOf(inner)).toMatchObject({ code: 'sql_error' })
      await tx.execute(insert('after'))
    })
    expect(await titles()).toEqual(['same', 'after'])
  })

  describe('while it is open', () => {
    test('the one around it cannot be used, and nothing of either is lost', async () => {
      await db.transaction(async (tx) => {
        await tx.execute(insert('before'))
        await tx.transaction(async (within) => {
          await within.execute(insert('inner'))
          await turso.requestsSeen()
          for (const use of [
            () => tx.execute(insert('stray')),
            () => tx.batch([insert('stray')]),
            () => tx.executeMultiple("insert into notes (title) values ('stray')"),
            () => tx.describe('select 1'),
            () => tx.commit(),
            () => tx.transaction(),
            () => tx.transaction(async () => {}),
          ])
            await expect(use()).rejects.toThrow(OPEN_WITHIN)
          expect(await turso.requestsSeen()).toEqual([])
          expect([tx.isOpen, within.isOpen]).toEqual([true, true])
        })
        await tx.execute(insert('after'))
      })
      expect(await titles()).toEqual(['before', 'inner', 'after'])
    })

    test('the one around it is not committed when its function forgets about it', async () => {
      const run = db.transaction(async (tx) => {
        const within = await tx.transaction()
        await within.execute(insert('forgotten'))
      })
      await expect(run).rejects.toThrow(OPEN_WITHIN)
      expect(await titles()).toEqual([])
      expect(await turso.openStreams()).toEqual([])
    })

    test('the one around it may be rolled back, and it with it', async () => {
      const tx = await db.transaction()
      await tx.execute(insert('gone'))
      const within = await tx.transaction()
      await within.execute(insert('gone too'))
      await tx.rollback()
      expect([tx.isOpen, within.isOpen]).toEqual([false, false])
      await expect(within.execute(insert('stray'))).rejects.toThrow('The transaction has ended')
      await expect(within.commit()).rejects.toThrow('The transaction has ended')
      await within.rollback()
      expect(await titles()).toEqual([])
      expect(await turso.openStreams()).toEqual([])
    })

    test('what was issued before it, and not waited for, is not in it', async () => {
      await db.transaction(async (tx) => {
        const before = tx.execute(insert('before'))
        const inner = tx.transaction(async (within) => {
          await within.execute(insert('gone'))
          throw new Error('undo')
        })
        await expect(inner).rejects.toThrow('undo')
        await before
      })
      expect(await titles()).toEqual(['before'])
    })
  })

  describe('by hand', () => {
    test('is committed or rolled back once, and then over', async () => {
      const tx = await db.transaction()
      const kept = await tx.transaction()
      await kept.execute(insert('kept'))
      await kept.commit()
      expect([kept.isOpen, tx.isOpen]).toEqual([false, true])
      await expect(kept.execute(insert('stray'))).rejects.toThrow('The transaction has ended')
      await expect(kept.commit()).rejects.toThrow('The transaction has ended')
      await kept.rollback()
      const dropped = await tx.transaction()
      await dropped.execute(insert('dropped'))
      await dropped.rollback()
      await dropped.rollback()
      await tx.execute(insert('after'))
      await tx.commit()
      expect(await titles()).toEqual(['kept', 'after'])
    })

    test('is undone at the end of its block, if it was not committed', async () => {
      await using tx = await db.transaction()
      {
        await using within = await tx.transaction()
        await within.execute(insert('gone'))
      }
      {
        await using within = await tx.transaction()
        await within.execute(insert('kept'))
        await within.commit()
      }
      await tx.commit()
      expect(await titles()).toEqual(['kept'])
    })

    test('does not take the statements that end one', async () => {
      const tx = await db.transaction()
      const within = await tx.transaction()
      for (const statement of ['commit', 'rollback', 'begin', 'end'])
        await expect(within.execute(statement)).rejects.toThrow(/ended by its commit and rollback/)
      await tx.rollback()
    })
  })

  describe('in requests', () => {
    const requestsOf = async (run: (tx: Transaction) => Promise<unknown>): Promise<number> => {
      await turso.requestsSeen()
      await db.transaction(async (tx) => void (await run(tx)))
      return (await turso.requestsSeen()).length
    }

    test('is nothing when it has no statement', async () => {
      expect(await requestsOf((tx) => tx.transaction(async () => {}))).toBe(0)
      expect(
        await requestsOf((tx) => tx.transaction((a) => a.transaction((b) => b.transaction(async () => {})))),
      ).toBe(0)
    })

    test('begins with its first statement, however deep, and ends with one', async () => {
      // The statement with all that begins, the end of the inner one, and the COMMIT.
      expect(await requestsOf((tx) => tx.transaction((within) => within.execute('select 1')))).toBe(3)
      expect(
        await requestsOf((tx) => tx.transaction((a) => a.transaction((b) => b.execute('select 1')))),
      ).toBe(4)
    })

    test('costs one more than its statements', async () => {
      const plain = await requestsOf(async (tx) => {
        for (let statement = 0; statement < 3; statement++) await tx.execute('select 1')
      })
      const within = await requestsOf((tx) =>
        tx.transaction(async (inner) => {
          for (let statement = 0; statement < 3; statement++) await inner.execute('select 1')
        }),
      )
      expect([plain, within]).toEqual([4, 5])
    })

    test('sends its statements together when they are issued together', async () => {
      const together = await requestsOf((tx) =>
        tx.transaction((within) => Promise.all([1, 2, 3].map((n) => within.execute(`select ${n}`)))),
      )
      expect(together).toBe(3)
    })
  })

  describe('that is lost on the server', () => {
    test('is lost with the one around it, and nothing of either remains', async () => {
      let outer: Transaction | undefined
      let inner: Transaction | undefined
      let lost: unknown
      const run = db.transaction(async (tx) => {
        outer = tx
        await tx.execute(insert('one'))
        await tx.transaction(async (within) => {
          inner = within
          await within.execute(insert('two'))
          await turso.failNext({ kind: 'restart', on: 'pipeline' })
          lost = await failureOf(within.execute(insert('three')))
          // Swallowed here, it must not be committed around.
        })
      })
      const error = await failureOf(run)
      expect(error).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
      expect(error).toBe(lost)
      expect([outer!.isOpen, inner!.isOpen]).toEqual([false, false])
      expect(await failureOf(outer!.execute(insert('stray')))).toBe(lost)
      expect(await titles()).toEqual([])
    })

    test('is not reported as kept when its end finds it gone', async () => {
      const tx = await db.transaction()
      await tx.execute(insert('one'))
      const within = await tx.transaction()
      await within.execute(insert('two'))
      await turso.failNext({ kind: 'stream_expired', on: 'pipeline' })
      expect(await failureOf(within.commit())).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
      expect(await failureOf(tx.commit())).toMatchObject({ code: 'stream_lost' })
      expect(await titles()).toEqual([])
    })

    test('by ON CONFLICT ROLLBACK, swallowed: the one around it is not committed', async () => {
      const run = db.transaction(async (tx) => {
        await tx.execute(insert('same'))
        await failureOf(
          tx.transaction(async (within) => {
            await failureOf(within.execute("insert or rollback into notes (title) values ('same')"))
          }),
        )
        await failureOf(tx.execute(insert('stray')))
      })
      expect(await failureOf(run)).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
      expect(await titles()).toEqual([])
      expect(await turso.openStreams()).toEqual([])
    })

    test('while it is rolled back, is lost for the one around it too', async () => {
      const tx = await db.transaction()
      await tx.execute(insert('one'))
      const within = await tx.transaction()
      await within.execute(insert('two'))
      await turso.failNext({ kind: 'restart', on: 'pipeline' })
      await failureOf(within.rollback())
      expect(await failureOf(tx.commit())).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
      expect(await titles()).toEqual([])
    })
  })
})
