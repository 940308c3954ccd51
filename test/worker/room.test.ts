import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRoom, NoRoomError, type Claim, type Room } from '../../worker/memory/room.ts'

interface Clock {
  now: () => number
  sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>
  /** Lets so much time pass, and everybody whose sleep is over do what they do then. */
  pass: (ms: number) => Promise<void>
}

function createClock(): Clock {
  let time = 0
  const sleepers = new Set<{ until: number; wake: () => void }>()
  return {
    now: () => time,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { until: time + ms, wake: resolve }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper)
          reject(signal.reason as Error)
        })
      }),
    async pass(ms) {
      const end = time + ms
      for (;;) {
        await settled()
        const due = [...sleepers].filter(({ until }) => until <= end).sort((a, b) => a.until - b.until)[0]
        if (due === undefined) break
        time = due.until
        sleepers.delete(due)
        due.wake()
      }
      time = end
      await settled()
    },
  }
}

/** Once all that can go on has. */
const settled = (): Promise<void> => scheduler.wait(0)

function roomOf(bytes: number, clock: Clock = createClock()): Room {
  return createRoom({ bytes, waitMs: 15_000, lastsMs: 180_000, now: clock.now, sleep: clock.sleep })
}

/** Who has a place, in the order in which they got it. */
function takeAs(name: string, got: string[], room: Room, bytes: number, signal?: AbortSignal): Claim {
  const claim = room.claim()
  claim.take(bytes, signal).then(
    () => got.push(name),
    (error: Error) => got.push(`${name}: ${error.name}`),
  )
  return claim
}

