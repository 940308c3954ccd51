/** What operators look up in the directory: tenants, counts, the audit. */
import { Hono } from 'hono'
import { listAudit } from '../directory/audit-log.ts'
import { look } from '../directory/look.ts'
import { countOrphans, listOrphans } from '../directory/orphans.ts'
import { countTenants, listTenants } from '../directory/tenants.ts'
import type { AppEnvironment } from '../environment.ts'
import { toJson } from '../http/json.ts'
import { MAX_REQUEST_BYTES } from '../limits.ts'
import { authenticate } from '../middleware/authenticate.ts'
import { limitBody } from '../middleware/limit-body.ts'
import { methodNotAllowed } from '../middleware/method-not-allowed.ts'
import { readWalk } from '../sweeper/strays.ts'
import { parseCheck, parseRebuild } from '../http/schemas.ts'
import { check, rebuild } from '../tenants/rebuild.ts'
import { ignore, removeOrphan } from '../tenants/orphans.ts'
import {
  auditQuery,
  orphanQuery,
  parseDatabaseName,
  parseQuery,
  removalQuery,
  tenantQuery,
} from '../directory/queries.ts'
import { readText } from './body.ts'
import { callOf } from './call.ts'
import { note } from './note.ts'

export const directory = new Hono<AppEnvironment>()
  .get('/v1/tenants', authenticate('admin'), async (c) => {
    const query = parseQuery(tenantQuery, c.req.url)
    return c.json(toJson(await look(callOf(c), (tables) => listTenants(tables, query))))
  })
  .get('/v1/stats', authenticate('admin'), async (c) => {
    const stats = await look(callOf(c), async (tables) => ({
      byStatus: await countTenants(tables),
      orphans: await countOrphans(tables, Date.now()),
      walk: await readWalk(tables),
    }))
    const { byStatus, orphans, walk } = stats
    const total = Object.values(byStatus).reduce((sum, count) => sum + count, 0)
    const time = (ms: number | null | undefined) => (ms ? new Date(ms).toISOString() : null)
    const sweeper = { walkStartedAt: time(walk?.startedAt), walkCompletedAt: time(walk?.completedAt) }
    return c.json(toJson({ tenants: { total, byStatus }, orphans, sweeper }))
  })
  .all('/v1/stats', methodNotAllowed('GET'))
  .get('/v1/audit', authenticate('admin'), async (c) => {
    const query = parseQuery(auditQuery, c.req.url)
    return c.json(toJson(await look(callOf(c), (tables) => listAudit(tables, query))))
  })
  .all('/v1/audit', methodNotAllowed('GET'))
  .get('/v1/orphans', authenticate('admin'), async (c) => {
    const query = parseQuery(orphanQuery, c.req.url)
    return c.json(toJson(await look(callOf(c), (tables) => listOrphans(tables, query, Date.now()))))
  })
  .all('/v1/orphans', methodNotAllowed('GET'))
  .delete('/v1/orphans/:database', authenticate('admin'), async (c) => {
    const database = parseDatabaseName(c.req.param('database'))
    const query = parseQuery(removalQuery, c.req.url)
    return c.json(toJson(await removeOrphan(callOf(c), database, query)))
  })
  .all('/v1/orphans/:database', methodNotAllowed('DELETE'))
  .post('/v1/orphans/:database/ignore', authenticate('admin'), async (c) => {
    const database = parseDatabaseName(c.req.param('database'))
    return c.json(toJson({ orphan: await ignore(callOf(c), database) }))
  })
  .all('/v1/orphans/:database/ignore', methodNotAllowed('POST'))
  .post('/v1/directory/rebuild', authenticate('admin'), limitBody(MAX_REQUEST_BYTES), async (c) => {
    const objects = parseRebuild(await readText(c))
    await note(c, 'rebuild_directory', null)
    return c.json(toJson(await rebuild(c.env, objects)))
  })
  .all('/v1/directory/rebuild', methodNotAllowed('POST'))
  .post('/v1/directory/check', authenticate('admin'), limitBody(MAX_REQUEST_BYTES), async (c) => {
    const request = parseCheck(await readText(c))
    await note(c, 'check_directory', null)
    return c.json(toJson(await check(callOf(c), request)))
  })
  .all('/v1/directory/check', methodNotAllowed('POST'))
