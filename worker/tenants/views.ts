/** A tenant's record as its callers see it; never a token. Pure. */
import type { Tenant, TenantAnswer, TenantHistory } from '../../src/index.ts'
import type { Configuration } from '../configuration.ts'
import { databaseHttpUrl, databaseLibsqlUrl } from '../turso/database-url.ts'
import type { TenantRecord } from '../record/tenant.ts'

/** @param origin of the Worker, as its callers reach it, if that is known */
export function answerOf(
  record: TenantRecord,
  { databaseUrlTemplate }: Configuration,
  origin: string | null,
): TenantAnswer {
  const tenant = tenantOf(record)
  if (record.hostname === null) return { tenant }
  const { databaseName: name, hostname } = record
  const httpUrl = databaseHttpUrl(databaseUrlTemplate, { name, hostname })
  return {
    tenant,
    database: {
      name,
      hostname,
      url: databaseLibsqlUrl(httpUrl),
      httpUrl,
      gatewayUrl: origin === null ? null : `${origin}/t/${encodeURIComponent(record.id)}/`,
    },
  }
}

function tenantOf(record: TenantRecord): Tenant {
  const { id, name, status, step, attempts, purgeAt, failure, suspension, access, location, group } = record
  return {
    id,
    name,
    status,
    ...(status === 'provisioning' ? { step, attempts } : {}),
    ...(status === 'deleting' && purgeAt !== null ? { deleteAt: new Date(purgeAt).toISOString() } : {}),
    ...(suspension === null ? {} : { suspension: { ...suspension, isDatabaseBlocked: access.isBlocked } }),
    ...(failure === null ? {} : { failure: { step: failure.step, detail: failure.detail } }),
    location,
    group,
    ...(record.template === null ? {} : { template: record.template }),
    schemaVersion: record.schemaVersion,
    createdAt: record.createdAt,
    metadata: record.metadata,
  }
}

/** What only those who look into a tenant want to know: what was done, and what is left to delete. */
export function historyOf({ timeline, orphans }: TenantRecord): Pick<TenantHistory, 'timeline' | 'orphans'> {
  return {
    timeline: timeline.map(({ duration_ms: durationMs, request_id: requestId, ...entry }) => ({
      ...entry,
      durationMs,
      requestId,
    })),
    orphans: orphans.map(({ name, since, attempts }) => ({
      database: name,
      since: new Date(since).toISOString(),
      attempts,
    })),
  }
}
