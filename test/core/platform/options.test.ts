/** What every method takes, tried with every method. */
import { describe, expect, test } from 'vitest'
import {
  createApiTokensClient,
  createAuditLogsClient,
  createDatabasesByIdClient,
  createDatabasesClient,
  createGroupsByIdClient,
  createGroupsClient,
  createInvitesClient,
  createJwksClient,
  createLocationsClient,
  createMembersClient,
  createOrganizationsClient,
  createUserClient,
  isTursoError,
  type Platform,
  type PlatformOptions,
} from '../../../src/index.ts'
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
import { answeredWith } from './answers.ts'

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

/** Each resource as a client of its own. */
const alone = (options: PlatformOptions): Omit<Platform, 'request'> => ({
  apiTokens: createApiTokensClient(options),
  auditLogs: createAuditLogsClient(options),
  databases: createDatabasesClient(options),
  databasesById: createDatabasesByIdClient(options),
  groups: createGroupsClient(options),
  groupsById: createGroupsByIdClient(options),
  invites: createInvitesClient(options),
  jwks: createJwksClient(options),
  locations: createLocationsClient(options),
  members: createMembersClient(options),
  organizations: createOrganizationsClient(options),
  user: createUserClient(options),
})

interface Method {
  name: string
  endpoint: Endpoint
  call: (turso: Omit<Platform, 'request'>, options: object) => Promise<unknown>
}

const methods = Object.entries(RESOURCES).flatMap(([resource, endpoints]) =>
  Object.entries<Endpoint>(endpoints).map(([name, endpoint]): Method => {
    const parts = endpoint.route.match(/:(?!organization|region)\w+/g) ?? []
    const args = [...parts, ...(endpoint.body?.split(' ') ?? [])].map((_, index) => `argument-${index}`)
    return {
      name: `${resource}.${name}`,
      endpoint,
      call: async (turso, options) => {
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

const outcomeOf = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error)

describe.each(methods)('$name', ({ endpoint, call }) => {
  test('goes to its route, with its arguments in their places and no body that is empty', async () => {
    const { turso, sent, options } = answeredWith([{ body: {} }], { retry: false })
    await outcomeOf(call(turso, {}))
    const [method = '', route = ''] = endpoint.route.split(' ')
    let index = 0
    const path = route
      .replace(':organizationId', 'org-id')
      .replace(':organization', 'acme-inc')
      .replace(/^:region/, 'https://region.turso.io')
      .replaceAll(/:\w+/g, () => `argument-${index++}`)
    expect(sent).toHaveLength(1)
    const origin = path.startsWith('/') ? 'https://api.turso.tech' : ''
    expect([sent[0]!.method, sent[0]!.url]).toEqual([method, origin + path])
    const body = endpoint.body && { [endpoint.body]: `argument-${index}` }
    // `create` makes its body itself.
    expect(sent[0]!.body === undefined ? undefined : JSON.parse(sent[0]!.body)).toEqual(
      route.endsWith('/databases') && method === 'POST' && route.startsWith('/v1')
        ? { ...(body as object), group: 'default' }
        : body,
    )
    await outcomeOf(call(alone(options), {}))
    expect(sent[1]).toEqual(sent[0])
  })

  test('ends by its timeout and by its signal', async () => {
    const { turso } = answeredWith([], { fetch: () => new Promise(() => {}) })
    expect(isTursoError(await outcomeOf(call(turso, { timeoutMs: 5 })), 'timeout')).toBe(true)
    const controller = new AbortController()
    const pending = outcomeOf(call(turso, { signal: controller.signal }))
    const reason = new Error('the user left')
    controller.abort(reason)
    expect(await pending).toBe(reason)
  })

  test('that lacks something to answer with is a protocol error, or needs nothing', async () => {
    const { turso } = answeredWith([{ body: '' }], { retry: false })
    const outcome = await outcomeOf(call(turso, {}))
    const { answer, fields = '' } = endpoint
    const needsNothing = answer === undefined || (answer === '' && /^(!\w+ ?)+$/.test(fields))
    expect(isTursoError(outcome, 'protocol')).toBe(!needsNothing)
  })
})

const isRead = ({ endpoint }: Method): boolean => endpoint.route.startsWith('GET ')
const takesOrganization = ({ endpoint }: Method): boolean =>
  /:organization/.test(endpoint.route) || endpoint.options?.includes('organization') === true

test.each(methods.filter((method) => isRead(method) || takesOrganization(method)))(
  '$name takes another organization',
  async ({ endpoint, call }) => {
    const { turso, sent } = answeredWith([{ body: {} }], { retry: false })
    await outcomeOf(call(turso, { organization: 'other one' }))
    expect(sent[0]!.url.includes('/other%20one')).toBe(/:organization\b/.test(endpoint.route))
    expect(sent[0]!.url).not.toContain('acme-inc')
  },
)

test.each(methods.filter(isRead))('$name hands on a filter that is not known here', async ({ call }) => {
  const { turso, sent } = answeredWith([{ body: {} }], { retry: false })
  await outcomeOf(call(turso, { brandNew: 'x' }))
  expect(new URL(sent[0]!.url).searchParams.get('brand_new')).toBe('x')
})

test.each(methods.filter((method) => !isRead(method)))(
  '$name refuses an option that it does not have',
  async (method) => {
    const { turso, sent } = answeredWith([{ body: {} }], { retry: false })
    const wrong = ['brandNew', 'name_', 'constructor', '__proto__']
    // The routes of version 1 know no ids, and those of a user no organization.
    if (!/:organizationId/.test(method.endpoint.route)) wrong.push('organizationId')
    if (!takesOrganization(method)) wrong.push('organization')
    for (const name of wrong) {
      const outcome = await outcomeOf(method.call(turso, JSON.parse(`{"${name}":"x"}`) as object))
      expect(outcome).toBeInstanceOf(TypeError)
      expect(String(outcome)).toContain(`got an unknown "${name}"`)
    }
    expect(sent).toEqual([])
  },
)
