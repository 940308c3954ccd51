/** The Turso Platform API: one object that holds the resources. */
import type { CallOptions } from '../http/watch.ts'
import { apiTokens, type ApiTokens } from './api-tokens.ts'
import { auditLogs, type AuditLogs } from './audit-logs.ts'
import type { Method } from './call.ts'
import { createConnection, type PlatformOptions } from './connection.ts'
import { bindDatabases } from './create.ts'
import { databasesById, type Databases, type DatabasesById } from './databases.ts'
import { bind } from './endpoint.ts'
import { groups, groupsById, type Groups, type GroupsById } from './groups.ts'
import { bindKeySets, type KeySets } from './key-sets.ts'
import { locations, type Locations } from './locations.ts'
import { invites, members, type Invites, type Members } from './members.ts'
import { requireNames } from './options.ts'
import { organizations, type Organizations } from './organizations.ts'
import { user, type Users } from './user.ts'

export interface RequestOptions extends CallOptions {
  /** Sent as JSON. */
  body?: unknown
  query?: Readonly<Record<string, string>> | undefined
  /** Whether sending it twice does no more than sending it once. Default: of a GET. */
  isRepeatable?: boolean | undefined
}

export interface Platform {
  databases: Databases
  groups: Groups
  locations: Locations
  organizations: Organizations
  members: Members
  invites: Invites
  apiTokens: ApiTokens
  auditLogs: AuditLogs
  /** Key sets (JWKS) of other issuers of tokens. */
  jwks: KeySets
  user: Users
  /** Databases by id. */
  databasesById: DatabasesById
  /** Groups by id. */
  groupsById: GroupsById
  /**
   * Any route of the API, such as one that this client does not know yet. Resolves with the JSON of the answer as sent,
   * `undefined` when it was empty.
   *
   * @param path from its first slash on; made by the tag of that name, so that no name in it can leave its place
   * @throws {TypeError} for a path without a slash at its beginning or with a `#`, and for a GET with a body
   * @example
   * await turso.request('GET', path`/v1/organizations/${organization}/databases`, { query: { limit: '10' } })
   */
  request(method: Method, path: string, options?: RequestOptions): Promise<unknown>
}

/**
 * A client of the Turso Platform API. Does no I/O until it is used.
 *
 * Its calls throw {@link HttpError} (by `code`: `unauthorized`, `forbidden`, `not_found`, `plan_limit`, `rate_limited`,
 * `unavailable`, …; its message has the method, the path, the server's words and, for a token of the wrong kind or
 * without the scope, a hint), {@link NetworkError}, {@link TimeoutError}, {@link ProtocolError}, `TypeError` for malformed
 * arguments, `RangeError` for a malformed `timeoutMs`, and the reason of an aborted `signal`. All of them reject; only the
 * arguments of this function throw at once.
 *
 * @throws {TypeError} for a missing token or organization, or a malformed `baseUrl`
 * @throws {RangeError} for a malformed `retry`
 * @see https://docs.turso.tech/api-reference
 */
export function createPlatform(options: PlatformOptions): Platform {
  const connection = createConnection(options)
  return {
    databases: bindDatabases(connection),
    groups: bind(groups, connection),
    locations: bind(locations, connection),
    organizations: bind(organizations, connection),
    members: bind(members, connection),
    invites: bind(invites, connection),
    apiTokens: bind(apiTokens, connection),
    auditLogs: bind(auditLogs, connection),
    jwks: bindKeySets(connection),
    user: bind(user, connection),
    databasesById: bind(databasesById, connection),
    groupsById: bind(groupsById, connection),
    async request(method, path, given = {}) {
      requireNames('The options', given, 'query body isRepeatable signal timeoutMs')
      const { query, body, isRepeatable, ...callOptions } = given
      // Else it could be the rest of another host's name, which would be sent the token.
      if (path?.[0] !== '/') throw new TypeError('"path" must begin with a slash')
      if (path.includes('#')) throw new TypeError('"path" must not have a "#": what follows it is not sent')
      if (method === 'GET' && body !== undefined) throw new TypeError('"body" is not for GET')
      const search = `${new URLSearchParams(query)}`
      return connection.call({
        method,
        url: search ? `${path}${path.includes('?') ? '&' : '?'}${search}` : path,
        body,
        isRepeatable,
        ...callOptions,
      })
    },
  }
}
