/** The tenants of the Worker as its service binding gives them, and as its HTTP interface does in snake_case. Types only. */
import type { TransactionOptions } from './database.ts'
import type { TursoErrorCode } from './errors.ts'
import type { ObjectRow, Result } from './hrana/result.ts'
import type { Args, Statement, StatementObject } from './hrana/statement.ts'
import type { IntMode } from './hrana/value.ts'
import type { TableAction } from './platform/permissions.ts'
import type { BatchOptions, QueryOptions } from './queries.ts'

/** A tenant that is `active` or `suspended` has its database, one that is `deleting` may have it still. */
export type TenantStatus = 'provisioning' | 'active' | 'suspended' | 'failed' | 'deleting'

export interface Tenant {
  /** Your own id of it. */
  id: string
  name: string | null
  status: TenantStatus
  /** Of one that is `provisioning`: the step that it is at, and how often that was tried. */
  step?: string
  attempts?: number
  /** Of one that is `deleting` and can be restored: until when. ISO 8601, as all times here. */
  deleteAt?: string
  /** Of one that is suspended, or will be when it is signed up or restored. `isDatabaseBlocked`: Turso has said so. */
  suspension?: { since: string; reason: string | null; isDatabaseBlocked: boolean }
  /** Why it is `failed`. */
  failure?: { step: string; detail: string }
  /** A Turso location code, such as `aws-eu-west-1`. */
  location: string
  group: string
  /** What its database was copied from, if from anything. */
  template?: string
  /** The number of the latest migration in its database; 0 for none. */
  schemaVersion: number
  createdAt: string
  metadata: Record<string, unknown>
}

/** Where a tenant's database is. */
export interface TenantDatabase {
  name: string
  hostname: string
  /** `libsql://…` */
  url: string
  /** `https://…/` */
  httpUrl: string
  /** `https://…/t/<tenant>/`: the same database by way of the Worker. `null` when a binding asks and `PUBLIC_URL` is not set. */
  gatewayUrl: string | null
}

export interface TenantToken {
  jwt: string
  authorization: 'full-access' | 'read-only'
  /** `null` for one that never ends. */
  expiresAt: string | null
}

/** A tenant, and its database once that is known. */
export interface TenantAnswer {
  tenant: Tenant
  database?: TenantDatabase
}

/** What a tenant's database has used, as Turso counts it. */
export interface TenantUsage {
  usage: { rowsRead: number; rowsWritten: number; storageBytes: number; bytesSynced: number }
  /** As it was asked for; `null`: from the beginning of the calendar month. */
  from: string | null
  /** `null`: until now. */
  to: string | null
}

/** One call that was made to Turso for a tenant. */
export interface TenantCall {
  step: string
  attempt: number
  at: string
  durationMs: number
  /** `interrupted`: nobody knows how it ended, and it was tried again. */
  outcome: 'done' | 'retried' | 'refused' | 'interrupted'
  detail: string | null
  /** As Turso named the request. */
  requestId: string | null
}

/** A tenant with what was done for it, and with databases that are still to be deleted. */
export interface TenantHistory extends TenantAnswer {
  timeline: TenantCall[]
  orphans: { database: string; since: string; attempts: number }[]
}

/** How a signup ended, or that it goes on by itself: then there is no token yet, and a time to ask again. */
export type SignupAnswer =
  | (TenantAnswer & {
      token: TenantToken
      /** Whether the same signup had been answered before. */
      isReplayed: boolean
    })
  | (TenantAnswer & { token: null; retryAfterMs: number })

/** What a signup asks for. Only `id` is needed: your own id of the tenant. */
export interface SignupOrder {
  /** 1 to 128 of `A-Z a-z 0-9 . _ @ : -`, beginning with a letter or a digit. */
  id: string
  name?: string | undefined
  group?: string | undefined
  /** A Turso location code. */
  location?: string | undefined
  /** One of the Worker's `TEMPLATES`, which the database begins as a copy of. */
  template?: string | undefined
  /** Any JSON object; kept and given back. */
  metadata?: Record<string, unknown> | undefined
  /** Default: for a day, with all rights. */
  token?: Omit<TokenOrder, 'permissions'> | undefined
}

