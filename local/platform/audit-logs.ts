/**
 * What was done in an organization. Where Turso documents no code for something, the code is one of our own:
 * db-configure, db-token-rotate, group-rename, org-invite-create and the like.
 */
import { AUDIT_LOG_PAGE_SIZE, MAX_AUDIT_LOG_PAGE_SIZE } from '../limits.ts'
import { route, type Call, type Route } from './call.ts'
import { queryNumber } from './fields.ts'
import { toWireTime } from './lookup.ts'
import { requireScalerPlan } from './plans.ts'
import type { WireAuditLogsResponse } from './wire.ts'

export const auditLogRoutes: Route[] = [
  route('GET', '/v1/organizations/:organization/audit-logs', 'organization', listAuditLogs),
]

function listAuditLogs(call: Call): WireAuditLogsResponse {
  requireScalerPlan(call, 'Audit logs')
  const { catalogue, organization, query } = call
  const page = queryNumber(query, 'page', { min: 1, max: 1_000_000, otherwise: 1 })
  const size = queryNumber(query, 'page_size', {
    min: 1,
    max: MAX_AUDIT_LOG_PAGE_SIZE,
    otherwise: AUDIT_LOG_PAGE_SIZE,
  })
  const total = catalogue.auditLogs.count(organization.id)
  return {
    audit_logs: catalogue.auditLogs
      .list(organization.id, (page - 1) * size, size)
      .map(({ createdAtMs, ...log }) => ({ ...log, created_at: toWireTime(createdAtMs) })),
    pagination: { page, page_size: size, total_pages: Math.ceil(total / size), total_rows: total },
  }
}
