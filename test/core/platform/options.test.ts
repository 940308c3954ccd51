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
import { answeredWith } from './answers.ts'
import { isRead, methods, pathOf, takesOrganization, type Method } from './methods.ts'

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

const argumentsOf = ({ arity }: Method): string[] =>
  Array.from({ length: arity }, (_, index) => `argument-${index}`)
const outcomeOf = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error)

describe.each(methods)('$name', (method) => {
  const { endpoint } = method
  const args = argumentsOf(method)
  const call = (turso: Omit<Platform, 'request'>, options: object) => method.call(turso, args, options)

  test('goes to its route, with its arguments in their places and no body that is empty', async () => {
    const { turso, sent, options } = answeredWith([{ body: {} }], { retry: false })
    await outcomeOf(call(turso, {}))
    expect(sent).toHaveLength(1)
    const path = pathOf(method, args, 'acme-inc')
    expect(`${sent[0]!.method} ${sent[0]!.url}`).toBe(
      path === undefined
        ? 'GET https://region.turso.io'
        : `${endpoint.route.split(' ')[0]} https://api.turso.tech${path}`,
    )
    const body = endpoint.body && { [endpoint.body]: args.at(-1) }
    // `create` makes its body itself.
    expect(sent[0]!.body === undefined ? undefined : JSON.parse(sent[0]!.body)).toEqual(
      method.name === 'databases.create' ? { ...(body as object), group: 'default' } : body,
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

test.each(methods.filter((method) => isRead(method) || takesOrganization(method)))(
  '$name takes another organization',
  async (method) => {
    const { turso, sent } = answeredWith([{ body: {} }], { retry: false })
    await outcomeOf(method.call(turso, argumentsOf(method), { organization: 'other one' }))
    expect(sent[0]!.url.includes('/other%20one')).toBe(/:organization\b/.test(method.endpoint.route))
    expect(sent[0]!.url).not.toContain('acme-inc')
  },
)

test.each(methods.filter(isRead))('$name hands on a filter that is not known here', async (method) => {
  const { turso, sent } = answeredWith([{ body: {} }], { retry: false })
  await outcomeOf(method.call(turso, argumentsOf(method), { brandNew: 'x' }))
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
      const outcome = await outcomeOf(
        method.call(turso, argumentsOf(method), JSON.parse(`{"${name}":"x"}`) as object),
      )
      expect(outcome).toBeInstanceOf(TypeError)
      expect(String(outcome)).toContain(`got an unknown "${name}"`)
    }
    expect(sent).toEqual([])
  },
)
