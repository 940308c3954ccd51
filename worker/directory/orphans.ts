/** Databases that may be left: of tenants, whose objects delete them, and found at Turso without a tenant that knows them. */
import { STRAY_GRACE_MS } from '../limits.ts'
import type { OrphanQuery } from './queries.ts'
import { openCursor, sealCursor } from './cursor.ts'
import { readPage } from './page.ts'

export interface OrphanRow {
  database: string
  /** `null`: nobody knows it, and nobody deletes it but an operator. */
  tenant: string | null
  foundBy: 'tenant' | 'sweeper'
  since: string
  /** Of its deletion. */
  attempts: number
  nextAttemptAt: string | null
  ignoredAt: string | null
}

type Row = {
  database: string
  tenant: string | null
  since: number
  attempts: number
  next_attempt_at: number | null
  ignored_at: number | null
}

const time = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

const toOrphan = (row: Row): OrphanRow => ({
  database: row.database,
  tenant: row.tenant,
  foundBy: row.tenant === null ? 'sweeper' : 'tenant',
  since: new Date(row.since).toISOString(),
  attempts: row.attempts,
  nextAttemptAt: time(row.next_attempt_at),
  ignoredAt: time(row.ignored_at),
})

/** What was found without a tenant is no orphan before its grace is over: the directory may be behind. */
export async function listOrphans(
  directory: D1Database,
  { ignored, cursor, limit }: OrphanQuery,
  now: number,
): Promise<{ orphans: OrphanRow[]; nextCursor: string | null }> {
  const { rows, last } = await readPage<Row>(directory, {
    sql: `select database, tenant, since, attempts, next_attempt_at, ignored_at from orphans
      where database > ? order by database`,
    args: [openCursor('orphans', cursor) ?? ''],
    key: 'database',
    order: 'asc',
    filters: [
      ['tenant is not null or since <= ?', now - STRAY_GRACE_MS],
      ['(ignored_at is not null) = ?', ignored === 'true' ? 1 : 0],
    ],
    limit,
  })
  return { orphans: rows.map(toOrphan), nextCursor: sealCursor('orphans', last) }
}

export async function findOrphan(
  directory: D1Database,
  database: string,
  now: number,
): Promise<OrphanRow | null> {
  const row = await directory
    .prepare('select * from orphans where database = ? and (tenant is not null or since <= ?)')
    .bind(database, now - STRAY_GRACE_MS)
    .first<Row>()
  return row === null ? null : toOrphan(row)
}

/** Unless it belongs to a tenant by now, or is gone. */
export async function ignoreOrphan(directory: D1Database, database: string, now: number): Promise<void> {
  await directory
    .prepare('update orphans set ignored_at = ? where database = ? and tenant is null')
    .bind(now, database)
    .run()
}

export async function dropOrphan(directory: D1Database, database: string): Promise<void> {
  await directory.prepare('delete from orphans where database = ?').bind(database).run()
}

export async function countOrphans(
  directory: D1Database,
  now: number,
): Promise<{ ofTenants: number; found: number; ignored: number }> {
  const row = await directory
    .prepare(
      `select count(tenant) as of_tenants,
        count(case when tenant is null and ignored_at is null and since <= ? then 1 end) as found,
        count(ignored_at) as ignored from orphans`,
    )
    .bind(now - STRAY_GRACE_MS)
    .first<{ of_tenants: number; found: number; ignored: number }>()
  return { ofTenants: row?.of_tenants ?? 0, found: row?.found ?? 0, ignored: row?.ignored ?? 0 }
}
