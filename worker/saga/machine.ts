/**
 * The signup as a state machine: create the database, mint a token, apply the schema; undo what can never be finished.
 * No I/O, no clock, no randomness and no storage: times and random numbers come with the events.
 *
 * `decide` says what to do next, `advance` what an event makes of the state. Whatever is decided is written down as
 * begun before it is done, so that whoever reads the state can go on from it, however often and wherever the one before
 * was interrupted: every call is harmless to repeat, or is looked into before it is.
 */
import { FAILED_MEMORY_MS } from '../limits.ts'
import type { Beginning } from '../schema/migrate.ts'
import {
  accessBegun,
  accessEffect,
  accessEnded,
  accessInDoubt,
  isAccess,
  isAccessPending,
  OPEN,
  readyStatus,
} from './access.ts'
import {
  ABSENCES_UNTIL_GONE,
  ACCESS_RETRY,
  delayAfter,
  isDue,
  ORPHAN_RETRY,
  RETRY,
  type Trouble,
} from './policy.ts'
import type {
  Claim,
  Decision,
  Effect,
  EffectResult,
  Orphan,
  SagaEvent,
  SagaState,
  SignupStep,
} from './state.ts'
import { remember, shorten } from './timeline.ts'

/** @param hasToken whether a token that may apply the schema is at hand; none is ever part of the state */
export function decide(state: SagaState, now: number, hasToken: boolean): Decision {
  const orphan = state.orphans.find(({ retryAt }) => isDue(retryAt, now, ORPHAN_RETRY))
  if (orphan) return { kind: 'delete_database', name: orphan.name, unproven: orphan.unproven }
  const times = state.orphans.map(({ retryAt }) => retryAt)
  if (state.status === 'provisioning') {
    if (state.retryAt === null || isDue(state.retryAt, now, RETRY.unavailable))
      return stepEffect(state, hasToken)
    times.push(state.retryAt)
  }
  if (state.status === 'deleting') {
    if (state.purgeAt === null && times.length === 0) return { kind: 'forget' }
    if (state.purgeAt !== null && state.purgeAt <= now) return { kind: 'purge' }
    if (state.purgeAt !== null) times.push(state.purgeAt)
  }
  if (isAccessPending(state)) {
    const { retryAt } = state.access
    if (retryAt === null || isDue(retryAt, now, ACCESS_RETRY)) return accessEffect(state)
    times.push(retryAt)
  }
  if (state.forgetAt !== null) {
    if (state.forgetAt <= now) return { kind: 'forget' }
    times.push(state.forgetAt)
  }
  return times.length === 0 ? { kind: 'rest' } : { kind: 'wait', until: Math.min(...times) }
}

function stepEffect(state: SagaState, hasToken: boolean): Effect {
  const { step, databaseName: name, group, location, template, hostname, isProven } = state
  switch (step) {
    case 'create_database':
      return { kind: step, name, group, location, template }
    case 'find_database':
      return { kind: step, name, template }
    case 'create_token':
      return { kind: step, name }
    case 'migrate':
      // Whoever takes the signup up again has no token.
      if (!hasToken) return { kind: 'create_token', name }
      return {
        kind: step,
        name,
        hostname: hostname ?? '',
        beginning: beginningOf(state),
        claim: claimOf(state),
        isProven,
      }
  }
}

function beginningOf({ template, mayHaveSchema }: SagaState): Beginning {
  if (template !== null) return 'seeded'
  return mayHaveSchema ? 'unknown' : 'fresh'
}

const claimOf = ({ id: tenant, nonce, template }: SagaState): Claim => ({
  tenant,
  nonce,
  isCopy: template !== null,
})

export function advance(state: SagaState, event: SagaEvent): SagaState {
  switch (event.kind) {
    case 'woken':
      return woken(state, event.now)
    case 'purged':
      return {
        ...state,
        purgeAt: null,
        orphans: withoutDatabase(state, event.now),
        inFlight: null,
        mayAppear: false,
        databaseId: null,
        hostname: null,
        access: OPEN,
      }
    case 'begun':
      return begun(state, event.effect, event.now)
    case 'ended':
      return ended(state, event)
  }
}

