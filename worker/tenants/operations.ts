/**
 * What can be done with tenants, whoever asks: an HTTP request or a service binding. Who may has been settled before,
 * and what is asked for has been checked. All throw {@link Problem}.
 */
import type { SignupAnswer, TenantAnswer, TenantHistory, TenantToken, TenantUsage } from '../../src/index.ts'
import { readConfiguration, type Configuration } from '../configuration.ts'
import type { Caller } from '../directory/audit.ts'
import { fingerprint, sha256Hex } from '../http/idempotency.ts'
import { DEFAULT_RETRY_AFTER_MS, MAX_REQUEST_BYTES } from '../limits.ts'
import { errorText, log } from '../log.ts'
import type { Tenant } from '../objects/tenant.ts'
import { invalidRequest, Problem, retryAfter } from '../http/problem.ts'
import type { UsageQuery } from '../directory/queries.ts'
import { mayComeBack } from '../saga/access.ts'
import { describeFailure, mayPass } from '../saga/failure.ts'
import type { TimelineEntry } from '../saga/state.ts'
import type { SignupRequest, UpdateRequest } from '../http/schemas.ts'
import { endSessions } from '../session/end.ts'
import type { RemovalOutcome, RetryOutcome } from '../record/outcome.ts'
import type { SignupIntent, TenantRecord } from '../record/tenant.ts'
import { tokenExpiry } from '../turso/token-expiry.ts'
import type { TokenOptions } from '../turso/token-options.ts'
import { performerFor } from '../saga/performer.ts'
import { forgetLocation } from '../gateway/tenant-locations.ts'
import { answerOf, historyOf } from './views.ts'

/** Who asks, and where. */
export interface Call {
  env: Env
  /** Of the Worker, as the caller reaches it, if that is known. */
  origin: string | null
  caller: Caller
  /** Is told what was done for the tenant, and how long it took. */
  onTimeline?: (timeline: readonly TimelineEntry[]) => void
}

/** A signup or its retry that is not finished: it goes on by itself. */
export interface Unfinished extends TenantAnswer {
  retryAfterMs: number
}

/** @param options.waitMs after which the caller wants an answer */
export async function signUp(
  call: Call,
  request: SignupRequest,
  { idempotencyKey, waitMs }: { idempotencyKey: string | null; waitMs: number },
): Promise<SignupAnswer> {
  const intent = await toIntent(request, idempotencyKey, readConfiguration(call.env))
  const outcome = await tenant(call, request.id).signUp(intent, call.caller, waitMs)
  if ('tenant' in outcome) call.onTimeline?.(outcome.tenant.timeline)
  switch (outcome.kind) {
    case 'created':
    case 'replayed': {
      return {
        ...view(call, outcome.tenant),
        token: tokenOf(outcome),
        isReplayed: outcome.kind === 'replayed',
      }
    }
    case 'exists':
      throw new Problem(
        'tenant_exists',
        `The tenant "${request.id}" exists; send the Idempotency-Key of its signup to get a new token`,
        { members: { ...view(call, outcome.tenant) } },
      )
    case 'key_reused':
      throw new Problem('idempotency_key_reused', 'This Idempotency-Key was sent with another body before')
    case 'differs':
      throw new Problem(
        'signup_unfinished',
        'A signup of this id with another body has made a database and goes on; wait for it',
      )
    case 'unavailable':
      throw unavailable(outcome)
    case 'suspended':
      throw suspended(request.id)
    default: {
      const answer = settled(call, request.id, outcome, request)
      return { retryAfterMs: 0, ...answer, token: null }
    }
  }
}

/** @throws {Problem} `not_found` */
export async function retrieve(call: Call, id: string): Promise<TenantHistory> {
  const record = await tenant(call, id).describe()
  if (record === null) throw noTenant(id)
  return { ...view(call, record), ...historyOf(record) }
}

