import { env } from 'cloudflare:workers'
import { createExecutionContext } from 'cloudflare:test'
import { describe, expect, onTestFinished, test } from 'vitest'
import { app } from '../../worker/app.ts'
import { clearFaults, failNext, requestsSeen } from '../support/turso.ts'
import { call, ORIGIN, signUpNow, type ProblemBody, type SignupAnswer } from './client.ts'

/** A binding of three requests a minute. The minute is the clock's, so it may end in between. */
const TIGHT = (env as unknown as { TIGHT_LIMIT: RateLimit }).TIGHT_LIMIT
const ENOUGH_FOR_TWO_MINUTES = 7

const read = (bindings: Partial<Env>, key: string, headers: Record<string, string> = {}): Promise<Response> =>
  Promise.resolve(
    app.fetch(
      new Request(`${ORIGIN}/v1/tenants/nobody`, { headers: { authorization: `Bearer ${key}`, ...headers } }),
      { ...env, ...bindings },
    ),
  )

async function readUntil429(bindings: Partial<Env>, key: string, headers?: Record<string, string>) {
  for (let count = 0; count < ENOUGH_FOR_TWO_MINUTES; count++) {
    const response = await read(bindings, key, headers)
    if (response.status === 429) return response
  }
  throw new Error('was never refused')
}

async function mint(tenant: string): Promise<string> {
  const { token }: SignupAnswer = await (
    await call(`/v1/tenants/${tenant}/tokens`, {
      method: 'POST',
      headers: { authorization: 'Bearer signup-key' },
      // Or it is the same as one that was made in the same second.
      body: '{"expiration":"3h"}',
    })
  ).json()
  return token.jwt
}

const address = (value: string) => ({ 'cf-connecting-ip': value })

describe('the requests of a key', () => {
  test('beyond its budget are 429, saying which budget, and no more than is known', async () => {
    const response = await readUntil429({ SIGNUP_LIMIT: TIGHT }, 'signup-key')
    expect(response.headers.get('retry-after')).toBe('10')
    expect(response.headers.get('ratelimit')).toBe('"signup";r=0')
    expect(response.headers.get('ratelimit-policy')).toBe('"signup";q=200;w=10')
    const problem: ProblemBody = await response.json()
    expect(problem).toMatchObject({
      status: 429,
      code: 'rate_limited',
      detail: 'The API key "app" has sent too many requests',
      'violated-policies': ['signup'],
    })
    // The other scope has a budget of its own.
    expect((await read({ SIGNUP_LIMIT: TIGHT }, 'admin-key')).status).toBe(404)
  })

  test('within it are told the policy alone, since what is left is not known', async () => {
    const signup = await app.fetch(
      new Request(`${ORIGIN}/v1/tenants`, {
        method: 'POST',
        headers: { authorization: 'Bearer signup-key' },
        body: JSON.stringify({ id: 'rate-limited' }),
      }),
      env,
    )
    expect(signup.status).toBe(201)
    expect(signup.headers.get('ratelimit-policy')).toBe('"signup";q=200;w=10')
    expect(signup.headers.get('ratelimit')).toBeNull()
  })

  test('are told the policy whatever the answer is, errors and lists included', async () => {
    const ask = async (path: string, init: RequestInit, key: string): Promise<[number, string | null]> => {
      const headers = { authorization: `Bearer ${key}` }
      const response = await app.fetch(new Request(ORIGIN + path, { ...init, headers }), env)
      return [response.status, response.headers.get('ratelimit-policy')]
    }
    const signup = '"signup";q=200;w=10'
    const admin = '"admin";q=200;w=10'
    expect(await ask('/v1/tenants/nobody', {}, 'signup-key')).toEqual([404, signup])
    expect(await ask('/v1/tenants', { method: 'POST', body: '{' }, 'signup-key')).toEqual([400, signup])
    expect(await ask('/v1/tenants', {}, 'signup-key')).toEqual([403, signup])
    expect(await ask('/v1/tenants', {}, 'admin-key')).toEqual([200, admin])
    expect(await ask('/v1/tenants?limit=0', {}, 'admin-key')).toEqual([400, admin])
    // Whoever has no key has no budget.
    expect(await ask('/v1/tenants', {}, 'no-key')).toEqual([401, null])
    expect(await ask('/health', {}, 'signup-key')).toEqual([200, null])
  })

  test('two keys of one name are good at the same time, on one budget', async () => {
    const sha256 = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('next-key'))
    const hex = Array.from(new Uint8Array(sha256), (byte) => byte.toString(16).padStart(2, '0')).join('')
    const bindings = { API_KEYS: `${env.API_KEYS},rotated:signup:${hex},rotated:signup:${'0'.repeat(64)}` }
    expect((await read(bindings, 'signup-key')).status).toBe(404)
    expect((await read(bindings, 'next-key')).status).toBe(404)
    const [, app = ''] = /(app:signup:)/.exec(env.API_KEYS)!
    const sameName = { API_KEYS: `${env.API_KEYS},${app}${hex}`, SIGNUP_LIMIT: TIGHT }
    await readUntil429(sameName, 'signup-key')
    expect((await read(sameName, 'next-key')).status).toBe(429)
  })

  test('are not limited, and no policy is told, without the binding and the variable', async () => {
    const bindings = { SIGNUP_LIMIT: undefined, RATE_LIMIT_POLICY: '' } as unknown as Partial<Env>
    for (let count = 0; count < ENOUGH_FOR_TWO_MINUTES; count++)
      expect((await read(bindings, 'signup-key')).status).toBe(404)
  })

  test('are refused without a policy when the variable does not tell it', async () => {
    const response = await readUntil429({ ADMIN_LIMIT: TIGHT, RATE_LIMIT_POLICY: '' }, 'admin-key')
    expect(response.headers.get('ratelimit-policy')).toBeNull()
    expect(response.headers.get('retry-after')).toBe('60')
  })

  test('a policy that cannot be read is named', async () => {
    const response = await read({ RATE_LIMIT_POLICY: '"signup";q=many' }, 'signup-key')
    expect(response.status).toBe(500)
    expect(((await response.json()) as ProblemBody).detail).toMatch(/^RATE_LIMIT_POLICY is malformed/)
  })
})