function woken(state: SagaState, now: number): SagaState {
  const { inFlight } = state
  const next = { ...state, run: state.run + 1, inFlight: null }
  if (inFlight === null) return next
  const { effect } = inFlight
  next.timeline = remember(state, { effect, now, outcome: 'interrupted', detail: null, requestId: null })
  if (effect === 'create_database') next.mayAppear = true
  if (isAccess(effect)) next.access = accessInDoubt(state.access)
  // What brings the object down each time must not do so for ever.
  return state.status === 'provisioning' && state.attempts >= RETRY.unavailable.attempts
    ? giveUp(next, 'It was interrupted too often', false, now)
    : next
}

function begun(state: SagaState, effect: Effect, now: number): SagaState {
  const next: SagaState = { ...state, inFlight: { effect: effect.kind, startedAt: now } }
  if (effect.kind === 'delete_database')
    // Put off before it is known how it ends: a deletion that is always interrupted must not keep all else waiting.
    return withOrphan(next, effect.name, (orphan) => postponed(orphan, now, 1))
  if (isAccess(effect.kind)) return { ...next, access: accessBegun(state.access) }
  next.attempts += 1
  next.retryAt = null
  if (effect.kind === 'migrate') next.mayHaveSchema = true
  return next
}

function ended(state: SagaState, event: Ended): SagaState {
  const { effect, result, now } = event
  const idle = { ...state, inFlight: null }
  const next = settled(idle, event)
  const isForeign = result.kind === 'failed' && result.reason === 'foreign'
  const isOver = next.orphans.length < state.orphans.length || result.kind === 'done'
  // Nothing was done, and it is known already.
  if (result.kind === 'failed' && result.reason === 'held' && state.timeline.at(-1)?.detail === result.detail)
    return next
  const timeline = remember(state, {
    effect: effect.kind,
    now,
    outcome: isForeign
      ? 'refused'
      : isOver
        ? 'done'
        : next.status === 'failed' && state.status !== 'failed'
          ? 'refused'
          : 'retried',
    detail: result.kind === 'failed' ? result.detail : null,
    requestId: result.requestId,
  })
  return { ...next, timeline }
}

function settled(state: SagaState, event: Ended): SagaState {
  const { effect, result, now, random } = event
  if (effect.kind === 'delete_database') return deleted(state, effect.name, event)
  if (isAccess(effect.kind))
    return { ...state, access: accessEnded(state.access, effect, result, now, random) }
  return stepped(state, event)
}

function stepped(state: SagaState, { effect, result, now, random }: Ended): SagaState {
  if (result.kind === 'done') return succeeded(state, effect, result)
  const { detail, reason } = result
  const retry = (trouble: Trouble, changes: Partial<SagaState> = {}): SagaState => {
    const { attempts, retryAfterMs } = { ...state, ...result }
    const changed = { ...state, ...changes }
    if (attempts >= RETRY[trouble].attempts) return giveUp(changed, detail, false, now)
    return { ...changed, retryAt: now + delayAfter(RETRY[trouble], attempts, random, retryAfterMs) }
  }
  const isUnknown = effect.kind === 'create_database' && !result.isHarmless
  const changes = { mayAppear: state.mayAppear || isUnknown }
  const until = heldUntil(result, now, random)
  if (until !== null) return { ...state, attempts: state.attempts - 1, retryAt: until }
  // By its name it is ours, by its own word it is not: it is left alone.
  if (reason === 'foreign')
    return giveUp({ ...state, databaseId: null, mayAppear: false }, detail, false, now)
  // A conflict is about a name that is taken; of any other call it is about what else goes on, and passes.
  const isBusy = reason === 'exists' && effect.kind !== 'create_database'
  if (reason === 'unavailable' || isBusy) return retry('unavailable', changes)
  switch (effect.kind) {
    case 'create_database':
      // Perhaps an attempt before has made it, or this one: whatever is between us and Turso can send a request twice.
      if (reason === 'exists') return { ...state, step: 'find_database', mayAppear: true }
      break
    case 'find_database':
      // A conflict of another kind, or the database is not to be seen yet: neither is for good.
      if (reason === 'missing') return retry('unavailable', { step: 'create_database' })
      break
    case 'create_token':
      if (reason === 'missing') return retry('not_served')
      break
    case 'migrate':
      if (reason === 'missing') return retry('not_served')
      if (reason === 'unauthorized') return retry('token_refused')
      break
    default:
  }
  return giveUp({ ...state, ...changes }, detail, result.isInvalid, now)
}

