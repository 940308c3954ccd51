/** Every wait ends when it should, with the right reason, and nothing of it stays behind. */
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect, isTursoError, type CallOptions, type Database, type Fetch } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestDatabase, type TestTurso } from '../../support/turso.ts'
import { failureOf } from '../../support/failure-of.ts'

const never = new Promise<never>(() => {})

/** The timers that are set and neither due nor cleared, in milliseconds. */
const timers = new Map<unknown, number>()
const { setTimeout: setTimer, clearTimeout: clearTimer } = globalThis

beforeEach(() => {
  timers.clear()
  vi.stubGlobal('setTimeout', (run: () => void, ms: number) => {
    const timer: unknown = setTimer(() => {
      timers.delete(timer)
      run()
    }, ms)
    timers.set(timer, ms)
    return timer
  })
  vi.stubGlobal('clearTimeout', (timer: never) => {
    timers.delete(timer)
    clearTimer(timer)
  })
})
afterEach(() => {
  vi.unstubAllGlobals()
})

/** A signal that knows how many listen to it. */
function countedSignal(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController()
  const { signal } = controller
  const listening = new Set<unknown>()
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (type: string, listener: never, options?: never): void => {
    listening.add(listener)
    add(type as never, listener, options)
  }
  signal.removeEventListener = (type: string, listener: never, options?: never): void => {
    listening.delete(listener)
    remove(type as never, listener, options)
  }
  return { controller, listeners: () => listening.size }
}

/** A body of some bytes that are followed by nothing, and by no end. */
function endless(start: string, signal: AbortSignal | undefined): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(start))
      signal?.addEventListener('abort', () => controller.error(signal.reason))
    },
  })
  return new Response(body)
}

/** A body that comes byte by byte, for ever. */
function trickling(start: string): Response {
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode(start)),
    pull: (controller) =>
      new Promise((resolve) => {
        setTimer(() => {
          controller.enqueue(new Uint8Array([0x20]))
          resolve()
        }, 1)
      }),
  })
  return new Response(body)
}

const HEAD = '{"baton":null,"base_url":null}\n'

/** Servers that keep one waiting, by what they have answered so far. */
const servers: [string, Fetch][] = [
  ['nothing, whatever is aborted', () => never],
  [
    'nothing',
    (_, { signal }) =>
      new Promise((__, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      }),
  ],
  ['headers, whatever is aborted', () => Promise.resolve(endless('', undefined))],
  ['headers', (_, { signal }) => Promise.resolve(endless('', signal))],
  ['a part of the body, whatever is aborted', () => Promise.resolve(endless('{"baton":', undefined))],
  ['a part of the body', (_, { signal }) => Promise.resolve(endless('{"baton":', signal))],
]
const trickle: [string, Fetch] = ['a body that trickles', () => Promise.resolve(trickling('{"baton":'))]

const calls: [string, (db: Database, options: CallOptions) => Promise<unknown>][] = [
  ['execute', (db, options) => db.execute({ sql: 'select 1' }, options)],
  ['batch', (db, options) => db.batch(['select 1'], options)],
  ['executeMultiple', (db, options) => db.executeMultiple('select 1', options)],
  ['describe', (db, options) => db.describe('select 1', options)],
  ['stream', (db, options) => db.stream({ sql: 'select 1' }, options).next()],
  ['openStream', (db, options) => db.openStream().execute({ sql: 'select 1' }, options)],
  ['version', (db, options) => db.version(options)],
  ['a transaction', async (db, options) => (await db.transaction()).execute({ sql: 'select 1' }, options)],
]

