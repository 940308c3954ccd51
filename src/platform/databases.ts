/** Databases. */
import type { ById, PlatformCallOptions } from './call.ts'
import { checkNewDatabase, checkSize, checkToken } from './checks.ts'
import { jwtOf, type Endpoints } from './endpoint.ts'
import type { Listing } from './pages.ts'
import type {
  CreatedDatabase,
  CreateDatabaseOptions,
  CreateTokenOptions,
  DatabaseConfiguration,
  DatabaseDetails,
  DatabaseUsage,
  DeletedDatabase,
  Instance,
  ListDatabasesOptions,
  NewDatabase,
  QueryStatistics,
  UpdateDatabaseOptions,
  UsageOptions,
} from './types.ts'

/** `ORG` stands for `/v1/organizations/{organization}`. What all methods throw is said at {@link createPlatform}. */
export interface Databases {
  /**
   * `GET ORG/databases`, in pages. Never a way to find out whether a database exists: `retrieve` is.
   *
   * A server that fills a page (of `limit`, or of 1,000) and says nothing of a next one ends the walk with a
   * {@link ProtocolError}, since more may be missing.
   *
   * @example
   * for await (const { name } of turso.databases.list({ group: 'default' })) console.log(name)
   */
  list(options?: ListDatabasesOptions): Listing<DatabaseDetails>
  /**
   * `POST ORG/databases`. A missing group is created first if `location` is given, but only after the API has said that
   * it is missing, so the common case is one request. A new database may answer 404 to SQL for some seconds; see
   * `waitUntilReady` of {@link Database}.
   *
   * After an answer that leaves open what has happened (`network`, `unavailable`, `protocol`) it looks before it asks
   * again. A database that is there then may be this call's or somebody else's: the error is thrown, and so it is when
   * `timeoutMs` is over. {@link Databases.ensure} is for those who want the database in either case.
   *
   * Throws {@link HttpError}: `already_exists` when the organization has a database of that name, `invalid_request` when
   * the group is missing and no location was given or the name is not free, `plan_limit` when the plan allows no more,
   * `unsupported` for an option that databases on AWS do not have.
   */
  create(name: string, options?: CreateDatabaseOptions): Promise<CreatedDatabase>
  /**
   * The same, or the database that is there already, unless the API says that it is another one than would have been made:
   * in another group, with another parent, schema, engine or cipher. What the API does not say is not compared: the content
   * of a dump, the time of a seed, limits, keys. Harmless to repeat, so it is retried.
   *
   * Throws {@link HttpError} `already_exists` for another one, and for any when it was to await a file
   * (`database_upload`): whether it still does cannot be told, even when it is this call's own.
   */
  ensure(name: string, options?: CreateDatabaseOptions): Promise<CreatedDatabase>
  /** `GET ORG/databases/{name}`. Throws {@link HttpError} `not_found` when there is none of that name. */
  retrieve(name: string, options?: PlatformCallOptions): Promise<DatabaseDetails>
  /** `DELETE ORG/databases/{name}`, with all its data. Throws {@link HttpError} `not_found` when there is none. */
  delete(name: string, options?: PlatformCallOptions): Promise<void>
  /** `GET ORG/databases/{name}/configuration`. */
  configuration(name: string, options?: PlatformCallOptions): Promise<DatabaseConfiguration>
  /**
   * `PATCH ORG/databases/{name}/configuration`. Resolves with the whole configuration.
   *
   * Throws {@link HttpError}: `unsupported` for what databases on AWS do not have, `plan_limit` for what needs another
   * plan.
   */
  update(name: string, options: UpdateDatabaseOptions): Promise<DatabaseConfiguration>
  /**
   * `POST ORG/databases/{name}/auth/tokens`: a token for SQL. Safe to repeat, since each call makes another one, so it
   * is retried. A single token cannot be revoked: give it a short expiration, and keep it until then.
   *
   * Throws {@link HttpError} `unsupported` when permissions are asked of a database on AWS.
   */
  createToken(name: string, options?: CreateTokenOptions): Promise<string>
  /**
   * `POST ORG/databases/{name}/auth/rotate`: ends all tokens of the database; on older servers those of its whole group.
   * Cuts off everybody, so it is sent once and never retried. May take up to an hour to take effect everywhere. Elsewhere
   * it is called `rotateTokens`.
   */
  invalidateTokens(name: string, options?: PlatformCallOptions): Promise<void>
  /** `GET ORG/databases/{name}/usage`. */
  usage(name: string, options?: UsageOptions): Promise<DatabaseUsage>
  /** `GET ORG/databases/{name}/stats`: the statements that read and write most. */
  stats(name: string, options?: PlatformCallOptions): Promise<QueryStatistics[]>
  /** `GET ORG/databases/{name}/instances`. */
  instances(name: string, options?: PlatformCallOptions): Promise<Instance[]>
  /** `GET ORG/databases/{name}/instances/{instance}`, by the instance's name. */
  retrieveInstance(name: string, instance: string, options?: PlatformCallOptions): Promise<Instance>
  /** `GET /v3/organizations/{id}/databases?deleted=true`, in pages: of the last five days. Paid plans only. */
  listDeleted(
    options?: { search?: string | undefined; limit?: number | undefined } & ById,
  ): Listing<DeletedDatabase>
  /**
   * `POST /v3/organizations/{id}/databases/{databaseId}/restore`, under its old name unless another one is given.
   * Throws {@link HttpError} `invalid_request` when the organization has `restoreEnabled` off.
   */
  restore(id: string, options?: { name?: string | undefined } & ById): Promise<DeletedDatabase>
  /**
   * `GET ORG/databases/{name}/usage/queries`: the statements since `from`.
   * @experimental From the Turso CLI (databases.go), for `turso db inspect --queries`.
   */
  queryStatistics(
    name: string,
    options: { from: Date | string } & PlatformCallOptions,
  ): Promise<QueryStatistics[]>
  /**
   * `POST ORG/databases/{name}/transfer`, to another organization.
   * @experimental From the Turso CLI (databases.go).
   */
  transfer(name: string, toOrganization: string, options?: PlatformCallOptions): Promise<void>
  /**
   * `POST ORG/databases/{name}/wakeup`.
   * @experimental From the Turso CLI (databases.go).
   */
  wakeUp(name: string, options?: PlatformCallOptions): Promise<void>
}

