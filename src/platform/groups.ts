/** Groups: where databases live. */
import { path } from '../path.ts'
import { requireString, unwrap, type PlatformCall, type PlatformCallOptions } from './call.ts'
import type { WireCreateGroupRequest } from './wire.ts'

export interface Group {
  id: string
  name: string
  /** Code of the location that takes the writes, such as `aws-eu-west-1`. */
  primaryLocation: string
  deleteProtection: boolean
  /** The answer as sent, with the members that are not listed here. */
  raw: Record<string, unknown>
}

export interface CreateGroupOptions extends PlatformCallOptions {
  /** A location code such as `aws-eu-west-1`. */
  location: string
}

export interface Groups {
  /** Creates a group. Throws {@link HttpError} `already_exists` when there is one of that name. */
  create(name: string, options: CreateGroupOptions): Promise<Group>
}

export function createGroups(call: PlatformCall, defaultOrganization: string): Groups {
  return {
    async create(name, options) {
      const organization = options.organization ?? defaultOrganization
      const body: WireCreateGroupRequest = { name, location: options.location }
      const answer = await call('POST', path`/v1/organizations/${organization}/groups`, { body, options })
      const raw = unwrap(answer, 'group')
      return {
        id: requireString(raw, 'uuid'),
        name: requireString(raw, 'name'),
        primaryLocation: requireString(raw, 'primary'),
        deleteProtection: raw['delete_protection'] === true,
        raw,
      }
    },
  }
}
