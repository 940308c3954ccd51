import { createConnection } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createLocalTurso, FaultScriptError, type Fault, type FaultScript } from '../../local/index.ts'
import { mixOfEverything } from '../../local/faults/mix.ts'
import { serveLocalTurso } from '../../local/serve.ts'
import { createClock, rowsOf, start, statement, toAnswer } from './harness.ts'

type Fetch = (request: Request) => Promise<Response>

/** A database with a table, and faults that begin after that. */
async function startWith(...faults: Fault[]) {
  const { turso, create, api } = await start()
  const database = await create('acme')
  await database.execute('create table t (a)')
  turso.faults.add(...faults)
  const count = async () => {
    turso.faults.clear()
    const [result] = await database.execute('select count(*) from t')
    return Number((rowsOf(result)[0]![0] as { value: string }).value)
  }
  return { turso, database, api, count }
}

type Started = Awaited<ReturnType<typeof startWith>>

/** The local Turso in the same process, and the same behind a socket. */
const transports: [string, (started: Started) => Promise<{ url: string; fetch: Fetch }>][] = [
  ['as a handler', async ({ turso, database }) => ({ url: database.url, fetch: turso.fetch })],
  [
    'over a socket',
    async ({ turso }) => {
      const server = await serveLocalTurso(turso, { port: 0 })
      onTestFinished(server.close)
      return { url: `${server.url}/db/acme`, fetch }
    },
  ],
]

