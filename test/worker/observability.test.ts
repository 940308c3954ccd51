import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Fault } from '../../local/faults/script.ts'
import { app } from '../../worker/app.ts'
import { renderMetrics } from '../../worker/metrics.ts'
import { signupTiming } from '../../worker/routes/server-timing.ts'
import { clearFaults, failNext } from '../support/turso.ts'
import { call, ORIGIN, signUp, signUpNow } from './client.ts'
import { answerOf, close, execute, sessionOf } from './gateway-client.ts'

afterEach(async () => {
  vi.restoreAllMocks()
  await clearFaults()
})

const readMetrics = async (bindings: Partial<Env> = {}, key = 'admin-key'): Promise<Response> =>
  await app.fetch(new Request(`${ORIGIN}/metrics`, { headers: { authorization: `Bearer ${key}` } }), {
    ...env,
    ...bindings,
  })

/** Until the directory, which other tests fill too, has followed. */
async function metricsWith(line: RegExp): Promise<string> {
  await expect.poll(async () => await (await readMetrics()).text()).toMatch(line)
  return await (await readMetrics()).text()
}

describe('GET /metrics', () => {
  test('counts tenants, orphans and deeds over all of them, and says how the way to Turso is', async () => {
    await signUpNow({ id: 'counted' })
    const text = await metricsWith(/^turso_edge_tenants\{status="active"\} [1-9]/m)
    for (const line of [
      /^turso_edge_source_up\{source="directory"\} 1$/m,
      /^turso_edge_source_up\{source="upstream"\} 1$/m,
      /^turso_edge_tenants_overdue \d+$/m,
      /^turso_edge_orphans \d+$/m,
      /^turso_edge_deeds_last_5m\{action="signup",outcome="begun"\} [1-9]/m,
      /^turso_edge_platform_token_refused 0$/m,
      /^turso_edge_upstream_throttled_seconds 0$/m,
    ])
      expect(text).toMatch(line)
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? \d+(\.\d+)?)$/)
  })

  test('shows an orphan, a refused platform token, and a pace', async () => {
    await failNext({ kind: 'respond', on: 'databases.createToken', status: 403, body: '{"error":"no"}' })
    await failNext({ kind: 'server_error', on: 'databases.delete', nth: 1 })
    await signUp({ id: 'left-over' })
    await failNext({ kind: 'rate_limited', on: 'databases.create', retryAfter: 30 })
    await failNext({
      kind: 'respond',
      on: 'databases.createToken',
      status: 401,
      body: '{"error":"bad token"}',
    })
    expect((await signUp({ id: 'slowed' }, { prefer: 'respond-async' })).status).toBe(202)
    const text = await metricsWith(/^turso_edge_orphans [1-9]/m)
    expect(text).toMatch(/^turso_edge_oldest_orphan_seconds \d/m)
    await expect
      .poll(async () => await (await readMetrics()).text())
      .toMatch(/^turso_edge_upstream_paused_seconds (2\d|30)/m)
  })

  test('needs the scope metrics or admin, which is good for nothing else', async () => {
    expect((await readMetrics({}, 'signup-key')).status).toBe(403)
    expect((await call('/metrics')).status).toBe(401)
    const sha256 = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('scraper'))
    const hex = Array.from(new Uint8Array(sha256), (byte) => byte.toString(16).padStart(2, '0')).join('')
    const bindings = { API_KEYS: `prometheus:metrics:${hex}` }
    expect((await readMetrics(bindings, 'scraper')).status).toBe(200)
    const headers = { authorization: 'Bearer scraper' }
    const tenant = await app.fetch(new Request(`${ORIGIN}/v1/tenants/x`, { headers }), {
      ...env,
      ...bindings,
    })
    expect(tenant.status).toBe(403)
  })

  test('without the directory has the rest, and says what is missing', async () => {
    const broken = {
      batch: () => Promise.reject(new Error('D1 is away')),
      prepare: () => ({ bind: () => null }),
    }
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const text = await (await readMetrics({ DIRECTORY: broken as unknown as D1Database })).text()
    expect(text).toContain('turso_edge_source_up{source="directory"} 0\n')
    expect(text).toContain('turso_edge_platform_token_refused 0\n')
  })

  test('escapes what could break a line', () => {
    const samples = [{ labels: { a: 'x"y\\z\n' }, value: 1 }]
    expect(renderMetrics([{ name: 'n', help: 'h', samples }])).toBe(
      '# HELP n h\n# TYPE n gauge\nn{a="x\\"y\\\\z\\n"} 1\n',
    )
  })
})

test('each request is a data point where a dataset is bound', async () => {
  const points: AnalyticsEngineDataPoint[] = []
  const REQUESTS = { writeDataPoint: (point: AnalyticsEngineDataPoint) => void points.push(point) }
  const headers = { authorization: 'Bearer signup-key' }
  for (const path of ['/v1/tenants/nobody', '/nowhere/secret'])
    await app.fetch(new Request(ORIGIN + path, { headers }), { ...env, REQUESTS } as Env)
  expect(points.map(({ blobs }) => blobs)).toEqual([
    ['GET', '/v1/tenants/:id', '404', 'app'],
    ['GET', '/*', '404', ''],
  ])
  expect(points[0]).toMatchObject({ indexes: ['GET /v1/tenants/:id'], doubles: [expect.any(Number)] })
})

