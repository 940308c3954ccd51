/** Durable Object, one per tenant: the only writer of the tenant's state. Provisioning happens here, and at most once. */
import { DurableObject } from 'cloudflare:workers'
import { connect, createPlatform, isTursoError, type Platform } from '../../src/index.ts'
import { readConfiguration, type Configuration } from '../configuration.ts'
import { databaseHttpUrl, locationOfHostname } from '../database-url.ts'
import {
  DEFAULT_RETRY_AFTER_MS,
  DEFAULT_TOKEN_EXPIRATION,
  MIGRATION_TOKEN_EXPIRATION,
  PLATFORM_TIMEOUT_MS,
} from '../limits.ts'
import { applyMigrations } from '../schema/migrate.ts'
import { migrations } from '../schema/migrations.generated.ts'
import { whenServed } from '../schema/when-served.ts'
import type { SignupRequest } from '../schemas.ts'
import { databaseName } from '../tenant-name.ts'
import {
  admit,
  newRecord,
  rememberKey,
  type SignupIntent,
  type SignupStep,
  type TenantRecord,
} from '../tenant-record.ts'
import { isRefusal, provesNothingWasDone } from '../upstream-errors.ts'

/** How a signup ended. A value, since errors lose their class on the way out of an object. */
export type SignupOutcome =
  | { kind: 'created' | 'replayed'; tenant: TenantRecord; jwt: string; authorization: string }
  | { kind: 'exists'; tenant: TenantRecord }
  | { kind: 'in_progress' | 'key_reused' | 'differs' }
  /** Try the same request again; what has been done so far is kept and not done twice. */
  | { kind: 'unavailable'; step: SignupStep; detail: string; retryAfterMs: number }
  /** Turso said no, `isInvalid` because of what it was sent. Nothing is left of it but what the detail names. */
  | { kind: 'refused'; step: SignupStep; detail: string; isInvalid: boolean }

export class Tenant extends DurableObject<Env> {
  /** One signup at a time: `fetch` lets other events in between. */
  #isRunning = false

  /** The tenant as stored, `null` when there is none. Reading leaves no trace in storage. */
  describe(): TenantRecord | null {
    return this.#read() ?? null
  }

  /** Where the tenant's database is, `null` until it is ready. */
  locate(): string | null {
    const record = this.#read()
    if (record?.status !== 'active') return null
    return this.#httpUrl(readConfiguration(this.env), record)
  }

  async signUp(intent: SignupIntent): Promise<SignupOutcome> {
    if (this.#isRunning) return { kind: 'in_progress' }
    const known = this.#read()
    const admission = admit(known, intent)
    if (admission === 'exists') return { kind: 'exists', tenant: known! }
    if (admission === 'key_reused' || admission === 'differs') return { kind: admission }
    this.#isRunning = true
    try {
      const record = admission === 'begin' ? await this.#begin(intent, known) : known!
      const { idempotencyKey: key } = intent
      if (key !== null) record.idempotencyKeys = rememberKey(record.idempotencyKeys, key)
      return await this.#provision(record, intent.request.token ?? {})
    } finally {
      this.#isRunning = false
    }
  }

  async #begin(intent: SignupIntent, former: TenantRecord | undefined): Promise<TenantRecord> {
    const leftovers = former === undefined ? [] : [...former.leftovers]
    // A database of the former request may still turn up.
    if (former?.mayHaveDatabase) leftovers.push(former.databaseName)
    const identity = {
      ...(await this.#drawName(intent.request.id)),
      attempts: former?.attempts ?? 0,
      leftovers,
    }
    return newRecord(intent, identity, new Date().toISOString())
  }

  async #drawName(tenantId: string): Promise<Pick<TenantRecord, 'nonce' | 'databaseName'>> {
    const nonce = crypto.randomUUID()
    const { organization } = readConfiguration(this.env)
    return { nonce, databaseName: await databaseName(tenantId, nonce, organization) }
  }

