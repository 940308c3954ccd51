/** Groups: where databases live. */
import type { ById, PlatformCallOptions } from './call.ts'
import { checkToken } from './checks.ts'
import { TOKEN_OPTIONS, TOKEN_QUERY } from './databases.ts'
import { jwtOf, type Endpoint, type Endpoints } from './endpoint.ts'
import type { Listing } from './pages.ts'
import type {
  CreateGroupOptions,
  CreateTokenOptions,
  DeletedGroup,
  Group,
  GroupConfiguration,
  LocationCode,
  Migration,
  RestoredGroup,
} from './types.ts'

/** `ORG` stands for `/v1/organizations/{organization}`. What all methods throw is said at {@link createPlatform}. */
export interface Groups {
  /** `GET ORG/groups`. */
  list(options?: PlatformCallOptions): Promise<Group[]>
  /**
   * `POST ORG/groups`. Throws {@link HttpError}: `already_exists` when there is one of that name, `plan_limit` when the
   * plan allows no more.
   */
  create(name: string, options: CreateGroupOptions): Promise<Group>
  /** `GET ORG/groups/{name}`. Throws {@link HttpError} `not_found` when there is none. */
  retrieve(name: string, options?: PlatformCallOptions): Promise<Group>
  /** `DELETE ORG/groups/{name}`, with all its databases. */
  delete(name: string, options?: PlatformCallOptions): Promise<void>
  /** `GET ORG/groups/{name}/configuration`. */
  configuration(name: string, options?: PlatformCallOptions): Promise<GroupConfiguration>
  /** `PATCH ORG/groups/{name}/configuration`. What is left out stays as it is. */
  update(
    name: string,
    options: { deleteProtection?: boolean | undefined } & PlatformCallOptions,
  ): Promise<GroupConfiguration>
  /**
   * `POST ORG/groups/{name}/auth/tokens`: a token for SQL on every database of the group, those to come included. Safe to
   * repeat, so it is retried. See {@link Databases.createToken}.
   */
  createToken(name: string, options?: CreateTokenOptions): Promise<string>
  /**
   * `POST ORG/groups/{name}/auth/rotate`: ends all tokens of the group and of its databases. Sent once and never retried.
   * Elsewhere it is called `rotateTokens`.
   */
  invalidateTokens(name: string, options?: PlatformCallOptions): Promise<void>
  /**
   * `POST ORG/groups/{name}/transfer`, to another organization. Host names and tokens keep working, tokens of the
   * Platform API that are scoped to the group do not.
   */
  transfer(name: string, toOrganization: string, options?: PlatformCallOptions): Promise<Group>
  /** `POST ORG/groups/{name}/unarchive`: the free plan archives a group after ten days without a request. */
  unarchive(name: string, options?: PlatformCallOptions): Promise<Group>
  /** `POST ORG/groups/{name}/update`: brings its databases to the newest version, with a short downtime. */
  updateVersion(name: string, options?: PlatformCallOptions): Promise<void>
  /** `POST ORG/groups/{name}/locations/{location}`. New organizations cannot have replicas. */
  addLocation(name: string, location: LocationCode, options?: PlatformCallOptions): Promise<Group>
  /** `DELETE ORG/groups/{name}/locations/{location}`. */
  removeLocation(name: string, location: LocationCode, options?: PlatformCallOptions): Promise<Group>
  /** `GET /v3/organizations/{id}/deleted-groups`, in pages: of the last five days. Paid plans only. */
  listDeleted(options?: { limit?: number | undefined } & ById): Listing<DeletedGroup>
  /** `POST /v3/organizations/{id}/groups/{groupId}/restore`, with its databases as far as that is possible. */
  restore(id: string, options?: ById): Promise<RestoredGroup>
  /**
   * `GET ORG/groups/{name}/locations/{location}/wait`: resolves when the location is ready.
   * @experimental From the Turso CLI (groups.go).
   */
  waitForLocation(name: string, location: LocationCode, options?: PlatformCallOptions): Promise<void>
  /**
   * `POST ORG/groups/{name}/rename`.
   * @experimental From the Turso CLI (group_rename.go).
   */
  rename(name: string, newName: string, options?: PlatformCallOptions): Promise<Group>
  /**
   * `GET ORG/groups/{name}/aws/migration/info`: how the move from the older servers to AWS stands.
   * @experimental From the Turso CLI (group_aws_migrate.go).
   */
  migration(name: string, options?: PlatformCallOptions): Promise<Migration>
  /**
   * `POST ORG/groups/{name}/aws/migration/start`.
   * @experimental From the Turso CLI (group_aws_migrate.go).
   */
  startMigration(name: string, options?: PlatformCallOptions): Promise<void>
  /**
   * `POST ORG/groups/{name}/aws/migration/abort`.
   * @experimental From the Turso CLI (group_aws_migrate.go).
   */
  abortMigration(name: string, options?: PlatformCallOptions): Promise<void>
}

