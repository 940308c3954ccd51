/** Sign a tenant up, read it, and try a signup again. */
import { Hono, type Context } from 'hono'
import { readConfiguration, type Configuration } from '../configuration.ts'
import { databaseHttpUrl, databaseLibsqlUrl } from '../database-url.ts'
import type { AppEnvironment } from '../environment.ts'
import { fingerprint, parseIdempotencyKey, sha256Hex } from '../idempotency.ts'
import { MAX_REQUEST_BYTES, SIGNUP_BUDGET_MS } from '../limits.ts'
import { authenticate } from '../middleware/authenticate.ts'
import { limitBody } from '../middleware/limit-body.ts'
import { methodNotAllowed } from '../middleware/method-not-allowed.ts'
import type { RemovalOutcome, RetryOutcome, SignupOutcome } from '../objects/tenant.ts'
import { Problem, retryAfter } from '../problem.ts'
import { parseSignup, parseTenantId, type SignupRequest } from '../schemas.ts'
import { historyView, tenantView, type SignupIntent, type TenantRecord } from '../tenant-record.ts'
import { tokenExpiry } from '../token-expiry.ts'

export const tenants = new Hono<AppEnvironment>()
  .post('/v1/tenants', authenticate('signup'), limitBody(MAX_REQUEST_BYTES), async (c) => {
    const configuration = readConfiguration(c.env)
    const key = parseIdempotencyKey(c.req.header('idempotency-key'))
    const request = parseSignup(await c.req.text())
    const intent = await toIntent(request, key, configuration)
    const outcome: SignupOutcome = await c.env.TENANTS.getByName(request.id).signUp(intent, waitMs(c))
    return respond(c, outcome, request.id, request, configuration)
  })
  .all('/v1/tenants', methodNotAllowed('POST'))
  .get('/v1/tenants/:id', authenticate('signup'), async (c) => {
    const id = parseTenantId(c.req.param('id'))
    const record: TenantRecord | null = await c.env.TENANTS.getByName(id).describe()
    if (record === null) throw noTenant(id)
    return c.json({ ...publicView(c, record, readConfiguration(c.env)), ...historyView(record) })
  })
  .delete('/v1/tenants/:id', authenticate('admin'), async (c) => {
    const id = parseTenantId(c.req.param('id'))
    return respondToRemoval(c, id, await c.env.TENANTS.getByName(id).remove())
  })
  .all('/v1/tenants/:id', methodNotAllowed('GET', 'DELETE'))
  .post('/v1/tenants/:id/restore', authenticate('admin'), async (c) => {
    const id = parseTenantId(c.req.param('id'))
    return respondToRemoval(c, id, await c.env.TENANTS.getByName(id).restore())
  })
  .all('/v1/tenants/:id/restore', methodNotAllowed('POST'))
  .post('/v1/tenants/:id/retry', authenticate('signup'), async (c) => {
    const id = parseTenantId(c.req.param('id'))
    const outcome: RetryOutcome = await c.env.TENANTS.getByName(id).retry(waitMs(c))
    return respond(c, outcome, id, {}, readConfiguration(c.env))
  })
  .all('/v1/tenants/:id/retry', methodNotAllowed('POST'))

function respondToRemoval(c: Context<AppEnvironment>, id: string, outcome: RemovalOutcome): Response {
  switch (outcome.kind) {
    case 'removed':
    case 'restored':
      return c.json(
        publicView(c, outcome.tenant, readConfiguration(c.env)),
        outcome.kind === 'removed' ? 202 : 200,
      )
    case 'not_found':
      throw noTenant(id)
    case 'too_late':
      throw deleting(id)
  }
}

const noTenant = (id: string): Problem => new Problem('not_found', `There is no tenant "${id}"`)

const deleting = (id: string): Problem =>
  new Problem('tenant_deleting', `The tenant "${id}" is deleted, and its database is not gone yet`)

