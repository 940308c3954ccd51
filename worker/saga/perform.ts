/** Carries out what the saga asks for, and says how it went. Never throws for what Turso does. */
import {
  connect,
  createDatabasesClient,
  isTursoError,
  type DatabaseDetails,
  type Databases,
  type Fetch,
} from '../../src/index.ts'
import type { Configuration } from '../configuration.ts'
import { databaseHttpUrl, locationOfHostname, requireDatabase } from '../turso/database-url.ts'
import type { Gate } from '../turso/gate.ts'
import { ignoringStrangers } from '../turso/strangers.ts'
import { blockDatabase, deleteDatabase } from '../turso/verified.ts'
import {
  MAX_PACE_WAIT_MS,
  MAX_TURSO_ANSWER_BYTES,
  MIGRATION_TIMEOUT_MS,
  MIGRATION_TOKEN_EXPIRATION,
  PLATFORM_TIMEOUT_MS,
} from '../limits.ts'
import { readBody } from '../memory/body.ts'
import { textOf } from '../memory/bytes.ts'
import { SchemaError } from '../schema/history.ts'
import { applyMigrations } from '../schema/migrate.ts'
import { migrations } from '../schema/migrations.generated.ts'
import type { TokenOptions } from '../turso/token-options.ts'
import { describeFailure } from './failure.ts'
import { ForeignDatabaseError, markAsOwn, type Owner } from '../schema/owner.ts'
import type { Claim, Effect, EffectOf, EffectResult } from './state.ts'

export interface Performer {
  databases: Databases
  perform: (effect: Effect) => Promise<EffectResult>
  /** The token that was minted last. Kept in memory only. */
  token: () => string | null
}

const MIGRATION_TOKEN: TokenOptions = {
  authorization: 'full-access',
  expiration: MIGRATION_TOKEN_EXPIRATION,
}

const ownerOf = (database: string, { tenant, nonce }: Claim): Owner => ({ database, tenant, nonce })

/** @throws {ForeignDatabaseError} unless Turso says nothing of it */
function requireCopyOf(template: string | null, { parent }: DatabaseDetails): void {
  if (parent !== undefined && (parent?.name ?? null) !== template)
    throw new ForeignDatabaseError('There is a database of that name, and it is not of this signup')
}

interface Surroundings {
  /** What the calls to the Platform API, but not those to a database, go through. */
  createGate: (fetch: Fetch) => Gate
  endSessions: (tenantId: string) => Promise<void>
}

/**
 * @param tokenOptions of the token that applies the schema, so that the caller's own can do it; default: a short one
 */
