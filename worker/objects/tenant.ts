/** Durable Object, one per tenant: the only writer of the tenant's state. Provisioning happens here, and at most once. */
import { DurableObject } from 'cloudflare:workers'
import { readConfiguration } from '../configuration.ts'
import { databaseHttpUrl } from '../database-url.ts'
import {
  ALARM_BUDGET_MS,
  DEFAULT_RETRY_AFTER_MS,
  DEFAULT_TOKEN_EXPIRATION,
  SIGNUP_BUDGET_MS,
  WATCHDOG_MS,
} from '../limits.ts'
import { createGate } from '../gate.ts'
import { errorText, log } from '../log.ts'
import { describeFailure } from '../saga/failure.ts'
import { createPerformer, type Performer, type TokenOptions } from '../saga/perform.ts'
import { isOvertaken, runSaga, type Command, type Reply } from '../saga/run.ts'
import type { SignupStep } from '../saga/state.ts'
import type { SignupRequest } from '../schemas.ts'
import { readRecord, type FirstTenantRecord } from '../stored-record.ts'
import { databaseName } from '../tenant-name.ts'
import {
  admit,
  beginSignup,
  handOver,
  hurry,
  orderOf,
  remove,
  restore,
  withKey,
  type SignupIntent,
  type TenantRecord,
} from '../tenant-record.ts'

/** How a signup ended, or where it stands. A value, since errors lose their class on the way out of an object. */
export type SignupOutcome =
  | {
      kind: 'created' | 'replayed'
      tenant: TenantRecord
      jwt: string
      authorization: TokenOptions['authorization']
    }
  | RetryOutcome
  | { kind: 'exists'; tenant: TenantRecord }
  | { kind: 'key_reused' | 'differs' }
  /** The tenant is there and its token is not: try the same request again. */
  | { kind: 'unavailable'; step: SignupStep; detail: string; retryAfterMs: number }

export type RemovalOutcome =
  | { kind: 'removed' | 'restored'; tenant: TenantRecord }
  | { kind: 'not_found' | 'too_late' }

export type RetryOutcome =
  /** It goes on by itself. */
  | { kind: 'accepted'; tenant: TenantRecord; retryAfterMs: number }
  | { kind: 'active'; tenant: TenantRecord }
  | { kind: 'in_progress' }
  | { kind: 'not_found' }
  /** It is deleted, or was in the middle of it. */
  | { kind: 'deleting' }
  /** Turso said no, `isInvalid` because of what it was sent. Nothing is left of it but what the detail names. */
  | { kind: 'refused'; step: SignupStep; detail: string; isInvalid: boolean }

export class Tenant extends DurableObject<Env> {
  /** Requests and runs under way, at most one of each: `fetch` lets other events in between. */
  #underWay = 0
  /** When the alarm goes off, if this instance has set it. */
  #alarmAt: number | null = null

  /** The tenant as stored, `null` when there is none. Reading leaves no trace in storage. */
  describe(): TenantRecord | null {
    return this.#read() ?? null
  }

  /** Where the tenant's database is, `null` until it is ready. */
  locate(): string | null {
    const record = this.#read()
    if (record?.status !== 'active') return null
    return databaseHttpUrl(readConfiguration(this.env).databaseUrlTemplate, {
      name: record.databaseName,
      hostname: record.hostname ?? '',
    })
  }

