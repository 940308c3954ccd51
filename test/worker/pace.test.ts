import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createGate } from '../../worker/turso/gate.ts'
import { MAX_PACE_WAIT_MS } from '../../worker/limits.ts'
import { Upstream } from '../../worker/objects/upstream.ts'
import {
  admit,
  recover,
  refuse,
  throttledForMs,
  UNHURRIED,
  type Pace,
  type UpstreamAdmission,
} from '../../worker/turso/pace.ts'
import { clearFaults, failNext, limitRequests, localPlatform, requestsSeen } from '../support/turso.ts'
import { call, signUp } from './client.ts'
import { resetPace, upstreamObject } from './pace-control.ts'

describe('the pace after refusals', () => {
  const tooMany = (sentAt: number, retryAfterMs: number | null = null) =>
    ({ kind: 'too_many', sentAt, retryAfterMs }) as const

  /** Admits at one time as many as are let in, and says when each is sent. */
  function slots(pace: Pace, now: number): { sent: number[]; pace: Pace } {
    const sent: number[] = []
    for (;;) {
      const admitted = admit(pace, now)
      if (admitted.admission.kind === 'hold') return { sent, pace }
      pace = admitted.pace
      sent.push(now + admitted.admission.waitMs)
    }
  }

  test('nobody waits before the first', () => {
    expect(admit(UNHURRIED, 5)).toEqual({
      pace: UNHURRIED,
      admission: { kind: 'send', waitMs: 0, isProbe: false },
    })
    expect(throttledForMs(UNHURRIED, 5)).toBe(0)
  })

  test('a wave of them is one: those sent before the slowing down tell nothing new', () => {
    const first = refuse(UNHURRIED, tooMany(0), 100)
    const wave = [1, 2, 3].reduce((pace, ms) => refuse(pace, tooMany(ms), 100 + ms), first)
    expect(wave).toEqual(first)
    const next = refuse(first, tooMany(2_000), 2_100)
    expect(next.rate).toBeCloseTo((first.rate + 1) / 2)
  })

  test('Retry-After is a pause for everybody, and without it the pause doubles', () => {
    const asked = refuse(UNHURRIED, tooMany(0, 3_000), 0)
    expect(slots(asked, 0).sent[0]).toBe(3_000)
    const once = refuse(UNHURRIED, tooMany(0), 0)
    const twice = refuse(once, tooMany(1_000), 1_000)
    expect([once.pausedUntil, twice.pausedUntil]).toEqual([500, 2_000])
  })

  test('who would wait too long is told to come again, and takes nobody the place', () => {
    const paused = refuse(UNHURRIED, tooMany(0, 60_000), 0)
    expect(admit(paused, 0)).toEqual({
      pace: paused,
      admission: { kind: 'hold', waitMs: 60_000, isTokenRefused: false },
    })
  })

  test('it is forgotten when it has long gone well', () => {
    const slow = refuse(UNHURRIED, tooMany(0), 0)
    const later = throttledForMs(slow, 0)
    expect(later).toBeGreaterThan(30_000)
    expect(admit(slow, later).pace).toBe(UNHURRIED)
  })

  test('whatever happens: slots keep their distance, none is further off than a call can wait, the rate stays in its bounds', () => {
    const event = fc.record({
      afterMs: fc.integer({ min: 0, max: 20_000 }),
      refusal: fc.option(
        fc.record({
          ageMs: fc.integer({ min: 0, max: 12_000 }),
          retryAfterMs: fc.option(fc.integer({ min: 0, max: 1e9 })),
        }),
      ),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let pace = UNHURRIED
        let now = 1e12
        let lastSlot = -Infinity
        const broken: unknown[] = []
        for (const { afterMs, refusal } of events) {
          now += afterMs
          if (refusal) {
            const { ageMs, retryAfterMs } = refusal
            pace = refuse(pace, tooMany(now - ageMs, retryAfterMs), now)
            if (pace.rate < 0.2 || pace.pausedUntil > now + 300_000) broken.push({ now, pace })
            continue
          }
          const isThrottled = throttledForMs(pace, now) > 0
          const { pace: next, admission } = admit(pace, now)
          pace = next
          if (admission.kind === 'hold' || !isThrottled) continue
          const slot = now + admission.waitMs
          const isTooFar = admission.waitMs > MAX_PACE_WAIT_MS
          const isTooSoon = slot < pace.pausedUntil || slot - lastSlot < 1000 / 50 - 0.001
          if (isTooFar || isTooSoon) broken.push({ now, slot, lastSlot, pace })
          lastSlot = slot
        }
        expect(broken).toEqual([])
      }),
    )
  })

  test('a refused token stops all but one probe at a time, ever less often, until one goes well', () => {
    const unauthorized = (sentAt: number) => ({ kind: 'unauthorized', sentAt, retryAfterMs: null }) as const
    let pace = refuse(UNHURRIED, unauthorized(0), 10)
    expect(refuse(pace, unauthorized(5), 20)).toBe(pace)
    expect(admit(pace, 20).admission).toMatchObject({ kind: 'hold', isTokenRefused: true })
    const intervals: number[] = []
    for (let now = 10; intervals.length < 8;) {
      const held = admit(pace, now).admission
      expect(held.kind).toBe('hold')
      intervals.push(held.waitMs)
      now += held.waitMs
      const probe = admit(pace, now)
      expect(probe.admission).toEqual({ kind: 'send', waitMs: 0, isProbe: true })
      expect(admit(probe.pace, now).admission.kind).toBe('hold')
      pace = refuse(probe.pace, unauthorized(now), now)
    }
    expect(intervals.slice(0, 3)).toEqual([15_000, 30_000, 60_000])
    expect(Math.max(...intervals)).toBe(300_000)
    expect(admit(recover(pace), 1e9).admission).toEqual({ kind: 'send', waitMs: 0, isProbe: false })
  })
})