describe.each(transports)('a fault %s', (_, connect) => {
  /** Sends one insert, and says what became of it. */
  async function insertWith(...faults: Fault[]) {
    const started = await startWith(...faults)
    const { url, fetch: send } = await connect(started)
    const request = (signal?: AbortSignal) =>
      new Request(`${url}/v3/pipeline`, {
        method: 'POST',
        headers: { authorization: `Bearer ${started.database.jwt}` },
        body: JSON.stringify({ requests: [statement('insert into t values (1)'), { type: 'close' }] }),
        redirect: 'manual',
        ...(signal && { signal }),
      })
    return { ...started, send: (signal?: AbortSignal) => send(request(signal)) }
  }

  test('latency: the request waits, and only that one', async () => {
    const { send, turso, count } = await insertWith({ kind: 'latency', ms: 3_600_000, nth: 1 })
    const aborter = new AbortController()
    const waiting = send(aborter.signal)
    await expect.poll(() => turso.faults.fired()).toMatchObject([{ kind: 'latency' }])
    expect((await send()).status).toBe(200)
    aborter.abort()
    await expect(waiting).rejects.toThrow('aborted')
    expect(await count()).toBe(1)
  })

  test('latency: and then it is answered', async () => {
    const { send, count } = await insertWith({ kind: 'latency', ms: [1, 3] })
    expect((await send()).status).toBe(200)
    expect(await count()).toBe(1)
  })

  test.each([
    [{ kind: 'rate_limited' }, 429, null],
    [{ kind: 'rate_limited', retryAfter: 7 }, 429, '7'],
    [
      { kind: 'rate_limited', retryAfter: 'Wed, 21 Oct 2026 07:28:00 GMT' },
      429,
      'Wed, 21 Oct 2026 07:28:00 GMT',
    ],
    [{ kind: 'server_error' }, 500, null],
    [{ kind: 'server_error', status: 503 }, 503, null],
    [{ kind: 'respond', status: 418, headers: { 'retry-after': '1' }, body: 'no' }, 418, '1'],
  ] as [Fault, number, string | null][])('%j', async (fault, status, retryAfter) => {
    const { send, count } = await insertWith(fault)
    const answer = await toAnswer(await send())
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([status, retryAfter])
    expect(answer.text).not.toBe('')
    expect(await count()).toBe(0)
  })

  test.each(['server_error', 'html', 'wrong_shape'] as const)(
    '%s may come after the effect',
    async (kind) => {
      const { send, count } = await insertWith({ kind, effect: true })
      expect((await send()).status).toBe({ server_error: 500, html: 502, wrong_shape: 200 }[kind])
      expect(await count()).toBe(1)
    },
  )

  test('html: a page of a proxy', async () => {
    const { send, count } = await insertWith({ kind: 'html' })
    const { status, headers, text } = await toAnswer(await send())
    expect([status, headers.get('content-type')]).toEqual([502, 'text/html'])
    expect(text).toMatch(/^<html>[^]*502 Bad Gateway/)
    expect(await count()).toBe(0)
  })

  test.each([
    ['reset_before', 0],
    ['reset_after', 1],
  ] as const)('%s: the connection is cut', async (kind, rows) => {
    const { send, count } = await insertWith({ kind })
    const error = await send().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(TypeError)
    expect(error).toMatchObject({ message: 'fetch failed', cause: { code: 'ECONNRESET' } })
    expect(await count()).toBe(rows)
  })

  test.each([0, 0.5, 1])('truncated: the body breaks after a share of %d', async (share) => {
    const { send, count } = await insertWith({ kind: 'truncated', share })
    const response = await send()
    expect(response.status).toBe(200)
    let received = ''
    const reading = (async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) received += chunk
    })()
    const error = await reading.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ message: 'terminated', cause: { code: 'UND_ERR_SOCKET' } })
    expect(received === '').toBe(share === 0)
    expect(() => JSON.parse(received)).toThrow(SyntaxError)
    expect(await count()).toBe(1)
  })

  test('truncated: the body ends as if it were whole', async () => {
    const { send, count } = await insertWith({ kind: 'truncated', ending: 'clean' })
    const { status, text, body } = await toAnswer(await send())
    expect([status, body]).toEqual([200, undefined])
    expect(text).toMatch(/^\{"baton":null/)
    expect(await count()).toBe(1)
  })

  test('slow_body: the answer comes in pieces', async () => {
    const { send, count } = await insertWith({ kind: 'slow_body', ms: 1, bytes: 100 })
    const chunks: Uint8Array[] = []
    for await (const chunk of (await send()).body!) chunks.push(chunk)
    expect(chunks.length).toBeGreaterThan(1)
    expect(JSON.parse(Buffer.concat(chunks).toString()).results).toHaveLength(2)
    expect(await count()).toBe(1)
  })

  test('slow_body: the client may give up', async () => {
    const { send, count } = await insertWith({ kind: 'slow_body', ms: 3_600_000 })
    const response = await send()
    await response.body!.cancel()
    expect(await count()).toBe(1)
  })

  test.each([[{}], [[]], [null], [{ results: 'none' }]])('wrong_shape: %j', async (body) => {
    const { send, count } = await insertWith({ kind: 'wrong_shape', body })
    const answer = await toAnswer(await send())
    expect([answer.status, answer.body]).toEqual([200, body])
    expect(await count()).toBe(0)
  })

  test('redirect: somewhere else', async () => {
    const { send, count } = await insertWith({
      kind: 'redirect',
      to: 'https://elsewhere.example/',
      status: 307,
    })
    const { status, headers } = await send()
    expect([status, headers.get('location')]).toEqual([307, 'https://elsewhere.example/'])
    expect(await count()).toBe(0)
  })

  test('replace: a text in the answer', async () => {
    const { send } = await insertWith({ kind: 'replace', from: '"affected_row_count":1', to: '"$&":2' })
    expect((await toAnswer(await send())).text).toContain('"$&":2')
  })

  test('base_url: a hostile one', async () => {
    const { send } = await insertWith({ kind: 'base_url', url: 'http://169.254.169.254/$&' })
    expect((await toAnswer(await send())).body.base_url).toBe('http://169.254.169.254/$&')
  })
})