describe('a room', () => {
  test('has places for as many as fit, and the others wait in their order, a small one behind a large one', async () => {
    const room = roomOf(10)
    const got: string[] = []
    const first = takeAs('first', got, room, 6)
    const second = takeAs('second', got, room, 3)
    takeAs('large', got, room, 8)
    takeAs('small', got, room, 1)
    await settled()
    expect(got).toEqual(['first', 'second'])
    first.giveBack()
    await settled()
    expect(got).toEqual(['first', 'second'])
    second.giveBack()
    await settled()
    expect(got).toEqual(['first', 'second', 'large', 'small'])
    expect(room.taken()).toBe(9)
  })

  test('gives all of itself to what is larger', async () => {
    const room = roomOf(10)
    const got: string[] = []
    const larger = takeAs('larger', got, room, 1_000)
    takeAs('other', got, room, 1)
    await settled()
    expect(got).toEqual(['larger'])
    larger.giveBack()
    larger.giveBack()
    await settled()
    expect(got).toEqual(['larger', 'other'])
    expect(room.taken()).toBe(1)
  })

  test('has room again for what turned out not to be needed', async () => {
    const room = roomOf(10)
    const got: string[] = []
    const first = takeAs('first', got, room, 10)
    takeAs('second', got, room, 4)
    await settled()
    first.shrink(7)
    await settled()
    expect(got).toEqual(['first'])
    first.shrink(6)
    first.shrink(8)
    await settled()
    expect(got).toEqual(['first', 'second'])
    expect(room.taken()).toBe(10)
  })

  test('tells who has waited too long, and goes on with the next', async () => {
    const clock = createClock()
    const room = roomOf(10, clock)
    const got: string[] = []
    takeAs('first', got, room, 6)
    takeAs('large', got, room, 5)
    await clock.pass(14_000)
    takeAs('small', got, room, 4)
    await clock.pass(900)
    expect(got).toEqual(['first'])
    await clock.pass(100)
    expect(got).toEqual(['first', `large: ${NoRoomError.name}`, 'small'])
  })

  test('goes on without who does not want to wait any more', async () => {
    const room = roomOf(10)
    const got: string[] = []
    const first = takeAs('first', got, room, 10)
    const leaving = new AbortController()
    takeAs('leaving', got, room, 10, leaving.signal)
    takeAs('second', got, room, 10)
    leaving.abort(Object.assign(new Error(), { name: 'Gone' }))
    await settled()
    first.giveBack()
    await settled()
    expect(got).toEqual(['first', 'leaving: Gone', 'second'])
    takeAs('late', got, room, 1, leaving.signal)
    await settled()
    expect(got.at(-1)).toBe('late: Gone')
  })

  test('takes back the place of a holder who has gone, and gives it none any more', async () => {
    const room = roomOf(10)
    const got: string[] = []
    const gone = new AbortController()
    const claim = room.claim(gone.signal)
    await claim.take(10)
    takeAs('second', got, room, 10)
    const waits = room
      .claim(gone.signal)
      .take(10)
      .catch((error: Error) => error.message)
    gone.abort(new Error('gone'))
    await settled()
    expect(got).toEqual(['second'])
    expect(await waits).toBe('gone')
    await expect(claim.take(1)).rejects.toThrow('gone')
    expect(room.taken()).toBe(10)
  })

  test('goes on at once without a holder who has gone while it waited, though nothing of it runs any more', async () => {
    const clock = createClock()
    const sleep = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
      signal === gone.signal ? new Promise(() => undefined) : clock.sleep(ms, signal)
    const gone = new AbortController()
    const room = createRoom({ bytes: 10, waitMs: 15_000, lastsMs: 180_000, now: clock.now, sleep })
    const got: string[] = []
    takeAs('first', got, room, 6)
    void room.claim(gone.signal).take(10)
    takeAs('second', got, room, 4)
    await settled()
    expect(got).toEqual(['first'])
    gone.abort()
    await settled()
    expect(got).toEqual(['first', 'second'])
  })

  test('takes back the place of who has been ended in the middle, and passes over who waits no more', async () => {
    const clock = createClock()
    let isDead = false
    const room = createRoom({
      bytes: 10,
      waitMs: 400_000,
      lastsMs: 180_000,
      now: clock.now,
      // Of a request that the runtime has ended nothing runs any more.
      sleep: (ms, signal) => (isDead ? new Promise(() => undefined) : clock.sleep(ms, signal)),
    })
    const got: string[] = []
    takeAs('ended', got, room, 10)
    isDead = true
    takeAs('ended while it waits', got, room, 10)
    await settled()
    isDead = false
    takeAs('alive', got, room, 10)
    await clock.pass(179_000)
    expect(got).toEqual(['ended'])
    await clock.pass(2_000)
    expect(got).toEqual(['ended', 'alive'])
  })

  test('never has more in it than its size, and leaves nobody waiting who has room', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('take' as const), bytes: fc.integer({ min: 1, max: 15 }) }),
      fc.record({ kind: fc.constantFrom('giveBack' as const, 'shrink' as const), of: fc.nat(20) }),
      fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(4_000) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const clock = createClock()
        const room = roomOf(10, clock)
        const asked: { bytes: number; claim: Claim; state: 'waits' | 'has' | 'gone' }[] = []
        for (const each of steps) {
          if (each.kind === 'take') {
            const one = { bytes: Math.min(each.bytes, 10), claim: room.claim(), state: 'waits' as const }
            const mutable: (typeof asked)[number] = one
            asked.push(mutable)
            mutable.claim.take(each.bytes).then(
              () => (mutable.state = 'has'),
              () => (mutable.state = 'gone'),
            )
          } else if (each.kind === 'pass') await clock.pass(each.ms)
          else {
            const holders = asked.filter(({ state }) => state === 'has')
            const holder = holders[each.of % Math.max(1, holders.length)]
            if (holder === undefined) continue
            if (each.kind === 'giveBack') {
              holder.claim.giveBack()
              holder.state = 'gone'
            } else {
              holder.bytes = Math.ceil(holder.bytes / 2)
              holder.claim.shrink(holder.bytes)
            }
          }
          await clock.pass(0)
          const held = asked.filter(({ state }) => state === 'has').reduce((sum, { bytes }) => sum + bytes, 0)
          expect(held).toBeLessThanOrEqual(10)
          const next = asked.find(({ state }) => state === 'waits')
          expect(next === undefined ? Infinity : held + next.bytes).toBeGreaterThan(10)
          // None of it lasts that long here.
          expect(room.taken()).toBe(held)
        }
      }),
    )
  })
})
