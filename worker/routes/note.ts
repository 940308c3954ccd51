/** For the audit: what an operator does beside the tenants' own objects. */
import type { Context } from 'hono'
import { addToAudit } from '../directory/audit-log.ts'
import type { AuditAction, Deed } from '../directory/audit.ts'
import type { AppEnvironment } from '../environment.ts'
import { callOf } from './call.ts'
import { look } from './look.ts'

/**
 * To be called before the deed: what was done without a row would have been done by nobody. The tenant's object keeps it
 * for as long as the directory is away.
 *
 * @throws {Problem} `directory_unavailable` if there is no such object
 */
export async function note(
  c: Context<AppEnvironment>,
  action: AuditAction,
  tenant: string | null,
  session?: string,
): Promise<void> {
  const deed: Deed = { ...callOf(c).caller, action, outcome: 'accepted', session }
  if (tenant !== null && (await c.env.TENANTS.getByName(tenant).note(deed))) return
  await look(c, (directory) => addToAudit(directory, deed, { tenant, database: null }))
}
