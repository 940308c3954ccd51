/** What operators should hear of a tenant when a run of its saga has ended. */
import { log } from '../log.ts'
import { isAccessPending } from '../saga/access.ts'
import type { TenantRecord } from '../record/tenant.ts'

/** @param request_id of the request that it was done for, if it was */
export function report(tenant: TenantRecord, request_id: string | null = null): void {
  const { id, status, step, attempts, access, failure, orphans, timeline } = tenant
  if (status === 'failed') log('error', 'signup_failed', { tenant: id, request_id, ...failure })
  if (status === 'provisioning')
    log('warn', 'signup_waits', { tenant: id, request_id, step, attempts, detail: timeline.at(-1)?.detail })
  if (isAccessPending(tenant))
    log('warn', 'access_pending', { tenant: id, request_id, status, attempts: access.attempts })
  for (const { name, since, attempts: count } of orphans)
    log('warn', 'orphan', { tenant: id, request_id, database: name, since, attempts: count })
}
