/** What is known about a tenant: as its object keeps it, and as the API shows it. Pure. */
import { MAX_IDEMPOTENCY_KEYS } from './limits.ts'
import type { SignupRequest } from './schemas.ts'

/** The steps of a signup, in order. */
export type SignupStep = 'create_database' | 'create_token' | 'migrate'

/**
 * The persisted state of a Tenant object, under the key `tenant`. Intent is written before each call to Turso and the
 * result after it; no token is ever in it.
 */
export interface TenantRecord {
  id: string
  name: string | null
  metadata: Record<string, unknown>
  group: string
  location: string
  /** Drawn once for each life of a tenant id; the database's name is derived from it. */
  nonce: string
  status: 'provisioning' | 'active'
  /** Where a signup that is not finished will go on. */
  step: SignupStep
  /** How often the signup was begun or taken up again. */
  attempts: number
  /** Whether a call that creates the database is under way, or ended in a way that does not tell: there may be one. */
  mayHaveDatabase: boolean
  databaseName: string
  /** Names of databases that may remain of abandoned attempts. They are deleted when possible, and never used again. */
  leftovers: string[]
  databaseId: string | null
  hostname: string | null
  schemaVersion: number
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
export type Admission = 'begin' | 'resume' | 'replay' | 'exists' | 'key_reused' | 'differs'

/**
 * The rules of the `Idempotency-Key` draft (draft-ietf-httpapi-idempotency-key-header), and for callers without a key:
 * an unfinished signup may be taken up by the same request, a finished one is never handed out again. As long as no
 * database is known to exist, another request may take the place of an unfinished one.
 */
export function admit(record: TenantRecord | undefined, intent: SignupIntent): Admission {
  if (record === undefined) return 'begin'
  const isSameRequest = record.fingerprint === intent.fingerprint
  const isSameKey = intent.idempotencyKey !== null && record.idempotencyKeys.includes(intent.idempotencyKey)
  if (isSameKey && !isSameRequest) return 'key_reused'
  if (record.status === 'active') return isSameKey ? 'replay' : 'exists'
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

/** What a new record has that is not of the request. */
export type TenantIdentity = Pick<TenantRecord, 'nonce' | 'databaseName' | 'attempts' | 'leftovers'>

export function newRecord(intent: SignupIntent, identity: TenantIdentity, createdAt: string): TenantRecord {
  const { request, group, location, fingerprint } = intent
  const { nonce, databaseName, attempts, leftovers } = identity
  return {
    id: request.id,
    name: request.name ?? null,
    metadata: request.metadata ?? {},
    group,
    location,
    nonce,
    status: 'provisioning',
    step: 'create_database',
    attempts,
    mayHaveDatabase: false,
    databaseName,
    leftovers,
    databaseId: null,
    hostname: null,
    schemaVersion: 0,
    createdAt,
    fingerprint,
    idempotencyKeys: [],
  }
}

/** The member `tenant` of an answer. */
export function tenantView(record: TenantRecord): Record<string, unknown> {
  return {
    id: record.id,
    name: record.name,
    status: record.status,
    ...(record.status === 'provisioning' ? { step: record.step, attempts: record.attempts } : {}),
    location: record.location,
    group: record.group,
    schema_version: record.schemaVersion,
    created_at: record.createdAt,
    metadata: record.metadata,
  }
}