export interface TokenOrder {
  /** `never`, or numbers with the units w, d, h and m: `2w1d30m`. Default `1d`. */
  expiration?: string | undefined
  /** Default `full-access`. */
  authorization?: 'full-access' | 'read-only' | undefined
  /** Tables (`*` for all), and what may be done to them. Databases on AWS know none. */
  permissions?: Readonly<Record<string, readonly TableAction[]>> | undefined
}

/** A JSON Merge Patch: what is left out stays, `null` takes away. */
export interface TenantChanges {
  name?: string | null | undefined
  metadata?: Record<string, unknown> | null | undefined
  suspended?: boolean | undefined
  /** Of a suspension. */
  reason?: string | null | undefined
}

/** What went wrong. The same words as `code` has over HTTP. */
export type TenantsErrorCode =
  | 'invalid_request'
  | 'not_found'
  | 'payload_too_large'
  | 'tenant_exists'
  | 'tenant_deleting'
  | 'tenant_suspended'
  | 'tenant_not_ready'
  | 'signup_in_progress'
  | 'signup_unfinished'
  | 'idempotency_key_reused'
  | 'upstream_refused'
  | 'upstream_unavailable'
  | 'overloaded'
  | 'configuration'
  | 'internal'

/** What all methods of {@link TenantsService} reject with. Not a class: only its properties cross the binding. */
export interface TenantsError extends Error {
  code: TenantsErrorCode
  /** To be found in the log of the Worker. */
  requestId: string
  /** When it may work, if it may. */
  retryAfterMs?: number
  /** Of `invalid_request`: each refused field. */
  errors?: { field: string; detail: string }[]
  /** Of `tenant_exists`. */
  tenant?: Tenant
  database?: TenantDatabase
}

/** Per call of a session, as in the library. An `AbortSignal` does not cross a binding. */
export type SessionCallOptions = Pick<QueryOptions, 'timeoutMs' | 'intMode' | 'readOnly'>
export type SessionBatchOptions = SessionCallOptions & Pick<BatchOptions, 'mode'>

/** What went wrong in a session: a code of the library, or of the session itself. */
export type TenantSessionErrorCode =
  | TursoErrorCode
  /** The call did not run; an open transaction is rolled back, as its `outcome` says. */
  | 'tenant_suspended'
  /** The session or its transaction was disposed: nothing of the call remains. */
  | 'session_ended'
  /** The session has as many open as it may have. */
  | 'too_many_transactions'

/**
 * What sessions reject with. Not a class: only its properties cross the binding. For a value that cannot be bound, and for
 * a wrong option, it is a `TypeError` or `RangeError` instead; for a token that the tenant cannot get any more a
 * {@link TenantsError}.
 */
export interface TenantSessionError extends Error {
  code: TenantSessionErrorCode
  /** Of `sql_error`, as are the next two. */
  sqlCode?: string
  extendedCode?: string | null
  statementIndex?: number | null
  /** Of `stream_lost`, and in an open transaction of `tenant_suspended`: what is known about the transaction. */
  outcome?: 'rolled_back' | 'unknown'
  /** What the gateway or the database answered with, in its own words. */
  status?: number
  serverMessage?: string
  /** When it may work, if it may. */
  retryAfterMs?: number | null
}

/** Statements in, rows out. What fails rejects with a {@link TenantSessionError}. */
interface SessionQueries {
  execute<Row = ObjectRow>(statement: string, args?: Args, options?: SessionCallOptions): Promise<Result<Row>>
  execute<Row = ObjectRow>(statement: StatementObject, options?: SessionCallOptions): Promise<Result<Row>>
}