  /** @param waitMs after which the caller wants an answer, however far the signup is */
  async signUp(intent: SignupIntent, waitMs: number = SIGNUP_BUDGET_MS): Promise<SignupOutcome> {
    if (this.#underWay > 0) return { kind: 'in_progress' }
    return await this.#counted(async () => {
      // Before anything is read: nothing may come between that and the first write.
      const identity = await this.#drawIdentity(intent.request.id)
      const known = this.#read()
      const admission = admit(known, intent)
      if (admission === 'exists') return { kind: 'exists', tenant: known! }
      if (admission === 'key_reused' || admission === 'differs' || admission === 'deleting')
        return { kind: admission }
      const wanted = tokenOptions(intent.request)
      const { idempotencyKey: key } = intent
      if (admission === 'replay') return await this.#handOut(known!, wanted, 'replayed')
      if (admission === 'claim') return await this.#handOut(withKey(known!, key), wanted, 'created')
      const record =
        admission === 'begin'
          ? beginSignup(orderOf(intent), identity, known, Date.now())
          : hurry(withKey(known!, key), Date.now())
      // The caller's own token applies the schema, if it may: one call less.
      const performer = this.#performer(wanted.authorization === 'full-access' ? wanted : undefined)
      const outcome = await this.#provision(record, performer, waitMs)
      if (outcome.kind !== 'active') return outcome
      const token = wanted.authorization === 'full-access' ? performer.token() : null
      return await this.#handOut(outcome.tenant, wanted, 'created', token)
    })
  }

  /** Takes a signup that waits up at once, and begins one that failed anew. The token is for its caller to fetch. */
  async retry(waitMs: number = SIGNUP_BUDGET_MS): Promise<RetryOutcome> {
    if (this.#underWay > 0) return { kind: 'in_progress' }
    const id = this.#read()?.id
    if (id === undefined) return { kind: 'not_found' }
    return await this.#counted(async () => {
      const identity = await this.#drawIdentity(id)
      const known = this.#read()
      if (known === undefined) return { kind: 'not_found' }
      if (known.status === 'active') return { kind: 'active', tenant: known }
      if (known.status === 'deleting') return { kind: 'deleting' }
      const record =
        known.status === 'failed' ? beginSignup(known, identity, known, Date.now()) : hurry(known, Date.now())
      return await this.#provision(record, this.#performer(undefined, true), waitMs)
    })
  }

  /** Deletes the tenant, whatever else is under way: now for everybody who asks, and its database after a grace period. */
  async remove(): Promise<RemovalOutcome> {
    const known = this.#read()
    if (known === undefined) return { kind: 'not_found' }
    const tenant = remove(known, Date.now())
    // When there is next something to do, the alarm finds out.
    if (tenant !== known) await this.#write(tenant, Date.now())
    return { kind: 'removed', tenant }
  }

  /** Undoes a deletion as long as the grace period lasts. */
  async restore(): Promise<RemovalOutcome> {
    const known = this.#read()
    if (known === undefined) return { kind: 'not_found' }
    const tenant = restore(known)
    if (tenant === null) return { kind: 'too_late' }
    if (tenant !== known) await this.#write(tenant, Date.now())
    return { kind: 'restored', tenant }
  }

  /** Goes on with what was left: a signup that nobody waits for any more, or a database to delete. May come twice. */
  override async alarm(): Promise<void> {
    this.#alarmAt = null
    if (this.#underWay > 0) return await this.#setAlarm(Date.now() + WATCHDOG_MS)
    try {
      const record = this.#read()
      if (record === undefined) return
      await this.#run(record, this.#performer(undefined, true), Date.now() + ALARM_BUDGET_MS)
    } catch (error) {
      // Cloudflare itself tries six times and then never again.
      log('error', 'alarm_failed', { tenant: this.ctx.id.name, detail: errorText(error) })
      await this.#setAlarm(Date.now() + WATCHDOG_MS)
    }
  }

  async #provision(record: TenantRecord, performer: Performer, waitMs: number): Promise<RetryOutcome> {
    const run = this.#run(record, performer, Date.now() + waitMs)
    // It goes on when its caller is gone.
    this.ctx.waitUntil(
      run.catch((error: unknown) => {
        log('error', 'run_failed', { tenant: record.id, detail: errorText(error) })
      }),
    )
    return outcomeOf((await within(waitMs, run)) ?? this.#read() ?? record)
  }

  async #run(start: TenantRecord, performer: Performer, sleepUntil: number): Promise<TenantRecord | null> {
    return await this.#counted(async () => {
      const commands = runSaga(start, Date.now(), sleepUntil)
      let next = commands.next()
      while (next.done !== true) {
        const reply = await this.#carryOut(next.value, performer)
        // What is stored is of whoever has overtaken this run.
        if (reply === null) return this.#read() ?? null
        next = commands.next({ now: Date.now(), random: Math.random(), ...reply })
      }
      if (next.value !== null) report(next.value)
      return next.value
    })
  }

  async #carryOut(
    command: Command<TenantRecord>,
    performer: Performer,
  ): Promise<Pick<Reply, 'result'> | null> {
    switch (command.kind) {
      case 'write':
        return (await this.#write(command.state, command.alarmAt, command.isFirst)) ? {} : null
      case 'forget':
        if (isOvertaken(this.#read(), command.state)) return null
        this.#alarmAt = null
        await this.ctx.storage.deleteAll()
        return {}
      case 'sleep':
        await scheduler.wait(command.ms)
        return {}
      case 'perform':
        return { result: await performer.perform(command.effect) }
    }
  }

  async #handOut(
    tenant: TenantRecord,
    wanted: TokenOptions,
    kind: 'created' | 'replayed',
    token: string | null = null,
  ): Promise<SignupOutcome> {
    let jwt: string
    try {
      jwt = token ?? (await this.#performer().turso.databases.createToken(tenant.databaseName, wanted))
    } catch (error) {
      const { reason, detail, isInvalid, retryAfterMs } = describeFailure(error)
      const step = 'create_token'
      return reason === 'unavailable'
        ? { kind: 'unavailable', step, detail, retryAfterMs: retryAfterMs ?? DEFAULT_RETRY_AFTER_MS }
        : { kind: 'refused', step, detail, isInvalid }
    }
    if (!tenant.isHandedOut) {
      const handedOver = handOver(this.#read(), tenant)
      if (handedOver === null) return { kind: 'in_progress' }
      this.ctx.storage.kv.put('tenant', handedOver)
    }
    return { kind, tenant, jwt, authorization: wanted.authorization }
  }

  async #drawIdentity(tenantId: string): Promise<Pick<TenantRecord, 'nonce' | 'databaseName'>> {
    const nonce = crypto.randomUUID()
    const { organization } = readConfiguration(this.env)
    return { nonce, databaseName: await databaseName(tenantId, nonce, organization) }
  }

  #performer(tokenOptions?: TokenOptions, isRetry = false): Performer {
    const configuration = readConfiguration(this.env)
    const upstream = this.env.UPSTREAM.getByName(configuration.organization)
    return createPerformer(configuration, (fetch) => createGate(upstream, fetch, isRetry), tokenOptions)
  }

  async #counted<T>(action: () => Promise<T>): Promise<T> {
    this.#underWay += 1
    try {
      return await action()
    } finally {
      this.#underWay -= 1
    }
  }

  #read(): TenantRecord | undefined {
    const stored = this.ctx.storage.kv.get<TenantRecord | FirstTenantRecord>('tenant')
    return stored === undefined ? undefined : readRecord(stored)
  }

  /**
   * Nothing is awaited in between, so both are stored or neither; and the next call leaves only when they are.
   *
   * @returns `false` if the record is of a run that was overtaken: then nothing is stored
   */
  async #write(record: TenantRecord, alarmAt: number | null, isFirst = false): Promise<boolean> {
    if (isOvertaken(this.#read(), record, isFirst)) return false
    this.ctx.storage.kv.put('tenant', record)
    await this.#setAlarm(alarmAt)
    return true
  }

  async #setAlarm(at: number | null): Promise<void> {
    const former = this.#alarmAt
    // A little early does no harm, and each change is a row written.
    if (at !== null && former !== null && former <= at && at - former < WATCHDOG_MS / 2) return
    this.#alarmAt = at
    await (at === null ? this.ctx.storage.deleteAlarm() : this.ctx.storage.setAlarm(at))
  }
}

