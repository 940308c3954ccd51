/** Whatever text is run in a transaction, what is said of its end is what became of it. */
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestTurso } from '../../support/turso.ts'

const words = [
  ';',
  ';',
  ' ',
  'commit',
  'COMMIT',
  'rollback',
  'end',
  'end transaction',
  'begin',
  'begin immediate',
  'select 1',
  'select 1 as "end"',
  'insert into notes values (3)',
  "insert or rollback into notes values ('one')",
  '/* x */',
  '/* open',
  '-- y\n',
  '-- y\r\n',
  '-- y\u2028',
  "'a;b'",
  '"a;b"',
  '[a;b]',
  '`a;b`',
  "'",
  'create trigger if not exists tr after insert on other begin select 2;',
  'create temp trigger tr',
  'case when 1 then 2 end',
  'savepoint s',
  'release s',
  'rollback to s',
  'rollback transaction to savepoint s',
  'explain',
  'explain query plan',
  '\uFEFF',
  '\0',
  '\f',
  '\v',
  '\u00A0',
]

describe.each(BEHAVIOUR_NAMES)('behaviour %s', (behaviour) => {
  let turso: TestTurso
  let db: Database

  beforeAll(async () => {
    turso = await startTurso({ behaviour })
    db = (await turso.createDatabase()).database
    await db.batch(['create table notes (title text unique)', 'create table other (a)'])
  })

  test('a transaction that is reported as done has all of it, and one that is not has nothing', async () => {
    const text = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 5 })
    const property = fc.asyncProperty(
      text,
      fc.constantFrom('', ' '),
      fc.constantFrom('execute', 'script', 'batch'),
      async (parts, space, way) => {
        const hostile = parts.join(space)
        await db.batch(['delete from notes', 'drop trigger if exists tr'])
        let isSecondDone = false
        const outcome = await db
          .transaction(async (tx) => {
            await tx.execute("insert into notes values ('one')")
            const running =
              way === 'script'
                ? tx.executeMultiple(hostile)
                : way === 'batch'
                  ? tx.batch(["insert into notes values ('with')", hostile])
                  : tx.execute(hostile)
            await running.catch(() => undefined)
            await tx.execute("insert into notes values ('two')").then(
              () => (isSecondDone = true),
              () => undefined,
            )
          })
          .then(
            () => 'done',
            (error: { outcome?: string }) => error.outcome,
          )
        const { rows } = await db.execute(
          "select title from notes where title in ('one', 'two') order by title",
          [],
          { rowMode: 'array' },
        )
        const all = await db.execute('select count(*) as n from notes')
        expect({ outcome, titles: rows.flat(), isSecondDone, isEmpty: all.rows[0]!['n'] === 0 }).toEqual(
          outcome === 'done'
            ? { outcome, titles: ['one', 'two'], isSecondDone: true, isEmpty: false }
            : { outcome: 'rolled_back', titles: [], isSecondDone: false, isEmpty: true },
        )
        expect(await turso.openStreams()).toEqual([])
      },
    )
    await fc.assert(property, { seed: 20, numRuns: 60 })
  })
})