  /** Goes on from the record's step to the end. Every step is written down before it is taken, and after. */
  async #provision(record: TenantRecord, token: NonNullable<SignupRequest['token']>): Promise<SignupOutcome> {
    const configuration = readConfiguration(this.env)
    const turso = createPlatform({
      token: configuration.platformToken,
      organization: configuration.organization,
      baseUrl: configuration.apiUrl,
      timeoutMs: PLATFORM_TIMEOUT_MS,
      // A signup is taken up again as a whole, from what is written down.
      retry: false,
    })
    const authorization = token.authorization ?? 'full-access'
    const wasActive = record.status === 'active'
    if (!wasActive) record.attempts += 1
    await this.#deleteLeftovers(turso, record)
    try {
      if (record.step === 'create_database') await this.#createDatabase(turso, record)
      const jwt = await turso.databases.createToken(record.databaseName, {
        authorization,
        expiration: token.expiration ?? DEFAULT_TOKEN_EXPIRATION,
      })
      if (!wasActive) {
        this.#write(Object.assign(record, { step: 'migrate' }))
        await this.#migrate(turso, configuration, record, authorization === 'full-access' ? jwt : undefined)
      }
      return { kind: wasActive ? 'replayed' : 'created', tenant: record, jwt, authorization }
    } catch (error) {
      return await this.#failed(turso, record, error)
    }
  }

  async #createDatabase(turso: Platform, record: TenantRecord): Promise<void> {
    const { databaseName: name, group, location, mayHaveDatabase } = record
    // Until the answer is here, a crash must read as "there may be one".
    this.#write(Object.assign(record, { mayHaveDatabase: true }))
    let database
    try {
      database = await turso.databases.create(name, { group, location })
    } catch (error) {
      if (provesNothingWasDone(error)) record.mayHaveDatabase = mayHaveDatabase
      if (!isTursoError(error, 'already_exists')) throw error
      database = await turso.databases.retrieve(name).catch((reason: unknown) => {
        if (!isTursoError(reason, 'not_found')) throw reason
        // A conflict of another kind, or the database is not to be seen yet: neither is for good.
        throw new Error(`${error.message}, and yet there is no database of that name`)
      })
      // Ours only if an attempt before this one may have made it. Else two names are the same by chance: the signup is
      // refused, nothing is touched, and the next one draws another name.
      if (!mayHaveDatabase) throw error
    }
    const { id, hostname } = database
    this.#write(
      Object.assign(record, {
        step: 'create_token',
        databaseId: id,
        hostname,
        location: locationOfHostname(hostname) ?? location,
      }),
    )
  }

  async #migrate(
    turso: Platform,
    configuration: Configuration,
    record: TenantRecord,
    callersToken: string | undefined,
  ): Promise<void> {
    const authToken =
      callersToken ??
      (await turso.databases.createToken(record.databaseName, { expiration: MIGRATION_TOKEN_EXPIRATION }))
    const url = this.#httpUrl(configuration, record)
    const isFresh = record.attempts === 1
    record.schemaVersion = await whenServed((timeoutMs) =>
      applyMigrations(connect({ url, authToken, timeoutMs }), migrations, isFresh),
    )
    this.#write(Object.assign(record, { status: 'active' }))
  }

  /** Keeps what may be taken up again, and undoes what never can be. */
  async #failed(turso: Platform, record: TenantRecord, error: unknown): Promise<SignupOutcome> {
    const { step } = record
    const detail = error instanceof Error ? error.message : String(error)
    console.error({ event: 'signup_failed', tenant: record.id, step, attempts: record.attempts, detail })
    if (!isRefusal(error)) {
      if (record.status !== 'active') this.#write(record)
      const asked =
        isTursoError(error, 'rate_limited') || isTursoError(error, 'unavailable') ? error.retryAfterMs : null
      return { kind: 'unavailable', step, detail, retryAfterMs: asked ?? DEFAULT_RETRY_AFTER_MS }
    }
    const remains = record.status === 'active' ? '' : await this.#undo(turso, record)
    return {
      kind: 'refused',
      step,
      detail: detail + remains,
      isInvalid: isTursoError(error, 'invalid_request'),
    }
  }

  /**
   * Deletes the half-made database and forgets the tenant. Says so if that does not work: then the tenant has a new
   * name, since a deletion whose answer was lost may still come to pass, and must not hit what comes after it.
   */
  async #undo(turso: Platform, record: TenantRecord): Promise<string> {
    if (record.mayHaveDatabase) {
      const wasSeen = record.databaseId !== null
      const leftovers = [...record.leftovers, record.databaseName]
      const fresh = {
        step: 'create_database',
        mayHaveDatabase: false,
        databaseId: null,
        hostname: null,
      } as const
      this.#write(Object.assign(record, await this.#drawName(record.id), { leftovers }, fresh))
      await this.#deleteLeftovers(turso, record, wasSeen)
    }
    if (record.leftovers.length > 0) return '; what is left of it is deleted by the next signup of this id'
    await this.ctx.storage.deleteAll()
    return ''
  }

  /** @param isGoneFor whether "not found" means gone, and not that a creation may still be under way */
  async #deleteLeftovers(turso: Platform, record: TenantRecord, isGoneFor = true): Promise<void> {
    for (const name of record.leftovers) {
      try {
        await turso.databases.delete(name)
      } catch (error) {
        if (!isTursoError(error, 'not_found') || !isGoneFor) continue
      }
      this.#write(Object.assign(record, { leftovers: record.leftovers.filter((other) => other !== name) }))
    }
  }

  #httpUrl(configuration: Configuration, record: TenantRecord): string {
    return databaseHttpUrl(configuration.databaseUrlTemplate, {
      name: record.databaseName,
      hostname: record.hostname ?? '',
    })
  }

  #read(): TenantRecord | undefined {
    return this.ctx.storage.kv.get<TenantRecord>('tenant')
  }

  #write(record: TenantRecord): void {
    this.ctx.storage.kv.put('tenant', record)
  }
}
