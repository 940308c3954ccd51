/** Durable Object, one per tenant: the only writer of the tenant's state. Provisioning happens here, and at most once. */
import { DurableObject } from 'cloudflare:workers'
import { isTursoError } from '../../src/index.ts'
import { readConfiguration } from '../configuration.ts'
import { databaseHttpUrl } from '../turso/database-url.ts'
import { ALARM_BUDGET_MS, DEFAULT_RETRY_AFTER_MS, MAX_REQUEST_BYTES, SIGNUP_BUDGET_MS } from '../limits.ts'
import type { Caller, Deed } from '../directory/audit.ts'
import { within } from '../deadline.ts'
import { errorText, log } from '../log.ts'
import { describeFailure, mayPass } from '../saga/failure.ts'
import { isReady, mayComeBack } from '../saga/access.ts'
import type { Performer } from '../saga/perform.ts'
import { databaseName } from '../tenant-name.ts'
import {
  outcomeOf,
  retryAfterMs,
  updateOutcome,
  type InvalidationOutcome,
  type MintingOutcome,
  type RemovalOutcome,
  type RetryOutcome,
  type SignupOutcome,
  type TenantLocation,
  type TokenOutcome,
  type UpdateOutcome,
} from '../record/outcome.ts'
import {
  admit,
  beginSignup,
  change,
  handOver,
  hasDatabase,
  hurry,
  hurryOrphans,
  isRefusal,
  orderOf,
  remove,
  restore,
  withKey,
  type SignupIntent,
  type TenantChange,
  type TenantRecord,
} from '../record/tenant.ts'
import { tokenOptions, type TokenOptions } from '../turso/token-options.ts'
import { performerFor } from '../saga/performer.ts'
import { drive } from './drive.ts'
import { createTenantStorage } from './tenant-storage.ts'

export class Tenant extends DurableObject<Env> {
  /** Requests and runs under way, at most one of each: `fetch` lets other events in between. */
  #underWay = 0
  #storage = createTenantStorage(this.ctx, this.env.DIRECTORY)

  /** The tenant as stored, `null` when there is none. Reading leaves no trace in storage. */
  describe(): TenantRecord | null {
    return this.#storage.read() ?? null
  }

  /** Where the tenant's database is, `null` until it is ready. */
  locate(): TenantLocation | null {
    const record = this.#storage.read()
    if (record?.status !== 'active') return record?.status === 'suspended' ? { kind: 'suspended' } : null
    const { databaseName: name, hostname, location } = record
    const { databaseUrlTemplate: template } = readConfiguration(this.env)
    return { kind: 'open', url: databaseHttpUrl(template, { name, hostname: hostname ?? '' }), location }
  }

