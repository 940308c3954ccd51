/** What is known about a tenant: as its object keeps it, and as the API shows it. Pure. */
import { DELETION_GRACE_MS, MAX_IDEMPOTENCY_KEYS } from './limits.ts'
import { advance, withoutDatabase } from './saga/machine.ts'
import { isOvertaken } from './saga/run.ts'
import type { Orphan, SagaState } from './saga/state.ts'
import type { SignupRequest } from './schemas.ts'

/**
 * The persisted state of a Tenant object, under the key `tenant`. Intent is written before each call to Turso and the
 * result after it; no token is ever in it.
 */
export interface TenantRecord extends SagaState {
  /** Of this shape. Records of earlier versions are read by `stored-record.ts`. */
  version: 2
  name: string | null
  metadata: Record<string, unknown>
  /** Whether anybody was ever given a token: until then the same request may claim the tenant. */
  isHandedOut: boolean
  createdAt: string
  /** SHA-256 of the signup's body, to tell a repetition from another request. */
  fingerprint: string
  /** SHA-256 of the `Idempotency-Key`s that the signup was sent with before it was finished: the first, and the latest. */
  idempotencyKeys: string[]
}

/** A validated signup as the route hands it over. */
export interface SignupIntent {
  request: SignupRequest
  group: string
  location: string
  fingerprint: string
  /** SHA-256 of the `Idempotency-Key`. */
  idempotencyKey: string | null
}

/** What a signup request means, given what is known about the tenant. */
export type Admission =
  | 'begin'
  | 'resume'
  | 'claim'
  | 'replay'
  | 'exists'
  | 'key_reused'
  | 'differs'
  | 'deleting'

/**
 * The rules of the `Idempotency-Key` draft (draft-ietf-httpapi-idempotency-key-header), and for callers without a key:
 * a signup that has given a token to nobody may be taken up by the same request, one that has is never handed out again.
 * As long as no database is known to exist, another request may take the place of an unfinished one; and any of a
 * failed one.
 */
export function admit(record: TenantRecord | undefined, intent: SignupIntent): Admission {
  if (record === undefined || record.status === 'failed') return 'begin'
  if (record.status === 'deleting') return 'deleting'
  const isSameRequest = record.fingerprint === intent.fingerprint
  const isSameKey = intent.idempotencyKey !== null && record.idempotencyKeys.includes(intent.idempotencyKey)
  if (isSameKey && !isSameRequest) return 'key_reused'
  if (record.status === 'active') {
    if (isSameRequest && !record.isHandedOut) return 'claim'
    return isSameKey ? 'replay' : 'exists'
  }
  if (isSameRequest) return 'resume'
  return record.databaseId === null ? 'begin' : 'differs'
}

/** The first key, which its sender will repeat, always stays. */
export function rememberKey(keys: readonly string[], key: string): string[] {
  const [first = key, ...rest] = keys
  if (key === first) return [first, ...rest]
  const latest = [...rest.filter((other) => other !== key), key].slice(1 - MAX_IDEMPOTENCY_KEYS)
  return [first, ...latest]
}

/** The same tenant with the key of whoever takes its signup up. */
export function withKey(record: TenantRecord, key: string | null): TenantRecord {
  if (key === null) return record
  return { ...record, idempotencyKeys: rememberKey(record.idempotencyKeys, key) }
}

/** What a signup asks for: what is left when it begins anew. */
export type Order = Pick<
  TenantRecord,
  'id' | 'name' | 'metadata' | 'group' | 'location' | 'fingerprint' | 'idempotencyKeys'
>

export function orderOf({ request, group, location, fingerprint, idempotencyKey }: SignupIntent): Order {
  const { id, name = null, metadata = {} } = request
  const idempotencyKeys = idempotencyKey === null ? [] : [idempotencyKey]
  return { id, name, metadata, group, location, fingerprint, idempotencyKeys }
}

/**
 * A signup from its beginning. What a former one of the same id may have made is deleted on the way.
 *
 * @param identity drawn for this one alone
 */
export function beginSignup(
  order: Order,
  identity: Pick<TenantRecord, 'nonce' | 'databaseName'>,
  former: TenantRecord | undefined,
  now: number,
): TenantRecord {
  const { id, name, metadata, group, location, fingerprint, idempotencyKeys } = order
  return {
    version: 2,
    id,
    name,
    metadata,
    group,
    location,
    ...identity,
    status: 'provisioning',
    step: 'create_database',
    attempts: 0,
    retryAt: null,
    run: former?.run ?? 0,
    inFlight: null,
    mayAppear: false,
    mayHaveSchema: false,
    databaseId: null,
    hostname: null,
    schemaVersion: 0,
    orphans: former === undefined ? [] : withoutDatabase(former, now).map((orphan) => dueAt(orphan, now)),
    failure: null,
    forgetAt: null,
    purgeAt: null,
    timeline: [],
    isHandedOut: false,
    createdAt: new Date(now).toISOString(),
    fingerprint,
    idempotencyKeys,
  }
}

/** A signup that waits, when somebody wants it now. */
export function hurry(record: TenantRecord, now: number): TenantRecord {
  return { ...record, retryAt: null, orphans: record.orphans.map((orphan) => dueAt(orphan, now)) }
}

/**
 * A tenant from its deletion on: one that is active can be restored until its grace period is over, of any other all is
 * given up at once. Whoever is at work on it is overtaken.
 */
export function remove(record: TenantRecord, now: number): TenantRecord {
  if (record.status === 'deleting') return record
  const removed: TenantRecord = {
    ...record,
    status: 'deleting',
    run: record.run + 1,
    retryAt: null,
    forgetAt: null,
    purgeAt: now + DELETION_GRACE_MS,
  }
  return record.status === 'active' ? removed : { ...removed, ...advance(removed, { kind: 'purged', now }) }
}

/** @returns `null` when it is too late */
export function restore(record: TenantRecord): TenantRecord | null {
  if (record.status !== 'deleting') return record
  if (record.purgeAt === null) return null
  return { ...record, status: 'active', purgeAt: null, run: record.run + 1 }
}

/** Not what is only watched: looking more often would prove less. */
const dueAt = (orphan: Orphan, now: number): Orphan =>
  orphan.mayAppear && orphan.attempts > 0 ? orphan : { ...orphan, retryAt: now }

/**
 * What is stored before the tenant's token is given to its caller.
 *
 * @returns `null` if somebody else has gone on with the tenant meanwhile: then nothing is given
 */
export function handOver(stored: TenantRecord | undefined, own: TenantRecord): TenantRecord | null {
  return isOvertaken(stored, own) ? null : { ...own, isHandedOut: true }
}
