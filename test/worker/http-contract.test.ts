import { describe, expect, test } from 'vitest'
import { call, signUp, type ProblemBody } from './client.ts'

async function problemOf(response: Response): Promise<ProblemBody> {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const body: ProblemBody = await response.json()
  expect(body.status).toBe(response.status)
  expect(body.type).toBe(`urn:turso-edge:problem:${body.code}`)
  expect(body.request_id).toBe(response.headers.get('x-request-id'))
  return body
}

describe('the API key', () => {
  test.each([
    ['missing', undefined, /no Authorization header/],
    ['of another scheme', 'Basic c2lnbnVwLWtleQ==', /not of the form/],
    ['empty', 'Bearer ', /not of the form/],
    ['two words', 'Bearer signup key', /not of the form/],
    ['overlong', `Bearer ${'x'.repeat(5000)}`, /not of the form/],
    ['mistyped', 'Bearer te_app_0123456789abcdefghijklmn000000', /mistyped/],
    ['unknown', 'Bearer sesame', /not known/],
  ])('%s is 401', async (_, authorization, detail) => {
    for (const path of ['/v1/tenants/acme', '/v1/tenants']) {
      const method = path.endsWith('tenants') ? 'POST' : 'GET'
      const response = await call(path, {
        method,
        headers: authorization === undefined ? {} : { authorization },
      })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/)
      const problem = await problemOf(response)
      expect(problem.detail).toMatch(detail)
      expect(JSON.stringify(problem)).not.toMatch(/sesame|c2lnbnVwLWtleQ/)
    }
  })
})

describe('a bad signup', () => {
  test.each([
    ['no JSON', '{"id":', '', /not valid JSON/],
    ['empty', '', '', /not valid JSON/],
    ['no object', '["acme"]', '', /must be a JSON object/],
    ['null', 'null', '', /must be a JSON object/],
    [
      'nested too deeply',
      `{"id":"a","metadata":${'{"a":'.repeat(5000)}1${'}'.repeat(5001)}`,
      '',
      /nested more than/,
    ],
    ['without an id', '{}', 'id', /is missing/],
    ['an id that is no string', '{"id":7}', 'id', /must be a string/],
    ['an empty id', '{"id":""}', 'id', /must be 1 to 128/],
    ['a path as id', '{"id":"../x"}', 'id', /must be 1 to 128/],
    ['a slash in the id', '{"id":"a/b"}', 'id', /must be 1 to 128/],
    ['an emoji as id', '{"id":"🦊"}', 'id', /must be 1 to 128/],
    ['a newline behind the id', '{"id":"acme\\n"}', 'id', /must be 1 to 128/],
    ['an id of 10 kB', JSON.stringify({ id: 'x'.repeat(10_000) }), 'id', /must be 1 to 128/],
    ['an unknown field', '{"id":"acme","plan":"gold"}', 'plan', /is not known/],
    ['an unknown field inside', '{"id":"acme","token":{"ttl":1}}', 'token.ttl', /is not known/],
    ['a prototype as field', '{"id":"acme","__proto__":{"x":1}}', '', /__proto__/],
    ['a prototype in the metadata', '{"id":"a","metadata":{"b":[{"__proto__":1}]}}', '', /__proto__/],
    ['a number that would be rounded', '{"id":"a","metadata":{"n":12345678901234567890}}', '', /rounded/],
    [
      'an expiration of more than a century',
      '{"id":"a","token":{"expiration":"5200w1m"}}',
      'token.expiration',
      /5200w/,
    ],
    ['half a character', '{"id":"a","name":"\\ud83d"}', '', /surrogate/],
    ['half a character as field', '{"id":"a","metadata":{"\\udca9":1}}', '', /surrogate/],
    ['a number beyond all', '{"id":"a","metadata":{"n":1e400}}', '', /rounded/],
    [
      'an endless expiration',
      JSON.stringify({ id: 'a', token: { expiration: '1m'.repeat(5000) } }),
      'token.expiration',
      /units/,
    ],
    [
      'an expiration without a unit',
      '{"id":"a","token":{"expiration":"90"}}',
      'token.expiration',
      /numbers with the units/,
    ],
    [
      'an expiration of nothing',
      '{"id":"a","token":{"expiration":"0d"}}',
      'token.expiration',
      /numbers with the units/,
    ],
    [
      'rights that do not exist',
      '{"id":"a","token":{"authorization":"root"}}',
      'token.authorization',
      /read-only/,
    ],
    ['a location that is a path', '{"id":"a","location":"../../x"}', 'location', /must be a location code/],
    ['metadata that is a list', '{"id":"a","metadata":[]}', 'metadata', /must be an object/],
    ['an empty name', '{"id":"a","name":""}', 'name', /must not be empty/],
  ])('with %s is 400 and names the field', async (_, body, field, detail) => {
    const response = await signUp(body)
    expect(response.status).toBe(400)
    const problem = await problemOf(response)
    expect(problem.errors?.map((error) => error.field)).toContain(field)
    expect(problem.detail).toMatch(detail)
    expect(problem.detail.length).toBeLessThan(500)
  })

  test('names every wrong field at once', async () => {
    const problem = await problemOf(await signUp({ id: 'a/b', name: '', plan: 1 }))
    expect(problem.errors?.map(({ field }) => field).toSorted()).toEqual(['id', 'name', 'plan'])
  })

  test.each(['', '""', 'x'.repeat(256), 'ключ'.normalize()])(
    'with the Idempotency-Key %j is 400',
    async (key) => {
      const response = await signUp(
        { id: 'acme' },
        { 'idempotency-key': encodeURI(key) === key ? key : '\u00e9' },
      )
      expect(response.status).toBe(400)
      expect((await problemOf(response)).errors?.[0]?.field).toBe('Idempotency-Key')
    },
  )

  test('a body over 64 KiB is 413, with a length and without', async () => {
    const large = JSON.stringify({ id: 'acme', metadata: { text: 'x'.repeat(64 * 1024) } })
    const announced = await signUp(large)
    expect(announced.status).toBe(413)
    await problemOf(announced)
    const chunks = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(large))
        controller.close()
      },
    })
    const streamed = await call('/v1/tenants', {
      method: 'POST',
      headers: { authorization: 'Bearer signup-key' },
      body: chunks,
    })
    expect(streamed.status).toBe(413)
    const almost = JSON.stringify({ id: 'a/b', metadata: { text: 'x'.repeat(63 * 1024) } })
    expect((await signUp(almost)).status).toBe(400)
  })
})