  /** @param waitMs after which the caller wants an answer, however far the signup is */
  async signUp(intent: SignupIntent, caller: Caller, waitMs = SIGNUP_BUDGET_MS): Promise<SignupOutcome> {
    if (this.#underWay > 0) return { kind: 'in_progress' }
    return await this.#counted(async () => {
      // Before anything is read: nothing may come between that and the first write.
      const identity = await this.#drawIdentity(intent.request.id)
      const known = this.#storage.read()
      const admission = admit(known, intent)
      if (admission === 'exists') return { kind: 'exists', tenant: known! }
      if (isRefusal(admission)) return { kind: admission }
      const wanted = tokenOptions(intent.request.token)
      const { idempotencyKey: key } = intent
      if (admission === 'replay') return await this.#handOut(known!, wanted, 'replayed', caller)
      if (admission === 'claim') return await this.#handOut(withKey(known!, key), wanted, 'created', caller)
      const isNew = admission === 'begin'
      const record = isNew
        ? beginSignup(orderOf(intent), identity, known, Date.now())
        : hurry(withKey(known!, key), Date.now())
      // The caller's own token applies the schema, if it may: one call less.
      const performer = performerFor(this.env, wanted.authorization === 'full-access' ? wanted : undefined)
      const deed = { ...caller, action: 'signup', outcome: isNew ? 'begun' : 'resumed' } as const
      const outcome = await this.#provision(record, performer, waitMs, deed)
      if (outcome.kind !== 'active') return outcome
      if (outcome.tenant.status === 'suspended') return { kind: 'suspended' }
      const token = wanted.authorization === 'full-access' ? performer.token() : null
      return await this.#handOut(outcome.tenant, wanted, 'created', caller, token)
    })
  }

  /** Takes a signup that waits up at once, and begins one that failed anew. The token is for its caller to fetch. */
  async retry(caller: Caller, waitMs = SIGNUP_BUDGET_MS): Promise<RetryOutcome> {
    if (this.#underWay > 0) return { kind: 'in_progress' }
    const id = this.#storage.read()?.id
    if (id === undefined) return { kind: 'not_found' }
    return await this.#counted(async () => {
      const identity = await this.#drawIdentity(id)
      const known = this.#storage.read()
      if (known === undefined) return { kind: 'not_found' }
      if (isReady(known)) return { kind: 'active', tenant: known }
      if (known.status === 'deleting') return { kind: 'deleting' }
      const hasFailed = known.status === 'failed'
      const now = Date.now()
      const record = hasFailed ? beginSignup(known, identity, known, now) : hurry(known, now)
      const deed = { ...caller, action: 'retry', outcome: hasFailed ? 'begun' : 'resumed' } as const
      return await this.#provision(record, performerFor(this.env, undefined, true), waitMs, deed)
    })
  }

  /**
   * Changes what an operator may change. The intent is stored before anything is done about it, takes the place of what
   * is under way, and is what counts from then on; closing or opening the database is done now, or by alarms.
   *
   * @param waitMs after which the caller wants an answer, whether Turso has been told by then or not
   */
  async update(wanted: TenantChange, caller: Caller, waitMs = SIGNUP_BUDGET_MS): Promise<UpdateOutcome> {
    const known = this.#storage.read()
    if (known === undefined) return { kind: 'not_found' }
    const tenant = change(known, wanted, Date.now())
    if (tenant === null) return { kind: 'too_late' }
    if (tenant === known) return updateOutcome(known)
    const isTooLarge = byteLength(JSON.stringify(tenant.metadata)) > MAX_REQUEST_BYTES
    // What is there already keeps nobody from suspending the tenant.
    if (isTooLarge && wanted.metadata !== undefined) return { kind: 'too_large' }
    const { suspended } = wanted
    const action = suspended === undefined ? 'update' : suspended ? 'suspend' : 'resume'
    const deed = { ...caller, action, outcome: 'accepted' } as const
    // A signup takes its time, and nobody waits for it here.
    const budgetMs = tenant.status === 'provisioning' ? 0 : waitMs
    return updateOutcome(await this.#await(tenant, performerFor(this.env), budgetMs, deed))
  }

  /** A token for whoever may ask for it, as often as they ask. */
  async createToken(wanted: TokenOptions, caller: Caller): Promise<MintingOutcome> {
    const tenant = this.#storage.read()
    if (tenant === undefined) return { kind: 'not_found' }
    if (tenant.status === 'active') return await this.#handOut(tenant, wanted, 'created', caller)
    if (tenant.status === 'suspended' || tenant.status === 'deleting') return { kind: tenant.status }
    return { kind: 'not_ready', retryAfterMs: retryAfterMs(tenant, Date.now()) }
  }

  /** Ends all tokens of the database. Called once and never again by itself: each time cuts off whoever has got a new one. */
  async invalidateTokens(caller: Caller): Promise<InvalidationOutcome> {
    const tenant = this.#storage.read()
    if (tenant === undefined) return { kind: 'not_found' }
    if (!mayComeBack(tenant))
      return tenant.status === 'deleting'
        ? { kind: 'deleting' }
        : { kind: 'not_ready', retryAfterMs: retryAfterMs(tenant, Date.now()) }
    const note = (outcome: string): Promise<void> =>
      this.#storage.note(tenant.id, { ...caller, action: 'invalidate_tokens', outcome })
    await note('begun')
    try {
      await performerFor(this.env).databases.invalidateTokens(tenant.databaseName)
    } catch (error) {
      const failure = describeFailure(error)
      await note(failure.isHarmless ? 'refused' : 'unknown')
      return { kind: 'failed', ...failure }
    }
    await note('done')
    return { kind: 'invalidated', tenant }
  }

  /**
   * Deletes the tenant, whatever else is under way: now for everybody who asks, and its database after a grace period.
   *
   * @param isPurge the database too, as soon as can be
   */
  async remove(isPurge: boolean, caller: Caller): Promise<RemovalOutcome> {
    const known = this.#storage.read()
    if (known === undefined) return { kind: 'not_found' }
    const { deletionGraceMs } = readConfiguration(this.env)
    const tenant = remove(known, Date.now(), isPurge ? 0 : deletionGraceMs)
    // When there is next something to do, the alarm finds out.
    if (tenant !== known)
      await this.#storage.write(tenant, Date.now(), {
        ...caller,
        action: isPurge ? 'purge' : 'delete',
        outcome: 'accepted',
      })
    return { kind: 'removed', tenant }
  }

  /** Undoes a deletion as long as the grace period lasts. */
  async restore(caller: Caller): Promise<RemovalOutcome> {
    const known = this.#storage.read()
    if (known === undefined) return { kind: 'not_found' }
    const tenant = restore(known)
    if (tenant === null) return { kind: 'too_late' }
    if (tenant !== known)
      await this.#storage.write(tenant, Date.now(), { ...caller, action: 'restore', outcome: 'done' })
    return { kind: 'restored', tenant }
  }

  /** Whether this is the tenant's database, or one that it deletes. */
  has(database: string): boolean {
    return hasDatabase(this.#storage.read(), database)
  }

  /**
   * Deletes at once what may be left.
   *
   * @returns `false` when this database is not among it
   */
  async hurryOrphan(database: string, caller: Caller): Promise<boolean> {
    const known = this.#storage.read()
    const deed = { ...caller, action: 'delete_orphan', outcome: 'hurried' } as const
    if (!known?.orphans.some(({ name }) => name === database)) return false
    return await this.#storage.write(hurryOrphans(known, Date.now()), Date.now(), deed)
  }

  /**
   * For the audit: what is done to the tenant elsewhere.
   *
   * @returns `false` when there is no tenant here, and nothing is noted
   */
  async note(deed: Deed): Promise<boolean> {
    const tenant = this.#storage.read()
    if (tenant !== undefined) await this.#storage.note(tenant.id, deed)
    return tenant !== undefined
  }

  /** Tells the directory again what this is, for it to be made anew. */
  async publish(): Promise<'published' | 'empty' | 'unavailable'> {
    return await this.#storage.publish()
  }

  /**
   * For whoever finds that the tenant should have changed by itself: the alarm looks into it, and the directory is told
   * again.
   *
   * @returns `false` when there is nothing here
   */
  async wake(): Promise<boolean> {
    return await this.#storage.wake()
  }

  /**
   * Goes on with what was left: a signup that nobody waits for any more, a database to delete, a delivery to the
   * directory. May come twice.
   */
  override async alarm(): Promise<void> {
    this.#storage.alarmCame()
    if (this.#underWay > 0) return await this.#storage.comeBack()
    try {
      const record = this.#storage.read()
      if (record === undefined) await this.#storage.comeBack()
      else await this.#run(record, performerFor(this.env, undefined, true), Date.now() + ALARM_BUDGET_MS)
      await this.#storage.deliver()
    } catch (error) {
      // Cloudflare itself tries six times and then never again.
      log('error', 'alarm_failed', { tenant: this.ctx.id.name, detail: errorText(error) })
      await this.#storage.comeBack()
    }
  }

  async #provision(
    record: TenantRecord,
    performer: Performer,
    waitMs: number,
    deed: Deed,
  ): Promise<RetryOutcome> {
    return outcomeOf(await this.#await(record, performer, waitMs, deed), Date.now())
  }

  /** @returns the tenant when all is done that can be, or as it is after the wait */
  async #await(
    record: TenantRecord,
    performer: Performer,
    waitMs: number,
    deed: Deed,
  ): Promise<TenantRecord> {
    const run = this.#run(record, performer, Date.now() + waitMs, deed)
    // It goes on when its caller is gone.
    this.ctx.waitUntil(
      run.catch((error: unknown) => {
        const { requestId: request_id } = deed
        log('error', 'run_failed', { tenant: record.id, request_id, detail: errorText(error) })
      }),
    )
    return (await within(waitMs, run)) ?? this.#storage.read() ?? record
  }

  /** @param deed what it is done for: kept with the first write */
  #run(
    start: TenantRecord,
    performer: Performer,
    sleepUntil: number,
    deed?: Deed,
  ): Promise<TenantRecord | null> {
    return this.#counted(() => drive(this.#storage, start, performer, sleepUntil, deed))
  }

  async #handOut(
    tenant: TenantRecord,
    wanted: TokenOptions,
    kind: 'created' | 'replayed',
    caller: Caller,
    token: string | null = null,
  ): Promise<TokenOutcome> {
    let jwt: string
    try {
      jwt = token ?? (await performerFor(this.env).databases.createToken(tenant.databaseName, wanted))
    } catch (error) {
      const failure = describeFailure(error)
      const { detail, isInvalid, retryAfterMs } = failure
      const step = 'create_token'
      return mayPass(failure)
        ? { kind: 'unavailable', step, detail, retryAfterMs: retryAfterMs ?? DEFAULT_RETRY_AFTER_MS }
        : { kind: 'refused', step, detail, isInvalid: isInvalid || isTursoError(error, 'unsupported') }
    }
    const handedOver = handOver(this.#storage.read(), tenant)
    if (handedOver === 'suspended') return { kind: 'suspended' }
    if (handedOver === 'overtaken') return { kind: 'in_progress' }
    await this.#storage.store(handedOver, undefined, { ...caller, action: 'token', outcome: kind })
    return { kind, tenant: handedOver, jwt, authorization: wanted.authorization }
  }

  async #drawIdentity(tenantId: string): Promise<Pick<TenantRecord, 'nonce' | 'databaseName'>> {
    const nonce = crypto.randomUUID()
    const { organization } = readConfiguration(this.env)
    return { nonce, databaseName: await databaseName(tenantId, nonce, organization) }
  }

  async #counted<T>(action: () => Promise<T>): Promise<T> {
    this.#underWay += 1
    try {
      return await action()
    } finally {
      this.#underWay -= 1
    }
  }
}

const byteLength = (text: string): number => new TextEncoder().encode(text).byteLength
