/** The tenants of the Worker as its service binding gives them, and as its HTTP interface does in snake_case. Types only. */

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
  /** `https://…/t/<tenant>/`: the same database by way of the Worker. */
  gatewayUrl: string
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