/** Takes a signup that waits up at once, and begins one that failed anew. */
export async function retry(call: Call, id: string, waitMs: number): Promise<TenantAnswer | Unfinished> {
  return settled(call, id, await tenant(call, id).retry(call.caller, waitMs), {})
}

/** @returns whether the database is still to be closed or opened, which goes on by itself */
export async function update(
  call: Call,
  id: string,
  request: UpdateRequest,
  waitMs: number,
): Promise<TenantAnswer & { isPending: boolean }> {
  const outcome = await tenant(call, id).update(request, call.caller, waitMs)
  forgetLocation(call.env, id)
  switch (outcome.kind) {
    case 'updated':
      return { ...view(call, outcome.tenant), isPending: outcome.isPending }
    case 'not_found':
      throw noTenant(id)
    case 'too_late':
      throw deleting(id)
    case 'too_large':
      throw new Problem('payload_too_large', `The metadata would have more than ${MAX_REQUEST_BYTES} bytes`)
  }
}

/** A token as it was asked for. It is stored nowhere. */
export async function createToken(
  call: Call,
  id: string,
  options: TokenOptions,
): Promise<{ token: TenantToken }> {
  const outcome = await tenant(call, id).createToken(options, call.caller)
  switch (outcome.kind) {
    case 'created':
    case 'replayed':
      return { token: tokenOf(outcome) }
    case 'suspended':
      throw suspended(id)
    case 'unavailable':
      throw unavailable(outcome)
    case 'refused':
      // An organisation may have databases that know tables' permissions, and others that do not.
      if (outcome.isInvalid && options.fineGrainedPermissions !== undefined)
        throw new Problem('invalid_request', outcome.detail, {
          members: { errors: [{ field: 'permissions', detail: 'was not accepted by Turso' }] },
        })
      throw new Problem('upstream_refused', outcome.detail, { members: { step: outcome.step } })
    case 'in_progress':
      throw notReady(id, 1000)
    default:
      throw absent(id, outcome)
  }
}

/** Ends all tokens of the tenant's database, and with them what its sessions may do. */
export async function invalidateTokens(call: Call, id: string): Promise<TenantAnswer> {
  const outcome = await tenant(call, id).invalidateTokens(call.caller)
  if (outcome.kind === 'invalidated') return view(call, outcome.tenant)
  if (outcome.kind !== 'failed') throw absent(id, outcome)
  const { detail, isHarmless, retryAfterMs } = outcome
  if (isHarmless && !mayPass(outcome)) throw new Problem('upstream_refused', detail)
  const extra = { headers: retryAfter(retryAfterMs ?? DEFAULT_RETRY_AFTER_MS) }
  if (isHarmless) throw new Problem('upstream_unavailable', `${detail}. No token was ended`, extra)
  throw new Problem(
    'upstream_unavailable',
    `${detail}. Whether the tokens were ended is not known. It does no harm to ask again, but ends those too that were given out since`,
    { ...extra, members: { outcome: 'unknown' } },
  )
}

/** What Turso counts of the tenant's database. */
export async function retrieveUsage(call: Call, id: string, { from, to }: UsageQuery): Promise<TenantUsage> {
  const record = await tenant(call, id).describe()
  if (record === null) throw noTenant(id)
  if (!mayComeBack(record))
    throw absent(id, { kind: record.status === 'deleting' ? 'deleting' : 'not_ready' })
  try {
    const { usage } = await performerFor(call.env).databases.usage(record.databaseName, { from, to })
    const { rowsRead, rowsWritten, storageBytes, bytesSynced = 0 } = usage
    const counts = { rowsRead, rowsWritten, storageBytes, bytesSynced }
    if (Object.values(counts).some((count) => typeof count !== 'number'))
      throw new Error('Turso has answered with something else than a usage')
    return {
      usage: counts,
      from: from ?? null,
      to: to ?? null,
    }
  } catch (error) {
    const failure = describeFailure(error)
    const { detail, retryAfterMs } = failure
    throw mayPass(failure)
      ? unavailable({ detail, retryAfterMs: retryAfterMs ?? DEFAULT_RETRY_AFTER_MS })
      : new Problem('upstream_refused', detail)
  }
}