function tokenOptions({ token }: SignupRequest): TokenOptions {
  return {
    authorization: token?.authorization ?? 'full-access',
    expiration: token?.expiration ?? DEFAULT_TOKEN_EXPIRATION,
  }
}

function outcomeOf(tenant: TenantRecord): RetryOutcome {
  if (tenant.status === 'active') return { kind: 'active', tenant }
  if (tenant.status === 'deleting') return { kind: 'deleting' }
  if (tenant.failure === null) {
    const retryAfterMs =
      tenant.retryAt === null ? DEFAULT_RETRY_AFTER_MS : Math.max(0, tenant.retryAt - Date.now())
    return { kind: 'accepted', tenant, retryAfterMs }
  }
  const remains = tenant.orphans.length === 0 ? '' : '; what may be left of it is deleted as soon as possible'
  return { kind: 'refused', ...tenant.failure, detail: tenant.failure.detail + remains }
}

function report({ id, status, step, attempts, failure, orphans, timeline }: TenantRecord): void {
  if (status === 'failed') log('error', 'signup_failed', { tenant: id, ...failure })
  if (status === 'provisioning')
    log('warn', 'signup_waits', { tenant: id, step, attempts, detail: timeline.at(-1)?.detail })
  for (const { name, since, attempts: count } of orphans)
    log('warn', 'orphan', { tenant: id, database: name, since, attempts: count })
}

/** @returns `undefined` when the work is not done by then. It goes on, and so does nothing of the timer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | null = null
  const time = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([work, time])
  } finally {
    clearTimeout(timer)
  }
}