describe('paths and methods', () => {
  test.each([
    ['PUT', '/v1/tenants', 'GET, POST'],
    ['DELETE', '/v1/tenants', 'GET, POST'],
    ['POST', '/v1/audit', 'GET'],
    ['GET', '/v1/orphans/acme', 'DELETE'],
    ['POST', '/v1/tenants/acme', 'GET, PATCH, DELETE'],
    ['DELETE', '/health', 'GET'],
    ['POST', '/version', 'GET'],
  ])('%s %s is 405 and says what is allowed', async (method, path, allow) => {
    const response = await call(path, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe(allow)
    expect((await problemOf(response)).detail).toContain(method)
  })

  test.each([
    '/',
    '/v1',
    '/v1/tenants/',
    '/v1/tenants/a/b',
    '/v2/tenants',
    '/V1/tenants',
    '/v1/tenants/../../x',
  ])('%s is 404', async (path) => {
    const response = await call(path, { headers: { authorization: 'Bearer signup-key' } })
    expect(response.status).toBe(404)
    await problemOf(response)
  })

  test.each([
    ['a/b', 'a%2Fb'],
    ['../x', '..%2Fx'],
    ['an emoji', '%F0%9F%A6%8A'],
    ['10 kB', 'x'.repeat(10_000)],
    ['NUL', '%00'],
  ])('reading the tenant %s is 400 and names the id', async (_, id) => {
    const response = await call(`/v1/tenants/${id}`, { headers: { authorization: 'Bearer signup-key' } })
    expect(response.status).toBe(400)
    expect((await problemOf(response)).errors?.[0]?.field).toBe('id')
  })

  test('an unknown tenant is 404', async () => {
    const response = await call('/v1/tenants/nobody', { headers: { authorization: 'Bearer signup-key' } })
    expect(response.status).toBe(404)
    expect((await problemOf(response)).detail).toBe('There is no tenant "nobody"')
  })

  test('health and version answer without a key', async () => {
    expect(await (await call('/health')).json()).toEqual({ status: 'ok' })
    expect(await (await call('/version')).json()).toMatchObject({
      name: 'turso-edge',
      version: expect.any(String),
    })
  })

  test("a caller's request id is kept if it is harmless, and replaced if not", async () => {
    const kept = await call('/health', { headers: { 'x-request-id': 'req_1-a' } })
    expect(kept.headers.get('x-request-id')).toBe('req_1-a')
    const replaced = await call('/health', { headers: { 'x-request-id': '<script>' } })
    expect(replaced.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })
})