/** @param isPurge without a grace period */
export async function remove(call: Call, id: string, isPurge: boolean): Promise<TenantAnswer> {
  const outcome = await tenant(call, id).remove(isPurge, call.caller)
  forgetLocation(call.env, id)
  if (outcome.kind === 'removed')
    await endSessions(call.env, id).catch((error: unknown) => {
      // They end with the database, or by their own limits.
      log('warn', 'sessions_not_ended', { tenant: id, detail: errorText(error) })
    })
  return removal(call, id, outcome)
}

export async function restore(call: Call, id: string): Promise<TenantAnswer> {
  return removal(call, id, await tenant(call, id).restore(call.caller))
}

const tenant = ({ env }: Call, id: string) => env.TENANTS.getByName(id) as unknown as Remote<Tenant>

/** The methods as they are written: the stub's own types take `unknown` metadata for what cannot cross. */
type Remote<T> = {
  [Name in keyof T]: T[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never
}

function view({ env, origin }: Call, record: TenantRecord): TenantAnswer {
  return answerOf(record, readConfiguration(env), origin)
}

async function toIntent(
  request: SignupRequest,
  key: string | null,
  configuration: Configuration,
): Promise<SignupIntent> {
  const { template } = request
  if (template !== undefined && !configuration.templates.includes(template))
    throw invalidRequest([{ field: 'template', detail: 'is none of the templates' }])
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

function settled(
  call: Call,
  id: string,
  outcome: RetryOutcome,
  request: Partial<SignupRequest>,
): TenantAnswer | Unfinished {
  switch (outcome.kind) {
    case 'active':
      return view(call, outcome.tenant)
    case 'accepted':
      return { ...view(call, outcome.tenant), retryAfterMs: outcome.retryAfterMs }
    case 'not_found':
      throw noTenant(id)
    case 'deleting':
      throw deleting(id)
    case 'in_progress':
      throw new Problem(
        'signup_in_progress',
        'A signup of this id is running; try again when it has answered',
        { headers: retryAfter(1000) },
      )
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

function removal(call: Call, id: string, outcome: RemovalOutcome): TenantAnswer {
  switch (outcome.kind) {
    case 'removed':
    case 'restored':
      return view(call, outcome.tenant)
    case 'not_found':
      throw noTenant(id)
    case 'too_late':
      throw deleting(id)
  }
}

function tokenOf({ jwt, authorization }: Pick<TenantToken, 'jwt' | 'authorization'>): TenantToken {
  return { jwt, authorization, expiresAt: tokenExpiry(jwt) }
}

function unavailable({
  step,
  detail,
  retryAfterMs,
}: {
  step?: string
  detail: string
  retryAfterMs: number
}): Problem {
  return new Problem('upstream_unavailable', `${detail}. Repeat the same request later`, {
    headers: retryAfter(retryAfterMs),
    members: { step },
  })
}

/** Why a tenant has no database to do something with. */
function absent(
  id: string,
  outcome: { kind: 'not_found' | 'deleting' } | { kind: 'not_ready'; retryAfterMs?: number },
): Problem {
  if (outcome.kind === 'not_ready') return notReady(id, outcome.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS)
  return outcome.kind === 'deleting' ? deleting(id) : noTenant(id)
}

const notReady = (id: string, retryAfterMs: number): Problem =>
  new Problem('tenant_not_ready', `The tenant "${id}" has no database yet, or none any more`, {
    headers: retryAfter(retryAfterMs),
  })

const noTenant = (id: string): Problem => new Problem('not_found', `There is no tenant "${id}"`)

const suspended = (id: string): Problem =>
  new Problem('tenant_suspended', `The tenant "${id}" is suspended, and gets no token until it is resumed`)

const deleting = (id: string): Problem =>
  new Problem('tenant_deleting', `The tenant "${id}" is deleted, and its database is not gone yet`)
