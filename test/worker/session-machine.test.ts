import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ALL_HISTORY, NO_HISTORY, type HistoryKind } from '../../worker/session/history.ts'
import { advance } from '../../worker/session/machine.ts'
import {
  isEnded,
  newStream,
  type Step,
  type StreamEvent,
  type StreamState,
} from '../../worker/session/state.ts'
import { action, limits, World } from './simulation/stream-world.ts'

describe('the life of a stream', () => {
  test('whatever happens: one request at a time, each baton once, and nothing that ran is called undone', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const world = new World()
        for (const each of actions) world.act(each)
        const restMs = world.rest()
        expect(restMs).toBeLessThanOrEqual(limits.idleMs + limits.parkedMs!)
        // What nobody could close has been expired by the database.
        world.expire()
        expect(world.streams.size).toBe(0)
      }),
      { numRuns: 3_000 },
    )
  })

  const answer = (
    state: StreamState,
    facts: Partial<Extract<StreamEvent, { kind: 'answered' }>> = {},
  ): StreamState => {
    const asked = advance(
      state,
      { kind: 'asked', now: 0, turn: null, asks: NO_HISTORY, isProbe: false },
      limits,
    )
    const { fence } = asked.state!
    const event: StreamEvent = {
      kind: 'answered',
      now: 0,
      fence,
      baton: 'b',
      url: 'u',
      isAutocommit: true,
      isClosed: false,
      leavesState: false,
      mayWrite: false,
      tells: NO_HISTORY,
      ...facts,
    }
    return advance(asked.state!, event, limits).state!
  }
  const tick = (state: StreamState, now: number): Step => advance(state, { kind: 'tick', now }, limits)

  const ask = (state: StreamState, kind: HistoryKind): Step =>
    advance(state, { kind: 'asked', now: 9_001, turn: null, asks: [kind], isProbe: false }, limits)
  const afterPause = (facts: Parameters<typeof answer>[1], kind: HistoryKind): Step =>
    ask(tick(answer(newStream(0), facts), 9_000).state!, kind)

  test('without a transaction it lets go of the database after 9 s, and another request opens another stream', () => {
    const idle = answer(newStream(0))
    expect(tick(idle, 8_999).state).toBe(idle)
    const parked = tick(idle, 9_000)
    expect(parked).toMatchObject({
      state: { kind: 'idle', upstream: null, turn: 1 },
      effect: { kind: 'close' },
    })
    const asked = advance(
      parked.state!,
      { kind: 'asked', now: 9_500, turn: 1, asks: NO_HISTORY, isProbe: false },
      limits,
    )
    expect(asked.effect).toEqual({ kind: 'send', upstream: null })
    expect(tick(parked.state!, 9_000 + 3_600_000).state).toBeNull()
  })

  test('a transaction has a limit of idle time and one of total time, and the end names which', () => {
    let state = answer(newStream(0), { isAutocommit: false })
    expect(tick(state, 9_000)).toMatchObject({
      state: { kind: 'expired', limit: 'idle' },
      effect: { kind: 'close' },
    })
    state = { ...state, since: 59_000 } as StreamState
    expect(tick(state, 60_000)).toMatchObject({
      state: { kind: 'expired', limit: 'total', isDoubtful: false },
    })
  })

  /** The database says, at its second request, that the stream has ended before. */
  const givenUp = (facts: Partial<Extract<StreamEvent, { kind: 'answered' }>>, mayCommit = false): Step => {
    const asked = advance(
      answer(newStream(0), facts),
      { kind: 'asked', now: 1, turn: 1, asks: NO_HISTORY, isProbe: false },
      limits,
    )
    return advance(
      asked.state!,
      { kind: 'dead', now: 2, fence: asked.state!.fence, asks: NO_HISTORY, mayCommit },
      limits,
    )
  }

  test.each([
    ['settings', { leavesState: true }],
    ['a transaction', { isAutocommit: false }],
    ['what the database did not tell', { isAutocommit: null }],
  ])('with %s on it, a stream that the database has given up is expired', (_, facts) => {
    expect(givenUp(facts)).toMatchObject({
      state: { kind: 'expired', limit: 'upstream' },
      refusal: { kind: 'expired', isDoubtful: false },
    })
  })

  test('in a transaction that its request may have ended, a stream that the database has given up is in doubt', () => {
    const lost = { kind: 'lost', isDoubtful: true }
    expect(givenUp({ isAutocommit: false }, true)).toMatchObject({ state: lost, refusal: lost })
    expect(givenUp({ leavesState: true }, true)).toMatchObject({ refusal: { kind: 'expired' } })
  })

  test('with nothing on it, a stream that the database has given up is opened again', () => {
    expect(givenUp({}).effect).toEqual({ kind: 'send', upstream: null })
  })

  test('what asks for an earlier insert is not given to another stream', () => {
    const step = afterPause({ mayWrite: true }, 'last_insert_rowid')
    expect(step).toMatchObject({ effect: null, refusal: { kind: 'expired', isDoubtful: false } })
  })

  test('what asks for an earlier insert of a stream that has changed nothing is', () => {
    for (const kind of ALL_HISTORY)
      expect(afterPause({}, kind)).toMatchObject({ effect: { kind: 'send' }, refusal: null })
  })

  test.each([
    ['an insert', ['last_insert_rowid', 'changes'], ['total_changes']],
    ['an update', ['changes'], ['last_insert_rowid', 'total_changes']],
    ['what has changed nothing', [], ['last_insert_rowid', 'changes', 'total_changes']],
  ] as [string, HistoryKind[], HistoryKind[]][])(
    '%s on another stream tells what it tells, and nothing of the time before',
    (_, tells, untold) => {
      const parked = tick(answer(newStream(0), { mayWrite: true }), 9_000).state!
      const reopened = answer(parked, { mayWrite: true, tells })
      for (const kind of tells) expect(ask(reopened, kind).refusal).toBeNull()
      for (const kind of untold) expect(ask(reopened, kind).refusal).toMatchObject({ kind: 'expired' })
    },
  )

  test('a database that sends a stream on and on is not followed', () => {
    let state: StreamState = newStream(0)
    for (let moves = 0; moves < 5; moves++) {
      state = answer(state, { url: `https://${moves}.example/` })
      if (isEnded(state)) break
    }
    expect(state).toMatchObject({ kind: 'lost', isDoubtful: true })
  })
})
