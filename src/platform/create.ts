/** Creation of a database when answers get lost, the group is missing, or the database is there already. */
import { HttpError, isTursoError, type TursoError } from '../errors.ts'
import type { Retrier } from '../http/retry.ts'
import { createWatch, type Watch } from '../http/watch.ts'
import { databases, type Databases } from './databases.ts'
import type { Connection } from './connection.ts'
import { bind, optionsOf } from './endpoint.ts'
import { createGroup, type Groups } from './groups.ts'
import { requireNames } from './options.ts'
import type { CreateDatabaseOptions, CreatedDatabase, DatabaseDetails } from './types.ts'

interface CreationContext {
  /** Whose `create` is one request. */
  databases: Pick<Databases, 'create' | 'retrieve'>
  groups: Pick<Groups, 'create'>
  retrier: Retrier
  /** Of a whole creation, unless an option says otherwise. */
  timeoutMs: number
}

/** The methods of {@link Databases}. */
export function bindDatabases(connection: Connection): Databases {
  const simple = bind(databases, connection)
  const groups = bind<Pick<Groups, 'create'>>({ create: createGroup }, connection)
  const { retrier, timeoutMs } = connection
  return { ...simple, ...createCreation({ databases: simple, groups, retrier, timeoutMs }) }
}

function createCreation(context: CreationContext): Pick<Databases, 'create' | 'ensure'> {
  const start =
    (isEnsured: boolean): Databases['create'] =>
    async (name, given) => {
      const options: CreateDatabaseOptions = given ?? {}
      requireNames('The options', options, `location ${optionsOf(databases.create)}`)
      const timeoutMs = options.timeoutMs ?? context.timeoutMs
      const watch = createWatch(() => `The creation of database "${name}"`, timeoutMs, options.signal)
      try {
        return await watch.during(
          attempts(context, watch, isEnsured, name, { ...options, timeoutMs, signal: watch.signal }),
        )
      } finally {
        watch.release()
      }
    }
  return { create: start(false), ensure: start(true) }
}

/** Errors after which nobody knows whether the database was made. */
const UNKNOWN = /^(network|timeout|unavailable|protocol)$/

async function attempts(
  context: CreationContext,
  watch: Watch,
  isEnsured: boolean,
  name: string,
  { location, ...options }: CreateDatabaseOptions,
): Promise<CreatedDatabase> {
  const { group = 'default', organization, signal, timeoutMs } = options
  const callOptions = { organization, signal, timeoutMs }
  let unknown: TursoError | undefined
  let isGroupMade = false
  for (let count = 1; ; count++) {
    let failure: TursoError
    try {
      return await context.databases.create(name, { ...options, group })
    } catch (error) {
      if (signal?.aborted || !isTursoError(error)) throw error
      failure = error
    }
    if (UNKNOWN.test(failure.code)) unknown ??= failure
    const isMissing = location !== undefined && isMissingGroup(failure)
    if (isMissing && !isGroupMade) {
      const trouble = await makeGroup(context, group, { ...callOptions, location })
      isGroupMade = !trouble
      if (!trouble) continue
      failure = trouble
    }
    const isTaken = failure.code === 'already_exists'
    const isPassing = isTaken
      ? isEnsured
      : isMissing || UNKNOWN.test(failure.code) || isUnavailableName(failure)
    // From the first such error on, a refusal no longer proves that nothing was made.
    const final = unknown ?? failure
    const delay = (): number => {
      const ms = isPassing ? context.retrier.delayAfter(failure, count) : undefined
      if (ms === undefined) throw final
      return ms
    }
    // Who does not ask again need not look. To ensure is to look, which must not use up the budget of retries.
    let delayMs = isEnsured && !isMissing ? undefined : delay()
    if (!isMissing && (isTaken || unknown || (isEnsured && isUnavailableName(failure)))) {
      const found = await find(context, name, callOptions, unknown)
      if (found && isEnsured) return checked(found, { ...options, name, group })
      if (found) throw final
    }
    delayMs ??= delay()
    // To sleep into the timeout would tell less than this error does.
    if (delayMs >= watch.remainingMs()) throw final
    await watch.pause(delayMs)
  }
}

/** @returns the error after which nobody knows whether the group was made; another caller may be faster, which is none */
async function makeGroup(
  context: CreationContext,
  name: string,
  options: Parameters<Groups['create']>[1],
): Promise<TursoError | undefined> {
  try {
    await context.groups.create(name, options)
  } catch (error) {
    if (!isTursoError(error) || options.signal?.aborted) throw error
    if (error.code === 'already_exists') return undefined
    if (!UNKNOWN.test(error.code)) throw error
    return error
  }
  return undefined
}

/** @throws `earlier`, or else its own error, when that cannot be found out */
async function find(
  { databases }: CreationContext,
  name: string,
  options: Parameters<Databases['retrieve']>[1],
  earlier: TursoError | undefined,
): Promise<DatabaseDetails | undefined> {
  try {
    return await databases.retrieve(name, options)
  } catch (error) {
    if (isTursoError(error, 'not_found')) return undefined
    throw options?.signal?.aborted ? error : (earlier ?? error)
  }
}

type WantedDatabase = CreateDatabaseOptions & { name: string }

function checked(found: DatabaseDetails, wanted: WantedDatabase): DatabaseDetails {
  const difference = differenceOf(found, wanted)
  if (difference === undefined) return found
  throw new HttpError('already_exists', `The database "${found.name}" exists: ${difference}`, {
    status: 409,
    serverMessage: '',
    requestId: null,
    retryAfterMs: null,
  })
}

/** What the API does not say of a database is not held against it, but for what it leaves out where there is none. */
function differenceOf(found: DatabaseDetails, wanted: WantedDatabase): string | undefined {
  const { name, group, seed, schema, isSchema, useTursodb, remoteEncryption } = wanted
  // Its content may be somebody's already.
  if (seed?.type === 'database_upload') return 'whether it still awaits a file cannot be told'
  const members = {
    name,
    group,
    // A dump makes no copy of another database.
    parent: seed && (seed.type === 'database' ? (seed.name ?? '') : null),
    schema,
    isSchema,
    engine: useTursodb === undefined ? undefined : useTursodb ? 'tursodb' : 'libsql',
    encryptionCipher: remoteEncryption?.encryptionCipher,
  }
  const { parent, encryptionCipher } = found
  const has = { ...found, parent: parent?.name ?? null, encryptionCipher: encryptionCipher || null }
  for (const [member, want] of Object.entries(members)) {
    const value = has[member as keyof typeof members]
    if (want !== undefined && value !== undefined && value !== want)
      return `its ${member} is ${JSON.stringify(value)} instead of ${JSON.stringify(want)}`
  }
  return undefined
}

function isMissingGroup(error: TursoError): boolean {
  return 'status' in error && /group not found/i.test((error as HttpError).serverMessage)
}

/** A name that was deleted lately (turso-cli#670). */
function isUnavailableName(error: TursoError): boolean {
  return 'status' in error && error.status === 422
}
