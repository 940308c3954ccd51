/** Creation of a database when answers get lost, the group is missing, or the database is there already. */
import { HttpError, isTursoError, type TursoError } from '../errors.ts'
import type { Retrier } from '../http/retry.ts'
import { createWatch, type Watch } from '../http/watch.ts'
import type { Databases } from './databases.ts'
import type { Groups } from './groups.ts'
import type { CreateDatabaseOptions, CreatedDatabase, DatabaseDetails } from './types.ts'

export interface CreationContext {
  /** Whose `create` is one request. */
  databases: Pick<Databases, 'create' | 'retrieve'>
  groups: Pick<Groups, 'create'>
  retrier: Retrier
  /** Of a whole creation, unless an option says otherwise. */
  timeoutMs: number
}

export function createCreation(context: CreationContext): Pick<Databases, 'create' | 'ensure'> {
  const start =
    (isEnsured: boolean): Databases['create'] =>
    async (name, options = {}) => {
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

const GROUP_ATTEMPTS = 3

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
  for (let count = 1; ; count++) {
    let failure: TursoError
    try {
      return await context.databases.create(name, { ...options, group })
    } catch (error) {
      if (signal?.aborted || !isTursoError(error)) throw error
      failure = error
    }
    if (UNKNOWN.test(failure.code)) unknown ??= failure
    // From the first such error on, a refusal no longer proves that nothing was made.
    const final = unknown ?? failure

    if (location !== undefined && isMissingGroup(failure) && count <= GROUP_ATTEMPTS) {
      await createGroup(context, group, { ...callOptions, location })
      continue
    }
    const isTaken = failure.code === 'already_exists'
    const isPassing = isTaken ? isEnsured : UNKNOWN.test(failure.code) || isUnavailableName(failure)
    const delay = (): number => {
      const ms = isPassing ? context.retrier.delayAfter(failure, count) : undefined
      if (ms === undefined) throw final
      return ms
    }
    // Who does not ask again need not look. To ensure is to look, which must not use up the budget of retries.
    let delayMs = isEnsured ? undefined : delay()
    if (isTaken || unknown) {
      const found = await find(context, name, callOptions, final)
      if (found && isEnsured) return checked(found, group, options)
      if (found) throw final
    }
    delayMs ??= delay()
    await watch.pause(delayMs)
  }
}

/** Another caller may be faster, and the answer may get lost: the next attempt at the database tells. */
async function createGroup(
  context: CreationContext,
  name: string,
  options: Parameters<Groups['create']>[1],
): Promise<void> {
  try {
    await context.groups.create(name, options)
  } catch (error) {
    if (!isTursoError(error) || !(error.code === 'already_exists' || UNKNOWN.test(error.code))) throw error
  }
}

/** @throws `otherwise` when that cannot be found out */
async function find(
  { databases }: CreationContext,
  name: string,
  options: Parameters<Databases['retrieve']>[1],
  otherwise: TursoError,
): Promise<DatabaseDetails | undefined> {
  try {
    return await databases.retrieve(name, options)
  } catch (error) {
    if (isTursoError(error, 'not_found')) return undefined
    throw options?.signal?.aborted ? error : otherwise
  }
}

function checked(found: DatabaseDetails, group: string, { seed }: CreateDatabaseOptions): DatabaseDetails {
  const source = seed?.type === 'database' ? seed.name : undefined
  const parent = found.parent?.name
  const difference =
    found.group !== group
      ? `in group "${found.group}" instead of "${group}"`
      : source !== undefined && parent !== undefined && parent !== source
        ? `seeded from "${parent}" instead of "${source}"`
        : undefined
  if (difference === undefined) return found
  throw new HttpError('already_exists', `The database "${found.name}" exists, ${difference}`, {
    status: 409,
    serverMessage: '',
    requestId: null,
    retryAfterMs: null,
  })
}

function isMissingGroup(error: TursoError): boolean {
  return 'status' in error && /group not found/i.test((error as HttpError).serverMessage)
}

/** A name that was deleted lately (turso-cli#670). */
function isUnavailableName(error: TursoError): boolean {
  return 'status' in error && error.status === 422
}