test('a probe that Turso could not look at says nothing about the token', async () => {
  const upstream = upstreamObject()
  const probe = async (status: number): Promise<boolean> => {
    await runInDurableObject(upstream, (_, { storage }) => {
      const breaker = { openedAt: 0, nextProbeAt: 0, refusals: 1 }
      storage.kv.put<Pace>('pace', { ...UNHURRIED, breaker })
    })
    const { fetch } = createGate(upstream, async () => new Response(null, { status }), true)
    const { signal } = new AbortController()
    await fetch('https://api.turso.tech/', { method: 'GET', headers: {}, redirect: 'manual', signal })
    return (await upstream.describe()).isTokenRefused
  }
  expect(await probe(503)).toBe(true)
  expect(await probe(404)).toBe(false)
})

describe('signups of many tenants', () => {
  afterEach(clearFaults)

  const statusOf = async (id: string): Promise<string> => {
    const response = await call(`/v1/tenants/${id}`, { headers: { authorization: 'Bearer signup-key' } })
    const { tenant }: { tenant: { status: string } } = await response.json()
    return tenant.status
  }

  test('at once, beyond what Turso takes, end with a database each, and who was refused asks before the next call', async () => {
    const asked = vi.spyOn(Upstream.prototype, 'admit')
    onTestFinished(() => asked.mockRestore())
    await requestsSeen()
    await limitRequests({ requests: 6, windowMs: 300 })
    const ids = Array.from({ length: 12 }, (_, n) => `crowd-${n}`)
    const answers = await Promise.all(ids.map((id) => signUp({ id })))
    expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 201))
    const calls = (await requestsSeen()).filter((line) => line.includes(' api.turso.tech'))
    const refused = calls.filter((line) => line.endsWith(' 429'))
    // The first wave is on its way before anybody knows; from then on they take turns, each told how long to wait.
    expect(refused.length).toBeGreaterThan(0)
    expect(asked.mock.calls.length).toBeGreaterThanOrEqual(refused.length)
    expect(asked.mock.results.map(({ value }) => (value as UpstreamAdmission).waitMs)).toContainEqual(
      expect.toSatisfy((waitMs: number) => waitMs > 0),
    )
    await clearFaults()
    const names: string[] = []
    for await (const { name } of localPlatform().databases.list())
      if (/^crowd-\d+-/.test(name)) names.push(name)
    expect(names).toHaveLength(ids.length)
  })

  test('that go well never ask the object that all share', async () => {
    expect((await signUp({ id: 'quiet' })).status).toBe(201)
    expect(await upstreamObject().describe()).toEqual({
      throttledForMs: 0,
      pausedForMs: 0,
      isTokenRefused: false,
    })
  })

  test('wait while another one is told to: nothing is sent for them meanwhile', async () => {
    await failNext({ kind: 'rate_limited', on: 'databases.create', retryAfter: 60 })
    expect((await signUp({ id: 'told' })).status).toBe(202)
    await requestsSeen()
    const bystander = await signUp({ id: 'bystander' }, { prefer: 'wait=2' })
    expect(bystander.status).toBe(202)
    expect(Number(bystander.headers.get('retry-after'))).toBeGreaterThan(50)
    expect(await requestsSeen()).toEqual([])
  })

  test('wait while the platform token is refused, do not fail, and go on when it is accepted again', async () => {
    for (let count = 0; count < 2; count++)
      await failNext({ kind: 'respond', on: 'databases.create', status: 401, body: '{"error":"bad token"}' })
    const prefer = 'wait=1'
    const answers = [
      await signUp({ id: 'barred' }, { prefer }),
      await signUp({ id: 'barred-too' }, { prefer }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([202, 202])
    expect(await upstreamObject().describe()).toMatchObject({ isTokenRefused: true })
    // Only the first one was sent.
    expect((await requestsSeen()).filter((line) => line.startsWith('POST api.'))).toHaveLength(1)
    await resetPace()
    await clearFaults()
    for (const id of ['barred', 'barred-too']) {
      const retried = await call(`/v1/tenants/${id}/retry`, {
        method: 'POST',
        headers: { authorization: 'Bearer signup-key' },
      })
      expect(retried.status).toBe(200)
      expect(await statusOf(id)).toBe('active')
      await runDurableObjectAlarm(env.TENANTS.getByName(id))
    }
  })
})
