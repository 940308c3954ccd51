import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestTurso } from '../support/turso.ts'
import { insertNoteText as insert, titlesOf } from '../support/notes.ts'

describe.each(BEHAVIOUR_NAMES)('a script (%s)', (behaviour) => {
  let turso: TestTurso
  let db: Database

  beforeAll(async () => {
    turso = await startTurso({ behaviour })
    db = (await turso.createDatabase()).database
    await db.execute('create table notes (id integer primary key, title text unique)')
  })
  beforeEach(async () => {
    await turso.clearFaults()
    await db.execute('delete from notes')
    await turso.requestsSeen()
  })

  const titles = (): Promise<unknown[]> => titlesOf(db)

  describe('of a database', () => {
    test('runs in one request, and leaves no stream', async () => {
      const trigger = `create trigger if not exists upper_title after insert on notes begin
        update notes set title = upper(title) where id = new.id; end`
      await db.executeMultiple(
        `${insert('a')}; -- a comment; with a semicolon\n${trigger}; ${insert('b;c')};`,
      )
      expect(await turso.requestsSeen()).toHaveLength(1)
      await db.execute('drop trigger upper_title')
      expect(await titles()).toEqual(['a', 'B;C'])
      expect(await turso.openStreams()).toEqual([])
    })

    test('stops at the first statement that fails, and keeps what ran before', async () => {
      const script = [insert('kept'), insert('kept'), insert('never')].join(';')
      await expect(db.executeMultiple(script)).rejects.toMatchObject({
        code: 'sql_error',
        message: expect.stringContaining('UNIQUE constraint failed'),
      })
      expect(await titles()).toEqual(['kept'])
    })

    test('may have a transaction of its own, which is rolled back when it is not ended', async () => {
      await db.executeMultiple(`begin; ${insert('whole')}; commit; begin; ${insert('left open')}`)
      expect(await titles()).toEqual(['whole'])
      expect(await turso.openStreams()).toEqual([])
    })

    test.each(['', ' \n', '-- nothing', ';;'])('may have nothing in it: %j', async (script) => {
      expect(await db.executeMultiple(script)).toBeUndefined()
    })

    test('is a string', async () => {
      for (const script of [undefined, null, 7, { sql: 'select 1' }, ['select 1']])
        await expect(db.executeMultiple(script as never)).rejects.toThrow(/A script is a string/)
      expect(await turso.requestsSeen()).toEqual([])
    })
  })

  describe('of a transaction', () => {
    test('takes effect with it', async () => {
      await db.transaction(async (tx) => {
        await tx.execute(insert('before'))
        await tx.executeMultiple(`${insert('a')}; ${insert('b')} -- to the end`)
        await tx.execute(insert('after'))
        expect(await titles()).toEqual([])
      })
      expect(await titles()).toEqual(['before', 'a', 'b', 'after'])
      expect(await turso.openStreams()).toEqual([])
    })

    test('may be what it begins with', async () => {
      await db.transaction((tx) => tx.executeMultiple(`${insert('a')}; ${insert('b')}`))
      expect(await titles()).toEqual(['a', 'b'])
      expect(await turso.requestsSeen()).toHaveLength(3)
    })

    test('is undone as a whole when it fails, and the transaction goes on', async () => {
      await db.transaction(async (tx) => {
        await tx.execute(insert('before'))
        await expect(
          tx.executeMultiple(`${insert('gone')}; ${insert('before')}; ${insert('never')}`),
        ).rejects.toMatchObject({ code: 'sql_error', message: expect.stringContaining('UNIQUE') })
        await expect(tx.executeMultiple(`${insert('gone')}; selec`)).rejects.toMatchObject({
          code: 'sql_error',
        })
        expect(tx.isOpen).toBe(true)
        await tx.execute(insert('after'))
      })
      expect(await titles()).toEqual(['before', 'after'])
    })

    test('that fails takes nothing along of what was issued beside it', async () => {
      await db.transaction(async (tx) => {
        const outcomes = await Promise.allSettled([
          tx.execute(insert('one')),
          tx.executeMultiple(`${insert('gone')}; insert into nowhere values (1)`),
          tx.execute(insert('two')),
          tx.batch([insert('three'), insert('four')]),
          tx.executeMultiple(`${insert('five')}; ${insert('six')}`),
        ])
        expect(outcomes.map(({ status }) => status)).toEqual([
          'fulfilled',
          'rejected',
          'fulfilled',
          'fulfilled',
          'fulfilled',
        ])
      })
      expect(await titles()).toEqual(['one', 'two', 'three', 'four', 'five', 'six'])
      expect(await turso.requestsSeen()).toHaveLength(3)
    })

    test('may have savepoints of its own', async () => {
      await db.transaction(async (tx) => {
        await tx.executeMultiple(
          `savepoint mine; ${insert('gone')}; rollback to mine; release mine; ${insert('kept')}`,
        )
      })
      expect(await titles()).toEqual(['kept'])
    })

    test('may end no transaction, wherever it says so, but may speak of it', async () => {
      await db.transaction(async (tx) => {
        await tx.execute(insert('before'))
        for (const end of ['commit', 'END transaction', '/* x */ rollback', 'begin', ';;\n-- x\n Commit'])
          await expect(tx.executeMultiple(`${insert('gone')}; ${end}; ${insert('stray')}`)).rejects.toThrow(
            /A transaction is ended by its commit and rollback/,
          )
        await tx.executeMultiple(`${insert('; commit;')}; -- commit;\nselect 1 /* ; rollback; */ as "; end;"`)
        await tx.executeMultiple(`create trigger upper_title after insert on notes begin
          update notes set title = upper(title) where id = new.id; end; ${insert('after')}`)
      })
      await db.execute('drop trigger upper_title')
      expect(await titles()).toEqual(['before', '; commit;', 'AFTER'])
    })

    test('without the end of its comment is refused, and nothing of it is kept', async () => {
      await db.transaction(async (tx) => {
        await expect(tx.executeMultiple(`${insert('gone')} /* and`)).rejects.toThrow(
          /a comment without an end/,
        )
        await tx.execute(insert('after'))
      })
      expect(await titles()).toEqual(['after'])
    })

    test('that fails in a transaction within is undone there alone', async () => {
      await db.transaction(async (tx) => {
        await tx.executeMultiple(`${insert('a')}; ${insert('b')}`)
        await tx.transaction(async (within) => {
          await within.executeMultiple(`${insert('c')}; ${insert('d')}`)
          await expect(within.executeMultiple(`${insert('e')}; ${insert('a')}`)).rejects.toMatchObject({
            code: 'sql_error',
          })
        })
        const undone = tx.transaction(async (within) => {
          await within.executeMultiple(`${insert('f')}; ${insert('g')}`)
          throw new Error('undo')
        })
        await expect(undone).rejects.toThrow('undo')
      })
      expect(await titles()).toEqual(['a', 'b', 'c', 'd'])
    })

    test('does not run where the server has ended the transaction', async () => {
      const tx = await db.transaction()
      await tx.execute(insert('same'))
      await expect(tx.execute("insert or rollback into notes (title) values ('same')")).rejects.toMatchObject(
        {
          code: 'sql_error',
        },
      )
      await expect(tx.executeMultiple(`${insert('stray')}; ${insert('stray too')}`)).rejects.toMatchObject({
        code: 'stream_lost',
        outcome: 'rolled_back',
      })
      expect(await titles()).toEqual([])
      expect(await turso.openStreams()).toEqual([])
    })

    test('that ends the transaction by a conflict ends it for what follows', async () => {
      const run = db.transaction(async (tx) => {
        await tx.execute(insert('same'))
        await tx
          .executeMultiple("insert or rollback into notes (title) values ('same')")
          .catch(() => undefined)
        await tx.execute(insert('stray'))
      })
      await expect(run).rejects.toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
      expect(await titles()).toEqual([])
      expect(await turso.openStreams()).toEqual([])
    })
  })

  describe('of a stream by hand', () => {
    test('runs in the transaction that is open there, and keeps what ran before it failed', async () => {
      await using stream = db.openStream()
      await stream.execute('begin')
      await expect(stream.executeMultiple(`${insert('kept')}; ${insert('kept')}`)).rejects.toMatchObject({
        code: 'sql_error',
      })
      expect(await stream.isAutocommit()).toBe(false)
      await stream.executeMultiple(`${insert('more')}; commit`)
      expect(await stream.isAutocommit()).toBe(true)
      expect(await titles()).toEqual(['kept', 'more'])
    })
  })
})
