/** A request on a stream that got no answer: what may be left of the stream is given back, behind the caller's back. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  connect,
  type CallOptions,
  type ConnectOptions,
  type Database,
  type Fetch,
} from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestDatabase, type TestTurso } from '../../support/turso.ts'
import { failureOf } from '../../support/failure-of.ts'
import { insertNoteText as insert, titlesOf } from '../../support/notes.ts'

const CLOSE = [{ type: 'close' }]

/** Where workerd is in between, a broken connection is a 500 of its own. */
const broken = { code: expect.stringMatching(/^(network|unavailable)$/) as string }

interface Body {
  baton: string | null
  requests: { type: string }[]
}

describe.each(BEHAVIOUR_NAMES)('behaviour %s', (behaviour) => {
  let turso: TestTurso
  let fixture: TestDatabase

  beforeAll(async () => {
    turso = await startTurso({ behaviour })
    fixture = await turso.createDatabase()
    await fixture.database.execute('create table notes (title text)')
  })
  beforeEach(async () => {
    await turso.clearFaults()
    await turso.advanceClock(20_000)
    await fixture.database.execute('delete from notes')
  })

  /** A client that tells what it sends, and of whose requests some are held up. */
  function watched(options: Partial<ConnectOptions> & { holds?: (body: Body) => boolean } = {}): {
    client: Database
    bodies: Body[]
    /** Lets the requests that were held up go on, and resolves with the statuses of their answers. */
    release: () => Promise<number[]>
    /** Until what goes on in the background has ended. */
    background: () => Promise<unknown>
  } {
    const bodies: Body[] = []
    const held: (() => Promise<Response>)[] = []
    const works: Promise<unknown>[] = []
    const { holds, ...rest } = options
    const fetch: Fetch = async (url, init) => {
      const body = JSON.parse(init.body!) as Body
      bodies.push(body)
      if (!holds?.(body)) return await globalThis.fetch(url, init)
      const { method, headers, body: sent = '' } = init
      return await new Promise<Response>((resolve, reject) => {
        init.signal.addEventListener('abort', () => reject(init.signal.reason as Error))
        held.push(async () => {
          const response = await globalThis.fetch(url, { method, headers, body: sent })
          resolve(response.clone())
          return response
        })
      })
    }
    const client = connect({
      url: `libsql://${fixture.hostname}`,
      authToken: fixture.token,
      retry: false,
      fetch,
      waitUntil: (work) => void works.push(work),
      ...rest,
    })
    return {
      client,
      bodies,
      release: async () => (await Promise.all(held.map((go) => go()))).map(({ status }) => status),
      background: () => Promise.all(works),
    }
  }

  const holdsStray = (body: Body): boolean => JSON.stringify(body).includes('stray')
  const titles = (): Promise<unknown[]> => titlesOf(fixture.database)

  const ways: [string, { end: () => Promise<CallOptions>; holds?: typeof holdsStray; error: object }][] = [
    [
      'a connection that breaks',
      {
        end: async () => {
          await turso.failNext({ kind: 'reset_before', on: 'pipeline', containing: 'stray' })
          return {}
        },
        error: { code: 'stream_lost', outcome: 'rolled_back', cause: broken },
      },
    ],
    [
      'a timeout',
      {
        end: async () => ({ timeoutMs: 20 }),
        holds: holdsStray,
        error: { code: 'stream_lost', outcome: 'rolled_back', cause: { code: 'timeout' } },
      },
    ],
    [
      'a signal that is aborted',
      {
        end: async () => ({ signal: AbortSignal.timeout(20) }),
        holds: holdsStray,
        error: { name: 'TimeoutError' },
      },
    ],
    [
      'an answer of a proxy in its stead',
      {
        end: async () => {
          await turso.failNext({ kind: 'html', on: 'pipeline', containing: 'stray' })
          return {}
        },
        error: { code: 'stream_lost', cause: { code: 'unavailable' } },
      },
    ],
    [
      'too many other requests',
      {
        end: async () => {
          await turso.failNext({ kind: 'rate_limited', on: 'pipeline', containing: 'stray' })
          return {}
        },
        error: { code: 'stream_lost', cause: { code: 'rate_limited' } },
      },
    ],
  ]

  describe.each(ways)('after %s', (_, { end, holds, error }) => {
    test('a transaction leaves no stream and no lock, by one more request with the last baton', async () => {
      const { client, bodies, background, release } = watched({ ...(holds && { holds }) })
      const run = client.transaction(async (tx) => {
        await tx.execute(insert('before'))
        await tx.execute({ sql: insert('stray') }, await end())
      })
      expect(await failureOf(run)).toMatchObject(error)
      await background()
      expect(await turso.openStreams()).toEqual([])
      expect(bodies).toHaveLength(3)
      expect(bodies[2]).toEqual({ baton: bodies[1]!.baton, requests: CLOSE })
      // What was on its way all the time comes too late.
      for (const status of await release()) expect(status).toBeGreaterThanOrEqual(400)
      await fixture.database.execute(insert('next'))
      expect(await titles()).toEqual(['next'])
    })

    test('so does a stream by hand, which stays lost', async () => {
      const { client, bodies, background } = watched({ ...(holds && { holds }) })
      const stream = client.openStream()
      await stream.execute('begin immediate')
      const failure = await failureOf(stream.execute({ sql: insert('stray') }, await end()))
      expect(stream.baton).toBeNull()
      await background()
      expect(await turso.openStreams()).toEqual([])
      expect(bodies).toHaveLength(3)
      expect(await failureOf(stream.execute('select 1'))).toBe(failure)
      await stream.close()
      expect(bodies).toHaveLength(3)
      expect(await titles()).toEqual([])
    })

    test('nobody waits for it', async () => {
      const isClose = ({ requests }: Body): boolean => requests[0]?.type === 'close'
      const { client, bodies, background, release } = watched({
        holds: (body) => isClose(body) || holds?.(body) === true,
      })
      const tx = await client.transaction()
      await tx.execute(insert('before'))
      expect(await failureOf(tx.execute({ sql: insert('stray') }, await end()))).toMatchObject(error)
      expect(tx.isOpen).toBe(false)
      await tx.rollback()
      expect(await failureOf(tx.commit())).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
      expect(bodies.filter(isClose)).toHaveLength(1)
      await release()
      await background()
      expect(bodies).toHaveLength(3)
    })
  })

  test('a COMMIT that never came is not carried out later, nor reported as more than unknown', async () => {
    const { client, background, release } = watched({
      holds: (body) => JSON.stringify(body).includes('COMMIT'),
    })
    const run = client.transaction(async (tx) => void (await tx.execute(insert('perhaps'))), {
      timeoutMs: 20,
    })
    expect(await failureOf(run)).toMatchObject({ code: 'stream_lost', outcome: 'unknown' })
    await background()
    expect(await turso.openStreams()).toEqual([])
    for (const status of await release()) expect(status).toBeGreaterThanOrEqual(400)
    expect(await titles()).toEqual([])
  })

  test('where it has run, its baton is used up, and the stream ends by its idle limit alone', async () => {
    const { client, bodies, background } = watched()
    const tx = await client.transaction()
    await tx.execute(insert('before'))
    await turso.failNext({ kind: 'reset_after', on: 'pipeline' })
    expect(await failureOf(tx.execute(insert('stray')))).toMatchObject({ outcome: 'rolled_back' })
    await background()
    expect(bodies).toHaveLength(3)
    expect(await turso.openStreams()).toHaveLength(1)
    await turso.advanceClock(20_000)
    expect(await titles()).toEqual([])
    expect(await turso.openStreams()).toEqual([])
  })

  test('of the first request no baton is known, so nothing is sent', async () => {
    const { client, bodies, background } = watched()
    await turso.failNext({ kind: 'reset_after', on: 'pipeline' })
    const run = client.transaction((tx) => tx.execute(insert('lost')))
    expect(await failureOf(run)).toMatchObject(broken)
    await background()
    expect(bodies).toHaveLength(1)
  })

  test.each([
    ['that the stream has ended', { kind: 'stream_expired' }],
    ['that it refuses the token', { kind: 'respond', status: 401 }],
    ['something that is none of the protocol', { kind: 'wrong_shape', effect: true }],
  ] as const)('a server that has answered %s is not asked again', async (_, fault) => {
    const { client, bodies, background } = watched()
    const tx = await client.transaction()
    await tx.execute(insert('before'))
    await turso.failNext({ ...fault, on: 'pipeline' })
    expect(await failureOf(tx.execute(insert('lost')))).toMatchObject({ code: 'stream_lost' })
    await background()
    expect(bodies).toHaveLength(2)
  })

  test('giving it back is waited for no longer than a call', async () => {
    const { client, bodies, background } = watched({ holds: ({ baton }) => baton !== null, timeoutMs: 20 })
    const tx = await client.transaction()
    await tx.execute({ sql: insert('before') }, { timeoutMs: 30_000 })
    expect(await failureOf(tx.execute(insert('lost')))).toMatchObject({ code: 'stream_lost' })
    await background()
    expect(bodies).toHaveLength(3)
  })
})

test('what cannot be waited for is not, and changes nothing', async () => {
  const client = connect({ url: 'https://db.example', fetch: answers() })
  expect(() => connect({ url: 'https://db.example', waitUntil: 7 as never })).toThrow(
    new TypeError('"waitUntil" must be a function'),
  )
  const refusing = connect({
    url: 'https://db.example',
    fetch: answers(),
    waitUntil() {
      throw new Error('outside of a request')
    },
  })
  for (const db of [client, refusing]) {
    const stream = db.openStream()
    await stream.isAutocommit()
    expect(await failureOf(stream.isAutocommit())).toMatchObject({ code: 'network' })
  }
})

/** One answer that keeps the stream, and then no more. */
function answers(): Fetch {
  let count = 0
  return () =>
    (count += 1) === 1
      ? Promise.resolve(
          Response.json({
            baton: 'b',
            base_url: null,
            results: [{ type: 'ok', response: { type: 'get_autocommit', is_autocommit: true } }],
          }),
        )
      : Promise.reject(new TypeError('the connection broke'))
}
