/** Members of an organization, and invitations to it. */
import type { PlatformCallOptions } from './call.ts'
import type { Endpoints } from './endpoint.ts'
import type { CreatedInvite, Invite, Member, Role } from './types.ts'

/** `ORG` stands for `/v1/organizations/{organization}`. What all methods throw is said at {@link createPlatform}. */
export interface Members {
  /** `GET ORG/members`. */
  list(options?: PlatformCallOptions): Promise<Member[]>
  /**
   * `POST ORG/members`, for somebody who has an account. Throws {@link HttpError}: `not_found` when nobody has that name,
   * `already_exists` for a member.
   */
  add(username: string, options: { role: Exclude<Role, 'owner'> } & PlatformCallOptions): Promise<void>
  /** `GET ORG/members/{username}`. */
  retrieve(username: string, options?: PlatformCallOptions): Promise<Member>
  /** `PATCH ORG/members/{username}`. Throws {@link HttpError} `forbidden` for the owner. */
  update(username: string, options: { role: Exclude<Role, 'owner'> } & PlatformCallOptions): Promise<Member>
  /** `DELETE ORG/members/{username}`. */
  remove(username: string, options?: PlatformCallOptions): Promise<void>
}

/** The Scaler plan or a higher one: others get {@link HttpError} `plan_limit`. */
export interface Invites {
  /** `GET /v2/organizations/{organization}/invites`. */
  list(options?: PlatformCallOptions): Promise<Invite[]>
  /** `POST /v2/organizations/{organization}/invites`, by an address or by a user name. */
  create(
    options: ({ email: string } | { username: string }) & {
      role: Exclude<Role, 'owner'>
    } & PlatformCallOptions,
  ): Promise<CreatedInvite>
  /** `DELETE /v2/organizations/{organization}/invites/{email}`. */
  delete(email: string, options?: PlatformCallOptions): Promise<void>
}

const MEMBER = 'username role'

export const members: Endpoints<Members> = {
  list: {
    route: 'GET /v1/organizations/:organization/members',
    list: true,
    answer: 'members',
    fields: MEMBER,
  },
  add: { route: 'POST /v1/organizations/:organization/members', body: 'username', options: 'role' },
  retrieve: {
    route: 'GET /v1/organizations/:organization/members/:username',
    answer: 'member',
    fields: MEMBER,
  },
  update: {
    route: 'PATCH /v1/organizations/:organization/members/:username',
    options: 'role',
    answer: 'member',
    fields: MEMBER,
  },
  remove: { route: 'DELETE /v1/organizations/:organization/members/:username' },
}

export const invites: Endpoints<Invites> = {
  list: {
    route: 'GET /v2/organizations/:organization/invites',
    list: true,
    answer: 'invites',
    fields: 'email role',
  },
  create: {
    route: 'POST /v2/organizations/:organization/invites',
    options: 'email username role',
    answer: 'invited',
    fields: 'email role',
  },
  delete: { route: 'DELETE /v2/organizations/:organization/invites/:email' },
}
