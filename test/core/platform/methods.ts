/** Every method of the client that is one request, as data: to try something with all of them. */
import type { Platform } from '../../../src/index.ts'
import { apiTokens } from '../../../src/platform/api-tokens.ts'
import { auditLogs } from '../../../src/platform/audit-logs.ts'
import { databases, databasesById } from '../../../src/platform/databases.ts'
import type { Endpoint } from '../../../src/platform/endpoint.ts'
import { groups, groupsById } from '../../../src/platform/groups.ts'
import { keySets } from '../../../src/platform/key-sets.ts'
import { locations } from '../../../src/platform/locations.ts'
import { invites, members } from '../../../src/platform/members.ts'
import { organizations } from '../../../src/platform/organizations.ts'
import { user } from '../../../src/platform/user.ts'

const RESOURCES = {
  apiTokens,
  auditLogs,
  databases,
  databasesById,
  groups,
  groupsById,
  invites,
  jwks: keySets,
  locations,
  members,
  organizations,
  user,
} satisfies Partial<Record<keyof Platform, unknown>>

export interface Method {
  name: string
  endpoint: Endpoint
  /** How many arguments it has before its options. */
  arity: number
  call: (turso: Omit<Platform, 'request'>, args: readonly unknown[], options: object) => Promise<unknown>
}

export const methods = Object.entries(RESOURCES).flatMap(([resource, endpoints]) =>
  Object.entries<Endpoint>(endpoints).map(([name, endpoint]): Method => {
    const parts = endpoint.route.match(/:(?!organization|region)\w+/g) ?? []
    return {
      name: `${resource}.${name}`,
      endpoint,
      arity: parts.length + (endpoint.body?.split(' ').length ?? 0),
      call: async (turso, args, options) => {
        const method = (turso as unknown as Record<string, Record<string, (...all: unknown[]) => unknown>>)[
          resource
        ]![name]!
        const ids = endpoint.route.includes(':organizationId') ? { organizationId: 'org-id' } : {}
        const made = method(...args, { ...ids, ...options })
        return await (endpoint.list === 'cursor' || endpoint.list === 'page'
          ? (made as { page(): Promise<unknown> }).page()
          : made)
      },
    }
  }),
)

export const isRead = ({ endpoint }: Method): boolean => endpoint.route.startsWith('GET ')
export const takesOrganization = ({ endpoint }: Method): boolean =>
  /:organization/.test(endpoint.route) || endpoint.options?.includes('organization') === true

/** The path that a method asks for, or `undefined` for one that is on another host. */
export function pathOf(
  { endpoint }: Method,
  args: readonly string[],
  organization: string,
): string | undefined {
  const path = endpoint.route.split(' ')[1]!
  if (!path.startsWith('/')) return undefined
  let index = 0
  return path
    .replace(':organizationId', 'org-id')
    .replaceAll(/:\w+/g, (part) =>
      encodeURIComponent(part === ':organization' ? organization : args[index++]!),
    )
}
