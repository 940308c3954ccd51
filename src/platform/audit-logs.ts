/** What was done in an organization, and by whom. */
import type { PlatformCallOptions } from './call.ts'
import type { Endpoints } from './endpoint.ts'
import type { Listing } from './pages.ts'
import type { AuditLog } from './types.ts'

export interface AuditLogs {
  /**
   * `GET /v1/organizations/{organization}/audit-logs`, the latest first, in pages of `pageSize`. New entries move the pages
   * of a walk that is under way, so an entry may come twice. The Scaler plan or a higher one: others get {@link HttpError}
   * `plan_limit`. What it throws else is said at {@link createPlatform}.
   */
  list(options?: { pageSize?: number | undefined } & PlatformCallOptions): Listing<AuditLog>
}

export const auditLogs: Endpoints<AuditLogs> = {
  list: {
    route: 'GET /v1/organizations/:organization/audit-logs',
    list: 'page',
    answer: 'audit_logs',
    fields: 'code',
  },
}
