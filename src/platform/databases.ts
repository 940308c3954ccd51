/** Databases: create, retrieve, delete, and mint tokens for them. */
import { isTursoError } from '../errors.ts'
import { path } from '../path.ts'
import { requireString, unwrap, type PlatformCall, type PlatformCallOptions } from './call.ts'
import type { Groups } from './groups.ts'
import type { WireCreateDatabaseRequest } from './wire.ts'

/** What `create` answers with. */
export interface CreatedDatabase {
  /** Changes when a deleted name is used again; tokens are bound to it. */
  id: string
  name: string
  /** Of the database, without scheme. Always taken from here: it cannot be derived from the name. */
  hostname: string
  /** The answer as sent, with the members that are not listed here. */
  raw: Record<string, unknown>
}

export interface DatabaseDetails extends CreatedDatabase {
  group: string
  /** Code of the location that takes the writes; `null` where the API does not say. */
  primaryLocation: string | null
  blockReads: boolean
  blockWrites: boolean
  deleteProtection: boolean
}

export interface CreateDatabaseOptions extends PlatformCallOptions {
  /** Default `default`. */
  group?: string | undefined
  /** Where to create the group when it does not exist; without it, a missing group is an error. */
  location?: string | undefined
  /** Bytes, or with a unit: `256mb`. Refused for databases on AWS. */
  sizeLimit?: string | undefined
}

export interface CreateTokenOptions extends PlatformCallOptions {
  /** `never`, or numbers with the units w, d, h and m: `2w1d30m`. Default `never`. */
  expiration?: string | undefined
  /** Default `full-access`. */
  authorization?: 'full-access' | 'read-only' | undefined
}

export interface Databases {
  /**
   * Creates a database. A missing group is created first if `location` is given, but only after the API has said that
   * it is missing, so the common case is one request.
   *
   * Throws {@link HttpError}: `already_exists` when the organization has a database of that name, `not_found` when
   * the group is missing and no location was given, `plan_limit` when the plan allows no more.
   */
  create(name: string, options?: CreateDatabaseOptions): Promise<CreatedDatabase>
  /** Throws {@link HttpError} `not_found` when there is none of that name. */
  retrieve(name: string, options?: PlatformCallOptions): Promise<DatabaseDetails>
  /** Mints a token for SQL. Safe to repeat: each call makes another one. */
  createToken(name: string, options?: CreateTokenOptions): Promise<string>
  /** Deletes the database with all its data. Throws {@link HttpError} `not_found` when there is none. */
  delete(name: string, options?: PlatformCallOptions): Promise<void>
}

export function createDatabases(call: PlatformCall, defaultOrganization: string, groups: Groups): Databases {
  const collection = (options: PlatformCallOptions | undefined): string =>
    path`/v1/organizations/${options?.organization ?? defaultOrganization}/databases`
  const one = (name: string, options: PlatformCallOptions | undefined): string =>
    collection(options) + path`/${name}`

  async function post(name: string, options: CreateDatabaseOptions): Promise<CreatedDatabase> {
    const body: WireCreateDatabaseRequest = { name, group: options.group ?? 'default' }
    if (options.sizeLimit !== undefined) body.size_limit = options.sizeLimit
    return readDatabase(unwrap(await call('POST', collection(options), { body, options }), 'database'))
  }

  return {
    async create(name, options = {}) {
      try {
        return await post(name, options)
      } catch (error) {
        if (options.location === undefined || !isMissingGroup(error)) throw error
      }
      try {
        await groups.create(options.group ?? 'default', { ...options, location: options.location })
      } catch (error) {
        // Another caller may have been faster; the second attempt will tell.
        if (!isTursoError(error, 'already_exists')) throw error
      }
      return post(name, options)
    },

    async retrieve(name, options) {
      const raw = unwrap(await call('GET', one(name, options), { options }), 'database')
      return {
        ...readDatabase(raw),
        group: requireString(raw, 'group'),
        primaryLocation: typeof raw['primaryRegion'] === 'string' ? raw['primaryRegion'] : null,
        blockReads: raw['block_reads'] === true,
        blockWrites: raw['block_writes'] === true,
        deleteProtection: raw['delete_protection'] === true,
      }
    },

    async createToken(name, options) {
      // The options belong in the query, and no body may be sent: AWS databases refuse even an empty permissions
      // object (turso-api-client-ts#30).
      const query = { expiration: options?.expiration, authorization: options?.authorization }
      const answer = await call('POST', `${one(name, options)}/auth/tokens`, { query, options })
      return requireString((answer ?? {}) as Record<string, unknown>, 'jwt')
    },

    async delete(name, options) {
      await call('DELETE', one(name, options), { options })
    },
  }
}

function readDatabase(raw: Record<string, unknown>): CreatedDatabase {
  return {
    id: requireString(raw, 'DbId', 'dbId'),
    name: requireString(raw, 'Name', 'name'),
    hostname: requireString(raw, 'Hostname', 'hostname'),
    raw,
  }
}

function isMissingGroup(error: unknown): boolean {
  return (
    (isTursoError(error, 'invalid_request') || isTursoError(error, 'not_found')) &&
    /group not found/i.test(error.serverMessage)
  )
}