describe('wrong keys', () => {
  const bindings = { WRONG_KEY_LIMIT: TIGHT }

  test('are 401, then 429, and then not even the right one is looked at from there', async () => {
    const guesser = address('203.0.113.7')
    expect((await read(bindings, 'guess-1', guesser)).status).toBe(401)
    const response = await readUntil429(bindings, 'guess', guesser)
    expect(response.headers.get('ratelimit')).toBe('"wrong_key";r=0')
    expect((await read(bindings, 'signup-key', guesser)).status).toBe(429)
    expect((await read(bindings, 'signup-key', address('203.0.113.8'))).status).toBe(404)
  })

  test('count for the whole /64 of IPv6, however it is written', async () => {
    await readUntil429(bindings, 'guess', address('2001:db8:0:7:1::1'))
    expect((await read(bindings, 'guess', address('2001:db8:0:7::2'))).status).toBe(429)
    expect((await read(bindings, 'guess', address('2001:db8:0:8::2'))).status).toBe(401)
    await readUntil429(bindings, 'guess', address('2001:db9::1'))
    expect((await read(bindings, 'signup-key', address('2001:db9::2'))).status).toBe(429)
  })

  test("count for the zone that another Worker's request is of, as those all have one address", async () => {
    const worker = (zone: string) => ({ ...address('2a06:98c0:3600::103'), 'cf-worker': zone })
    await readUntil429(bindings, 'guess', worker('guesser.example'))
    expect((await read(bindings, 'signup-key', worker('guesser.example'))).status).toBe(429)
    expect((await read(bindings, 'signup-key', worker('customer.example'))).status).toBe(404)
  })

  test('that are cut or mistyped count too, missing ones do not', async () => {
    const typist = address('198.51.100.1')
    for (let count = 0; count < ENOUGH_FOR_TWO_MINUTES; count++)
      expect((await read(bindings, '', typist)).status).toBe(401)
    await readUntil429(bindings, 'te_app_0123456789abcdefghijklmn000000', typist)
  })
})