describe('a stream', () => {
  test('expires at the request that meets `stream_expired`, and its transaction is rolled back', async () => {
    const { turso, database, count } = await startWith({ kind: 'stream_expired', on: 'pipeline', nth: 2 })
    const { baton } = await database.run([statement('begin'), statement('insert into t values (1)')], {
      keep: true,
    })
    expect(turso.streams()).toEqual([{ database: 'acme', inTransaction: true }])
    const { status, body } = await database.send({ baton, requests: [statement('commit')] })
    expect([status, body.code]).toEqual([400, 'STREAM_EXPIRED'])
    expect(turso.streams()).toEqual([])
    expect(await count()).toBe(0)
  })

  test('of another database does not', async () => {
    const { turso, create } = await start()
    const [acme, other] = [await create('acme'), await create('other')]
    const { baton } = await acme.run([statement('begin')], { keep: true })
    turso.faults.add({ kind: 'stream_expired', nth: 1 })
    await other.execute('select 1')
    expect((await acme.run([], { baton })).baton).toBeNull()
  })

  test('does not survive a restart of the server', async () => {
    const { database, count } = await startWith({ kind: 'restart', on: 'pipeline', nth: 2 })
    const { baton } = await database.run([statement('begin'), statement('insert into t values (1)')], {
      keep: true,
    })
    const { status, text } = await database.send({ baton, requests: [statement('commit')] })
    expect([status, text]).toEqual([400, 'Received an invalid baton'])
    expect(await count()).toBe(0)
  })

  test('that is in use is cut by a restart', async () => {
    const { database, turso, count } = await startWith({ kind: 'restart', containing: 'select' })
    const { baton } = await database.run([statement('begin immediate')], { keep: true })
    const waiting = database.execute('insert into t values (2)')
    await expect.poll(() => turso.streams().length).toBe(2)
    const [cut] = await Promise.allSettled([waiting, database.execute('select 1')])
    expect(cut).toMatchObject({ status: 'rejected', reason: { message: 'fetch failed' } })
    expect((await database.send({ baton, requests: [] })).text).toBe('Received an invalid baton')
    expect(await count()).toBe(0)
  })

  test.each([
    ['is open', 0],
    ['has expired', 60_000],
  ])('whose cursor is being read breaks off at a restart, when it %s', async (_, idleMs) => {
    const clock = createClock()
    const { turso, create } = await start({ now: clock.now })
    const database = await create('acme')
    turso.faults.add({ kind: 'restart', containing: 'restart now' })
    const sql =
      'with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000) select i from n'
    const response = await turso.fetch(
      new Request(`${database.url}/v3/cursor`, {
        method: 'POST',
        headers: { authorization: `Bearer ${database.jwt}` },
        body: JSON.stringify({ batch: { steps: [{ stmt: { sql } }] } }),
      }),
    )
    const reader = response.body!.getReader()
    expect((await reader.read()).done).toBe(false)
    clock.advance(idleMs)
    await database.execute('select 1')
    expect(turso.streams().length).toBe(idleMs === 0 ? 1 : 0)
    await database.execute("select 'restart now'")
    const readToEnd = async () => {
      while (!(await reader.read()).done);
    }
    await expect(readToEnd()).rejects.toThrow('terminated')
  })
})

