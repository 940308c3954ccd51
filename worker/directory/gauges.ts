/** What can be counted over all tenants at once, from the directory's indexes: the same cost for ten and for 100,000. */
import { STRAY_GRACE_MS } from '../limits.ts'
import type { Metric } from '../metrics.ts'
import { auditTime } from './audit.ts'
import { withTables } from './schema.ts'

/** How far back deeds are counted. */
const WINDOW_MS = 300_000

/** @throws what D1 throws */
export async function readGauges(directory: D1Database, now: number): Promise<Metric[]> {
  const statements = [
    directory.prepare('select status, tenants as n from tenant_counts'),
    directory.prepare('select count(*) as n from tenants where expected_by < ?').bind(now),
    directory
      .prepare(
        `select count(*) as n, min(since) as since from orphans
         where ignored_at is null and (tenant is not null or since <= ?)`,
      )
      .bind(now - STRAY_GRACE_MS),
    directory
      .prepare(
        'select action, outcome, sum(1 + repeats) as n from audit where id >= ? group by action, outcome',
      )
      .bind(auditTime(now - WINDOW_MS)),
  ]
  type Row = { n: number; status?: string; since?: number | null; action?: string; outcome?: string }
  const results = await withTables(directory, () => directory.batch<Row>(statements))
  const [statuses = [], overdue = [], orphans = [], deeds = []] = results.map(({ results: rows }) => rows)
  const { n: orphanCount = 0, since = null } = orphans[0] ?? {}
  return [
    {
      name: 'turso_edge_tenants',
      help: 'Tenants by status, as the directory knows them.',
      samples: statuses.map(({ status = '', n }) => ({ labels: { status }, value: n })),
    },
    {
      name: 'turso_edge_tenants_overdue',
      help: 'Tenants whose object should have done something, or said so, by now.',
      samples: [{ value: overdue[0]?.n ?? 0 }],
    },
    {
      name: 'turso_edge_orphans',
      help: 'Databases that belong to no tenant any more and are not deleted yet.',
      samples: [{ value: orphanCount }],
    },
    {
      name: 'turso_edge_oldest_orphan_seconds',
      help: 'Age of the oldest of them.',
      samples: [{ value: since === null ? 0 : Math.max(0, now - since) / 1000 }],
    },
    {
      name: 'turso_edge_deeds_last_5m',
      help: 'What was done to tenants in the last five minutes, by action and outcome, from the audit.',
      samples: deeds.map(({ action = '', outcome = '', n }) => ({ labels: { action, outcome }, value: n })),
    },
  ]
}
