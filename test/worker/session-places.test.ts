/** The places that a tenant's sessions have, which is how many it may have: objects that have been away still know of theirs. */
import { env } from 'cloudflare:workers'
import { evictDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SESSION_IDLE_MS, SESSION_LEASE_MS } from '../../worker/limits.ts'
import { createAdmission } from '../../worker/session/admission.ts'
import type { Lease } from '../../worker/session/leases.ts'
import { clearFaults, openStreams } from '../support/turso.ts'
import { call, signUpNow } from './client.ts'
import { putClockForward, resetClock } from './clock.ts'
import { alarmAfter, answerOf, close, execute, sessionOf, type PipelineAnswer } from './gateway-client.ts'
import { hang } from './hanging-object.ts'
import { greet } from './socket-client.ts'

beforeEach(clearFaults)
afterEach(() => {
  vi.restoreAllMocks()
  resetClock()
})

const placesOf = async (tenant: string): Promise<Lease[]> =>
  await env.TENANT_SESSIONS.getByName(tenant).list('', 100)

type Send = (requests: object[], baton?: string | null) => Promise<PipelineAnswer>

/** A setting, for which every server keeps the stream. */
const KEEP = 'pragma foreign_keys = on'
const keep = execute(KEEP)

/** A tenant's client over HTTP, and the token for others. */
async function clientOf(tenant: string): Promise<{ send: Send; token: string }> {
  const { token } = await signUpNow({ id: tenant })
  const send: Send = (requests, baton = null) =>
    answerOf(
      call(`/t/${tenant}/v3/pipeline`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token.jwt}` },
        body: JSON.stringify({ baton, requests }),
      }),
    )
  return { send, token: token.jwt }
}

const admin = { authorization: 'Bearer admin-key' }
const kill = (id: string): Promise<Response> =>
  call(`/v1/sessions/${id}`, { method: 'DELETE', headers: admin })
function drain(tenant: string): Promise<Response> {
  const body = JSON.stringify({ tenant, within_seconds: 0, for_seconds: 0 })
  return call('/v1/sessions/drain', { method: 'POST', headers: admin, body })
}

/** For longer than a place lasts that is not renewed, with no pause that is too long for a stream. */
async function forLong(use: () => Promise<void>): Promise<void> {
  const pauseMs = SESSION_IDLE_MS - 1_000
  for (let ms = 0; ms <= SESSION_LEASE_MS; ms += pauseMs) {
    putClockForward(pauseMs)
    await use()
  }
}

describe('a session whose object was evicted', () => {
  test('keeps its place for as long as it is used, where a drain finds it', async () => {
    const { send } = await clientOf('places-used')
    let { baton } = await send([keep])
    const places = await placesOf('places-used')
    expect(places).toMatchObject([{ kind: 'http', hint: 'weur' }])
    await evictDurableObject(sessionOf(baton!))
    await forLong(async () => {
      baton = (await send([execute('select 1')], baton)).baton
    })
    // Never let go of meanwhile: then another would have begun.
    const { until, ...kept } = places[0]!
    const [place] = await placesOf('places-used')
    expect(place).toMatchObject(kept)
    expect(place!.until).toBeGreaterThan(until)
    expect(await (await drain('places-used')).json()).toMatchObject({ sessions: 1 })
    await expect.poll(() => placesOf('places-used')).toEqual([])
  })

  test.each([
    ['its client closes it', async (baton: string, send: Send) => void (await send([close], baton))],
    ['its transaction expires', (baton: string) => alarmAfter(SESSION_IDLE_MS, baton)],
    ['an operator ends it', async (baton: string) => void (await kill(sessionOf(baton).id.toString()))],
  ])('gives its place back when %s', async (how, end) => {
    const tenant = how.replaceAll(' ', '-')
    const { send } = await clientOf(tenant)
    const { baton } = await send([execute('begin')])
    expect(await placesOf(tenant)).toHaveLength(1)
    await evictDurableObject(sessionOf(baton!))
    await end(baton!, send)
    await expect.poll(() => placesOf(tenant)).toEqual([])
  })
})

describe('a WebSocket whose object has slept', () => {
  const on = (stream_id: number, sql: string): object => ({ ...execute(sql), stream_id })

  async function withPlace(tenant: string) {
    const { token } = await clientOf(tenant)
    const client = await greet(token, tenant)
    await client.get({ type: 'open_stream', stream_id: 1 })
    await client.get(on(1, KEEP))
    const [place] = await placesOf(tenant)
    const [id = ''] = place!.id.split('/')
    await evictDurableObject(env.SOCKETS.get(env.SOCKETS.idFromString(id)))
    return { client, place: place!, id }
  }

  test('keeps the places of its streams for as long as they are used', async () => {
    const { client, place } = await withPlace('places-socket')
    await forLong(async () => void (await client.get(on(1, 'select 1'))))
    const { until, ...kept } = place
    const [renewed] = await placesOf('places-socket')
    expect(renewed).toMatchObject(kept)
    expect(renewed!.until).toBeGreaterThan(until)
    client.close()
    await expect.poll(() => placesOf('places-socket')).toEqual([])
  })

  test.each([
    [
      'its stream is closed',
      async (client) => void (await client.get({ type: 'close_stream', stream_id: 1 })),
    ],
    ['its client leaves', (client) => client.close()],
    ['an operator ends it', async (_, id) => void (await kill(id))],
  ] satisfies [string, (client: Awaited<ReturnType<typeof greet>>, id: string) => unknown][])(
    'gives them back when %s',
    async (how, end) => {
      const tenant = `socket-${how.replaceAll(' ', '-')}`
      const { client, id } = await withPlace(tenant)
      await end(client, id)
      await expect.poll(() => placesOf(tenant)).toEqual([])
    },
  )
})

describe('a place', () => {
  test('that is renewed and given back at once is free, whichever of both arrives first', async () => {
    const registry = env.TENANT_SESSIONS.getByName('places-raced')
    const late = Promise.withResolvers<void>()
    const arrived: string[] = []
    const network = {
      getByName: () => ({
        async admit(lease: Lease, isDispensable: boolean) {
          if (arrived.length > 0) await late.promise
          arrived.push('admit')
          return await registry.admit(lease, isDispensable)
        },
        async release(id: string) {
          arrived.push('release')
          await registry.release(id)
        },
      }),
    } as unknown as Env['TENANT_SESSIONS']
    const left: Promise<unknown>[] = []
    const object = {
      id: env.SESSIONS.newUniqueId(),
      waitUntil: (work: Promise<unknown>) => void left.push(work),
    }
    const holder = { tenantId: 'places-raced', kind: 'http', hint: null } as const
    const admission = createAdmission({ ...env, TENANT_SESSIONS: network }, object, () => holder)
    expect(await admission.admit('http', { isDispensable: false })).toBeNull()
    putClockForward(SESSION_LEASE_MS - 1_000)
    admission.touch('http')
    admission.release('http')
    // Another stream of this name has its place for good.
    admission.begin('http')
    const again = admission.admit('http', { isDispensable: false })
    late.resolve()
    expect(await again).toBeNull()
    await Promise.all(left)
    expect(arrived).toEqual(['admit', 'admit', 'release', 'admit'])
    expect(await placesOf('places-raced')).toHaveLength(1)
    admission.release('http')
    await Promise.all(left)
    expect(await placesOf('places-raced')).toEqual([])
  })

  test('lasts as long as a cursor that is read slowly', async () => {
    const tenant = 'places-cursor'
    const { token } = await clientOf(tenant)
    const sql =
      "with recursive n (x) as (values (1) union all select x + 1 from n where x < 100000) select printf('%1000d', x) from n"
    const response = await call(`/t/${tenant}/v3/cursor`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({
        baton: null,
        batch: { steps: [{ stmt: { sql: 'begin' } }, { stmt: { sql } }] },
      }),
    })
    const reader = response.body!.getReader()
    const line = new TextDecoder().decode((await reader.read()).value)
    const baton = /"baton":"([^"]+)"/.exec(line)![1]!
    const [{ since, until }] = (await placesOf(tenant)) as [Lease]
    await alarmAfter(SESSION_LEASE_MS - 60_000, baton)
    await expect.poll(async () => (await placesOf(tenant))[0]?.until).toBeGreaterThan(until)
    putClockForward(60_000)
    expect(await placesOf(tenant)).toMatchObject([{ since }])
    await reader.cancel()
    await expect.poll(() => placesOf(tenant)).toEqual([])
  })
})

describe('an object that does not answer', () => {
  test('keeps an operator waiting for a bounded time, and no other session from being drained', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const { send } = await clientOf('places-hanging')
    const [hanging, other] = await Promise.all([send([execute('begin')]), send([execute('begin')])])
    const wake = await hang(sessionOf(hanging.baton!))
    try {
      const [killed, drained, listed] = await Promise.all([
        kill(sessionOf(hanging.baton!).id.toString()),
        drain('places-hanging'),
        call('/v1/sessions?tenant=places-hanging', { headers: admin }),
      ])
      expect(listed.status).toBe(200)
      expect([killed.status, await killed.json()]).toMatchObject([503, { code: 'overloaded' }])
      expect([drained.status, await drained.json()]).toMatchObject([202, { sessions: 2 }])
    } finally {
      await wake()
    }
    const id = sessionOf(other.baton!).id.toString()
    await expect
      .poll(async () => (await placesOf('places-hanging')).map((place) => place.id))
      .not.toContain(id)
  })

  test('and gives out places does not keep from the database what can be taken back', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const { send } = await clientOf('places-meanwhile')
    const { baton } = await send([execute('begin')])
    const streams = async (): Promise<number> =>
      (await openStreams()).filter(({ database }) => database.startsWith('places-meanwhile-')).length
    const wake = await hang(env.TENANT_SESSIONS.getByName('places-meanwhile'))
    // As the library begins.
    const beginning = { type: 'batch', batch: { steps: [{ stmt: { sql: 'BEGIN DEFERRED' } }] } }
    const begun = send([beginning, execute('select 1')])
    try {
      await expect.poll(streams).toBe(2)
      // Nobody has given up waiting for a place either.
      expect(warn).not.toHaveBeenCalled()
    } finally {
      await wake()
    }
    await send([close], (await begun).baton)
    await send([close], baton)
  })
})
