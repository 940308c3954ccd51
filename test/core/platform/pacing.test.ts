/** The pace of fleets: its law, and that what waits can be given up. */
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  createPlatform,
  isTursoError,
  paced,
  type Fetch,
  type FetchInit,
  type FetchResponse,
} from '../../../src/index.ts'
import { createRetrier } from '../../../src/http/retry.ts'
import { send } from '../../../src/http/send.ts'
import { createTokenSource } from '../../../src/http/token.ts'
import { createPace, type PaceOutcome } from '../../../src/platform/pacing-law.ts'
import { PLATFORM_TOKEN, startTurso } from '../../support/turso.ts'

const seed = 20_261_123

describe('the law', () => {
  interface Waiting {
    number: number
  }
  type Event =
    | { kind: 'enter' }
    | { kind: 'leave'; pick: number }
    | { kind: 'settle'; pick: number; outcome: PaceOutcome }
    | { kind: 'wait'; ms: number }
  const outcome: fc.Arbitrary<PaceOutcome> = fc.oneof(
    { weight: 4, arbitrary: fc.constant<PaceOutcome>({ kind: 'answered' }) },
    { weight: 1, arbitrary: fc.constant<PaceOutcome>({ kind: 'failed' }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('refused' as const),
        retryAfterMs: fc.option(fc.nat(3_000)),
      }),
    },
  )
  const event: fc.Arbitrary<Event> = fc.oneof(
    fc.record({ kind: fc.constant('enter' as const) }),
    fc.record({ kind: fc.constant('leave' as const), pick: fc.nat(50) }),
    fc.record({ kind: fc.constant('settle' as const), pick: fc.nat(50), outcome }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(2_000) }),
  )

  test('holds for any run of events: the limit, its bounds, the pauses, the order, everything once', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(event, { maxLength: 120 }),
        (concurrency, events) => {
          const pace = createPace<Waiting>(concurrency)
          let nowMs = 0
          let pausedUntilMs = 0
          const line: Waiting[] = []
          const entered: Waiting[] = []
          const left = new Set<Waiting>()
          const sent: Waiting[] = []
          const inFlight: number[] = []

          const advance = (): void => {
            for (let first = pace.next(nowMs); first; first = pace.next(nowMs)) {
              inFlight.push(first.ticket)
              sent.push(first.waiting)
              expect(first.waiting).toBe(line.shift())
              expect(inFlight.length).toBeLessThanOrEqual(Math.floor(pace.limit))
              expect(nowMs).toBeGreaterThanOrEqual(pausedUntilMs)
            }
            // What could be sent has been: else only a place or the time is missing.
            const isFull = inFlight.length >= Math.floor(pace.limit)
            expect(line.length === 0 || isFull || pace.pauseMs(nowMs)! > 0).toBe(true)
          }
          const settle = (ticket: number, result: PaceOutcome): void => {
            pace.settle(ticket, result, nowMs)
            pace.settle(ticket, { kind: 'answered' }, nowMs)
            inFlight.splice(inFlight.indexOf(ticket), 1)
            if (result.kind === 'refused')
              pausedUntilMs = Math.max(pausedUntilMs, nowMs + (result.retryAfterMs ?? 0))
          }

          for (const happened of events) {
            if (happened.kind === 'enter') {
              const waiting = { number: entered.length }
              entered.push(waiting)
              line.push(waiting)
              pace.enter(waiting)
            } else if (happened.kind === 'leave') {
              // Also those that have been sent, or have left before.
              const waiting = entered[happened.pick % (entered.length || 1)]
              if (waiting && line.includes(waiting)) {
                line.splice(line.indexOf(waiting), 1)
                left.add(waiting)
              }
              if (waiting) pace.leave(waiting)
            } else if (happened.kind === 'settle') {
              const ticket = inFlight[happened.pick % (inFlight.length || 1)]
              if (ticket !== undefined) settle(ticket, happened.outcome)
            } else {
              nowMs += happened.ms
            }
            advance()
            expect(pace.limit).toBeGreaterThanOrEqual(1)
            expect(pace.limit).toBeLessThanOrEqual(concurrency)
            expect(pace.inFlight).toBe(inFlight.length)
          }

          while (line.length > 0 || inFlight.length > 0) {
            for (const ticket of inFlight.slice()) settle(ticket, { kind: 'answered' })
            nowMs += pace.pauseMs(nowMs) ?? 0
            advance()
          }
          expect(sent).toEqual(entered.filter((waiting) => !left.has(waiting)))
        },
      ),
      { seed, numRuns: 1_000 },
    )
  })

  /** One that has sent `count` and waits for their answers. */
  function sendAll(concurrency: number, count: number) {
    const pace = createPace<Waiting>(concurrency)
    for (let number = 0; number < count; number++) pace.enter({ number })
    const take = (nowMs: number): number[] => {
      const tickets: number[] = []
      for (let first = pace.next(nowMs); first; first = pace.next(nowMs)) tickets.push(first.ticket)
      return tickets
    }
    return { pace, take }
  }

  test('a limit is halved once by the refusals of what was sent together, and grows by one with as many answers', () => {
    const { pace, take } = sendAll(8, 40)
    for (const ticket of take(0)) pace.settle(ticket, { kind: 'refused', retryAfterMs: 0 }, 0)
    expect(pace.limit).toBe(4)
    for (const ticket of take(0)) pace.settle(ticket, { kind: 'answered' }, 0)
    expect(pace.limit).toBe(5)
    for (const ticket of take(0)) pace.settle(ticket, { kind: 'failed' }, 0)
    expect(pace.limit).toBe(5)
    for (let round = 0; round < 4; round++)
      for (const ticket of take(0)) pace.settle(ticket, { kind: 'answered' }, 0)
    expect(pace.limit).toBe(8)
  })

  test('answers and refusals of what was sent before the last halving change no limit', () => {
    const { pace, take } = sendAll(8, 40)
    const [refused, refusedLater, ...answered] = take(0)
    pace.settle(refused!, { kind: 'refused', retryAfterMs: null }, 0)
    for (const ticket of answered) pace.settle(ticket, { kind: 'answered' }, 1)
    pace.settle(refusedLater!, { kind: 'refused', retryAfterMs: null }, 50)
    expect([pace.limit, pace.inFlight, pace.pauseMs(50)]).toEqual([4, 0, 50])
  })

  test('refusals that do not say how long stop everybody for longer and longer, until there is an answer', () => {
    const { pace, take } = sendAll(1, 20)
    let nowMs = 0
    const pauses: (number | undefined)[] = []
    for (let round = 0; round < 6; round++) {
      pace.settle(take(nowMs)[0]!, { kind: 'refused', retryAfterMs: null }, nowMs)
      pauses.push(pace.pauseMs(nowMs))
      nowMs += pace.pauseMs(nowMs)!
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1_000, 1_000])
    pace.settle(take(nowMs)[0]!, { kind: 'answered' }, nowMs)
    pace.settle(take(nowMs)[0]!, { kind: 'refused', retryAfterMs: null }, nowMs)
    expect(pace.pauseMs(nowMs)).toBe(100)
  })

  test('a longer Retry-After of the same burst counts, a shorter does not', () => {
    const { pace, take } = sendAll(3, 9)
    const [one, two, three] = take(0)
    pace.settle(one!, { kind: 'refused', retryAfterMs: 500 }, 0)
    pace.settle(two!, { kind: 'refused', retryAfterMs: 2_000 }, 10)
    pace.settle(three!, { kind: 'refused', retryAfterMs: 100 }, 20)
    expect(pace.pauseMs(20)).toBe(1_990)
    expect([pace.next(2_009), pace.next(2_010)?.waiting]).toEqual([undefined, { number: 3 }])
  })

  test.each([0, -1, 1.5, Number.NaN, Infinity, 'three'])('a concurrency of %s is refused', (concurrency) => {
    expect(() => paced({ concurrency: concurrency as number })).toThrow(RangeError)
  })
})

