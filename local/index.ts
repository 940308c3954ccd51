/**
 * The offline Turso: the Platform API and SQL over HTTP over real libSQL files, for development and tests on one
 * machine. It is a fetch handler; `serve.ts` puts it on a port.
 */
import { behaviourOf, type BehaviourName } from './behaviour.ts'
import { createFaults, type Faults } from './faults/faults.ts'
import type { FaultScript } from './faults/script.ts'
import { createFaultyServer } from './faults/stream-faults.ts'
import { checkScript } from './faults/validation.ts'
import { loadBinding } from './engine/binding.ts'
import { openCatalogue, type DatabaseRecord } from './storage/catalogue.ts'
import { openDataFolder } from './storage/data-folder.ts'
import { createHosts } from './platform/hosts.ts'
import { emailOf } from './platform/members.ts'
import { PLAN_NAMES, type PlanName } from './platform/plans.ts'
import { createPlatform } from './platform/router.ts'
import { checkTraps, type Traps } from './platform/traps.ts'
import { createUploadHandler } from './platform/upload.ts'
import { refusal } from './responses.ts'
import { answerProbe, createSqlHandler, type Target } from './hrana/sql-over-http.ts'
import { createStreams } from './hrana/streams.ts'
import { createIssuers } from './issuers.ts'
import { createSigner, createTokens } from './tokens.ts'

export { LibsqlMissingError } from './engine/binding.ts'
export type { BehaviourName } from './behaviour.ts'
export { DataFolderError } from './errors.ts'
export type { PlanName } from './platform/plans.ts'
export type { Traps } from './platform/traps.ts'
export type { Faults, FiredFault } from './faults/faults.ts'
export { FaultScriptError, type Fault, type FaultScript } from './faults/script.ts'
export { serveLocalTurso, type LocalTursoServer, type ServeOptions } from './serve.ts'

export interface LocalTursoOptions {
  /** The folder of all data; made when it does not exist. Default: a temporary one, which `close()` removes. */
  data?: string
  /** The slug of the primary organization, and the name of the user who owns it. Default `local`. */
  organization?: string
  /** The token of the Platform API. Default `local-platform-token`. */
  platformToken?: string
  /** What may be done, and how much of it: `starter` is the free plan. Default `scaler`. */
  plan?: PlanName
  /** Ways in which the real service surprises its clients. Default: none. */
  traps?: Traps
  /** How long a stream may be idle before it is rolled back and closed, in milliseconds. Default 10 000. */
  streamIdleMs?: number
  /** How long a transaction may hold the write lock when others want it, in milliseconds. Default 5 000. */
  transactionTimeoutMs?: number
  /** What one request may answer, in bytes as sqld estimates them; a cursor has no limit. Default 10 000 000. */
  maxResponseBytes?: number
  /** Which server it is like where they differ: see `behaviour.ts`. Default `spec`. */
  behaviour?: BehaviourName
  /** What goes wrong: a script of faults, or the seed of a mix of everything. Default: nothing. */
  faults?: FaultScript
  /**
   * Fetches the key sets that organizations have registered (`PUT /v2/organizations/{slug}/jwks/{name}`), so that tokens
   * of their issuers are accepted. Default: none is fetched; a key set in a `data:` URL needs no fetch.
   */
  fetchKeySet?: (url: string) => Promise<Response>
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  now?: () => number
}

export interface LocalTurso {
  /**
   * Answers a request: `/v1/…`, `/v2/…` and `/v3/…` are the Platform API, `/db/<name>/…` the SQL of a database, and
   * so is every path on the host name of a database.
   */
  readonly fetch: (request: Request) => Promise<Response>
  /** The open streams. */
  readonly streams: () => { database: string; inTransaction: boolean }[]
  /** What goes wrong, to be changed while it runs. */
  readonly faults: Faults
  /** Rolls back and closes everything. The data stays, unless the folder is a temporary one. */
  readonly close: () => Promise<void>
}

/**
 * Starts an offline Turso on a data folder. Everything in it survives a restart, except open streams.
 * Throws `DataFolderError` when the folder is in use, damaged, or not a data folder, `LibsqlMissingError` when the
 * package `libsql` is not installed, and `TypeError` for an option that makes no sense (`FaultScriptError` for faults).
 */
