/** The one public door. */

export { connect } from './database.ts'
export type { ConnectOptions, Database, TransactionOptions } from './database.ts'
export type { BatchOptions, Description, ObjectRows, Queries, QueryOptions, RowOf } from './queries.ts'
export type { ReadyOptions } from './ready.ts'
export type { RowStream } from './row-stream.ts'
export type { SchemaResult, StandardSchema } from './schema.ts'
export type { Stream } from './stream.ts'
export type { Transaction } from './transaction.ts'
export type { StreamPosition } from './hrana/stream.ts'
export type { Hooks, RequestEvent, ResponseEvent } from './hrana/target.ts'
export type * from './hrana/wire.ts'
export type { ObjectRow, Result, RowMode } from './hrana/result.ts'
export type { Args, Statement, StatementObject } from './hrana/statement.ts'
export type { IntMode, SqlInput, SqlValue } from './hrana/value.ts'
export { sql } from './sql.ts'
export type { SqlFragment, SqlTag } from './sql.ts'
export type { TransactionMode } from './hrana/batch.ts'
export { isTrustedBaseUrl } from './hrana/url.ts'
export { isDeadStream } from './hrana/dead-stream.ts'

export { createPlatform } from './platform/client.ts'
export type { Platform, RequestOptions } from './platform/client.ts'
export type { PlatformOptions } from './platform/connection.ts'
export {
  createDatabasesClient,
  createGroupsClient,
  createLocationsClient,
  createOrganizationsClient,
  createMembersClient,
  createInvitesClient,
  createApiTokensClient,
  createAuditLogsClient,
  createJwksClient,
  createUserClient,
  createDatabasesByIdClient,
  createGroupsByIdClient,
} from './platform/resources.ts'
export type { ById, PlatformCallOptions } from './platform/call.ts'
export type { Listing, Page } from './platform/pages.ts'
export { permissions } from './platform/permissions.ts'
export type { TableAction, TablePermission } from './platform/permissions.ts'
export type { Databases, DatabasesById } from './platform/databases.ts'
export type { Groups, GroupsById } from './platform/groups.ts'
export type { Locations } from './platform/locations.ts'
export type { Organizations } from './platform/organizations.ts'
export type { Invites, Members } from './platform/members.ts'
export type { ApiTokens, CreateApiTokenOptions } from './platform/api-tokens.ts'
export type { AuditLogs } from './platform/audit-logs.ts'
export type { KeySets, KeySetTemplate, KeySetTemplateOptions } from './platform/key-sets.ts'
export type { Users } from './platform/user.ts'
export { uploadDatabase } from './platform/upload.ts'
export type { DatabaseFile, UploadOptions, UploadTarget } from './platform/upload.ts'
export { paced } from './platform/pacing.ts'
export type { PacingOptions } from './platform/pacing.ts'
export { createSigner } from './platform/signing.ts'
export type { Signer, SignerOptions, SignOptions } from './platform/signing.ts'
export { generateSigningKey, importSigningKey } from './platform/signing-keys.ts'
export type { PrivateSigningKey, PublicSigningKey, SigningKey } from './platform/signing-keys.ts'
export type * from './platform/types.ts'
export { path } from './path.ts'
export type * from './tenants.ts'

export {
  HttpError,
  isTursoError,
  NetworkError,
  ProtocolError,
  RowError,
  SqlError,
  StreamLostError,
  TimeoutError,
  TursoError,
} from './errors.ts'
export type { HttpErrorDetails, RowIssue, TursoErrorCode, TursoErrorOf } from './errors.ts'
export type { Fetch, FetchInit, FetchResponse } from './http/fetch.ts'
export type { RetryOptions } from './http/retry.ts'
export type { AuthToken } from './http/token.ts'
export type { CallOptions } from './http/watch.ts'
