/** What operators see of sessions, and do to them. */
import { Hono, type Context } from 'hono'
import { readConfiguration } from '../configuration.ts'
import { openCursor, sealCursor } from '../directory/cursor.ts'
import { listLive } from '../directory/live-tenants.ts'
import { look } from '../directory/look.ts'
import type { AppEnvironment } from '../environment.ts'
import { toJson } from '../http/json.ts'
import {
  DRAIN_FOR_SECONDS,
  DRAIN_WITHIN_SECONDS,
  MAX_REQUEST_BYTES,
  MAX_TENANTS_PER_PAGE,
} from '../limits.ts'
import { errorText, log } from '../log.ts'
import { authenticate } from '../middleware/authenticate.ts'
import { limitBody } from '../middleware/limit-body.ts'
import { methodNotAllowed } from '../middleware/method-not-allowed.ts'
import { named } from '../session/location-hint.ts'
import { Problem } from '../http/problem.ts'
import { parseQuery, sessionQuery, type SessionQuery } from '../directory/queries.ts'
import { parseDrain } from '../http/schemas.ts'
import type { Lease } from '../session/leases.ts'
import { objectOf } from '../session/objects.ts'
import type { StreamView } from '../session/view.ts'
import { readText } from './body.ts'
import { callOf } from './call.ts'
import { note } from './note.ts'

export const sessions = new Hono<AppEnvironment>()
  .get('/v1/sessions', authenticate('admin'), async (c) => {
    const query = parseQuery(sessionQuery, c.req.url)
    const { leases, next } = await listLeases(c, query)
    const views = await Promise.all(leases.map(([tenant, lease]) => viewOf(c, tenant, lease)))
    return c.json(
      toJson({
        sessions: views.filter((view) => view !== null),
        nextCursor: sealCursor('sessions', next),
      }),
    )
  })
  .all('/v1/sessions', methodNotAllowed('GET'))
  .post('/v1/sessions/drain', authenticate('admin'), limitBody(MAX_REQUEST_BYTES), async (c) => {
    const {
      tenant,
      within_seconds: within = DRAIN_WITHIN_SECONDS,
      for_seconds: howLong = DRAIN_FOR_SECONDS,
    } = parseDrain(await readText(c))
    await note(c, 'drain_sessions', tenant)
    const now = Date.now()
    const until = now + howLong * 1000
    const count = await registryOf(c, tenant).drain(now + within * 1000, until)
    return c.json(toJson({ tenant, sessions: count, until: new Date(until).toISOString() }), 202)
  })
  .all('/v1/sessions/drain', methodNotAllowed('POST'))
  .delete('/v1/sessions/:id', authenticate('admin'), async (c) => {
    const id = c.req.param('id')
    const object = objectOf(c.env, id)
    const tenant = (await object?.tenant()) ?? null
    if (object === null || tenant === null) throw noSession()
    await note(c, 'kill_session', tenant, id)
    if (!(await object.kill())) throw noSession()
    return c.json({ id, tenant, status: 'killed' })
  })
  .all('/v1/sessions/:id', methodNotAllowed('DELETE'))

const noSession = (): Problem => new Problem('not_found', 'There is no such session, or it has ended')

const registryOf = (c: Context<AppEnvironment>, tenant: string) =>
  named(c.env.TENANT_SESSIONS, tenant, readConfiguration(c.env).jurisdiction)

/** Behind every id, which is hexadecimal. */
const END = '~'

/** @returns `next`: the tenant and the id to go on behind, `null` at the end */
async function listLeases(
  c: Context<AppEnvironment>,
  { tenant: wanted, cursor, limit }: SessionQuery,
): Promise<{ leases: [tenant: string, lease: Lease][]; next: string | null }> {
  const [from = '', after = ''] = String(openCursor('sessions', cursor) ?? '').split('\n')
  const tenants =
    wanted === undefined
      ? await look(callOf(c), (directory) => listLive(directory, from, MAX_TENANTS_PER_PAGE))
      : [wanted]
  const leases: [string, Lease][] = []
  for (const tenant of tenants) {
    const room = limit - leases.length
    const found = await registryOf(c, tenant).list(tenant === from ? after : '', room + 1)
    leases.push(...found.slice(0, room).map((lease): [string, Lease] => [tenant, lease]))
    const last = leases.at(-1)
    if (found.length > room) return { leases, next: last ? `${last[0]}\n${last[1].id}` : `${tenant}\n` }
  }
  const isLastPage = wanted !== undefined || tenants.length < MAX_TENANTS_PER_PAGE
  return { leases, next: isLastPage ? null : `${tenants.at(-1)}\n${END}` }
}

/** As its object tells; a session that is not there any more has left its lease behind. */
async function viewOf(
  c: Context<AppEnvironment>,
  tenant: string,
  { id: leaseId, kind, hint }: Lease,
): Promise<Record<string, unknown> | null> {
  const [id = '', streamId] = leaseId.split('/')
  let streams: StreamView[] = []
  try {
    streams = (await objectOf(c.env, id)?.describe()) ?? []
  } catch (error) {
    // One that does not answer must not hide the others.
    const request_id = c.get('requestId')
    log('warn', 'session_not_described', { tenant, session: id, request_id, detail: errorText(error) })
  }
  const stream = streams.find((other) => streamId === undefined || other.id === streamId)
  if (stream === undefined || stream.openedAt === null) return null
  const now = Date.now()
  const { status, isInTransaction, openedAt, idleSince, requests, rows, bytes } = stream
  return {
    id,
    streamId: streamId ?? null,
    tenant,
    kind,
    locationHint: hint,
    status,
    inTransaction: isInTransaction,
    openedAt: new Date(openedAt).toISOString(),
    ageMs: now - openedAt,
    idleMs: idleSince === null ? 0 : now - idleSince,
    requests,
    rows,
    bytes,
  }
}
