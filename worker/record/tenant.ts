/** What is known about a tenant: as its object keeps it, and as the API shows it. Pure. */
import { DELETION_GRACE_MS, MAX_IDEMPOTENCY_KEYS } from '../limits.ts'
import { mergePatch } from './merge-patch.ts'
import { isAccessPending, isReady, OPEN, readyStatus } from '../saga/access.ts'
import { advance, mayHaveDatabase, withoutDatabase } from '../saga/machine.ts'
import { isOvertaken } from '../saga/run.ts'
import type { Orphan, SagaState } from '../saga/state.ts'
import type { SignupRequest } from '../http/schemas.ts'

/**
 * The persisted state of a Tenant object, under the key `tenant`. Intent is written before each call to Turso and the
 * result after it; no token is ever in it.
 */
export interface TenantRecord extends SagaState {
  /** Of this shape. Records of earlier versions are read by `stored-record.ts`. */
  version: 4
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
  | 'suspended'

/**
 * The rules of the `Idempotency-Key` draft (draft-ietf-httpapi-idempotency-key-header), and for callers without a key:
 * a signup that has given a token to nobody may be taken up by the same request, one that has is never handed out again.
 * As long as no database is known to exist, another request may take the place of an unfinished one; and any of a
 * failed one.
 */
export function admit(record: TenantRecord | undefined, intent: SignupIntent): Admission {
  if (record === undefined) return 'begin'
  if (record.status === 'deleting') return 'deleting'
  if (record.suspension !== null) return 'suspended'
  if (record.status === 'failed') return 'begin'
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

/** What a signup is turned away for before anything is done. */
export function isRefusal(
  admission: Admission,
): admission is 'key_reused' | 'differs' | 'deleting' | 'suspended' {
  return ['key_reused', 'differs', 'deleting', 'suspended'].includes(admission)
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
  'id' | 'name' | 'metadata' | 'group' | 'location' | 'template' | 'fingerprint' | 'idempotencyKeys'
>

export function orderOf({ request, group, location, fingerprint, idempotencyKey }: SignupIntent): Order {
  const { id, name = null, metadata = {}, template = null } = request
  const idempotencyKeys = idempotencyKey === null ? [] : [idempotencyKey]
  return { id, name, metadata, group, location, template, fingerprint, idempotencyKeys }
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
  const { id, name, metadata, group, location, template, fingerprint, idempotencyKeys } = order
  return {
    version: 4,
    id,
    name,
    metadata,
    group,
    location,
    template,
    ...identity,
    status: 'provisioning',
    step: 'create_database',
    attempts: 0,
    retryAt: null,
    run: former?.run ?? 0,
    inFlight: null,
    mayAppear: false,
    mayHaveSchema: false,
    isProven: false,
    databaseId: null,
    hostname: null,
    schemaVersion: 0,
    orphans: former === undefined ? [] : hurriedLast(withoutDatabase(former, now), now),
    failure: null,
    // What an operator has said of the tenant is not for a new signup to take back.
    suspension: former?.suspension ?? null,
    access: OPEN,
    forgetAt: null,
    purgeAt: null,
    timeline: [],
    isHandedOut: false,
    createdAt: new Date(now).toISOString(),
    fingerprint,
    idempotencyKeys,
  }
}

/** A signup that waits, when somebody wants it now. What comes before its time uses none of its attempts up. */
export function hurry(record: TenantRecord, now: number): TenantRecord {
  const isEarly = record.retryAt !== null && record.retryAt > now
  const attempts = Math.max(0, record.attempts - (isEarly ? 1 : 0))
  return { ...record, retryAt: null, attempts }
}

/** Whether a database is this tenant's, or one that it deletes. */
export function hasDatabase(record: TenantRecord | undefined, name: string): boolean {
  if (record === undefined) return false
  return (
    (record.databaseName === name && mayHaveDatabase(record)) ||
    record.orphans.some((orphan) => orphan.name === name)
  )
}

/** What may be left, when somebody wants it gone now. */
export function hurryOrphans(record: TenantRecord, now: number): TenantRecord {
  return { ...record, orphans: record.orphans.map((orphan) => dueAt(orphan, now)) }
}

/**
 * A tenant from its deletion on: one that is active can be restored until its grace period is over, of any other all is
 * given up at once. Whoever is at work on it is overtaken.
 *
 * @param graceMs 0: all of any tenant is given up at once, also of one that is deleted already
 */
export function remove(record: TenantRecord, now: number, graceMs = DELETION_GRACE_MS): TenantRecord {
  if (record.status === 'deleting') {
    // Who wants it gone now may say so later, but nobody gets a longer time by deleting twice.
    if (graceMs > 0 || record.purgeAt === null) return record
    const overtaking = { ...record, run: record.run + 1 }
    return { ...overtaking, ...advance(overtaking, { kind: 'purged', now }) }
  }
  const removed: TenantRecord = {
    ...record,
    status: 'deleting',
    run: record.run + 1,
    retryAt: null,
    forgetAt: null,
    purgeAt: now + graceMs,
  }
  return isReady(record) && graceMs > 0
    ? removed
    : { ...removed, ...advance(removed, { kind: 'purged', now }) }
}

/** @returns `null` when it is too late */
export function restore(record: TenantRecord): TenantRecord | null {
  if (record.status !== 'deleting') return record
  if (record.purgeAt === null) return null
  return { ...record, status: readyStatus(record), purgeAt: null, run: record.run + 1 }
}

/** What an operator may change of a tenant. What is left out stays as it is. */
export interface TenantChange {
  name?: string | null | undefined
  /** As a JSON Merge Patch: `null` for all of it, or for a member, takes it away. */
  metadata?: Record<string, unknown> | null | undefined
  suspended?: boolean | undefined
  /** Of a suspension. */
  reason?: string | null | undefined
}

/**
 * A tenant with a change, at whatever point it is: an unfinished signup goes on and ends suspended, a deleted tenant is
 * so when it is restored.
 *
 * @returns the same record when nothing changes, `null` when all of it is being deleted
 */
export function change(record: TenantRecord, wanted: TenantChange, now: number): TenantRecord | null {
  if (record.status === 'deleting' && record.purgeAt === null) return null
  const { name = record.name } = wanted
  const metadata = wanted.metadata === null ? {} : mergePatch(record.metadata, wanted.metadata ?? {})
  const suspension = suspensionAfter(record, wanted, now)
  const isSame =
    name === record.name &&
    JSON.stringify(metadata) === JSON.stringify(record.metadata) &&
    JSON.stringify(suspension) === JSON.stringify(record.suspension)
  if (isSame) return wanted.suspended === undefined ? record : insisted(record)
  const changed = { ...record, name, metadata, suspension }
  if ((suspension === null) === (record.suspension === null)) return changed
  return {
    ...changed,
    status: isReady(record) ? readyStatus(changed) : record.status,
    // Confirmations of the opposite count for nothing.
    access: { ...record.access, confirmations: 0, attempts: 0, retryAt: null },
  }
}

/** Who asks for the same again wants it now. */
function insisted(record: TenantRecord): TenantRecord {
  const { access } = record
  if (!isAccessPending(record) || access.confirmations > 0) return record
  return { ...record, access: { ...access, retryAt: null } }
}

function suspensionAfter(
  { suspension }: TenantRecord,
  { suspended = suspension !== null, reason }: TenantChange,
  now: number,
): TenantRecord['suspension'] {
  if (!suspended) return null
  const { since = new Date(now).toISOString(), reason: former = null } = suspension ?? {}
  return { since, reason: reason === undefined ? former : reason }
}

/** The others have their own time, or each of many signups that fail would have all of them deleted again. */
const hurriedLast = (orphans: readonly Orphan[], now: number): Orphan[] =>
  orphans.map((orphan, index) => (index === orphans.length - 1 ? dueAt(orphan, now) : orphan))

/** Not what is only watched: looking more often would prove less. */
const dueAt = (orphan: Orphan, now: number): Orphan =>
  orphan.mayAppear && orphan.attempts > 0 ? orphan : { ...orphan, retryAt: now }

/**
 * What is stored before a token that was minted for the tenant is given to its caller: what is there by then, since others
 * may have changed it while the token was on its way.
 *
 * @param own the tenant as it was before, with the key of its caller
 * @returns why it must not be given: somebody has closed or deleted the tenant meanwhile, or gone on with it
 */
export function handOver(
  stored: TenantRecord | undefined,
  own: TenantRecord,
): TenantRecord | 'suspended' | 'overtaken' {
  if (stored?.databaseName !== own.databaseName || stored.status === 'deleting') return 'overtaken'
  if (stored.suspension !== null) return 'suspended'
  if (!own.isHandedOut && isOvertaken(stored, own)) return 'overtaken'
  const idempotencyKeys = own.idempotencyKeys.reduce(rememberKey, stored.idempotencyKeys)
  return { ...stored, isHandedOut: true, idempotencyKeys }
}

/**
 * What a run of the saga, which began before, stores of what was done beside it without overtaking it: somebody may have been
 * given a token since.
 */
export function withHandOver(own: TenantRecord, stored: TenantRecord | undefined): TenantRecord {
  const isHandedOut = stored?.databaseName === own.databaseName && stored.isHandedOut
  return isHandedOut && !own.isHandedOut ? { ...own, isHandedOut } : own
}