describe('Server-Timing', () => {
  test('of a signup has its calls to Turso', async () => {
    const response = await signUp({ id: 'timed' })
    expect(response.headers.get('server-timing')).toMatch(
      /^create_database;dur=\d+, create_token;dur=\d+, migrate;dur=\d+, total;dur=\d+$/,
    )
  })

  test('adds the attempts of a step up, and leaves out what an earlier request has done', () => {
    const entry = (step: 'create_database' | 'create_token', at: number, duration_ms: number) => ({
      step,
      attempt: 1,
      at: new Date(at).toISOString(),
      duration_ms,
      outcome: 'done' as const,
      detail: null,
      request_id: null,
    })
    const timeline = [
      entry('create_database', 1_000, 40),
      entry('create_token', 100_000, 5),
      entry('create_token', 100_010, 6),
    ]
    expect(signupTiming(timeline, 100_000, 100_030)).toBe('create_token;dur=11, total;dur=30')
  })

  test('of the gateway has the time of the database, or of the session', async () => {
    const { token } = await signUpNow({ id: 'timed-gateway' })
    const post = (requests: unknown[]): Promise<Response> =>
      call('/t/timed-gateway/v3/pipeline', {
        method: 'POST',
        headers: { authorization: `Bearer ${token.jwt}` },
        body: JSON.stringify({ baton: null, requests }),
      })
    const execute = { type: 'execute', stmt: { sql: 'select 1' } }
    const through = await post([execute, { type: 'close' }])
    expect(through.headers.get('server-timing')).toMatch(/^upstream;dur=\d+$/)
    const kept = await post([execute])
    expect(kept.headers.get('server-timing')).toMatch(/^session;dur=\d+$/)
    await Promise.all([through.text(), kept.text()])
  })
})

describe('the id of a request', () => {
  test('is in what the log says about it, also by the object, and in the audit', async () => {
    const lines: string[] = []
    for (const level of ['warn', 'error'] as const)
      vi.spyOn(console, level).mockImplementation((line: unknown) => void lines.push(String(line)))
    await failNext({ kind: 'respond', on: 'databases.create', status: 402, body: '{"error":"plan"}' })
    const response = await signUp({ id: 'traced' }, { 'x-request-id': 'trace-me' })
    expect(response.status).toBe(502)
    expect(lines.map((line) => JSON.parse(line) as unknown)).toContainEqual(
      expect.objectContaining({ event: 'signup_failed', tenant: 'traced', request_id: 'trace-me' }),
    )
    await expect
      .poll(
        async () =>
          await env.DIRECTORY.prepare('select request_id from audit where tenant = ?').bind('traced').first(),
      )
      .toEqual({ request_id: 'trace-me' })
  })

  test.each([
    ['gateway_upstream_failed', { kind: 'truncated', share: 0.01, on: 'pipeline' }],
    ['session_close_failed', { kind: 'server_error', on: 'pipeline' }],
  ] satisfies [string, Fault][])('is in %s, with the tenant', async (event, fault) => {
    const lines: string[] = []
    vi.spyOn(console, 'warn').mockImplementation((line: unknown) => void lines.push(String(line)))
    const tenant = event.replaceAll('_', '-')
    const { token } = await signUpNow({ id: tenant })
    const send = (requests: object[]): Promise<Response> =>
      call(`/t/${tenant}/v3/pipeline`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token.jwt}`, 'x-request-id': `trace-${tenant}` },
        body: JSON.stringify({ baton: null, requests }),
      })
    const { baton } = await answerOf(send([execute('begin')]))
    await failNext(fault)
    if (event === 'gateway_upstream_failed') await send([execute('select 1'), close])
    else await sessionOf(baton!).kill()
    await expect
      .poll(() => lines.map((line) => JSON.parse(line) as unknown))
      .toContainEqual(expect.objectContaining({ event, tenant, request_id: `trace-${tenant}` }))
  })

  test('is in what the log says about a session', async () => {
    const lines: string[] = []
    vi.spyOn(console, 'error').mockImplementation((line: unknown) => void lines.push(String(line)))
    const { token } = await signUpNow({ id: 'traced-session' })
    await failNext({ kind: 'base_url', on: 'pipeline', url: 'https://elsewhere.example/' })
    await call('/t/traced-session/v3/pipeline', {
      method: 'POST',
      headers: { authorization: `Bearer ${token.jwt}`, 'x-request-id': 'trace-session' },
      body: '{"baton":null,"requests":[{"type":"get_autocommit"}]}',
    })
    expect(lines.map((line) => JSON.parse(line) as unknown)).toContainEqual(
      expect.objectContaining({
        event: 'base_url_rejected',
        tenant: 'traced-session',
        request_id: 'trace-session',
      }),
    )
  })
})
