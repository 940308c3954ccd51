/**
 * One run of the saga, as a list of commands that whoever runs it carries out one after the other: an object with real
 * storage and the real Turso, or a simulator. A run that is dropped between any two of them can be taken up by another.
 */
import { WATCHDOG_MS } from '../limits.ts'
import { isAccessPending } from './access.ts'
import { advance, decide } from './machine.ts'
import type { Effect, EffectResult, SagaState } from './state.ts'

export type Command<State extends SagaState> =
  /** Store the state and set the alarm, both or neither, before anything else leaves the object. */
  | { kind: 'write'; state: State; alarmAt: number | null; isFirst: boolean }
  /** Delete the state and the alarm. */
  | { kind: 'forget'; state: State }
  | { kind: 'perform'; effect: Effect }
  | { kind: 'sleep'; ms: number }

/** What a command is answered with. */
export interface Reply {
  now: number
  /** From 0 to 1. */
  random: number
  /** Of `perform`. */
  result?: EffectResult
}

/**
 * Whether another run has begun since, or another life of the tenant, or all was forgotten. Asked before each write: an
 * object that lives on when it should not must do nothing more.
 *
 * @param isFirst the first write of a run, which alone may take the place of something else, or of nothing
 */
export function isOvertaken(stored: SagaState | undefined, own: SagaState, isFirst = false): boolean {
  if (stored?.databaseName !== own.databaseName) return !isFirst
  return stored.run > own.run
}

/** When whoever finds this state, and nobody at work on it, has something to do. */
export function wakeAt(state: SagaState, now: number): number | null {
  const decision = decide(state, now, false)
  if (decision.kind === 'wait') return decision.until
  return decision.kind === 'rest' ? null : now
}

/**
 * Goes on until there is nothing to do, or nothing to do before `sleepUntil`: the rest is for the alarm. The first write
 * comes before the first call, and each call's result is stored with, or before, the next intent.
 *
 * @returns the last state, `null` when it was forgotten
 */
export function* runSaga<State extends SagaState>(
  start: State,
  startedAt: number,
  sleepUntil: number,
): Generator<Command<State>, State | null, Reply> {
  let now = startedAt
  // What the saga gives back has all that the record has, and only the saga's part is changed.
  let state = { ...start, ...advance(start, { kind: 'woken', now }) }
  let hasToken = false
  let isFirst = true
  const write = (alarmAt: number | null): Command<State> => {
    const command = { kind: 'write', state, alarmAt, isFirst } as const
    isFirst = false
    return command
  }
  for (;;) {
    const decision = decide(state, now, hasToken)
    switch (decision.kind) {
      case 'forget':
        yield { kind: 'forget', state }
        return null
      case 'rest':
        yield write(null)
        return state
      case 'purge':
        state = { ...state, ...advance(state, { kind: 'purged', now }) }
        break
      case 'wait': {
        const { until } = decision
        // Nobody waits for the deletion of what is left.
        const isAwaited = state.status === 'provisioning' || isAccessPending(state)
        if (!isAwaited || until > sleepUntil) {
          yield write(until)
          return state
        }
        now = (yield write(until + WATCHDOG_MS)).now
        now = (yield { kind: 'sleep', ms: Math.max(0, until - now) }).now
        break
      }
      default: {
        state = { ...state, ...advance(state, { kind: 'begun', effect: decision, now }) }
        yield write(now + WATCHDOG_MS)
        const reply = yield { kind: 'perform', effect: decision }
        now = reply.now
        const { random, result } = reply
        if (result === undefined) throw new TypeError('A call was answered without a result')
        state = { ...state, ...advance(state, { kind: 'ended', effect: decision, result, now, random }) }
        if (decision.kind === 'create_token') hasToken = result.kind === 'done'
        if (decision.kind === 'migrate')
          hasToken = result.kind === 'failed' && result.reason !== 'unauthorized'
      }
    }
  }
}