/** A server that answers when it is told to. */
function heldServer() {
  const asked: {
    url: string
    init: FetchInit
    answer: (status: number, headers?: Record<string, string>) => void
  }[] = []
  const fetch: Fetch = (url, init) =>
    new Promise<FetchResponse>((resolve) => {
      asked.push({
        url,
        init,
        answer: (status, headers = {}) => resolve(new Response('{}', { status, headers })),
      })
    })
  return { asked, fetch }
}

const attempt = (fetch: Fetch, name: string, options: { signal?: AbortSignal; timeoutMs?: number } = {}) =>
  send({
    method: 'GET',
    url: `https://api.turso.tech/${name}`,
    token: createTokenSource('token'),
    headers: {},
    body: undefined,
    fetch,
    timeoutMs: options.timeoutMs ?? 30_000,
    signal: options.signal,
    retrier: createRetrier(false),
    isRepeatable: true,
  })

const codeOf = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => (isTursoError(error) ? error.code : error),
  )

const namesOf = (asked: readonly { url: string }[]): string => asked.map(({ url }) => url.slice(-1)).join('')

describe('calls', () => {
  test('wait for a place in the order in which they came', async () => {
    const { asked, fetch } = heldServer()
    const pacedFetch = paced({ concurrency: 2 }, fetch)
    const calls = ['a', 'b', 'c', 'd', 'e'].map((name) => codeOf(attempt(pacedFetch, name)))
    await expect.poll(() => namesOf(asked)).toBe('ab')
    asked[1]!.answer(200)
    await expect.poll(() => namesOf(asked)).toBe('abc')
    asked[0]!.answer(404)
    asked[2]!.answer(500)
    await expect.poll(() => namesOf(asked)).toBe('abcde')
    asked[3]!.answer(200)
    asked[4]!.answer(200)
    expect(await Promise.all(calls)).toEqual(['not_found', 'done', 'unavailable', 'done', 'done'])
  })

  test('that are aborted or out of time while they wait are never sent, and hold up nobody', async () => {
    const { asked, fetch } = heldServer()
    const pacedFetch = paced({ concurrency: 1 }, fetch)
    const controller = new AbortController()
    const first = attempt(pacedFetch, 'a')
    const aborted = codeOf(attempt(pacedFetch, 'b', { signal: controller.signal }))
    const late = codeOf(attempt(pacedFetch, 'c', { timeoutMs: 20 }))
    const last = attempt(pacedFetch, 'd')
    await expect.poll(() => namesOf(asked)).toBe('a')
    const reason = new Error('enough')
    controller.abort(reason)
    expect([await aborted, await late]).toEqual([reason, 'timeout'])
    asked[0]!.answer(200)
    await first
    await expect.poll(() => namesOf(asked)).toBe('ad')
    asked[1]!.answer(200)
    await last
  })

  test('that are aborted in flight give up their place, even when fetch does not end', async () => {
    const { asked, fetch } = heldServer()
    const pacedFetch = paced({ concurrency: 1 }, fetch)
    const first = codeOf(attempt(pacedFetch, 'a', { timeoutMs: 20 }))
    const second = attempt(pacedFetch, 'b')
    expect(await first).toBe('timeout')
    await expect.poll(() => namesOf(asked)).toBe('ab')
    // The late answer of the first takes nothing from the second.
    asked[0]!.answer(429, { 'retry-after': '3600' })
    asked[1]!.answer(200)
    await second
    const third = attempt(pacedFetch, 'c')
    await expect.poll(() => namesOf(asked)).toBe('abc')
    asked[2]!.answer(200)
    await third
  })

  test('are more at a time again after answers, of which a 404 is one, and a 500 is none', async () => {
    const { asked, fetch } = heldServer()
    const pacedFetch = paced({ concurrency: 2 }, fetch)
    const calls = ['a', 'b', 'c', 'd', 'e'].map((name) => codeOf(attempt(pacedFetch, name)))
    await expect.poll(() => namesOf(asked)).toBe('ab')
    asked[0]!.answer(429, { 'retry-after': '0' })
    await calls[0]
    expect(namesOf(asked)).toBe('ab')
    asked[1]!.answer(500)
    await expect.poll(() => namesOf(asked)).toBe('abc')
    asked[2]!.answer(404)
    await expect.poll(() => namesOf(asked)).toBe('abcde')
    for (const { answer } of asked.slice(3)) answer(200)
    expect(await Promise.all(calls)).toEqual(['rate_limited', 'unavailable', 'not_found', 'done', 'done'])
  })

  test('keep their place in line no longer than a fetch that throws at once', async () => {
    const broken = paced({ concurrency: 1 }, () => {
      throw new Error('no network')
    })
    expect(await Promise.all(['a', 'b', 'c'].map((name) => codeOf(attempt(broken, name))))).toEqual([
      'network',
      'network',
      'network',
    ])
  })

  test('all wait for as long as the Retry-After of one, which is given up with its signal', async () => {
    const { asked, fetch } = heldServer()
    const pacedFetch = paced({ concurrency: 4 }, fetch)
    const refused = codeOf(attempt(pacedFetch, 'a'))
    await expect.poll(() => namesOf(asked)).toBe('a')
    asked[0]!.answer(429, { 'retry-after': '3600' })
    expect(await refused).toBe('rate_limited')
    const waiting = ['b', 'c'].map((name) => codeOf(attempt(pacedFetch, name, { timeoutMs: 30 })))
    expect(await Promise.all(waiting)).toEqual(['timeout', 'timeout'])
    expect(namesOf(asked)).toBe('a')
  })
})