/** A tenant's database, as long as its caller is there. */
export interface TenantSession extends SessionQueries {
  /** Ends the session, and rolls back what is open in it. */
  [Symbol.dispose](): void
  /** All of them take effect, or none. */
  batch<Row = ObjectRow>(
    statements: readonly Statement[],
    options?: SessionBatchOptions,
  ): Promise<Result<Row>[]>
  /**
   * At most 16 are open at once in a session. Those of all sessions count against the tenant's limit: beyond it, the first
   * statement rejects with the code `rate_limited`.
   */
  transaction(options?: TransactionOptions): Promise<TenantTransaction>
}

/**
 * An open transaction. Disposed without a commit, also because its caller has gone, it is rolled back at once; idle for 9
 * seconds, or open for 60, it is rolled back too, and the next call rejects with the code `stream_lost`.
 */
export interface TenantTransaction extends SessionQueries {
  [Symbol.dispose](): void
  /** All of them take effect, or none. */
  batch<Row = ObjectRow>(
    statements: readonly Statement[],
    options?: SessionCallOptions,
  ): Promise<Result<Row>[]>
  /** Rejects with the code `stream_lost` and an `outcome` when the transaction was lost. */
  commit(options?: Pick<SessionCallOptions, 'timeoutMs'>): Promise<void>
  rollback(options?: Pick<SessionCallOptions, 'timeoutMs'>): Promise<void>
}

export interface TenantSessionOptions {
  /** What the session may do. Default `full-access`. */
  authorization?: 'full-access' | 'read-only' | undefined
  /** How integers come back, for calls that do not say. Default `number`. */
  intMode?: IntMode | undefined
  /** Milliseconds that a call may take, if it does not say. Default 30,000. */
  timeoutMs?: number | undefined
}

/**
 * The entrypoint `Tenants` of the Worker, for Workers of the same account by a service binding. The same rules as over
 * HTTP, and no API key: who has the binding may do everything.
 *
 * @example
 * // [[services]]
 * // binding = "TENANTS"
 * // service = "turso-edge"
 * // entrypoint = "Tenants"
 * // props = { name = "my-backend" }
 * interface Env { TENANTS: TenantsService }
 * const { tenant, token } = await env.TENANTS.signup({ id: 'acme' })
 */
export interface TenantsService {
  /**
   * Signs a tenant up. With an `idempotencyKey` the same call gives the same database and a fresh token, any time later.
   *
   * @param options.waitMs after which an answer without a token will do; default, and at most, 20,000
   */
  signup(
    order: SignupOrder,
    options?: { idempotencyKey?: string | undefined; waitMs?: number | undefined },
  ): Promise<SignupAnswer>
  get(id: string): Promise<TenantHistory>
  /** Takes a signup that waits up at once, and begins one that failed anew. */
  retry(id: string): Promise<TenantAnswer>
  /** `isPending`: Turso is still to close or open the database, which goes on by itself. */
  update(id: string, changes: TenantChanges): Promise<TenantAnswer & { isPending: boolean }>
  suspend(id: string, reason?: string): Promise<TenantAnswer & { isPending: boolean }>
  resume(id: string): Promise<TenantAnswer & { isPending: boolean }>
  /** @param options.purge without the grace period: the database is deleted now, and nothing can be restored */
  delete(id: string, options?: { purge?: boolean | undefined }): Promise<TenantAnswer>
  restore(id: string): Promise<TenantAnswer>
  createToken(id: string, order?: TokenOrder): Promise<TenantToken>
  /** Ends all tokens of the database. */
  invalidateTokens(id: string): Promise<TenantAnswer>
  /** Times are ISO 8601 with an offset. */
  usage(id: string, range?: { from?: string | undefined; to?: string | undefined }): Promise<TenantUsage>
  /**
   * The tenant's database, without a token to keep. What is open in it is rolled back when it is disposed.
   *
   * @example
   * using session = await env.TENANTS.session('acme')
   * await session.execute('insert into notes (title) values (?)', ['by RPC'])
   * using transaction = await session.transaction()
   * await transaction.execute('delete from notes')
   * await transaction.commit()
   */
  session(id: string, options?: TenantSessionOptions): Promise<TenantSession>
}
