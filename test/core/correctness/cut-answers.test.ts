/** An answer that does not come whole is an error wherever it is cut, and never a result that is too short. */
import { beforeAll, describe, expect, test } from 'vitest'
import { connect, isTursoError, type Database, type Fetch } from '../../../src/index.ts'
import { EVERY_BEHAVIOUR, startTurso, type TestDatabase } from '../../support/turso.ts'

type Call = [name: string, run: (client: Database) => Promise<unknown>]

/** How a body ends too early. */
type Ending = 'clean' | 'cut'

/** Delivers the first bytes of an answer, in pieces of a size of its own. */
function answerOf(bytes: Uint8Array, length: number, ending: Ending, pieceBytes = Infinity): Response {
  if (ending === 'clean' && pieceBytes >= length) return new Response(bytes.slice(0, length))
  let sent = 0
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (sent < length) {
          const end = Math.min(sent + pieceBytes, length)
          controller.enqueue(bytes.slice(sent, end))
          sent = end
        } else if (ending === 'clean') controller.close()
        else controller.error(new TypeError('terminated'))
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(body)
}

/** A server of one answer that counts how often it was asked; what is sent after it, such as a `close`, is in vain. */
function replaying(path: string, answer: () => Response): { client: Database; asked: () => number } {
  let asked = 0
  const fetch: Fetch = (url) => {
    if (!url.endsWith(path)) return Promise.reject(new TypeError('no connection'))
    asked += 1
    return Promise.resolve(answer())
  }
  return { client: connect({ url: 'https://replay.example', fetch }), asked: () => asked }
}

const ENDINGS: readonly Ending[] = ['clean', 'cut']

describe.each(EVERY_BEHAVIOUR)('behaviour %s', (behaviour) => {
  let fixture: TestDatabase

  beforeAll(async () => {
    fixture = await (await startTurso({ behaviour })).createDatabase()
  })

  /** What the server answers to a call. */
  async function record(path: string, run: (client: Database) => Promise<unknown>): Promise<Uint8Array> {
    let recorded = new Uint8Array()
    const fetch: Fetch = async (url, init) => {
      const response = await globalThis.fetch(url, init)
      if (!url.endsWith(path)) return response
      const bytes = new Uint8Array(await response.arrayBuffer())
      recorded = bytes
      return new Response(bytes, response)
    }
    await run(connect({ url: `libsql://${fixture.hostname}`, authToken: fixture.token, fetch }))
    return recorded
  }

  const collect = async (rows: AsyncIterable<unknown>): Promise<unknown[]> => {
    const collected: unknown[] = []
    for await (const row of rows) collected.push(row)
    return collected
  }

  // Some characters of several bytes, and braces in text.
  const small = `select value as n, 'ü🎉{"}]' as text from json_each('[1,2]')`
  // Long enough for rows to be read straight from the JSON.
  const large = `select value as n, '"]],[' || printf('%.300c', 'x') as text, null as gap from json_each('[1,2,3,4,5,6,7,8,9,10,11]')`

  const largeExecute: Call = ['a large execute', (client) => client.execute(large)]
  const calls: Call[] = [
    ['a small execute', (client) => client.execute(small)],
    // Read by the client's own scanner, whatever the server is like.
    ...(behaviour === 'spec' ? [largeExecute] : []),
    ['a batch', (client) => client.batch([small, 'select 1'])],
    ['a script', (client) => client.executeMultiple('select 1')],
    [
      'a first statement in a transaction',
      async (client) => {
        const tx = await client.transaction({ mode: 'deferred' })
        await tx.execute(small)
      },
    ],
  ]
  test.each(calls)('%s', async (_, run) => {
    const bytes = await record('/v3/pipeline', run)
    expect(bytes.length).toBeGreaterThan(50)
    const whole = replaying('/v3/pipeline', () => answerOf(bytes, bytes.length, 'clean', 7))
    await run(whole.client)
    // Of a connection that breaks nothing is read at all, so the long answer need not be tried again.
    for (const ending of bytes.length > 4_000 ? ENDINGS.slice(0, 1) : ENDINGS)
      for (let length = 0; length < bytes.length; length++) {
        const { client, asked } = replaying('/v3/pipeline', () => answerOf(bytes, length, ending))
        const error: unknown = await run(client).then(
          () => `${length} of ${bytes.length} bytes were taken for the whole`,
          (reason: unknown) => reason,
        )
        if (!isTursoError(error, ending === 'clean' ? 'protocol' : 'network')) throw error
        expect(asked()).toBe(1)
      }
  })

  const streams: [string, string][] = [
    ['rows', small],
    ['no rows', 'select 1 as n where false'],
    ['no columns', 'create table if not exists empty (a)'],
  ]
  test.each(streams)('a stream of %s', async (_, sql) => {
    const bytes = await record('/v3/cursor', (client) => collect(client.stream(sql)))
    const text = new TextDecoder().decode(bytes)
    const whole = await collect(
      replaying('/v3/cursor', () => answerOf(bytes, bytes.length, 'clean', 1)).client.stream(sql),
    )
    expect(whole).toHaveLength(text.split('"type":"row"').length - 1)
    /** From here on the statement is known to have ended. */
    const end = new TextEncoder().encode(/^[^]*"type":"step_end"[^\n]*/.exec(text)![0]).length
    for (const ending of ENDINGS)
      for (let length = 0; length < bytes.length; length++)
        for (const pieceBytes of ending === 'clean' ? [Infinity, 40] : [Infinity]) {
          const { client, asked } = replaying('/v3/cursor', () => answerOf(bytes, length, ending, pieceBytes))
          const rows: unknown[] = []
          let error: unknown
          try {
            for await (const row of client.stream(sql)) rows.push(row)
          } catch (reason) {
            error = reason
          }
          // What was given before is right as far as it goes.
          expect(rows).toEqual(whole.slice(0, rows.length))
          expect(asked()).toBe(1)
          const isWhole = length >= end && ending === 'clean' && rows.length === whole.length
          if (isTursoError(error, 'protocol') || isTursoError(error, 'network') || (isWhole && !error))
            continue
          throw error ?? new Error(`${length} of ${bytes.length} bytes were taken for the whole`)
        }
  })

  test('a stream that fails after some rows gives them, and then the error', async () => {
    const rows: unknown[] = []
    const run = async (): Promise<void> => {
      const sql = `select abs(case value when 5 then -9223372036854775807 - 1 else value end) as n from json_each('[1,2,3,4,5,6]')`
      for await (const { n } of fixture.database.stream(sql)) rows.push(n)
    }
    await expect(run()).rejects.toMatchObject({ code: 'sql_error' })
    expect(rows).toEqual([1, 2, 3, 4])
  })
  test('a stream with a row that cannot be decoded gives those before it', async () => {
    const rows: unknown[] = []
    const run = async (): Promise<void> => {
      for await (const { v } of fixture.database.stream(
        "select value as v from json_each('[1,2,9007199254740993]')",
      ))
        rows.push(v)
    }
    await expect(run()).rejects.toBeInstanceOf(RangeError)
    expect(rows).toEqual([1, 2])
  })
})