/**
 * Databases by their ids, as version 3 of the API addresses them.
 * @experimental From the Turso CLI (databases_v3.go, behind a hidden flag).
 */
export interface DatabasesById {
  /** `GET /v3/organizations/{id}/databases`, in pages. */
  list(
    options?: {
      groupId?: string | undefined
      parentDbId?: string | undefined
      search?: string | undefined
      limit?: number | undefined
    } & ById,
  ): Listing<DatabaseDetails>
  /** `POST /v3/organizations/{id}/databases`. Never repeated: see {@link Databases.create}, which is careful about it. */
  create(name: string, options: { groupId: string } & NewDatabase & ById): Promise<CreatedDatabase>
  /** `GET /v3/organizations/{id}/databases/{databaseId}`. */
  retrieve(id: string, options?: ById): Promise<DatabaseDetails>
  /** `DELETE /v3/organizations/{id}/databases/{databaseId}`. */
  delete(id: string, options?: ById): Promise<void>
  /** `POST /v3/organizations/{id}/databases/{databaseId}/auth/tokens`. */
  createToken(id: string, options?: CreateTokenOptions & ById): Promise<string>
}

const CREATED = 'id name hostname'
// Texts without parts: a bundler keeps what is made of others, whether it is used or not.
const DETAILS = 'id name hostname group ?primaryLocation !blockReads !blockWrites !deleteProtection'
const DELETED = 'id name hostname group ?primaryLocation !deleteProtection ?deletedAt ?groupDeletedAt'
const CONFIGURATION = '!allowAttach !blockReads !blockWrites !deleteProtection'
/** Of every method that makes a token: options of the query, and of the body. */
export const TOKEN_QUERY = 'expiration authorization'
export const TOKEN_OPTIONS = 'permissions fineGrainedPermissions'

