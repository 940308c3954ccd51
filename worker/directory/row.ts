/** What the directory knows of a tenant: a projection of its record, which alone is the truth. Pure. */
import { STUCK_AFTER_MS } from '../limits.ts'
import { isAccessPending } from '../saga/access.ts'
import type { Orphan } from '../saga/state.ts'
import type { TenantRecord } from '../record/tenant.ts'

export const STATUSES = ['provisioning', 'active', 'suspended', 'failed', 'deleting'] as const

export interface DirectoryRow {
  id: string
  name: string | null
  status: (typeof STATUSES)[number]
  group: string
  location: string
  /** Its database's name, also when that is not made yet. */
  database: string
  schemaVersion: number
  createdAt: string
  orphans: Pick<Orphan, 'name' | 'since' | 'attempts' | 'retryAt'>[]
}

export function rowOf(record: TenantRecord): DirectoryRow {
  const { id, name, status, group, location, databaseName: database, schemaVersion, createdAt } = record
  const orphans = record.orphans.map(({ name, since, attempts, retryAt }) => ({
    name,
    since,
    attempts,
    retryAt,
  }))
  return { id, name, status, group, location, database, schemaVersion, createdAt, orphans }
}

/** Whether the directory must hear of a change. */
export function isNews(before: TenantRecord | undefined, after: TenantRecord | undefined): boolean {
  if (before === undefined || after === undefined) return before !== after
  // By what is pending the cron knows whom to wake.
  if (isAccessPending(before) !== isAccessPending(after)) return true
  return JSON.stringify(rowOf(before)) !== JSON.stringify(rowOf(after))
}

/** When the tenant should have changed by itself, if nothing is wrong with its object; `null`: it need not. */
export function expectedBy(record: TenantRecord, now: number): number | null {
  const times = [record.forgetAt, record.purgeAt].filter((time) => time !== null)
  const isBusy = record.status === 'provisioning' || record.orphans.length > 0
  if (isBusy || (record.status === 'deleting' && times.length === 0)) times.push(now)
  if (isAccessPending(record)) times.push(record.access.retryAt ?? now)
  return times.length === 0 ? null : Math.min(...times) + STUCK_AFTER_MS
}
