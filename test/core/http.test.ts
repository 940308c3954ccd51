import { describe, expect, test } from 'vitest'
import { connect, isTursoError, type Fetch, type TursoError } from '../../src/index.ts'

/** A server of one answer. */
const answering =
  (status: number, body: string, headers: Record<string, string> = {}): Fetch =>
  () =>
    Promise.resolve(new Response(body, { status, headers }))

const query = (fetch: Fetch, options: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
  connect({ url: 'libsql://db.example', authToken: 'hunter2', fetch, retry: false }).execute(
    { sql: 'select 1' },
    options,
  )

async function failureOf(promise: Promise<unknown>): Promise<TursoError> {
  try {
    await promise
  } catch (error) {
    return error as TursoError
  }
  throw new Error('the call did not fail')
}

describe('a refused request', () => {
  test.each([
    [400, '{"error":"bad"}', 'invalid_request'],
    [400, '{"error":"database with same name already exists"}', 'already_exists'],
    [400, '{"error":"Permissions are not supported for db-api controlled databases"}', 'unsupported'],
    [401, '{"error":"nope"}', 'unauthorized'],
    [402, '', 'plan_limit'],
    [403, '', 'forbidden'],
    [404, '', 'not_found'],
    [408, '', 'unavailable'],
    [409, '{"error":"exists"}', 'already_exists'],
    [422, '', 'invalid_request'],
    [429, '', 'rate_limited'],
    [500, '', 'unavailable'],
    [500, '{"error":"Operation was blocked: quota","code":"BLOCKED"}', 'forbidden'],
    [503, '', 'unavailable'],
    [302, '', 'protocol'],
  ])('%i %s is %s', async (status, body, code) => {
    const error = await failureOf(query(answering(status, body)))
    expect(error.code).toBe(code)
    expect(isTursoError(error, 'not_found') ? error.status : status).toBe(status)
  })

  test("the server's own words are in the message, whatever shape they have", async () => {
    const words = async (body: string): Promise<string> =>
      (await failureOf(query(answering(500, body)))).message
    expect(await words('{"error":"out of sheep"}')).toBe(
      'POST https://db.example/v3/pipeline answered 500: out of sheep',
    )
    expect(await words('{"message":"out of sheep","code":"X"}')).toMatch(/: out of sheep$/)
    expect(await words('{"error":{"reason":"sheep"}}')).toMatch(/: \{"reason":"sheep"\}$/)
    expect(await words('out of sheep')).toMatch(/: out of sheep$/)
    const html = '<html><style>b{}</style><body><h1>502 Bad\nGateway</h1></body></html>'
    expect(await words(html)).toMatch(/answered 500: 502 Bad Gateway$/)
  })

  test('request id and Retry-After are told, in milliseconds', async () => {
    const later = await failureOf(query(answering(429, '', { 'retry-after': '7', 'x-request-id': 'r-1' })))
    expect(later).toMatchObject({ retryAfterMs: 7000, requestId: 'r-1' })
    const past = await failureOf(
      query(answering(503, '', { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' })),
    )
    expect(past).toMatchObject({ retryAfterMs: 0, requestId: null })
    const nonsense = await failureOf(query(answering(503, '', { 'retry-after': 'soon' })))
    expect(nonsense).toMatchObject({ retryAfterMs: null })
  })

  test('a token is masked however its JSON spells it', async () => {
    const secret = 'a+b/c-d'
    const echo = JSON.stringify({ error: `bad token ${secret}` })
      .replace('+', '\\u002b')
      .replace('/', '\\/')
    const db = connect({ url: 'libsql://db.example', authToken: secret, fetch: answering(400, echo) })
    const error = await failureOf(db.execute('select 1'))
    expect(error.message).toMatch(/bad token \[secret\]$/)
  })

  test('a long body is cut and a token in it is masked', async () => {
    const error = await failureOf(query(answering(400, `token hunter2 refused ${'x'.repeat(100_000)}`)))
    expect(error.message.length).toBeLessThan(5000)
    expect(error.message).toContain('token [secret] refused')
    expect(JSON.stringify(Object.entries(error))).not.toContain('hunter2')
    // Also where the cut goes through it.
    for (let padding = 4085; padding < 4100; padding++) {
      const cut = await failureOf(query(answering(400, `${'x'.repeat(padding)}hunter2${'x'.repeat(50)}`)))
      expect(cut.message).not.toMatch(/hunt/)
    }
  })
})

describe('an answer that breaks the contract', () => {
  const good = JSON.stringify({
    baton: null,
    base_url: null,
    results: [
      {
        type: 'ok',
        response: { type: 'execute', result: { cols: [{ name: 'a' }], rows: [[{ type: 'null' }]] } },
      },
      { type: 'ok', response: { type: 'close' } },
    ],
  })

  test('is a protocol error wherever it is cut off', async () => {
    expect((await query(answering(200, good))).rows).toEqual([{ a: null }])
    for (let length = 0; length < good.length; length++) {
      const error = await failureOf(query(answering(200, good.slice(0, length))))
      expect(error.code).toBe('protocol')
    }
  })

  test.each([
    ['<html>', /not JSON/],
    ['null', /./],
    ['{}', /another number of results/],
    ['{"results":[]}', /another number of results/],
    ['{"results":[{"type":"ok","response":{"type":"batch"}},{"type":"ok"}]}', /another type/],
    ['{"results":[{"type":"ok","response":{"type":"execute","result":{}}},{}]}', /without columns or rows/],
    [
      '{"results":[{"type":"ok","response":{"type":"execute","result":{"cols":[],"rows":[[{}]]}}},{}]}',
      /more or fewer/,
    ],
  ])('%s', async (body, message) => {
    const error = await failureOf(query(answering(200, body)))
    expect(error.code).toBe('protocol')
    expect(error.message).toMatch(message)
  })
})

describe('time and interruption', () => {
  const neverAnswers: Fetch = () => new Promise(() => {})
  const neverFinishes: Fetch = () =>
    Promise.resolve({ status: 200, headers: new Headers(), text: () => new Promise<string>(() => {}) })

  test.each([
    ['headers', neverAnswers],
    ['a body', neverFinishes],
  ])('the timeout ends a call that waits for %s', async (_, fetch) => {
    const error = await failureOf(query(fetch, { timeoutMs: 20 }))
    expect(isTursoError(error, 'timeout') && error.timeoutMs).toBe(20)
    expect(error.message).toBe('POST https://db.example/v3/pipeline did not answer within 20 ms')
  })

  test('a signal ends a call with its own reason, before and during', async () => {
    const reason = new Error('the user left')
    await expect(query(neverAnswers, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const controller = new AbortController()
    const call = query(neverFinishes, { signal: controller.signal })
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
  })

  test('no answer is a network error that says why', async () => {
    const refused: Fetch = () =>
      Promise.reject(new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 127.0.0.1:1') }))
    const error = await failureOf(query(refused))
    expect(error.code).toBe('network')
    expect(error.message).toMatch(/failed without an answer: fetch failed \(connect ECONNREFUSED/)
  })

  test.each([0, -1, Number.NaN])('the timeout %d is refused', async (timeoutMs) => {
    await expect(query(neverAnswers, { timeoutMs })).rejects.toThrow(/"timeoutMs" must be/)
  })
})

test('connecting does no I/O and the token is nowhere to be seen', () => {
  const db = connect({
    url: 'libsql://db.example',
    authToken: 'hunter2',
    fetch: () => {
      throw new Error('fetched')
    },
  })
  expect(JSON.stringify(db) + Object.keys(db).join()).not.toContain('hunter2')
})
