/** Durable Object, one per tenant: the only writer of the tenant's state. Provisioning happens here, and at most once. */
import { DurableObject } from 'cloudflare:workers'
import { connect, createPlatform, isTursoError, TimeoutError, type Platform } from '../../src/index.ts'
import { readConfiguration, type Configuration } from '../configuration.ts'
import { databaseHttpUrl, locationOfHostname } from '../database-url.ts'
import {
  DEFAULT_RETRY_AFTER_MS,
  DEFAULT_TOKEN_EXPIRATION,
  MIGRATION_TOKEN_EXPIRATION,
  PLATFORM_TIMEOUT_MS,
  READY_BUDGET_MS,
  READY_FIRST_PAUSE_MS,
  READY_LONGEST_PAUSE_MS,
} from '../limits.ts'
import { applyMigrations } from '../schema/migrate.ts'
import { migrations } from '../schema/migrations.generated.ts'
import type { SignupRequest } from '../schemas.ts'
import { admit, newRecord, type SignupIntent, type SignupStep, type TenantRecord } from '../tenant-record.ts'

type TokenOptions = NonNullable<SignupRequest['token']>

/** How a signup ended. A value, since errors lose their class on the way out of an object. */
export type SignupOutcome =
  | { kind: 'created' | 'replayed'; tenant: TenantRecord; jwt: string; authorization: string }
  | { kind: 'exists'; tenant: TenantRecord }
  | { kind: 'in_progress' | 'key_reused' | 'differs' | 'name_taken' }
  /** Try the same request again; what has been done so far is kept and not done twice. */
  | { kind: 'unavailable'; step: SignupStep; detail: string; retryAfterMs: number }
  /** Turso said no; nothing is left of the attempt unless the detail says so. */
  | { kind: 'refused'; step: SignupStep; detail: string; isCallersFault: boolean }

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
      const record = known ?? newRecord(intent, new Date().toISOString())
      // Whoever finishes an unfinished signup is who may repeat it.
      record.idempotencyKey = intent.idempotencyKey ?? record.idempotencyKey
      return await this.#provision(record, intent.request.token ?? {})
    } finally {
      this.#isRunning = false
    }
  }

  /** Goes on from the record's step to the end. Every step is written down before it is taken, and after. */
  async #provision(record: TenantRecord, token: TokenOptions): Promise<SignupOutcome> {
    const configuration = readConfiguration(this.env)
    const turso = createPlatform({
      token: configuration.platformToken,
      organization: configuration.organization,
      baseUrl: configuration.apiUrl,
      timeoutMs: PLATFORM_TIMEOUT_MS,
    })
    const authorization = token.authorization ?? 'full-access'
    const wasActive = record.status === 'active'
    if (!wasActive) record.attempts += 1
    try {
      if (record.step === 'create_database') {
        const isTaken = await this.#createDatabase(turso, record)
        if (isTaken) return { kind: 'name_taken' }
      }
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

  /** @returns whether the name belongs to a database that this tenant never asked for */
  async #createDatabase(turso: Platform, record: TenantRecord): Promise<boolean> {
    const mayBeOurs = record.mayHaveDatabase
    // Until the answer is here, a crash or a lost answer must read as "there may be one".
    this.#write(Object.assign(record, { mayHaveDatabase: true }))
    try {
      const { group, location } = record
      const database = await turso.databases.create(record.databaseName, { group, location })
      record.databaseId = database.id
      record.hostname = database.hostname
    } catch (error) {
      if (!isTursoError(error, 'already_exists')) {
        // An answer that is a refusal settles it: nothing was created by this attempt.
        if (isRefusal(error)) record.mayHaveDatabase = mayBeOurs
        throw error
      }
      if (!mayBeOurs) {
        await this.ctx.storage.deleteAll()
        return true
      }
      const database = await turso.databases.retrieve(record.databaseName)
      if (database.group !== record.group) return true
      record.databaseId = database.id
      record.hostname = database.hostname
    }
    record.location = locationOfHostname(record.hostname) ?? record.location
    this.#write(Object.assign(record, { step: 'create_token' }))
    return false
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
    const database = connect({ url: this.#httpUrl(configuration, record), authToken })
    const isFresh = record.attempts === 1
    record.schemaVersion = await whenServed(() => applyMigrations(database, migrations, isFresh))
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
    const isCallersFault = step === 'create_database' && isTursoError(error, 'invalid_request')
    if (record.status === 'active') return { kind: 'refused', step, detail, isCallersFault }
    const remains = await this.#compensate(turso, record)
    return { kind: 'refused', step, detail: detail + remains, isCallersFault }
  }

  /** Deletes the half-made database and forgets the tenant. Says so if that does not work. */
  async #compensate(turso: Platform, record: TenantRecord): Promise<string> {
    try {
      if (record.mayHaveDatabase) await turso.databases.delete(record.databaseName)
    } catch (error) {
      if (!isTursoError(error, 'not_found')) {
        this.#write(record)
        return '; the half-made database could not be deleted, and is taken up by the next signup of this id'
      }
    }
    await this.ctx.storage.deleteAll()
    return ''
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

/** Whether Turso has answered and would answer the same again. Anything else may go away by itself. */
function isRefusal(error: unknown): boolean {
  return (
    isTursoError(error) &&
    !isTursoError(error, 'unavailable') &&
    !isTursoError(error, 'rate_limited') &&
    !isTursoError(error, 'network') &&
    !isTursoError(error, 'timeout') &&
    !isTursoError(error, 'protocol')
  )
}

/** Repeats an action while the new database's host does not know it yet, which it says with a 404. */
async function whenServed<T>(action: () => Promise<T>): Promise<T> {
  let waitedMs = 0
  for (let pauseMs = READY_FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, READY_LONGEST_PAUSE_MS)) {
    try {
      return await action()
    } catch (error) {
      if (!isTursoError(error, 'not_found')) throw error
      if (waitedMs >= READY_BUDGET_MS)
        throw new TimeoutError(
          `The new database was not served within ${READY_BUDGET_MS} ms`,
          READY_BUDGET_MS,
        )
    }
    await scheduler.wait(pauseMs)
    waitedMs += pauseMs
  }
}
