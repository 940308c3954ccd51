/**
 * Whether a database takes reads and writes: what is wanted, what Turso was told, and what may still be on its way.
 * Pure, as the machine that it is a part of.
 */
import { ACCESS_RETRY, CONFIRMATIONS, delayAfter, ORPHAN_RETRY } from './policy.ts'
import type { Access, Effect, EffectResult, SagaState } from './state.ts'

/** Of a database that has just been made. */
export const OPEN: Access = {
  isBlocked: false,
  mayChange: false,
  confirmations: 0,
  attempts: 0,
  retryAt: null,
}

/** What a tenant is whose database is ready. */
export function readyStatus({ suspension }: Pick<SagaState, 'suspension'>): 'active' | 'suspended' {
  return suspension === null ? 'active' : 'suspended'
}

/** Whether the tenant has its database, and is not in the middle of getting or losing it. */
export function isReady({ status }: Pick<SagaState, 'status'>): boolean {
  return status === 'active' || status === 'suspended'
}

/** Whether the tenant has its database, or will have it when its deletion is taken back. */
export function mayComeBack(state: Pick<SagaState, 'status' | 'purgeAt'>): boolean {
  return isReady(state) || (state.status === 'deleting' && state.purgeAt !== null)
}

export const isAccess = (kind: Effect['kind']): boolean =>
  kind === 'block_database' || kind === 'unblock_database'

/** Whether Turso is still to be told. */
export function isAccessPending(state: SagaState): boolean {
  const { isBlocked, mayChange } = state.access
  // Of a call that is under way, or was when its object was gone, nobody knows yet what it does.
  const isUnderWay = state.inFlight !== null && isAccess(state.inFlight.effect)
  return mayComeBack(state) && (isUnderWay || mayChange || isBlocked !== (state.suspension !== null))
}

export function accessEffect({ id: tenant, suspension, databaseName: name }: SagaState): Effect {
  return { kind: suspension === null ? 'unblock_database' : 'block_database', name, tenant }
}

/** A call was interrupted: nobody knows whether it arrives. */
export function accessInDoubt(access: Access): Access {
  return { ...access, mayChange: true, confirmations: 0 }
}

export function accessBegun(access: Access): Access {
  return { ...access, attempts: access.attempts + 1, retryAt: null }
}

/**
 * One call is enough if all before it were answered. Else one for the opposite may still be on its way, so that the same
 * is said again, until nothing can come in between any more.
 */
export function accessEnded(
  access: Access,
  effect: Effect,
  result: EffectResult,
  now: number,
  random: number,
): Access {
  if (result.kind === 'failed') {
    // What everybody waits for is no attempt of this tenant.
    const attempts = access.attempts - (result.reason === 'held' ? 1 : 0)
    const retryAt = now + delayAfter(ACCESS_RETRY, attempts, random, result.retryAfterMs)
    return { ...(result.isHarmless ? access : accessInDoubt(access)), attempts, retryAt }
  }
  const isBlocked = effect.kind === 'block_database'
  const confirmations = access.confirmations + 1
  if (!access.mayChange || confirmations >= CONFIRMATIONS) return { ...OPEN, isBlocked }
  const retryAt = now + delayAfter(ORPHAN_RETRY, confirmations, random, null)
  return { isBlocked, mayChange: true, confirmations, attempts: 0, retryAt }
}
