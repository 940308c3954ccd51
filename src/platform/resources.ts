/**
 * The resources of the Platform API one by one, for bundles: each brings along no more than itself. All of them in one object
 * are {@link createPlatform}, whose options and errors are the same.
 */
import { apiTokens, type ApiTokens } from './api-tokens.ts'
import { auditLogs, type AuditLogs } from './audit-logs.ts'
import { createConnection, type PlatformOptions } from './connection.ts'
import { bindDatabases } from './create.ts'
import { databasesById, type Databases, type DatabasesById } from './databases.ts'
import { bind } from './endpoint.ts'
import { groups, groupsById, type Groups, type GroupsById } from './groups.ts'
import { bindKeySets, type KeySets } from './key-sets.ts'
import { locations, type Locations } from './locations.ts'
import { invites, members, type Invites, type Members } from './members.ts'
import { organizations, type Organizations } from './organizations.ts'
import { user, type Users } from './user.ts'

/**
 * The same as `databases` of {@link Platform}.
 *
 * @example
 * const databases = createDatabasesClient({ token, organization })
 * await databases.create('acme')
 */
export function createDatabasesClient(options: PlatformOptions): Databases {
  return bindDatabases(createConnection(options))
}

/** The same as `groups` of {@link Platform}. */
export function createGroupsClient(options: PlatformOptions): Groups {
  return bind(groups, createConnection(options))
}

/** The same as `locations` of {@link Platform}. */
export function createLocationsClient(options: PlatformOptions): Locations {
  return bind(locations, createConnection(options))
}

/** The same as `organizations` of {@link Platform}. */
export function createOrganizationsClient(options: PlatformOptions): Organizations {
  return bind(organizations, createConnection(options))
}

/** The same as `members` of {@link Platform}. */
export function createMembersClient(options: PlatformOptions): Members {
  return bind(members, createConnection(options))
}

/** The same as `invites` of {@link Platform}. */
export function createInvitesClient(options: PlatformOptions): Invites {
  return bind(invites, createConnection(options))
}

/** The same as `apiTokens` of {@link Platform}. */
export function createApiTokensClient(options: PlatformOptions): ApiTokens {
  return bind(apiTokens, createConnection(options))
}

/** The same as `auditLogs` of {@link Platform}. */
export function createAuditLogsClient(options: PlatformOptions): AuditLogs {
  return bind(auditLogs, createConnection(options))
}

/** The same as `jwks` of {@link Platform}. */
export function createJwksClient(options: PlatformOptions): KeySets {
  return bindKeySets(createConnection(options))
}

/** The same as `user` of {@link Platform}. */
export function createUserClient(options: PlatformOptions): Users {
  return bind(user, createConnection(options))
}

/** The same as `databasesById` of {@link Platform}. */
export function createDatabasesByIdClient(options: PlatformOptions): DatabasesById {
  return bind(databasesById, createConnection(options))
}

/** The same as `groupsById` of {@link Platform}. */
export function createGroupsByIdClient(options: PlatformOptions): GroupsById {
  return bind(groupsById, createConnection(options))
}