/** Those of {@link Databases} that are one request; `create` and `ensure` are made of the one here. */
export const databases: Endpoints<Omit<Databases, 'ensure'>> = {
  list: {
    route: 'GET /v1/organizations/:organization/databases',
    list: 'cursor',
    answer: 'databases',
    fields: DETAILS,
    scope: 'read',
  },
  create: {
    route: 'POST /v1/organizations/:organization/databases',
    options: 'group seed sizeLimit remoteEncryption useTursodb isSchema schema',
    check: checkNewDatabase,
    body: 'name',
    answer: 'database',
    fields: CREATED,
    scope: 'db:create',
  },
  retrieve: {
    route: 'GET /v1/organizations/:organization/databases/:name',
    answer: 'database',
    fields: DETAILS,
    scope: 'read',
  },
  delete: {
    route: 'DELETE /v1/organizations/:organization/databases/:name',
    scope: 'db:delete',
  },
  configuration: {
    route: 'GET /v1/organizations/:organization/databases/:name/configuration',
    answer: '',
    fields: CONFIGURATION,
    scope: 'read',
  },
  update: {
    route: 'PATCH /v1/organizations/:organization/databases/:name/configuration',
    options: 'sizeLimit allowAttach blockReads blockWrites deleteProtection allowedIps allowedAwsVpcIds',
    check: checkSize,
    answer: '',
    fields: CONFIGURATION,
    scope: 'db:configure',
  },
  createToken: {
    route: 'POST /v1/organizations/:organization/databases/:name/auth/tokens',
    options: TOKEN_OPTIONS,
    query: TOKEN_QUERY,
    check: checkToken,
    answer: jwtOf,
    isRepeatable: true,
    scope: 'db:mint-token',
  },
  invalidateTokens: {
    route: 'POST /v1/organizations/:organization/databases/:name/auth/rotate',
    isRepeatable: false,
    scope: 'db:rotate-creds',
  },
  usage: {
    route: 'GET /v1/organizations/:organization/databases/:name/usage',
    // The reference and the service differ in where the sum is.
    answer: ({ database, total }) => ({ ...database, usage: database.usage ?? database.total ?? total }),
    fields: 'id',
    scope: 'read',
  },
  stats: {
    route: 'GET /v1/organizations/:organization/databases/:name/stats',
    list: true,
    answer: 'top_queries',
    scope: 'read',
  },
  instances: {
    route: 'GET /v1/organizations/:organization/databases/:name/instances',
    list: true,
    answer: 'instances',
    fields: 'id name',
    scope: 'read',
  },
  retrieveInstance: {
    route: 'GET /v1/organizations/:organization/databases/:name/instances/:instance',
    answer: 'instance',
    fields: 'id name',
    scope: 'read',
  },
  listDeleted: {
    route: 'GET /v3/organizations/:organizationId/databases?deleted=true',
    list: 'cursor',
    answer: 'databases',
    fields: DELETED,
  },
  restore: {
    route: 'POST /v3/organizations/:organizationId/databases/:id/restore',
    options: 'name',
    answer: 'database',
    fields: DELETED,
  },
  queryStatistics: {
    route: 'GET /v1/organizations/:organization/databases/:name/usage/queries',
    list: true,
    answer: (queries) => queries,
    scope: 'read',
  },
  transfer: {
    route: 'POST /v1/organizations/:organization/databases/:name/transfer',
    body: 'org',
  },
  wakeUp: {
    route: 'POST /v1/organizations/:organization/databases/:name/wakeup',
    scope: 'db:configure',
  },
}

export const databasesById: Endpoints<DatabasesById> = {
  list: {
    route: 'GET /v3/organizations/:organizationId/databases',
    list: 'cursor',
    answer: 'databases',
    fields: DETAILS,
    scope: 'read',
  },
  create: {
    route: 'POST /v3/organizations/:organizationId/databases',
    options: 'groupId seed sizeLimit remoteEncryption useTursodb',
    check: checkNewDatabase,
    body: 'name',
    answer: 'database',
    fields: CREATED,
    scope: 'db:create',
  },
  retrieve: {
    route: 'GET /v3/organizations/:organizationId/databases/:id',
    answer: 'database',
    fields: DETAILS,
    scope: 'read',
  },
  delete: {
    route: 'DELETE /v3/organizations/:organizationId/databases/:id',
    scope: 'db:delete',
  },
  createToken: {
    route: 'POST /v3/organizations/:organizationId/databases/:id/auth/tokens',
    options: TOKEN_OPTIONS,
    query: TOKEN_QUERY,
    check: checkToken,
    answer: jwtOf,
    isRepeatable: true,
    scope: 'db:mint-token',
  },
}
