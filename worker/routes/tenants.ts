/** Tenants over HTTP: requests in, JSON out. What is done with them is in `tenants/operations.ts`. */
import { Hono, type Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { TenantAnswer } from '../../src/index.ts'
import type { AppEnvironment } from '../environment.ts'
import { parseIdempotencyKey } from '../http/idempotency.ts'
import { toJson } from '../http/json.ts'
import { MAX_REQUEST_BYTES, SIGNUP_BUDGET_MS } from '../limits.ts'
import { authenticate } from '../middleware/authenticate.ts'
import { limitBody } from '../middleware/limit-body.ts'
import { methodNotAllowed } from '../middleware/method-not-allowed.ts'
import { retryAfter } from '../http/problem.ts'
import { parseQuery, purgeQuery, usageQuery } from '../directory/queries.ts'
import type { TimelineEntry } from '../saga/state.ts'
import { parseSignup, parseTenantId, parseToken, parseUpdate } from '../http/schemas.ts'
import { signupTiming } from './server-timing.ts'
import {
  createToken,
  invalidateTokens,
  remove,
  restore,
  retrieve,
  retrieveUsage,
  retry,
  signUp,
  update,
  type Unfinished,
} from '../tenants/operations.ts'
import { readText } from './body.ts'
import { callOf } from './call.ts'

type AppContext = Context<AppEnvironment>

export const tenants = new Hono<AppEnvironment>()
  .post('/v1/tenants', authenticate('signup'), limitBody(MAX_REQUEST_BYTES), async (c) => {
    const idempotencyKey = parseIdempotencyKey(c.req.header('idempotency-key'))
    const request = parseSignup(await readText(c))
    const startedAt = Date.now()
    const onTimeline = (timeline: readonly TimelineEntry[]): void =>
      c.header('server-timing', signupTiming(timeline, startedAt, Date.now()))
    const answer = await signUp({ ...callOf(c), onTimeline }, request, { idempotencyKey, waitMs: waitMs(c) })
    if (answer.token === null) return unfinished(c, answer, request.id)
    const { isReplayed, ...created } = answer
    c.header('cache-control', 'no-store')
    c.header('location', address(request.id))
    if (isReplayed) c.header('idempotency-replayed', 'true')
    return json(c, created, 201)
  })
  .all('/v1/tenants', methodNotAllowed('GET', 'POST'))
  .get('/v1/tenants/:id', authenticate('signup'), async (c) => json(c, await retrieve(callOf(c), idOf(c))))
  .patch('/v1/tenants/:id', authenticate('admin'), limitBody(MAX_REQUEST_BYTES), async (c) => {
    const id = idOf(c)
    const { isPending, ...answer } = await update(callOf(c), id, parseUpdate(await readText(c)), waitMs(c))
    return json(c, answer, isPending ? 202 : 200)
  })
  .delete('/v1/tenants/:id', authenticate('admin'), async (c) => {
    const { purge } = parseQuery(purgeQuery, c.req.url)
    return json(c, await remove(callOf(c), idOf(c), purge === 'true'), 202)
  })
  .all('/v1/tenants/:id', methodNotAllowed('GET', 'PATCH', 'DELETE'))
  .post('/v1/tenants/:id/tokens', authenticate('signup'), limitBody(MAX_REQUEST_BYTES), async (c) => {
    const id = idOf(c)
    const answer = await createToken(callOf(c), id, parseToken(await readText(c)))
    c.header('cache-control', 'no-store')
    return json(c, answer, 201)
  })
  .delete('/v1/tenants/:id/tokens', authenticate('admin'), async (c) =>
    json(c, await invalidateTokens(callOf(c), idOf(c))),
  )
  .all('/v1/tenants/:id/tokens', methodNotAllowed('POST', 'DELETE'))
  .get('/v1/tenants/:id/usage', authenticate('admin'), async (c) => {
    const query = parseQuery(usageQuery, c.req.url)
    return json(c, await retrieveUsage(callOf(c), idOf(c), query))
  })
  .all('/v1/tenants/:id/usage', methodNotAllowed('GET'))
  .post('/v1/tenants/:id/restore', authenticate('admin'), async (c) =>
    json(c, await restore(callOf(c), idOf(c))),
  )
  .all('/v1/tenants/:id/restore', methodNotAllowed('POST'))
  .post('/v1/tenants/:id/retry', authenticate('signup'), async (c) => {
    const id = idOf(c)
    const answer = await retry(callOf(c), id, waitMs(c))
    return 'retryAfterMs' in answer ? unfinished(c, answer, id) : json(c, answer)
  })
  .all('/v1/tenants/:id/retry', methodNotAllowed('POST'))

const idOf = (c: AppContext): string => parseTenantId(c.req.param('id') ?? '')

const json = (c: AppContext, value: unknown, status: ContentfulStatusCode = 200): Response =>
  c.json(toJson(value), status)

function unfinished(c: AppContext, { tenant, database, retryAfterMs }: Unfinished, id: string): Response {
  const answer: TenantAnswer = database === undefined ? { tenant } : { tenant, database }
  return c.json(toJson(answer), 202, { location: address(id), ...retryAfter(retryAfterMs) })
}

const address = (id: string): string => `/v1/tenants/${encodeURIComponent(id)}`

/** How long the caller is ready to wait: `Prefer: wait=5` in seconds, or `respond-async` (RFC 7240). */
function waitMs(c: AppContext): number {
  const prefer = c.req.header('prefer') ?? ''
  if (/(^|[,;\s])respond-async($|[,;\s])/i.test(prefer)) return 0
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})/i.exec(prefer)?.[1]
  return seconds === undefined ? SIGNUP_BUDGET_MS : Math.min(SIGNUP_BUDGET_MS, Number(seconds) * 1000)
}