describe('a fault fires', () => {
  const names = (turso: Started['turso']) =>
    turso.faults.fired().map(({ match, request }) => `${match} ${request}`)

  test('at the nth request that it matches, for some times', async () => {
    const { database, turso } = await startWith({ kind: 'server_error', on: 'pipeline', nth: 2, times: 2 })
    const statuses: number[] = []
    for (let index = 0; index < 5; index++) {
      await turso.fetch(new Request(`${database.url}/health`))
      statuses.push((await database.send({ requests: [] })).status)
    }
    expect(statuses).toEqual([200, 500, 500, 200, 200])
    expect(names(turso)).toEqual(['2 POST /db/acme/v3/pipeline', '3 POST /db/acme/v3/pipeline'])
    expect(turso.faults.fired()[0]).toEqual({
      kind: 'server_error',
      entry: 0,
      match: 2,
      request: 'POST /db/acme/v3/pipeline',
    })
  })

  test('at the operation it names', async () => {
    const { api, turso } = await startWith(
      { kind: 'respond', status: 451, on: 'databases.create' },
      { kind: 'respond', status: 452, on: 'POST /v1/organizations/*/groups' },
      { kind: 'respond', status: 453, on: 'DELETE /v1/**' },
      { kind: 'respond', status: 454, on: '* /v1/organizations/local/databases/a.me' },
    )
    const status = async (...args: Parameters<typeof api>) => (await api(...args)).status
    expect(await status('POST', 'databases', {})).toBe(451)
    expect(await status('POST', 'groups', {})).toBe(452)
    expect(await status('DELETE', 'databases/none')).toBe(453)
    expect(await status('GET', 'databases/acme')).toBe(200)
    expect(await status('GET', 'databases')).toBe(200)
    expect(turso.faults.fired().map(({ entry }) => entry)).toEqual([0, 1, 2])
  })

  test('at the request whose body has a text in it', async () => {
    const { database, count } = await startWith({ kind: 'reset_after', containing: '"commit"' })
    const { baton } = await database.run([statement('begin'), statement('insert into t values (1)')], {
      keep: true,
    })
    await expect(database.run([statement('commit')], { baton })).rejects.toThrow('fetch failed')
    expect(await count()).toBe(1)
  })

  test('together with others, the first of the script outermost', async () => {
    const { database, turso } = await startWith(
      { kind: 'latency', ms: 1 },
      { kind: 'server_error', status: 501 },
      { kind: 'server_error', status: 502 },
    )
    expect((await database.send({ requests: [] })).status).toBe(501)
    expect(turso.faults.fired().map(({ entry }) => entry)).toEqual([0, 1])
  })

  test('until it is cleared', async () => {
    const { database, turso } = await startWith({ kind: 'server_error' })
    expect((await database.send({ requests: [] })).status).toBe(500)
    turso.faults.clear()
    expect((await database.send({ requests: [] })).status).toBe(200)
    expect(turso.faults.fired()).toEqual([])
  })
})

describe('the body of a request', () => {
  /** Sends a stranger's body that never ends, and says how much of it was read until the answer. */
  async function readOfEndlessBody(fault: Fault) {
    const { turso } = await startWith(fault)
    let mebibytes = 0
    const body = new ReadableStream({
      pull(controller) {
        mebibytes++
        controller.enqueue(new Uint8Array(1024 * 1024))
      },
    })
    const { status } = await turso.fetch(
      new Request('https://api.turso.tech/v1/organizations/local/groups', {
        method: 'POST',
        body,
        duplex: 'half',
      }),
    )
    await body.cancel().catch(() => undefined)
    return { status, mebibytes }
  }

  test('is not read for an entry that is for other requests', async () => {
    const { status, mebibytes } = await readOfEndlessBody({
      kind: 'reset_before',
      on: 'pipeline',
      containing: 'x',
    })
    expect(status).toBe(401)
    expect(mebibytes).toBeLessThan(5)
  })

  test('is searched up to 64 MiB', async () => {
    const { status, mebibytes } = await readOfEndlessBody({ kind: 'reset_before', containing: 'x' })
    expect(status).toBe(401)
    expect(mebibytes).toBeGreaterThanOrEqual(64)
    expect(mebibytes).toBeLessThan(70)
  })
})

