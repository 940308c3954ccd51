/**
 * What the Worker asks beside Turso, an object or D1, says nothing: nobody waits for it for ever, and nobody else for them. All
 * of them at once, since each waits for the limit that is shipped.
 */
import { env } from 'cloudflare:workers'
import { createScheduledController } from 'cloudflare:test'
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { migrateDirectory } from '../../worker/directory/schema.ts'
import worker from '../../worker/index.ts'
import { createGate } from '../../worker/turso/gate.ts'
import { clearFaults } from '../support/turso.ts'
import { call, signUpNow, type ProblemBody } from './client.ts'
import { hang } from './hanging-object.ts'
import { upstreamObject } from './pace-control.ts'

beforeAll(() => migrateDirectory(env.DIRECTORY))
beforeEach(clearFaults)
afterEach(() => void vi.restoreAllMocks())

const directory = env.DIRECTORY
const headers = { authorization: 'Bearer admin-key' }
const statusOf = (id: string): Promise<unknown> =>
  directory.prepare('select status from tenants where id = ?').bind(id).first('status')

/** D1 takes what it is sent, and that is all. */
function silenceDirectory(): void {
  const never = (): Promise<never> => new Promise(() => {})
  const statement = Object.getPrototypeOf(directory.prepare('select 1')) as D1PreparedStatement
  vi.spyOn(Object.getPrototypeOf(directory) as D1Database, 'batch').mockImplementation(never)
  for (const method of ['run', 'all', 'first'] as const)
    vi.spyOn(statement, method).mockImplementation(never as never)
}

test('while D1 says nothing its lists are 503, and /metrics has what else there is', async () => {
  const lists = [
    ['GET', '/v1/tenants'],
    ['GET', '/v1/tenants?q=acme'],
    ['GET', '/v1/stats'],
    ['GET', '/v1/audit'],
    ['GET', '/v1/orphans'],
    ['GET', '/v1/sessions'],
    ['DELETE', '/v1/orphans/acme-abcdefghij'],
    ['POST', '/v1/orphans/acme-abcdefghij/ignore'],
    ['POST', '/v1/directory/check', { published_before: '2026-11-28T12:00:00Z' }],
    ['POST', '/v1/directory/rebuild', { objects: ['0'.repeat(64)] }],
    ['POST', '/v1/sessions/drain', { tenant: 'without-object' }],
  ] as const
  vi.spyOn(console, 'error').mockImplementation(() => {})
  silenceDirectory()
  const metrics = call('/metrics', { headers })
  const refusals = await Promise.all(
    lists.map(async ([method, path, body]) => {
      const response = await call(path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
      const { code } = await response.json<ProblemBody>()
      return [method, path, response.status, response.headers.get('retry-after'), code]
    }),
  )
  expect(refusals).toEqual(lists.map(([method, path]) => [method, path, 503, '5', 'directory_unavailable']))
  const text = await (await metrics).text()
  expect(text).toContain('turso_edge_source_up{source="directory"} 0')
  expect(text).toContain('turso_edge_platform_token_refused 0')
})

test('objects that say nothing keep neither the cron, /metrics nor a call to Turso', async () => {
  const ids = ['silent-one', 'silent-two', 'well-one']
  for (const id of ids) await signUpNow({ id })
  for (const id of ids) await expect.poll(() => statusOf(id)).toBe('active')
  await directory.prepare('update tenants set expected_by = 1').run()
  const tenants = ids.slice(0, 2).map((id) => env.TENANTS.getByName(id))
  const goOn = await Promise.all(tenants.map((tenant) => hang(tenant)))
  const letPaceGoOn = await hang(upstreamObject())
  const lines: Record<string, unknown>[] = []
  for (const level of ['info', 'warn', 'error'] as const)
    vi.spyOn(console, level).mockImplementation(
      (line: unknown) => void lines.push(JSON.parse(String(line)) as never),
    )
  const gate = createGate(upstreamObject(), async () => new Response('sent'), true)
  const swept = worker.scheduled(createScheduledController({ scheduledTime: Date.now() }), env)
  const [metrics, sent] = await Promise.all([
    call('/metrics', { headers }),
    gate.fetch('https://api.turso.tech/', { method: 'GET', headers: {} } as never),
  ])
  await letPaceGoOn()
  await swept
  expect(await sent.text()).toBe('sent')
  expect(lines).toContainEqual(expect.objectContaining({ event: 'upstream_object_failed' }))
  const text = await metrics.text()
  expect(text).toContain('turso_edge_source_up{source="upstream"} 0')
  expect(text).toContain('turso_edge_source_up{source="directory"} 1')
  expect(lines).toContainEqual(
    expect.objectContaining({ event: 'swept', part: 'stuck', woken: 1, failed: 2 }),
  )
  expect(lines).toContainEqual(
    expect.objectContaining({ event: 'swept', part: 'strays', databases: expect.any(Number) }),
  )
  for (const go of goOn) await go()
})
