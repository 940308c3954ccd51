/**
 * What other clients of the Platform API call the same thing, and where they are wrong about it. Read from their sources:
 * `@tursodatabase/api` 2.0.5, the Elixir package `turso` 0.1.1 and the Turso CLI at e149f69 (June 2026).
 */

export interface Peers {
  /** A method of `@tursodatabase/api`. */
  official?: string
  /** How its request or its result differs from ours. `undefined`: in nothing. */
  officialDiffers?: string
  /** A function of the Elixir package. */
  elixir?: string
  elixirDiffers?: string
  /** A command of the CLI, without `turso`. */
  cli?: string
  /** Where a route is known from that the reference of the API does not have. */
  evidence?: string
}

const FIRST_PAGE = 'reads the first page alone'
const EMPTY_BODY = 'throws a SyntaxError on the empty body, after it has had its effect'
const UNTYPED = 'sends JSON as text/plain'
const PERMISSIONS =
  'always sends permissions, which databases on AWS refuse even when they are empty, as text/plain'
const NOT_ENCODED = 'sends names into the path as they are'

export const PEERS: Readonly<Record<string, Peers>> = {
  'databases.list': {
    official: 'databases.list',
    officialDiffers: FIRST_PAGE,
    elixir: 'Databases.list',
    elixirDiffers: `${FIRST_PAGE}, without filters`,
    cli: 'db list',
  },
  'databases.create': {
    official: 'databases.create',
    officialDiffers:
      'sends no group unless it is given one; writes the time of a seed into the options of its caller',
    elixir: 'Databases.create',
    elixirDiffers: 'creates a missing group in an edge location, which AWS does not know',
    cli: 'db create',
  },
  'databases.ensure': {},
  'databases.retrieve': {
    official: 'databases.get',
    officialDiffers: NOT_ENCODED,
    elixir: 'Databases.retrieve',
    cli: 'db show',
  },
  'databases.delete': { official: 'databases.delete', elixir: 'Databases.delete', cli: 'db destroy' },
  'databases.configuration': { cli: 'db config' },
  'databases.update': {
    elixir: 'Databases.update',
    elixirDiffers: 'knows sizes and ATTACH alone',
    cli: 'db config, db allow-rules',
  },
  'databases.createToken': {
    official: 'databases.createToken',
    officialDiffers: PERMISSIONS,
    elixir: 'Databases.create_token',
    elixirDiffers: 'sends its options in the body, where the API ignores them',
    cli: 'db tokens create',
  },
  'databases.invalidateTokens': {
    official: 'databases.rotateTokens',
    officialDiffers: EMPTY_BODY,
    elixir: 'Databases.invalidate_tokens',
    elixirDiffers: 'asks for a route that does not exist',
    cli: 'db tokens invalidate',
  },
  'databases.usage': { official: 'databases.usage', cli: 'db inspect' },
  'databases.stats': {},
  'databases.instances': { official: 'databases.listInstances', cli: 'db show' },
  'databases.retrieveInstance': { official: 'databases.getInstance' },
  'databases.listDeleted': {},
  'databases.restore': {},
  'databases.queryStatistics': { cli: 'db inspect --queries', evidence: 'databases.go' },
  'databases.transfer': { cli: 'db transfer', evidence: 'databases.go' },
  'databases.wakeUp': { cli: 'db wakeup', evidence: 'databases.go' },

  'databasesById.list': { evidence: 'databases_v3.go' },
  'databasesById.create': { evidence: 'databases_v3.go' },
  'databasesById.retrieve': { evidence: 'databases_v3.go' },
  'databasesById.delete': { evidence: 'databases_v3.go' },
  'databasesById.createToken': { evidence: 'databases_v3.go' },

  'groups.list': { official: 'groups.list', elixir: 'Groups.list', cli: 'group list' },
  'groups.create': { official: 'groups.create', elixir: 'Groups.create', cli: 'group create' },
  'groups.retrieve': { official: 'groups.get', elixir: 'Groups.retrieve', cli: 'group show' },
  'groups.delete': { official: 'groups.delete', elixir: 'Groups.delete', cli: 'group destroy' },
  'groups.configuration': { cli: 'group config' },
  'groups.update': { cli: 'group config' },
  'groups.createToken': {
    official: 'groups.createToken',
    officialDiffers: PERMISSIONS,
    cli: 'group tokens create',
  },
  'groups.invalidateTokens': {
    official: 'groups.rotateTokens',
    officialDiffers: EMPTY_BODY,
    cli: 'group tokens invalidate',
  },
  'groups.transfer': { cli: 'group transfer' },
  'groups.unarchive': { cli: 'group unarchive' },
  'groups.updateVersion': {},
  'groups.addLocation': {
    official: 'groups.addLocation',
    elixir: 'Groups.add_location',
    cli: 'group locations add',
  },
  'groups.removeLocation': {
    official: 'groups.removeLocation',
    elixir: 'Groups.remove_location',
    cli: 'group locations remove',
  },
  'groups.listDeleted': {},
  'groups.restore': {},
  'groups.waitForLocation': { evidence: 'groups.go' },
  'groups.rename': { cli: 'group rename', evidence: 'group_rename.go' },
  'groups.migration': { cli: 'group aws-migration info', evidence: 'group_aws_migrate.go' },
  'groups.startMigration': { cli: 'group aws-migration start', evidence: 'group_aws_migrate.go' },
  'groups.abortMigration': { cli: 'group aws-migration abort', evidence: 'group_aws_migrate.go' },

  'groupsById.list': { evidence: 'groups_v3.go' },
  'groupsById.retrieve': { evidence: 'groups_v3.go' },
  'groupsById.createToken': { evidence: 'groups_v3.go' },

  'locations.list': {
    official: 'locations.list',
    elixir: 'Locations.list',
    elixirDiffers: 'takes the map for a list',
    cli: 'db locations',
  },
  'locations.closest': {
    official: 'locations.closest',
    officialDiffers: 'knows no other fetch, and takes any answer for a location',
    elixir: 'Locations.closest',
  },
  'locations.retrieve': { elixir: 'Locations.get', evidence: 'locations.go' },
  'locations.listByProvider': { cli: 'db locations', evidence: 'locations.go' },

  'organizations.list': {
    official: 'organizations.list',
    officialDiffers: 'is always empty: it looks for an object where there is an array',
    elixir: 'Organizations.list',
    cli: 'org list',
  },
  'organizations.retrieve': { elixir: 'Organizations.retrieve' },
  'organizations.update': {
    official: 'organizations.update',
    officialDiffers: `${UNTYPED}; knows overages alone`,
    cli: 'plan overages',
  },
  'organizations.plans': { cli: 'plan show' },
  'organizations.subscription': { elixir: 'Organizations.subscription', cli: 'plan show' },
  'organizations.usage': { elixir: 'Organizations.usage', cli: 'plan show' },
  'organizations.invoices': { official: 'organizations.invoices', cli: 'invoice list' },
  'organizations.create': { cli: 'org create', evidence: 'organizations.go' },
  'organizations.delete': {
    official: 'organizations.delete',
    cli: 'org destroy',
    evidence: 'organizations.go',
  },

  'members.list': { official: 'organizations.members', cli: 'org members list' },
  'members.add': {
    official: 'organizations.addMember',
    officialDiffers: 'asks for a route that does not exist',
    cli: 'org members add',
  },
  'members.retrieve': {},
  'members.update': {},
  'members.remove': { official: 'organizations.removeMember', cli: 'org members rm' },

  'invites.list': { official: 'organizations.listInvites', cli: 'org invites list' },
  'invites.create': {
    official: 'organizations.inviteUser',
    officialDiffers: `${UNTYPED}; knows addresses alone`,
    cli: 'org invites create',
  },
  'invites.delete': {
    official: 'organizations.deleteInvite',
    officialDiffers: EMPTY_BODY,
    cli: 'org invites remove',
  },

  'apiTokens.validate': {
    official: 'apiTokens.validate',
    officialDiffers: 'asks for a route that does not exist',
    elixir: 'Tokens.validate',
  },
  'apiTokens.list': { official: 'apiTokens.list', elixir: 'Tokens.list', cli: 'auth api-tokens list' },
  'apiTokens.create': {
    official: 'apiTokens.create',
    officialDiffers: 'knows neither organization, group nor scopes, and announces JSON that it does not send',
    elixir: 'Tokens.create',
    cli: 'auth api-tokens mint',
  },
  'apiTokens.revoke': {
    official: 'apiTokens.revoke',
    elixir: 'Tokens.revoke',
    cli: 'auth api-tokens revoke',
  },
  'apiTokens.listOfOrganization': {},
  'apiTokens.revokeOfOrganization': {},
  'apiTokens.invalidateSessions': { cli: 'auth logout --all', evidence: 'token.go' },

  'auditLogs.list': {
    elixir: 'AuditLogs.list',
    elixirDiffers: 'pages by parameters that do not exist',
    cli: 'org audit-logs',
  },
  'user.retrieve': { cli: 'auth whoami' },
  'jwks.list': { cli: 'org jwks list', evidence: 'organizations.go' },
  'jwks.save': { cli: 'org jwks save', evidence: 'organizations.go' },
  'jwks.delete': { cli: 'org jwks remove', evidence: 'organizations.go' },
  'jwks.template': { cli: 'org jwks template', evidence: 'organizations.go' },
  uploadDatabase: { cli: 'db import' },
}

/** Routes that are known, and not offered. */
export const NOT_OFFERED: readonly (readonly [route: string, reason: string])[] = [
  [
    '`GET /v2/organizations/{organization}/jwks-template`',
    'a GET with a body, which `fetch` cannot send; `jwks.template` makes it here',
  ],
  ['`GET /v1/current-user`', 'the older name of `GET /v1/user`'],
  [
    '`GET /v2/organizations`, `POST /v2/auth/api-tokens/{name}`',
    'the same as in version 1; their answers are understood too',
  ],
  [
    '`POST …/databases/dumps`, `POST …/databases/{name}/seed`',
    'dumps are gone from the reference since April 2025; `uploadDatabase` takes a file',
  ],
  [
    '`POST …/instances`, `DELETE …/instances/{name}`, `GET …/instances/{name}/wait`',
    'replicas are gone from the reference since January 2025',
  ],
  [
    '`POST …/databases/{name}/update`',
    'gone since March 2025; the official client still has it as `updateVersion`',
  ],
  ['`GET …/limits`, `GET …/audit-logs/{id}`', 'the Elixir package asks for them, and they do not exist'],
  ['`/v1/oauth/…`', 'a flow of a browser, not a call of a server'],
]