describe('a seed', () => {
  /** What a fixed series of requests meets. */
  async function run(faults: FaultScript) {
    const turso = createLocalTurso({ faults })
    try {
      for (let index = 0; index < 400; index++) {
        const path = index % 2 ? '/v1/locations' : '/db/none/v3/pipeline'
        const request = new Request(
          `http://local.test${path}`,
          index % 2 ? {} : { method: 'POST', body: '{}' },
        )
        await turso
          .fetch(request)
          .then((response) => response.text())
          .catch(() => undefined)
      }
      return turso.faults.fired()
    } finally {
      await turso.close()
    }
  }

  test('gives the same run every time, and another one gives another', async () => {
    const quick: Fault[] = [
      { kind: 'server_error', probability: 0.2 },
      { kind: 'reset_before', on: 'sql', probability: 0.2 },
    ]
    const first = await run({ seed: 7, faults: quick })
    expect(first.length).toBeGreaterThan(60)
    expect(first.length).toBeLessThan(180)
    expect(await run({ seed: 7, faults: quick })).toEqual(first)
    expect(await run({ seed: 8, faults: quick })).not.toEqual(first)
  })

  test('alone stands for a mix of everything', async () => {
    const fired = await run(3)
    expect(new Set(fired.map(({ kind }) => kind)).size).toBeGreaterThan(5)
    expect(await run(3)).toEqual(fired)
  })

  test('decides for every entry by itself', async () => {
    const entry: Fault = { kind: 'server_error', on: 'sql', probability: 0.3 }
    const alone = await run({ seed: 1, faults: [entry] })
    const withAnother = await run({
      seed: 1,
      faults: [entry, { kind: 'html', on: 'platform', probability: 0.5 }],
    })
    expect(withAnother.filter((fault) => fault.entry === 0)).toEqual(alone)
  })
})

describe('a script', () => {
  test.each([
    [[{ kind: 'nope' }], /^faults\[0\]\.kind must be one of latency, .*, not "nope"$/],
    [['latency'], /^faults\[0\] must be an object$/],
    [
      [{ kind: 'reset_before' }, { kind: 'latency' }],
      /^faults\[1\]\.ms must be a number of milliseconds, .*, not undefined$/,
    ],
    [[{ kind: 'latency', ms: [5, 1] }], /^faults\[0\]\.ms must be a number of milliseconds, or two/],
    [[{ kind: 'latency', ms: '5' }], /^faults\[0\]\.ms must be .*, not "5"$/],
    [
      [{ kind: 'reset_after', probabilty: 1 }],
      /^faults\[0\] has an unknown field "probabilty"; known are kind, on, /,
    ],
    [
      [{ kind: 'reset_after', probability: 2 }],
      /^faults\[0\]\.probability must be a number from 0 to 1, not 2$/,
    ],
    [
      [{ kind: 'reset_after', probability: 1, nth: 1 }],
      /^faults\[0\] has a probability, so it cannot have nth/,
    ],
    [[{ kind: 'reset_after', times: 1 }], /^faults\[0\]\.times needs nth/],
    [[{ kind: 'reset_after', nth: 0 }], /^faults\[0\]\.nth must be a whole number from 1, not 0$/],
    [
      [{ kind: 'reset_after', on: 'databases' }],
      /^faults\[0\]\.on must be the name of an operation or "METHOD \/path", not/,
    ],
    [
      [{ kind: 'server_error', status: 404 }],
      /^faults\[0\]\.status must be a status from 500 to 599, not 404$/,
    ],
    [
      [{ kind: 'respond', status: 200, headers: { a: 1 } }],
      /^faults\[0\]\.headers must be an object of strings/,
    ],
    [
      [{ kind: 'respond', status: 200, headers: { 'x y': 'a' } }],
      /^faults\[0\]\.headers must be an object of strings that HTTP can carry/,
    ],
    [
      [{ kind: 'respond', status: 200, headers: { x: 'ś' } }],
      /^faults\[0\]\.headers must be .* HTTP can carry in headers, not {"x":"ś"}$/,
    ],
    [
      [{ kind: 'respond', status: 204, body: 'x' }],
      /^faults\[0\]\.body must be left out, because an answer with status 204 has none$/,
    ],
    [[{ kind: 'respond', status: 304, body: 'x' }], /^faults\[0\]\.body must be left out/],
    [[{ kind: 'rate_limited', retryAfter: 'a\nb' }], /^faults\[0\]\.retryAfter must be a number of seconds/],
    [
      [{ kind: 'rate_limited', retryAfter: Infinity }],
      /^faults\[0\]\.retryAfter must be a number of seconds/,
    ],
    [[{ kind: 'redirect', to: 'https://ś/' }], /^faults\[0\]\.to must be a string .* HTTP can carry/],
    [[{ kind: 'redirect', to: 'http://x/\u0001' }], /^faults\[0\]\.to must be a string .* HTTP can carry/],
    [[{ kind: 'redirect' }], /^faults\[0\]\.to must be a string/],
    [[{ kind: 'truncated', ending: 'no' }], /^faults\[0\]\.ending must be "cut" or "clean", not "no"$/],
    [{ seed: -1, faults: [] }, /^seed must be a whole number from 0 to 4294967295, not -1$/],
    [{ seed: 1 }, /^"faults" must be an array$/],
    [{ faults: [], sed: 1 }, /^the script has an unknown field "sed"; known are seed, faults$/],
    [1.5, /^the seed must be a whole number/],
    ['none', /^faults must be a seed, an array, or an object with "faults"$/],
  ])('%j is refused with a message that says where and why', (script, message) => {
    const faults = script as FaultScript
    expect(() => createLocalTurso({ faults })).toThrow(FaultScriptError)
    expect(() => createLocalTurso({ faults })).toThrow(message)
  })

  test('is refused as well when it is added later, which changes nothing', async () => {
    const { turso, database } = await startWith({ kind: 'latency', ms: 0 })
    expect(() => turso.faults.add({ kind: 'html' }, { kind: 'latency', ms: -1 })).toThrow(
      /^faults\[2\]\.ms must be/,
    )
    expect((await database.send({ requests: [] })).status).toBe(200)
  })

  test('says the same as JSON', async () => {
    const faults: FaultScript = {
      seed: 5,
      faults: [{ kind: 'latency', ms: [0, 1], on: 'cursor', probability: 0.5 }],
    }
    const turso = createLocalTurso({ faults: JSON.parse(JSON.stringify(faults)) as FaultScript })
    await turso.close()
    expect(turso.faults.fired()).toEqual([])
  })
})

