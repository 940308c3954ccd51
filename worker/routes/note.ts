/** For the audit: what an operator does beside the tenants' own objects. */
import type { Context } from 'hono'
import { addToAudit } from '../directory/audit-log.ts'
import { look } from '../directory/look.ts'
import type { AuditAction, Deed } from '../directory/audit.ts'
import { answerWithin } from '../deadline.ts'
import type { AppEnvironment } from '../environment.ts'
import { OBJECT_CALL_MS } from '../limits.ts'
import { callOf } from './call.ts'

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
  const call = callOf(c)
  const deed: Deed = { ...call.caller, action, outcome: 'accepted', session }
  if (tenant !== null && (await answerWithin(OBJECT_CALL_MS, c.env.TENANTS.getByName(tenant).note(deed))))
    return
  await look(call, (directory) => addToAudit(directory, deed, { tenant, database: null }))
}
