/** What a Tenant object answers: values, since errors lose their class on the way out of an object. Pure. */
import { DEFAULT_RETRY_AFTER_MS } from './limits.ts'
import type { TokenOptions } from './saga/perform.ts'
import type { SignupStep } from './saga/state.ts'
import type { TenantRecord } from './tenant-record.ts'

/** How a signup ended, or where it stands. */
export type SignupOutcome =
  | {
      kind: 'created' | 'replayed'
      tenant: TenantRecord
      jwt: string
      authorization: TokenOptions['authorization']
    }
  | RetryOutcome
  | { kind: 'exists'; tenant: TenantRecord }
  | { kind: 'key_reused' | 'differs' }
  /** The tenant is there and its token is not: try the same request again. */
  | { kind: 'unavailable'; step: SignupStep; detail: string; retryAfterMs: number }

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
  /** Turso said no, `isInvalid` because of what it was sent. Nothing is left of it but what the detail names. */
  | { kind: 'refused'; step: SignupStep; detail: string; isInvalid: boolean }

/** What a signup or a retry has come to, or where it stands. */
export function outcomeOf(tenant: TenantRecord, now: number): RetryOutcome {
  if (tenant.status === 'active') return { kind: 'active', tenant }
  if (tenant.status === 'deleting') return { kind: 'deleting' }
  if (tenant.failure === null) {
    const retryAfterMs = tenant.retryAt === null ? DEFAULT_RETRY_AFTER_MS : Math.max(0, tenant.retryAt - now)
    return { kind: 'accepted', tenant, retryAfterMs }
  }
  const remains = tenant.orphans.length === 0 ? '' : '; what may be left of it is deleted as soon as possible'
  return { kind: 'refused', ...tenant.failure, detail: tenant.failure.detail + remains }
}