export function createLocalTurso(options: LocalTursoOptions = {}): LocalTurso {
  const {
    organization = 'local',
    platformToken = 'local-platform-token',
    plan = 'scaler',
    traps = {},
    streamIdleMs = 10_000,
    transactionTimeoutMs = 5_000,
    maxResponseBytes = 10_000_000,
    now = Date.now,
  } = options
  if (!/^[a-z0-9-]{1,61}$/.test(organization)) {
    throw new TypeError('"organization" must be 1 to 61 lower-case letters, digits and dashes')
  }
  if (!platformToken) throw new TypeError('"platformToken" must not be empty')
  if (!PLAN_NAMES.includes(plan)) throw new TypeError(`"plan" must be one of ${PLAN_NAMES.join(', ')}`)
  checkTraps(traps)
  checkDuration('streamIdleMs', streamIdleMs)
  checkDuration('transactionTimeoutMs', transactionTimeoutMs)
  if (!(maxResponseBytes > 0)) throw new TypeError('"maxResponseBytes" must be a positive number')
  const behaviour = behaviourOf(options.behaviour ?? 'spec')
  const script = checkScript(options.faults ?? [])
  // Before anything is made that would have to be removed again.
  loadBinding()

  const user = { username: organization, email: emailOf(organization) }
  const folder = openDataFolder(options.data)
  const catalogue = orClose(
    () => openCatalogue(folder, { organization, owner: { ...user, role: 'owner' }, now }),
    folder,
  )
  const streams = createStreams({
    isTemporary: folder.isTemporary,
    idleMs: streamIdleMs,
    transactionTimeoutMs,
    behaviour,
    now,
  })
  const faults = createFaults(script, { server: createFaultyServer(streams) })
  const { signingKey, databases } = catalogue
  const findSubject = (databaseId: string) => databases.findById(databaseId)
  const issuers = createIssuers({
    urlsOf: (organizationId) => catalogue.organizations.keySets(organizationId).map(({ url }) => url),
    fetchKeySet: options.fetchKeySet,
    now,
  })
  const readForeign = (jwt: string, organizationId: string) => issuers.read(jwt, organizationId)
  const tokens = createTokens({ signingKey, findSubject, readForeign, now })
  const closeDatabase = (databaseId: string) => streams.closeDatabase(databaseId)
  const signer = createSigner(signingKey)
  const platform = createPlatform({
    catalogue,
    folder,
    closeDatabase,
    tokens,
    signer,
    platformToken,
    user,
    plan,
    traps,
    now,
  })
  const upload = createUploadHandler({ catalogue, folder, tokens, closeDatabase })
  const { createToServeGapMs = 0 } = traps
  const sql = createSqlHandler({
    folder,
    catalogue,
    streams,
    tokens,
    behaviour,
    maxResponseBytes,
    createToServeGapMs,
    now,
  })

  const targetOf = createHosts(catalogue)

  /** A draft looks as if it did not exist, except to the upload that it waits for. */
  const answerDraft = (request: Request, target: Target & { record: DatabaseRecord }): Promise<Response> =>
    upload(request, target)?.catch(refusal) ?? sql(request, { ...target, record: undefined })

  const respond = async (request: Request, url: URL): Promise<Response> => {
    if (isClosed) throw new Error('the local Turso is closed')
    streams.expire()
    const target = targetOf(url)
    if (target?.record)
      await issuers.prepare(request.headers.get('authorization'), target.record.organizationId)
    if (target?.record?.isDraft) return answerDraft(request, { ...target, record: target.record })
    if (target) return sql(request, target)
    return answerProbe(request, url.pathname) ?? platform(request, url).catch(refusal)
  }

  let isClosed = false
  return {
    async fetch(request) {
      if (isClosed) throw new Error('the local Turso is closed')
      const url = new URL(request.url)
      if (faults.isIdle()) return respond(request, url)
      const target = targetOf(url)
      const database = target && (target.record?.name ?? target.name)
      const path = target ? `/db/${database}${target.path}` : url.pathname
      return faults.around(request, { path, database }, () => respond(request, url))
    },
    faults,
    streams: () =>
      streams.list().map(({ database, connection }) => ({
        database: database.name,
        inTransaction: connection.inTransaction,
      })),
    async close() {
      if (isClosed) return
      isClosed = true
      streams.closeAll()
      catalogue.close()
      folder.close()
    },
  }
}

function orClose<T>(open: () => T, folder: { close(): void }): T {
  try {
    return open()
  } catch (error) {
    folder.close()
    throw error
  }
}

function checkDuration(name: string, value: number): void {
  if (!Number.isFinite(value) || value < 0) throw new TypeError(`"${name}" must be a number of milliseconds`)
}
