/** What operators look up in the directory: tenants, counts, the audit. */
import { Hono, type Context } from 'hono'
import { listAudit } from '../directory/audit-log.ts'
import { withTables } from '../directory/schema.ts'
import { countTenants, listTenants } from '../directory/tenants.ts'
import type { AppEnvironment } from '../environment.ts'
import { toJson } from '../json.ts'
import { DEFAULT_RETRY_AFTER_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'
import { authenticate } from '../middleware/authenticate.ts'
import { methodNotAllowed } from '../middleware/method-not-allowed.ts'
import { Problem, retryAfter } from '../problem.ts'
import { auditQuery, parseQuery, tenantQuery } from '../queries.ts'

export const directory = new Hono<AppEnvironment>()
  .get('/v1/tenants', authenticate('admin'), async (c) => {
    const query = parseQuery(tenantQuery, c.req.url)
    return c.json(toJson(await look(c, (tables) => listTenants(tables, query))))
  })
  .get('/v1/stats', authenticate('admin'), async (c) => {
    const byStatus = await look(c, countTenants)
    const total = Object.values(byStatus).reduce((sum, count) => sum + count, 0)
    return c.json(toJson({ tenants: { total, byStatus } }))
  })
  .all('/v1/stats', methodNotAllowed('GET'))
  .get('/v1/audit', authenticate('admin'), async (c) => {
    const query = parseQuery(auditQuery, c.req.url)
    return c.json(toJson(await look(c, (tables) => listAudit(tables, query))))
  })
  .all('/v1/audit', methodNotAllowed('GET'))

/** @throws {Problem} `directory_unavailable`: nothing but what looks into the directory needs it */
async function look<T>(
  c: Context<AppEnvironment>,
  action: (directory: D1Database) => Promise<T>,
): Promise<T> {
  try {
    return await withTables(c.env.DIRECTORY, () => action(c.env.DIRECTORY))
  } catch (error) {
    if (error instanceof Problem) throw error
    log('error', 'directory_unavailable', { request_id: c.get('requestId'), detail: errorText(error) })
    throw new Problem('directory_unavailable', 'The directory cannot be read; tenants are not affected', {
      headers: retryAfter(DEFAULT_RETRY_AFTER_MS),
    })
  }
}