/** How long the caller is ready to wait: `Prefer: wait=5` in seconds, or `respond-async` (RFC 7240). */
function waitMs(c: Context<AppEnvironment>): number {
  const prefer = c.req.header('prefer') ?? ''
  if (/(^|[,;\s])respond-async($|[,;\s])/i.test(prefer)) return 0
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})/i.exec(prefer)?.[1]
  return seconds === undefined ? SIGNUP_BUDGET_MS : Math.min(SIGNUP_BUDGET_MS, Number(seconds) * 1000)
}

async function toIntent(
  request: SignupRequest,
  key: string | null,
  configuration: Configuration,
): Promise<SignupIntent> {
  const location = request.location ?? configuration.location
  return {
    request,
    location,
    group: request.group ?? groupFor(location, configuration),
    fingerprint: await fingerprint(request),
    idempotencyKey: key === null ? null : await sha256Hex(key),
  }
}

/** A database lives where its group does, so a location other than the default's needs a group of its own. */
function groupFor(location: string, configuration: Configuration): string {
  return location === configuration.location ? configuration.group : `${configuration.group}-${location}`
}

function respond(
  c: Context<AppEnvironment>,
  outcome: SignupOutcome,
  id: string,
  request: Partial<SignupRequest>,
  configuration: Configuration,
): Response {
  switch (outcome.kind) {
    case 'created':
    case 'replayed': {
      const { tenant, jwt, authorization } = outcome
      c.header('cache-control', 'no-store')
      c.header('location', address(id))
      if (outcome.kind === 'replayed') c.header('idempotency-replayed', 'true')
      return c.json(
        {
          ...publicView(c, tenant, configuration),
          token: { jwt, authorization, expires_at: tokenExpiry(jwt) },
        },
        201,
      )
    }
    case 'active':
      return c.json(publicView(c, outcome.tenant, configuration))
    case 'accepted':
      return c.json(publicView(c, outcome.tenant, configuration), 202, {
        location: address(id),
        ...retryAfter(outcome.retryAfterMs),
      })
    case 'not_found':
      throw noTenant(id)
    case 'deleting':
      throw deleting(id)
    case 'exists':
      throw new Problem(
        'tenant_exists',
        `The tenant "${outcome.tenant.id}" exists; send the Idempotency-Key of its signup to get a new token`,
        {
          members: publicView(c, outcome.tenant, configuration),
        },
      )
    case 'in_progress':
      throw new Problem(
        'signup_in_progress',
        'A signup of this id is running; try again when it has answered',
        {
          headers: retryAfter(1000),
        },
      )
    case 'key_reused':
      throw new Problem('idempotency_key_reused', 'This Idempotency-Key was sent with another body before')
    case 'differs':
      throw new Problem(
        'signup_unfinished',
        'A signup of this id with another body has made a database and goes on; wait for it',
      )
    case 'unavailable':
      throw new Problem('upstream_unavailable', `${outcome.detail}. Repeat the same request later`, {
        headers: retryAfter(outcome.retryAfterMs),
        members: { step: outcome.step },
      })
    case 'refused': {
      const { step, detail, isInvalid } = outcome
      // Only what the request asked for can be its fault; the rest is the operator's configuration.
      const errors = (['group', 'location'] as const)
        .filter((field) => step === 'create_database' && isInvalid && request[field] !== undefined)
        .map((field) => ({ field, detail: 'was not accepted by Turso' }))
      if (errors.length === 0) throw new Problem('upstream_refused', detail, { members: { step } })
      throw new Problem('invalid_request', detail, { members: { step, errors } })
    }
  }
}

const address = (id: string): string => `/v1/tenants/${encodeURIComponent(id)}`

/** Tenant and database as the API shows them; never a token. */
function publicView(
  c: Context<AppEnvironment>,
  record: TenantRecord,
  configuration: Configuration,
): Record<string, unknown> {
  const tenant = tenantView(record)
  if (record.hostname === null) return { tenant }
  const { databaseName: name, hostname } = record
  const httpUrl = databaseHttpUrl(configuration.databaseUrlTemplate, { name, hostname })
  return {
    tenant,
    database: {
      name,
      hostname,
      url: databaseLibsqlUrl(httpUrl),
      http_url: httpUrl,
      gateway_url: `${new URL(c.req.url).origin}/t/${encodeURIComponent(record.id)}/`,
    },
  }
}
