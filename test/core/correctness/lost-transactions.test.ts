/** A transaction that is over on the server: nothing more of it runs, and nobody is told that it was committed. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Fault } from '../../../local/faults/script.ts'
import { connect, type Database, type Fetch, type Transaction, type TursoError } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestDatabase, type TestTurso } from '../../support/turso.ts'
import { failureOf } from '../../support/failure-of.ts'
import { insertNoteText as insert, titlesOf } from '../../support/notes.ts'

const lost = { code: 'stream_lost', outcome: 'rolled_back' }

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
    await db.batch([
      'create table notes (title text unique)',
      'create table trap (title text)',
      `create trigger sprung before insert on trap begin select raise(rollback, 'it was a trap'); end`,
    ])
  })
  beforeEach(async () => {
    await turso.clearFaults()
    // Whatever a test left open expires, and with it the write lock.
    await turso.advanceClock(20_000)
    await db.execute('delete from notes')
  })

  const titles = (): Promise<unknown[]> => titlesOf(db)

  /** Ends the transaction on the server's side. */
  const ways: [
    string,
    { isSilent: boolean; leaves?: string[]; end: (tx: Transaction) => Promise<unknown> },
  ][] = [
    [
      'ON CONFLICT ROLLBACK',
      { isSilent: false, end: (tx) => tx.execute("insert or rollback into notes values ('before')") },
    ],
    [
      'RAISE(ROLLBACK) in a trigger',
      { isSilent: false, end: (tx) => tx.execute("insert into trap values ('x')") },
    ],
    [
      'ON CONFLICT ROLLBACK in a batch',
      {
        isSilent: false,
        end: (tx) =>
          tx.batch([
            insert('first'),
            "insert or rollback into notes values ('before')",
            insert('stray of the batch'),
          ]),
      },
    ],
    [
      'RAISE(ROLLBACK) in a batch',
      {
        isSilent: false,
        end: (tx) => tx.batch([insert('first'), "insert into trap values ('x')", insert('stray')]),
      },
    ],
    [
      'ON CONFLICT ROLLBACK in a script',
      {
        isSilent: false,
        end: (tx) =>
          tx.executeMultiple(
            `${insert('first')}; insert or rollback into notes values ('before'); ${insert('stray')}`,
          ),
      },
    ],
    [
      'RAISE(ROLLBACK) in a script',
      {
        isSilent: false,
        end: (tx) => tx.executeMultiple(`insert into trap values ('x'); ${insert('stray')}`),
      },
    ],
    [
      'ON CONFLICT ROLLBACK in a transaction within it',
      {
        isSilent: false,
        end: (tx) =>
          tx.transaction(async (inner) => {
            await inner.execute(insert('within'))
            await inner.execute("insert or rollback into notes values ('before')")
          }),
      },
    ],
    [
      'another writer, after five seconds',
      {
        isSilent: true,
        leaves: ['thief'],
        async end() {
          await turso.advanceClock(5_000)
          await db.execute(insert('thief'))
        },
      },
    ],
    ['the idle limit', { isSilent: true, end: () => turso.advanceClock(10_001) }],
    ['a restart', { isSilent: true, end: () => turso.failNext({ kind: 'restart', on: pipeline }) }],
    [
      'a server that knows the stream no more',
      {
        isSilent: true,
        end: () =>
          turso.failNext({
            kind: 'respond',
            on: pipeline,
            status: 404,
            body: '{"error":"stream not found: 12345678:9abcdef0"}',
          }),
      },
    ],
  ]

  const strays: [string, (tx: Transaction) => Promise<unknown>][] = [
    ['a statement', (tx) => tx.execute(insert('stray'))],
    ['a batch', (tx) => tx.batch([insert('stray'), insert('stray 2')])],
    ['a script', (tx) => tx.executeMultiple(`${insert('stray')}; ${insert('stray 2')}`)],
    ['a transaction within it', (tx) => tx.transaction(async (inner) => inner.execute(insert('stray')))],
    ['its commit', (tx) => tx.commit()],
    [
      'statements of all kinds that are issued together',
      (tx) =>
        Promise.all([
          tx.execute(insert('stray')),
          tx.batch([insert('stray 2'), insert('stray 3')]),
          tx.executeMultiple(insert('stray 4')),
          tx.describe('select 1').catch(() => undefined),
        ]),
    ],
  ]

  describe.each(ways)('a transaction that was ended by %s', (_, { isSilent, leaves = [], end }) => {
    test.each(strays)('does not run %s', async (_name, stray) => {
      const tx = await db.transaction()
      await tx.execute(insert('before'))
      const ended = end(tx)
      const outcome = await ended.then(
        () => 'silent',
        ({ code }: TursoError) => code,
      )
      expect(outcome).toBe(isSilent ? 'silent' : 'sql_error')
      const error = await failureOf(stray(tx))
      expect(error).toMatchObject(lost)
      expect(tx.isOpen).toBe(false)
      // Once lost it stays lost, by the same error, whatever is tried; and nothing of it is sent.
      await turso.requestsSeen()
      for (const [, another] of strays) expect(await failureOf(another(tx))).toMatchObject(lost)
      await tx.rollback()
      expect(await turso.requestsSeen()).toEqual([])
      await turso.advanceClock(20_000)
      expect(await titles()).toEqual(leaves)
    })

    test('is not reported as done when its function swallows what failed', async () => {
      const swallowed = db.transaction(async (tx) => {
        await tx.execute(insert('before'))
        await end(tx).catch(() => undefined)
        return 'done'
      })
      expect(await failureOf(swallowed)).toMatchObject(lost)
      await turso.advanceClock(20_000)
      expect(await titles()).toEqual(leaves)
    })

    test('is not reported as done when its function swallows the loss as well', async () => {
      const swallowed = db.transaction(async (tx) => {
        await tx.execute(insert('before'))
        await end(tx).catch(() => undefined)
        for (const [, stray] of strays) await stray(tx).catch(() => undefined)
        return 'done'
      })
      expect(await failureOf(swallowed)).toMatchObject(lost)
      await turso.advanceClock(20_000)
      expect(await titles()).toEqual(leaves)
    })

    test('gives its stream back when the server still has it', async () => {
      const tx = await db.transaction()
      await tx.execute(insert('before'))
      await end(tx).catch(() => undefined)
      await failureOf(tx.execute(insert('stray')))
      const streams = await turso.openStreams()
      expect(streams.filter(({ inTransaction }) => inTransaction)).toHaveLength(
        _ === 'a server that knows the stream no more' ? 1 : 0,
      )
    })
  })

  describe('statements that are issued together with the one that ends the transaction', () => {
    const killers: [string, (tx: Transaction) => Promise<unknown>][] = [
      ['a statement', (tx) => tx.execute("insert or rollback into notes values ('before')")],
      ['a batch', (tx) => tx.batch([insert('a'), "insert into trap values ('x')", insert('b')])],
      [
        'a script',
        (tx) => tx.executeMultiple(`insert or rollback into notes values ('before'); ${insert('b')}`),
      ],
    ]
    test.each(killers)('do not run after %s', async (_, kill) => {
      const tx = await db.transaction()
      await tx.execute(insert('before'))
      const outcomes = await Promise.allSettled([
        tx.execute(insert('alongside')),
        kill(tx),
        tx.execute(insert('stray')),
        tx.batch([insert('stray 2'), insert('stray 3')]),
        tx.executeMultiple(insert('stray 4')),
        tx.execute(insert('stray 5')),
      ])
      expect(outcomes.map(({ status }) => status)).toEqual([
        'fulfilled',
        ...Array<string>(5).fill('rejected'),
      ])
      const reasons = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason as { code: string })
      expect(reasons[1]).toMatchObject({ code: 'sql_error' })
      expect(reasons.slice(2).map(({ code }) => code)).toEqual(Array<string>(4).fill('stream_lost'))
      expect(await failureOf(tx.commit())).toMatchObject(lost)
      expect(await titles()).toEqual([])
      expect(await turso.openStreams()).toEqual([])
    })

    test('do not run when it is the first of all', async () => {
      await db.execute(insert('there'))
      const tx = await db.transaction()
      const outcomes = await Promise.allSettled([
        tx.execute("insert or rollback into notes values ('there')"),
        tx.execute(insert('stray')),
        tx.executeMultiple(insert('stray 2')),
      ])
      expect(outcomes.map(({ status }) => status)).toEqual(Array<string>(3).fill('rejected'))
      expect(await titles()).toEqual(['there'])
      expect(await turso.openStreams()).toEqual([])
    })
  })

  describe('an answer that gets lost', () => {
    /** Some are an answer, after which it is not asked again for anything. */
    const withEffect: [string, Fault, isAnswer?: boolean][] = [
      ['a connection that breaks', { kind: 'reset_after' }],
      ["a proxy's page", { kind: 'html', effect: true }],
      ['a 500', { kind: 'server_error', effect: true }],
      [
        'a 503 that says when to come back',
        { kind: 'respond', status: 503, headers: { 'retry-after': '0' }, effect: true },
      ],
      ['a 408', { kind: 'respond', status: 408, effect: true }],
      // Where workerd is in between, a cut looks like an end.
      ['a body that is cut', { kind: 'truncated', share: 0.7 }, navigator.userAgent === 'Cloudflare-Workers'],
      ['a body that ends early', { kind: 'truncated', share: 0.7, ending: 'clean' }, true],
      ['no body at all', { kind: 'truncated', share: 0, ending: 'clean' }, true],
      ['JSON of another shape', { kind: 'wrong_shape', effect: true }, true],
      [
        'an empty list of results',
        { kind: 'wrong_shape', body: { baton: null, base_url: null, results: [] }, effect: true },
        true,
      ],
      [
        'a redirect',
        { kind: 'respond', status: 307, headers: { location: 'https://elsewhere.example/' }, effect: true },
        true,
      ],
    ]
    const withoutEffect: [string, Fault][] = [
      ['a connection that breaks before', { kind: 'reset_before' }],
      ["a proxy's page in its stead", { kind: 'html' }],
      ['a 500 in its stead', { kind: 'server_error' }],
    ]
    const all = [
      ...withEffect.map(([name, fault, isAnswer = false]) => [name, fault, true, isAnswer] as const),
      ...withoutEffect.map(([name, fault]) => [name, fault, false, false] as const),
    ]

    /** A client that counts what it sends, and apart from it what gives a stream back and asks for nothing else. */
    function counting(): { client: Database; sent: () => number; givenBack: () => Promise<number> } {
      let sent = 0
      let givenBack = 0
      const works: Promise<unknown>[] = []
      const fetch: Fetch = (url, init) => {
        if (init.body?.endsWith('"requests":[{"type":"close"}]}')) givenBack += 1
        else sent += 1
        return globalThis.fetch(url, init)
      }
      const client = connect({
        url: `libsql://${fixture.hostname}`,
        authToken: fixture.token,
        fetch,
        waitUntil: (work) => void works.push(work),
      })
      return { client, sent: () => sent, givenBack: async () => (await Promise.all(works), givenBack) }
    }

    test.each(all)(
      'to COMMIT, by %s, says that the outcome is unknown, and COMMIT is sent once',
      async (_, fault, hasEffect, isAnswer) => {
        const { client, sent, givenBack } = counting()
        const tx = await client.transaction()
        await tx.execute(insert('perhaps'))
        await turso.failNext({ ...fault, on: pipeline })
        expect(await failureOf(tx.commit())).toMatchObject({ code: 'stream_lost', outcome: 'unknown' })
        expect(sent()).toBe(2)
        expect(tx.isOpen).toBe(false)
        expect(await failureOf(tx.execute(insert('stray')))).toMatchObject({
          code: 'stream_lost',
          outcome: 'unknown',
        })
        await tx.rollback()
        expect([sent(), await givenBack()]).toEqual([2, isAnswer ? 0 : 1])
        await turso.advanceClock(20_000)
        expect(await titles()).toEqual(hasEffect ? ['perhaps'] : [])
      },
    )

    test.each(all)('to COMMIT of a function, by %s, rejects with the outcome unknown', async (_, fault) => {
      const run = db.transaction(async (tx) => {
        await tx.execute(insert('perhaps'))
        await turso.failNext({ ...fault, on: pipeline })
      })
      expect(await failureOf(run)).toMatchObject({ code: 'stream_lost', outcome: 'unknown' })
    })

    test.each(all)(
      'to a statement, by %s: nothing of the transaction remains, and it is sent once',
      async (_, fault, __, isAnswer) => {
        const { client, sent, givenBack } = counting()
        const run = client.transaction(async (tx) => {
          await tx.execute(insert('before'))
          await turso.failNext({ ...fault, on: pipeline })
          await tx.execute(insert('lost')).catch(() => undefined)
          await tx.execute(insert('stray')).catch(() => undefined)
        })
        expect(await failureOf(run)).toMatchObject(lost)
        expect([sent(), await givenBack()]).toEqual([2, isAnswer ? 0 : 1])
        await turso.advanceClock(20_000)
        expect(await titles()).toEqual([])
      },
    )

    test.each(all)('outside of a transaction, by %s: it is sent once', async (_, fault, hasEffect) => {
      const calls: [string, (client: Database) => Promise<unknown>][] = [
        ['execute', (client) => client.execute(insert('execute'))],
        ['batch', (client) => client.batch([insert('batch')])],
        ['executeMultiple', (client) => client.executeMultiple(insert('executeMultiple'))],
        ['openStream', (client) => client.openStream().execute(insert('openStream'))],
      ]
      for (const [, run] of calls) {
        const { client, sent, givenBack } = counting()
        await turso.failNext({ ...fault, on: pipeline })
        expect(await failureOf(run(client))).toMatchObject({
          code: expect.stringMatching(/^(network|unavailable|protocol)$/) as string,
        })
        expect([sent(), await givenBack()]).toEqual([1, 0])
      }
      expect(await titles()).toEqual(hasEffect ? calls.map(([name]) => name) : [])
    })
  })
})
