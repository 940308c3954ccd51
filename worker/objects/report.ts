/** What operators should hear of a tenant when a run of its saga has ended. */
import { log } from '../log.ts'
import { isAccessPending } from '../saga/access.ts'
import type { TenantRecord } from '../tenant-record.ts'

export function report(tenant: TenantRecord): void {
  const { id, status, step, attempts, access, failure, orphans, timeline } = tenant
  if (status === 'failed') log('error', 'signup_failed', { tenant: id, ...failure })
  if (status === 'provisioning')
    log('warn', 'signup_waits', { tenant: id, step, attempts, detail: timeline.at(-1)?.detail })
  if (isAccessPending(tenant))
    log('warn', 'access_pending', { tenant: id, status, attempts: access.attempts })
  for (const { name, since, attempts: count } of orphans)
    log('warn', 'orphan', { tenant: id, database: name, since, attempts: count })
}
