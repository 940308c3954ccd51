/**
 * What the Turso Platform API answers with, exactly as it is sent, mixed casing included. The client has the same in its
 * own casing (`src/platform/types.ts`), and a test compares the two.
 *
 * Source: https://docs.turso.tech/api-reference (openapi.json), and the Turso CLI where the documentation is silent.
 */

/** How the next page is asked for: `null` on the last one. */
export interface WireCursor {
  next: string | null
}

/** Answer of `POST /v1/organizations/{org}/databases`: fewer fields than {@link WireDatabase}. */
export interface WireCreateDatabaseResponse {
  database: { DbId: string; Hostname: string; Name: string }
}

export interface WireDatabase {
  Name: string
  DbId: string
  Hostname: string
  /** The same as `Hostname`. */
  hostname?: string
  group: string
  primaryRegion: string
  regions: string[]
  type?: string
  /** The engine: `libsql` or `tursodb`. */
  database_type?: string
  version?: string
  block_reads: boolean
  block_writes: boolean
  delete_protection: boolean
  allow_attach?: boolean
  sleeping?: boolean
  archived?: boolean
  is_schema?: boolean
  schema?: string
  /** Of a database that was seeded from another one. */
  parent?: { id: string; name: string; branched_at: string } | null
}

/** A database as the routes of version 3 show it. */
export interface WireDatabaseV3 extends WireDatabase {
  group_id: string
  organization_id: string
  allow_rules_config: { allowed_ips: string[]; allowed_aws_vpc_ids: string[] }
}

/** A database that was deleted and may be restored. */
export interface WireDeletedDatabase {
  Name: string
  DbId: string
  Hostname: string
  group: string
  group_id: string
  organization_id: string
  regions: string[]
  primaryRegion: string
  delete_protection: boolean
  /** RFC 3339; `null` once it is restored. */
  deleted_at: string | null
  group_deleted_at: string | null
}

export interface WireDatabaseConfiguration {
  /** Bytes, or with a unit; empty for none. */
  size_limit: string
  allow_attach: boolean
  block_reads: boolean
  block_writes: boolean
  delete_protection: boolean
  allowed_ips: string[]
  allowed_aws_vpc_ids: string[]
}

export interface WireInstance {
  uuid: string
  name: string
  type: 'primary' | 'replica'
  region: string
  hostname: string
}

export interface WireUsageCounters {
  rows_read: number
  rows_written: number
  storage_bytes: number
  bytes_synced: number
}

export interface WireDatabaseUsage {
  uuid: string
  instances: { uuid: string; usage: WireUsageCounters }[]
  /** What the service sends. */
  usage: WireUsageCounters
  /** What the documentation shows. */
  total: WireUsageCounters
}

export interface WireUsageResponse {
  database: WireDatabaseUsage
  instances: Record<string, WireUsageCounters>
  total: WireUsageCounters
}

export interface WireStatsResponse {
  top_queries: { query: string; rows_read: number; rows_written: number }[] | null
}

export interface WireGroup {
  name: string
  uuid: string
  primary: string
  locations: string[]
  version?: string
  archived?: boolean
  delete_protection: boolean
}

export interface WireDeletedGroup {
  uuid: string
  name: string
  deleted_at: string
  /** How many databases were deleted along with it. */
  cascade_databases: number
}

export interface WireRestoreGroupResponse {
  group: WireGroup
  databases: WireDeletedDatabase[]
  /** Why a database could not be restored, by DbId. */
  failures: Record<string, string>
}

export interface WireOrganization {
  /** The key of the routes of version 3. */
  id: string
  name: string
  slug: string
  type: 'personal' | 'team'
  overages: boolean
  require_mfa: boolean
  restore_enabled: boolean
  blocked_reads: boolean
  blocked_writes: boolean
  plan_id: string
  plan_timeline: string
  platform: string
}

export interface WirePlan {
  name: string
  price: string
  prices: { value: string; timeline: string }[]
  quotas: {
    rowsRead: number
    rowsWritten: number
    databases: number
    locations: number
    storage: number
    groups: number
    bytesSynced: number
  }
}

export interface WireSubscription {
  name: string
  overages: boolean
  plan: string
  timeline: string
}

export interface WireInvoice {
  invoice_number: string
  amount_due: string
  due_date: string
  paid_at: string | null
  payment_failed_at: string | null
  invoice_pdf: string
}

export interface WireOrganizationUsage {
  uuid: string
  usage: WireUsageCounters & { databases: number; locations: number; groups: number }
  databases: WireDatabaseUsage[]
}

export type WireRole = 'owner' | 'admin' | 'member' | 'viewer'

export interface WireMember {
  username: string
  role: WireRole
  email: string
}

export interface WireInvite {
  id: number
  email: string
  role: Exclude<WireRole, 'owner'>
  created_at: string
}

export interface WireApiToken {
  name: string
  id: string
  organization?: string
  group?: string
  scopes?: string[]
  /** A day: `2026-05-21`. */
  created_at: string
}

export interface WireUser {
  username: string
  name: string
  email: string
  avatarUrl: string
  plan: string
  mfa: boolean
  has_pending_invites: boolean
}

export interface WireAuditLog {
  code: string
  message: string
  origin: string
  author: string
  created_at: string
  data: unknown
}

export interface WireAuditLogsResponse {
  audit_logs: WireAuditLog[]
  pagination: { page: number; page_size: number; total_pages: number; total_rows: number }
}

export interface WireKeySet {
  jwks_name: string
  jwks_url: string
}

/** Answer of `https://region.turso.io`. */
export interface WireClosestRegion {
  /** The code of the nearest location for a group. */
  server: string
  /** Where the request came in; not a location for a group. */
  client: string
}