/** Until when everybody waits; `null`: nobody does. */
function heldUntil(result: EffectResult, now: number, random: number): number | null {
  if (result.kind === 'done' || result.reason !== 'held') return null
  const { longestDelayMs, firstDelayMs } = RETRY.unavailable
  const waitMs = Math.max(firstDelayMs, (result.retryAfterMs ?? 0) * (1 + random / 4))
  return now + Math.ceil(Math.min(longestDelayMs, waitMs))
}

function succeeded(state: SagaState, { kind }: Effect, { database, schemaVersion }: Done): SagaState {
  const onTo = (step: SignupStep): SagaState => ({ ...state, step, attempts: 0 })
  switch (kind) {
    case 'create_database':
    case 'find_database': {
      const { id = null, hostname = null, location = null } = database ?? {}
      return {
        ...onTo('create_token'),
        isProven: state.isProven || kind === 'create_database',
        databaseId: id,
        hostname,
        location: location ?? state.location,
      }
    }
    case 'create_token':
      // On the way to the schema only the attempts at the schema count.
      return state.step === 'migrate' ? { ...state, attempts: state.attempts - 1 } : onTo('migrate')
    case 'migrate':
      return { ...state, status: readyStatus(state), schemaVersion: schemaVersion ?? 0, isProven: true }
    default:
      return state
  }
}

/** The end of a signup that can never be finished. What it may have made is an orphan from now on, and deleted next. */
function giveUp(state: SagaState, detail: string, isInvalid: boolean, now: number): SagaState {
  const failed: SagaState = {
    ...state,
    status: 'failed',
    retryAt: null,
    failure: { step: state.step, detail: shorten(detail), isInvalid },
    orphans: withoutDatabase(state, now),
    mayAppear: false,
    databaseId: null,
    hostname: null,
  }
  return { ...failed, forgetAt: failed.orphans.length === 0 ? now + FAILED_MEMORY_MS : null }
}

/** Whether there may be a database of this signup, now or later. */
export function mayHaveDatabase({ databaseId, mayAppear, inFlight }: SagaState): boolean {
  return databaseId !== null || mayAppear || inFlight?.effect === 'create_database'
}

/** The orphans when a signup and its database are given up. */
export function withoutDatabase(state: SagaState, now: number): Orphan[] {
  const { orphans, databaseName: name, isProven } = state
  if (!mayHaveDatabase(state)) return orphans
  const mayAppear = state.mayAppear || state.inFlight?.effect === 'create_database'
  const unproven = isProven ? null : claimOf(state)
  return [...orphans, { name, since: now, attempts: 0, retryAt: now, mayAppear, absences: 0, unproven }]
}

function deleted(state: SagaState, name: string, { result, now, random }: Ended): SagaState {
  const isAbsent = result.kind === 'failed' && result.reason === 'missing'
  const isForeign = result.kind === 'failed' && result.reason === 'foreign'
  const next = withOrphan(state, name, (orphan) => {
    const absences = orphan.absences + (isAbsent ? 1 : 0)
    const isDeleted = result.kind === 'done' || isAbsent
    // By its own word it is not ours: it is left alone.
    if (isForeign) return null
    if (isDeleted && (!orphan.mayAppear || absences >= ABSENCES_UNTIL_GONE)) return null
    const before = { ...orphan, attempts: orphan.attempts - 1, absences }
    // What everybody waits for is no attempt, and ends for everybody at once.
    const until = heldUntil(result, now, random)
    return until === null ? postponed(before, now, random) : { ...before, retryAt: until }
  })
  const isForgettable = next.status === 'failed' && next.orphans.length === 0
  return isForgettable ? { ...next, forgetAt: now + FAILED_MEMORY_MS } : next
}

function postponed(orphan: Orphan, now: number, random: number): Orphan {
  const attempts = orphan.attempts + 1
  return { ...orphan, attempts, retryAt: now + delayAfter(ORPHAN_RETRY, attempts, random, null) }
}

function withOrphan(state: SagaState, name: string, change: (orphan: Orphan) => Orphan | null): SagaState {
  const orphans = state.orphans.flatMap((orphan) => (orphan.name === name ? (change(orphan) ?? []) : orphan))
  return { ...state, orphans }
}

type Ended = Extract<SagaEvent, { kind: 'ended' }>
type Done = Extract<EffectResult, { kind: 'done' }>