/**
 * Groups by their ids, as version 3 of the API addresses them.
 * @experimental From the Turso CLI (groups_v3.go, behind a hidden flag).
 */
export interface GroupsById {
  /** `GET /v3/organizations/{id}/groups`. */
  list(options?: ById): Promise<Group[]>
  /** `GET /v3/organizations/{id}/groups/{groupId}`. */
  retrieve(id: string, options?: ById): Promise<Group>
  /** `POST /v3/organizations/{id}/groups/{groupId}/auth/tokens`. */
  createToken(id: string, options?: CreateTokenOptions & ById): Promise<string>
}

const GROUP = 'id name primaryLocation !deleteProtection !archived'

/** By itself, since a bundle without groups makes missing ones too. */
export const createGroup: Endpoint = {
  route: 'POST /v1/organizations/:organization/groups',
  options: 'location extensions',
  body: 'name',
  answer: 'group',
  fields: GROUP,
}

export const groups: Endpoints<Groups> = {
  list: {
    route: 'GET /v1/organizations/:organization/groups',
    list: true,
    answer: 'groups',
    fields: GROUP,
    scope: 'read',
  },
  create: createGroup,
  retrieve: {
    route: 'GET /v1/organizations/:organization/groups/:name',
    answer: 'group',
    fields: GROUP,
    scope: 'read',
  },
  delete: { route: 'DELETE /v1/organizations/:organization/groups/:name' },
  configuration: {
    route: 'GET /v1/organizations/:organization/groups/:name/configuration',
    answer: '',
    fields: '!deleteProtection',
    scope: 'read',
  },
  update: {
    route: 'PATCH /v1/organizations/:organization/groups/:name/configuration',
    options: 'deleteProtection',
    answer: '',
    fields: '!deleteProtection',
    scope: 'group:configure',
  },
  createToken: {
    route: 'POST /v1/organizations/:organization/groups/:name/auth/tokens',
    options: TOKEN_OPTIONS,
    query: TOKEN_QUERY,
    check: checkToken,
    answer: jwtOf,
    isRepeatable: true,
    scope: 'group:mint-token',
  },
  invalidateTokens: {
    route: 'POST /v1/organizations/:organization/groups/:name/auth/rotate',
    isRepeatable: false,
    scope: 'group:rotate-creds',
  },
  transfer: {
    route: 'POST /v1/organizations/:organization/groups/:name/transfer',
    body: 'organization',
    answer: 'group',
    fields: GROUP,
  },
  unarchive: {
    route: 'POST /v1/organizations/:organization/groups/:name/unarchive',
    answer: 'group',
    fields: GROUP,
    scope: 'group:configure',
  },
  updateVersion: {
    route: 'POST /v1/organizations/:organization/groups/:name/update',
    scope: 'group:configure',
  },
  addLocation: {
    route: 'POST /v1/organizations/:organization/groups/:name/locations/:location',
    answer: 'group',
    fields: GROUP,
    scope: 'group:configure',
  },
  removeLocation: {
    route: 'DELETE /v1/organizations/:organization/groups/:name/locations/:location',
    answer: 'group',
    fields: GROUP,
    scope: 'group:configure',
  },
  listDeleted: {
    route: 'GET /v3/organizations/:organizationId/deleted-groups',
    list: 'cursor',
    answer: 'groups',
    fields: 'id name',
  },
  restore: {
    route: 'POST /v3/organizations/:organizationId/groups/:id/restore',
    answer: (whole) => whole['group'] && whole,
  },
  waitForLocation: {
    route: 'GET /v1/organizations/:organization/groups/:name/locations/:location/wait',
    scope: 'read',
  },
  rename: {
    route: 'POST /v1/organizations/:organization/groups/:name/rename',
    body: 'name',
    answer: 'group',
    fields: GROUP,
  },
  migration: {
    route: 'GET /v1/organizations/:organization/groups/:name/aws/migration/info',
    answer: '',
    fields: 'status',
  },
  startMigration: {
    route: 'POST /v1/organizations/:organization/groups/:name/aws/migration/start',
  },
  abortMigration: {
    route: 'POST /v1/organizations/:organization/groups/:name/aws/migration/abort',
  },
}

export const groupsById: Endpoints<GroupsById> = {
  list: {
    route: 'GET /v3/organizations/:organizationId/groups',
    list: true,
    answer: 'groups',
    fields: GROUP,
    scope: 'read',
  },
  retrieve: {
    route: 'GET /v3/organizations/:organizationId/groups/:id',
    answer: 'group',
    fields: GROUP,
    scope: 'read',
  },
  createToken: {
    route: 'POST /v3/organizations/:organizationId/groups/:id/auth/tokens',
    options: TOKEN_OPTIONS,
    query: TOKEN_QUERY,
    check: checkToken,
    answer: jwtOf,
    isRepeatable: true,
    scope: 'group:mint-token',
  },
}