test('a cut connection is a reset of the socket', async () => {
  const { turso } = await startWith({ kind: 'reset_before' })
  const server = await serveLocalTurso(turso, { port: 0 })
  onTestFinished(server.close)
  const socket = createConnection(Number(new URL(server.url).port), '127.0.0.1')
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve))
  socket.write('GET /v1/locations HTTP/1.1\r\nhost: x\r\n\r\n')
  expect((await failed).code).toBe('ECONNRESET')
})

test.each([1, 2, 3])(
  'under a mix of everything, what is acknowledged has happened once: seed %d',
  async (seed) => {
    const { turso, create } = await start({ faults: { seed, faults: [] } })
    const database = await create('acme')
    await database.execute('create table t (n)')
    turso.faults.add(...mixOfEverything().map((fault) => ({ ...fault, on: 'sql' })))
    const acknowledged: number[] = []
    const refused: number[] = []
    for (let n = 0; n < 400; n++) {
      const requests = [statement(`insert into t values (${n})`), { type: 'close' }]
      const answer = await database.send({ requests }).catch(() => undefined)
      if (answer?.status === 200 && answer.body?.results?.[0]?.type === 'ok') acknowledged.push(n)
      if (answer?.status === 429) refused.push(n)
    }
    expect(new Set(turso.faults.fired().map(({ kind }) => kind)).size).toBeGreaterThan(5)
    turso.faults.clear()
    const [result] = await database.execute('select n from t')
    const rows = rowsOf(result).map(([value]) => Number((value as { value: string }).value))
    expect(new Set(rows).size).toBe(rows.length)
    expect(acknowledged.filter((n) => !rows.includes(n))).toEqual([])
    expect(refused.filter((n) => rows.includes(n))).toEqual([])
  },
)