describe.each(calls)('%s', (name, run) => {
  describe.each([...servers, ...(name === 'stream' ? [] : [trickle])])(
    'of a server that has answered %s',
    (_, fetch) => {
      test('times out', async () => {
        const { controller, listeners } = countedSignal()
        const db = connect({ url: 'https://slow.example', fetch })
        const error = await failureOf(run(db, { timeoutMs: 15, signal: controller.signal }))
        expect(isTursoError(error, 'timeout') && error.timeoutMs).toBe(15)
        expect(listeners()).toBe(0)
        expect(timers.size).toBe(0)
      })

      test('is aborted with the reason of its signal', async () => {
        const { controller, listeners } = countedSignal()
        let isAsked: () => void = () => {}
        const asked = new Promise<void>((resolve) => (isAsked = resolve))
        const noticing: Fetch = (url, init) => {
          setTimer(isAsked, 5)
          return fetch(url, init)
        }
        const db = connect({ url: 'https://slow.example', fetch: noticing })
        const failing = failureOf(run(db, { signal: controller.signal }))
        await asked
        const reason = new Error('the user left')
        controller.abort(reason)
        expect(await failing).toBe(reason)
        expect(listeners()).toBe(0)
        expect(timers.size).toBe(0)
      })
    },
  )

  test('with a signal that was aborted before sends nothing', async () => {
    let sent = 0
    const db = connect({
      url: 'https://slow.example',
      fetch: () => {
        sent += 1
        return never
      },
    })
    const reason = new Error('too late')
    expect(await failureOf(run(db, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(sent).toBe(0)
    expect(timers.size).toBe(0)
  })

  test('is aborted while it waits to be sent again', async () => {
    const { controller, listeners } = countedSignal()
    let sent = 0
    const db = connect({
      url: 'https://busy.example',
      fetch: () => {
        sent += 1
        setTimer(() => controller.abort(new Error('the user left')), 5)
        return Promise.resolve(new Response('', { status: 429, headers: { 'retry-after': '10' } }))
      },
    })
    await expect(run(db, { signal: controller.signal })).rejects.toThrow('the user left')
    expect(sent).toBe(1)
    expect(listeners()).toBe(0)
    expect(timers.size).toBe(0)
  })
})

describe('a stream of rows that stalls', () => {
  const rows = `${HEAD}{"type":"step_begin","step":0,"cols":[{"name":"a"}]}\n{"type":"row","row":[{"type":"integer","value":"1"}]}\n{"type":"row"`

  test.each([
    ['whatever is aborted', () => Promise.resolve(endless(rows, undefined))],
    [
      'until it is aborted',
      (_: string, { signal }: { signal: AbortSignal }) => Promise.resolve(endless(rows, signal)),
    ],
    ['but for white space', () => Promise.resolve(endless(rows, undefined))],
  ] as [string, Fetch][])('between rows, %s', async (_, fetch) => {
    const db = connect({ url: 'https://slow.example', fetch })
    for (const isAborted of [true, false]) {
      const { controller, listeners } = countedSignal()
      const stream = db.stream(
        { sql: 'select 1' },
        { signal: controller.signal, ...(!isAborted && { timeoutMs: 15 }) },
      )
      expect((await stream.next()).value).toEqual({ a: 1 })
      // Nothing is waited for while the caller works on a row.
      expect(timers.size).toBe(0)
      const failing = failureOf(stream.next())
      const reason = new Error('the user left')
      if (isAborted) setTimer(() => controller.abort(reason), 5)
      const error = await failing
      expect(isAborted ? error === reason : isTursoError(error, 'timeout')).toBe(true)
      expect(listeners()).toBe(0)
      expect(timers.size).toBe(0)
      expect(await stream.next()).toEqual({ done: true, value: undefined })
    }
  })
})

test('without a limit no timer is set, and a signal still ends the wait', async () => {
  const controller = new AbortController()
  let timersSet: number[] = []
  const fetch: Fetch = () => {
    timersSet = [...timers.values()]
    controller.abort(new Error('the user left'))
    return never
  }
  const db = connect({ url: 'https://slow.example', timeoutMs: Infinity, fetch })
  await expect(db.execute({ sql: 'select 1' }, { signal: controller.signal })).rejects.toThrow(
    'the user left',
  )
  expect(timersSet).toEqual([])
})

describe.each(BEHAVIOUR_NAMES)('behaviour %s', (behaviour) => {
  let turso: TestTurso
  let fixture: TestDatabase

  beforeAll(async () => {
    turso = await startTurso({ behaviour })
    fixture = await turso.createDatabase()
  })

  test('calls that are done leave no listener and no timer', async () => {
    const { controller, listeners } = countedSignal()
    const { signal } = controller
    const db = fixture.database
    for (const options of [{ signal }, { signal, timeoutMs: 60_000 }]) {
      await db.execute({ sql: 'select 1' }, options)
      await db.execute({ sql: 'select nonsense' }, options).catch(() => undefined)
      await db.batch(['select 1'], options)
      await db.executeMultiple('select 1', options)
      await db.version(options)
      await db.transaction((tx) => tx.execute({ sql: 'select 1' }, options), options)
      for await (const row of db.stream({ sql: 'select 1 as a' }, options)) expect(row).toEqual({ a: 1 })
      await failureOf(db.stream({ sql: 'select nonsense' }, options).next())
      const left = db.stream({ sql: 'select 1' }, options)
      await left.next()
      await left.return()
    }
    expect(listeners()).toBe(0)
    // The local Turso has timers of its own, all of them shorter than what a call may take.
    expect([...timers.values()].filter((ms) => ms >= 30_000)).toEqual([])
  })

  test.each(['execute', 'batch', 'executeMultiple', 'describe'])(
    '%s that is aborted while its answer comes leaves no stream open',
    async (name) => {
      const run = calls.find(([other]) => other === name)![1]
      for (const isAborted of [true, false]) {
        const hold = await turso.holdNext('pipeline', { holds: 'half' })
        const controller = new AbortController()
        const failing = failureOf(
          run(fixture.database, { signal: controller.signal, ...(!isAborted && { timeoutMs: 50 }) }),
        )
        const reason = new Error('the user left')
        if (isAborted) {
          await hold.reached()
          controller.abort(reason)
        }
        const error = await failing
        expect(isAborted ? error === reason : isTursoError(error, 'timeout')).toBe(true)
        await turso.clearFaults()
      }
      expect(await turso.openStreams()).toEqual([])
    },
  )
})