export function createPerformer(
  configuration: Configuration,
  { createGate, endSessions }: Surroundings,
  tokenOptions: TokenOptions = MIGRATION_TOKEN,
): Performer {
  const { platformToken, organization, apiUrl } = configuration
  let requestId: string | null = null
  let token: string | null = null
  const fetch: Fetch = async (url, init) => {
    const { status, headers, body } = await globalThis.fetch(url, init)
    requestId = headers.get('x-request-id') ?? headers.get('cf-ray')
    const read = (): Promise<Uint8Array> =>
      readBody(body, { maxBytes: MAX_TURSO_ANSWER_BYTES, announced: null })
    return { status, headers, text: async () => textOf(await read()) }
  }
  const gate = createGate(ignoringStrangers(fetch))
  const databases = createDatabasesClient({
    token: platformToken,
    organization,
    baseUrl: apiUrl,
    timeoutMs: PLATFORM_TIMEOUT_MS + MAX_PACE_WAIT_MS,
    // Retries are the saga's business: at two layers they would multiply.
    retry: false,
    fetch: gate.fetch,
  })

  /** Only from a template: any other database of the organisation is somebody's. */
  async function create({ name, group, location, template }: EffectOf<'create_database'>) {
    if (template !== null && !configuration.templates.includes(template))
      throw new SchemaError(`TEMPLATES does not have the template "${template}"`)
    const seed = template === null ? undefined : { type: 'database' as const, name: template }
    try {
      const made = await databases.create(name, { group, location, seed })
      return requireDatabase(configuration.databaseUrlTemplate, name, made)
    } catch (error) {
      if (!isTursoError(error, 'invalid_request')) throw error
      // It has just been made, by this call or another one, or it would have been refused itself.
      if (/group not found/i.test(error.message)) throw new Error(error.message, { cause: error })
      if (template === null || !/could not find database/i.test(error.message)) throw error
      throw new SchemaError(`Turso does not have the template "${template}"`)
    }
  }

  const retrieve = async (name: string): Promise<DatabaseDetails> =>
    requireDatabase(configuration.databaseUrlTemplate, name, await databases.retrieve(name))

  async function find({ name, template }: EffectOf<'find_database'>) {
    const found = await retrieve(name)
    requireCopyOf(template, found)
    return found
  }

  /** Only what can be marked as the tenant's is deleted. */
  async function prove(name: string, own: Claim): Promise<void> {
    const found = await retrieve(name)
    requireCopyOf(own.isCopy ? (found.parent?.name ?? 'some template') : null, found)
    const { hostname } = found
    try {
      const url = databaseHttpUrl(configuration.databaseUrlTemplate, { name, hostname })
      const authToken = await databases.createToken(name, MIGRATION_TOKEN)
      const database = connect({ url, authToken, timeoutMs: MIGRATION_TIMEOUT_MS, retry: false, fetch })
      await markAsOwn(database, ownerOf(name, own), own.isCopy ? 'copy' : 'nothing')
    } catch (error) {
      // It was there just now: a host that does not know it yet must not look as if it were gone.
      if (!isTursoError(error, 'not_found')) throw error
      throw new Error('The database is not served yet, so that nobody can tell whose it is', { cause: error })
    }
  }

  async function call(effect: Effect): Promise<Omit<Extract<EffectResult, { kind: 'done' }>, 'requestId'>> {
    switch (effect.kind) {
      case 'create_database':
      case 'find_database': {
        const answer = effect.kind === 'find_database' ? await find(effect) : await create(effect)
        const { id, hostname } = answer
        return { kind: 'done', database: { id, hostname, location: locationOfHostname(hostname) } }
      }
      case 'create_token':
        token = await databases.createToken(effect.name, tokenOptions)
        return { kind: 'done' }
      case 'migrate': {
        const url = databaseHttpUrl(configuration.databaseUrlTemplate, effect)
        const timeoutMs = MIGRATION_TIMEOUT_MS
        const database = connect({ url, authToken: token ?? '', timeoutMs, retry: false, fetch })
        const { beginning, isProven } = effect
        const owner = ownerOf(effect.name, effect.claim)
        return {
          kind: 'done',
          schemaVersion: await applyMigrations(database, migrations, owner, beginning, isProven),
        }
      }
      case 'delete_database':
        if (effect.unproven !== null) await prove(effect.name, effect.unproven)
        await deleteDatabase(databases, effect.name)
        return { kind: 'done' }
      case 'block_database':
      case 'unblock_database': {
        const isBlocked = effect.kind === 'block_database'
        await blockDatabase(databases, effect.name, isBlocked)
        // Behind it nothing that is still open can do more than be told so.
        if (isBlocked) await endSessions(effect.tenant)
        return { kind: 'done' }
      }
    }
  }

  return {
    databases,
    token: () => token,
    async perform(effect) {
      requestId = null
      try {
        return { ...(await call(effect)), requestId }
      } catch (error) {
        const isOfDatabase = effect.kind === 'migrate'
        const failure = describeFailure(error, isOfDatabase ? 'database' : 'platform')
        const held = isOfDatabase ? null : gate.held()
        if (held !== null) {
          const detail = held.why ?? failure.detail
          return { kind: 'failed', ...failure, reason: 'held', detail, retryAfterMs: held.forMs, requestId }
        }
        return { kind: 'failed', ...failure, requestId: failure.requestId ?? requestId }
      }
    },
  }
}