test('the end of a pause is not missed when it comes while the time is looked at', async () => {
  const { asked, fetch } = heldServer()
  const pacedFetch = paced({ concurrency: 1 }, fetch)
  const clock = vi.spyOn(Date, 'now').mockReturnValue(10_000)
  onTestFinished(() => clock.mockRestore())
  const refused = codeOf(attempt(pacedFetch, 'a'))
  const waiting = codeOf(attempt(pacedFetch, 'b', { timeoutMs: 2_000 }))
  // Each is sent once its token is known.
  while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  asked[0]!.answer(429)
  expect(await refused).toBe('rate_limited')
  // Before its end for whoever looks first, and over for whoever looks again.
  let looks = 0
  clock.mockImplementation(() => (looks++ % 2 === 0 ? 10_099 : 10_100))
  const sent = (async () => {
    while (asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    asked[1]!.answer(200)
  })()
  expect(await Promise.race([waiting, sent.then(() => 'sent')])).toBe('sent')
})

test('120 databases are made through refusals, each once, and never more at a time than allowed', async () => {
  const local = await startTurso({ behaviour: 'spec' })
  const { organization } = await organizationOf(local)
  // The first makes the group as well.
  await local.platform().databases.create('fleet-first', { location: 'aws-eu-west-1' })
  for (const [nth, times] of [
    [20, 13],
    [90, 3],
  ] as const)
    await local.failNext({ kind: 'rate_limited', on: 'databases.create', nth, times })
  await local.failNext({ kind: 'rate_limited', on: 'databases.create', nth: 60, retryAfter: 1 })

  let inFlight = 0
  let most = 0
  let refusals = 0
  const sent: number[] = []
  let pausedUntilMs = 0
  const counted: Fetch = async (url, init) => {
    inFlight++
    most = Math.max(most, inFlight)
    sent.push(Date.now() - pausedUntilMs)
    try {
      const response = await fetch(url, init)
      if (response.status === 429) {
        refusals++
        pausedUntilMs = Date.now() + 1_000 * Number(response.headers.get('retry-after'))
      }
      return response
    } finally {
      inFlight--
    }
  }
  const turso = createPlatform({
    token: PLATFORM_TOKEN,
    organization,
    fetch: paced({ concurrency: 12 }, counted),
    retry: { attempts: 20, minDelayMs: 1, budget: 1_000 },
  })
  const names = Array.from({ length: 120 }, (_, index) => `fleet-${index}`)
  const created = await Promise.all(names.map((name) => turso.databases.create(name)))
  expect(created.map(({ name }) => name)).toEqual(names)
  const found: string[] = []
  for await (const { name } of turso.databases.list()) found.push(name)
  expect(found.toSorted()).toEqual(['fleet-first', ...names].toSorted())
  expect(most).toBeLessThanOrEqual(12)
  expect(refusals).toBe(17)
  expect(sent.every((afterPauseMs) => afterPauseMs >= 0)).toBe(true)
})

/** Its hosts and routes have its name. */
async function organizationOf(
  local: Awaited<ReturnType<typeof startTurso>>,
): Promise<{ organization: string }> {
  const [request] = await local
    .platform()
    .databases.list()
    .page()
    .then(() => local.requestsSeen())
  return { organization: /organizations\/([^/]+)/.exec(request ?? '')![1]! }
}

describe('a stand-in for fetch', () => {
  const answers: [string, () => unknown][] = [
    ['nothing', () => undefined],
    ['no headers', () => ({ status: 200 })],
    ['a refusal without headers', () => ({ status: 429 })],
  ]
  test.each(answers)('that answers with %s gives its place to the next', async (_, answer) => {
    const { signal } = new AbortController()
    const init = { method: 'GET', headers: {}, redirect: 'manual', signal } as const
    const fetch = paced({ concurrency: 1 }, (async () => answer()) as unknown as Fetch)
    expect(await fetch('https://x', init)).toEqual(answer())
    expect(await fetch('https://x', init)).toEqual(answer())
  })
})

test('a concurrency that is no whole number is called by its name', () => {
  expect(() => paced({ concurrency: 0 })).toThrow(/^"concurrency" must be/)
})