describe('wrong tokens', () => {
  const run = async (
    tenant: string,
    token: string,
    from: string,
    baton: string | null = null,
  ): Promise<number> => {
    const headers = { authorization: `Bearer ${token}`, ...address(from) }
    const body = JSON.stringify({ baton, requests: [{ type: 'close' }] })
    const request = new Request(`${ORIGIN}/t/${tenant}/v3/pipeline`, { method: 'POST', headers, body })
    const response = await app.fetch(request, { ...env, WRONG_TOKEN_LIMIT: TIGHT }, createExecutionContext())
    await response.text()
    return response.status
  }
  /** @returns whether the network was shut out */
  async function guess(tenant: string, from: string): Promise<boolean> {
    for (let count = 0; count < ENOUGH_FOR_TWO_MINUTES; count++) {
      const status = await run(tenant, `made.up.${count}`, from)
      if (status === 429) return true
      expect([400, 401]).toContain(status)
    }
    return false
  }

  test('are 401, then no token that is not known is asked about from there, and no other tenant, network or known token is touched', async () => {
    const { token } = await signUpNow({ id: 'guessed' })
    const other = await signUpNow({ id: 'not-guessed' })
    const fresh = await mint('guessed')
    expect(await run('guessed', token.jwt, '192.0.2.11')).toBe(200)
    expect(await guess('guessed', '192.0.2.10')).toBe(true)
    await requestsSeen()
    expect(await run('guessed', fresh, '192.0.2.10')).toBe(429)
    expect(await requestsSeen()).toEqual([])
    expect(await run('guessed', token.jwt, '192.0.2.10')).toBe(200)
    expect(await run('guessed', fresh, '192.0.2.11')).toBe(200)
    expect(await run('not-guessed', other.token.jwt, '192.0.2.10')).toBe(200)
  })

  test('count also where they are 400, as what is no JWT is at Turso Cloud', async () => {
    await signUpNow({ id: 'guessed-at-cloud' })
    onTestFinished(clearFaults)
    const body = '{"error":"the token is not a JWT"}'
    await failNext({ kind: 'respond', on: 'pipeline', status: 400, body, times: ENOUGH_FOR_TWO_MINUTES })
    expect(await guess('guessed-at-cloud', '192.0.2.13')).toBe(true)
  })

  test('are not what the gateway itself refuses, such as the batons that a key has left behind', async () => {
    const { token } = await signUpNow({ id: 'left-behind' })
    for (let count = 0; count < ENOUGH_FOR_TWO_MINUTES; count++)
      expect(await run('left-behind', token.jwt, '192.0.2.14', 'A'.repeat(91))).toBe(400)
    expect(await run('left-behind', token.jwt, '192.0.2.14')).toBe(200)
  })

  test('never shut out a network from which a right one has come', async () => {
    const { token } = await signUpNow({ id: 'an-office' })
    expect(await run('an-office', token.jwt, '192.0.2.12')).toBe(200)
    expect(await guess('an-office', '192.0.2.12')).toBe(false)
    expect(await run('an-office', await mint('an-office'), '192.0.2.12')).toBe(200)
  })
})

describe('WebSockets', () => {
  const open = async (tenant: string, from: string): Promise<Response> => {
    const headers = { upgrade: 'websocket', 'sec-websocket-protocol': 'hrana3', ...address(from) }
    const request = new Request(`${ORIGIN}/t/${tenant}/`, { headers })
    const response = await app.fetch(request, { ...env, UPGRADE_LIMIT: TIGHT })
    response.webSocket?.accept()
    response.webSocket?.close()
    return response
  }

  test('of one tenant from one network are opened only so often, before anybody has said a token', async () => {
    for (const id of ['many-sockets', 'few-sockets']) await signUpNow({ id })
    const answers: Response[] = []
    for (let count = 0; count < ENOUGH_FOR_TWO_MINUTES && answers.at(-1)?.status !== 429; count++)
      answers.push(await open('many-sockets', '192.0.2.1'))
    const refused = answers.pop()
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([101]))
    expect(await refused?.json()).toMatchObject({ code: 'TOO_MANY_REQUESTS' })
    expect(refused?.headers.get('retry-after')).toBe('10')
    expect((await open('few-sockets', '192.0.2.1')).status).toBe(101)
    expect((await open('many-sockets', '192.0.2.2')).status).toBe(101)
  })

  test('of tenants that are not there count as one', async () => {
    const statuses: number[] = []
    for (let count = 0; count < ENOUGH_FOR_TWO_MINUTES && statuses.at(-1) !== 429; count++)
      statuses.push((await open(`made-up-${count}`, '192.0.2.3')).status)
    expect(statuses).toContain(101)
    expect(statuses.at(-1)).toBe(429)
  })
})
