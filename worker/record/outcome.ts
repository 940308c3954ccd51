/** What a Tenant object answers: values, since errors lose their class on the way out of an object. Pure. */
import { DEFAULT_RETRY_AFTER_MS } from '../limits.ts'
import { isAccessPending, isReady } from '../saga/access.ts'
import type { TokenOptions } from '../turso/token-options.ts'
import type { Failure, SignupStep } from '../saga/state.ts'
import type { TenantRecord } from './tenant.ts'

export type TenantLocation =
  /** `url` ends with a slash; `location` is Turso's code. */
  { kind: 'open'; url: string; location: string } | { kind: 'suspended' }

/** How a signup ended, or where it stands. */
export type SignupOutcome =
  | TokenOutcome
  | RetryOutcome
  | { kind: 'exists'; tenant: TenantRecord }
  | { kind: 'key_reused' | 'differs' }

export type TokenOutcome =
  | {
      kind: 'created' | 'replayed'
      tenant: TenantRecord
      jwt: string
      authorization: TokenOptions['authorization']
    }
  /** The tenant is there and its token is not: try the same request again. */
  | { kind: 'unavailable'; step: SignupStep; detail: string; retryAfterMs: number }
  | { kind: 'suspended' }
  | { kind: 'in_progress' }
  | RefusedOutcome

/** Turso said no, `isInvalid` because of what it was sent. Nothing is left of it but what the detail names. */
export interface RefusedOutcome {
  kind: 'refused'
  step: SignupStep
  detail: string
  isInvalid: boolean
}

export type MintingOutcome =
  | TokenOutcome
  | { kind: 'not_found' | 'deleting' }
  /** Its signup is not finished, or has failed. */
  | { kind: 'not_ready'; retryAfterMs: number }

export type InvalidationOutcome =
  | { kind: 'invalidated'; tenant: TenantRecord }
  | { kind: 'not_found' | 'deleting' }
  | { kind: 'not_ready'; retryAfterMs: number }
  /** If not `isHarmless`, nobody knows whether it took effect. */
  | ({ kind: 'failed' } & Pick<Failure, 'reason' | 'detail' | 'isHarmless' | 'retryAfterMs'>)

export type RemovalOutcome =
  | { kind: 'removed' | 'restored'; tenant: TenantRecord }
  | { kind: 'not_found' | 'too_late' }

export type RetryOutcome =
  /** It goes on by itself. */
  | { kind: 'accepted'; tenant: TenantRecord; retryAfterMs: number }
  | { kind: 'active'; tenant: TenantRecord }
  | { kind: 'in_progress' }
  | { kind: 'not_found' }
  /** It is deleted, or was in the middle of it. */
  | { kind: 'deleting' }
  | RefusedOutcome

export type UpdateOutcome =
  /** `isPending`: the database is still to be closed or opened, which goes on by itself. */
  | { kind: 'updated'; tenant: TenantRecord; isPending: boolean }
  | { kind: 'not_found' | 'too_late' }
  /** The metadata, once it is merged. */
  | { kind: 'too_large' }

/** When it is worth to ask again about a signup that is not finished. */
export function retryAfterMs({ retryAt }: TenantRecord, now: number): number {
  return retryAt === null ? DEFAULT_RETRY_AFTER_MS : Math.max(0, retryAt - now)
}

/** What a signup or a retry has come to, or where it stands. */
export function outcomeOf(tenant: TenantRecord, now: number): RetryOutcome {
  if (isReady(tenant)) return { kind: 'active', tenant }
  if (tenant.status === 'deleting') return { kind: 'deleting' }
  if (tenant.failure === null) {
    return { kind: 'accepted', tenant, retryAfterMs: retryAfterMs(tenant, now) }
  }
  const remains = tenant.orphans.length === 0 ? '' : '; what may be left of it is deleted as soon as possible'
  return { kind: 'refused', ...tenant.failure, detail: tenant.failure.detail + remains }
}

export function updateOutcome(tenant: TenantRecord): UpdateOutcome {
  const isUnfinished = tenant.status === 'provisioning' && tenant.suspension !== null
  return { kind: 'updated', tenant, isPending: isUnfinished || isAccessPending(tenant) }
}
