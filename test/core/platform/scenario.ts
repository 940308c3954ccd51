/** Every endpoint once, in an order in which it has something to answer; with what went over the wire for it. */
import { createPlatform, isTursoError, type FetchInit, type Platform } from '../../../src/index.ts'

/** One call: what it asked, what it was answered, and what the caller got. */
export interface Exchange {
  call: string
  request: { method: string; path: string; query: Record<string, string>; body: unknown }
  response: { status: number; body: unknown }
  /** Without `raw`; `{ error }` has the code of what it threw. */
  result: unknown
}

/** The organization that the calls are made in; it is created by one of them. */
export const ORGANIZATION = 'golden'

const LOCATION = 'aws-eu-west-1'

/** Runs against the local Turso that the global `fetch` reaches, or the one that `fetch` does. */
export async function runScenario(fetch: typeof globalThis.fetch = globalThis.fetch): Promise<Exchange[]> {
  const exchanges: Exchange[] = []
  const pending: Pick<Exchange, 'request' | 'response'>[] = []
  const record = async (url: string, init: FetchInit): Promise<Response> => {
    const { origin, pathname, searchParams } = new URL(url)
    const response = await fetch(url, init)
    const text = await response.clone().text()
    pending.push({
      request: {
        method: init.method,
        path: (origin === 'https://api.turso.tech' ? '' : origin) + pathname,
        query: Object.fromEntries(searchParams),
        body: init.body === undefined ? null : JSON.parse(init.body),
      },
      response: { status: response.status, body: text === '' ? null : JSON.parse(text) },
    })
    return response
  }
  const turso = createPlatform({
    token: 'local-platform-token',
    organization: ORGANIZATION,
    fetch: record,
    retry: false,
  })

  /** Every request of a call is an exchange of its own; the last one has the result. */
  const step = async <T>(call: string, make: (turso: Platform) => T | Promise<T>): Promise<T> => {
    const [result, outcome] = await Promise.resolve(make(turso)).then(
      (value) => [value, value ?? null] as const,
      (error: unknown) => [undefined, { error: isTursoError(error) ? error.code : String(error) }] as const,
    )
    const requests = pending.splice(0)
    for (const [index, exchange] of requests.entries())
      exchanges.push({
        call,
        ...exchange,
        result: index === requests.length - 1 ? withoutRaw(outcome) : 'another request follows',
      })
    return result as T
  }

  await step('organizations.create', (t) => t.organizations.create(ORGANIZATION, { dryRun: true }))
  await step('organizations.create', (t) => t.organizations.create(ORGANIZATION))
  await step('organizations.retrieve', (t) => t.organizations.retrieve())
  await step('organizations.update', (t) => t.organizations.update({ overages: true, requireMfa: true }))
  await step('organizations.plans', (t) => t.organizations.plans())
  await step('organizations.subscription', (t) => t.organizations.subscription())
  await step('organizations.invoices', (t) => t.organizations.invoices({ type: 'issued' }))

  await step('locations.list', (t) => t.locations.list())
  await step('locations.closest', (t) => t.locations.closest())
  await step('locations.retrieve', (t) => t.locations.retrieve(LOCATION))
  await step('locations.listByProvider', (t) => t.locations.listByProvider())

  await step('databases.create', (t) => t.databases.create('acme', { location: LOCATION }))
  await step('databases.create', (t) => t.databases.create('acme', { location: LOCATION }))
  await step('databases.create', (t) => t.databases.create('sized', { sizeLimit: '500mb' }))
  const copy = await step('databases.create', (t) =>
    t.databases.create('copy', { group: 'default', seed: { type: 'database', name: 'acme' } }),
  )
  await step('databases.create', (t) =>
    t.databases.create('past', {
      seed: { type: 'database', name: 'acme', timestamp: new Date(Date.UTC(2026, 0, 2)) },
    }),
  )
  await step('databases.create', (t) =>
    t.databases.create('secret', {
      remoteEncryption: { encryptionKey: 'AAAA', encryptionCipher: 'aes256gcm' },
    }),
  )
  await step('databases.create', (t) => t.databases.create('new', { useTursodb: true }))
  await step('databases.create', (t) => t.databases.create('schema', { isSchema: true }))
  await step('databases.create', (t) => t.databases.create('child', { schema: 'schema' }))
  await step('databases.create', (t) => t.databases.create('file', { seed: { type: 'database_upload' } }))
  await step('databases.create', (t) =>
    t.databases.create('dump', { seed: { type: 'dump', url: 'https://dumps.example/1' } }),
  )
  await step('databases.ensure', (t) => t.databases.ensure('acme'))
  await step('databases.list', (t) => t.databases.list({ group: 'default', limit: 2 }).page())
  await step('databases.list', async (t) => {
    const list = t.databases.list({ limit: 2 })
    return list.page((await list.page()).next ?? undefined)
  })
  const acme = await step('databases.retrieve', (t) => t.databases.retrieve('acme'))
  await step('databases.list', (t) => t.databases.list({ parent: acme.id }).page())
  await step('databases.retrieve', (t) => t.databases.retrieve('nope'))
  await step('databases.configuration', (t) => t.databases.configuration('acme'))
  await step('databases.update', (t) =>
    t.databases.update('acme', { blockWrites: true, allowedIps: ['10.0.0.0/8'], allowedAwsVpcIds: null }),
  )
  await step('databases.update', (t) =>
    t.databases.update('acme', { sizeLimit: 1_000_000, allowAttach: true }),
  )
  await step('databases.createToken', (t) =>
    t.databases.createToken('acme', { expiration: '2w1d30m', authorization: 'read-only' }),
  )
  await step('databases.createToken', (t) =>
    t.databases.createToken('acme', {
      permissions: { readAttach: { databases: ['copy'] } },
      fineGrainedPermissions: [{ t: ['notes'], a: ['data_read'] }],
    }),
  )
  await step('databases.invalidateTokens', (t) => t.databases.invalidateTokens('acme'))
  await step('databases.usage', (t) =>
    t.databases.usage('acme', { from: new Date(Date.UTC(2026, 0, 2)), to: '2026-02-01T00:00:00+01:00' }),
  )
  await step('databases.stats', (t) => t.databases.stats('acme'))
  const [instance] = await step('databases.instances', (t) => t.databases.instances('acme'))
  await step('databases.retrieveInstance', (t) => t.databases.retrieveInstance('acme', instance!.name))
  await step('databases.queryStatistics', (t) => t.databases.queryStatistics('acme', { from: new Date(0) }))
  await step('databases.transfer', (t) => t.databases.transfer('acme', 'local'))
  await step('databases.wakeUp', (t) => t.databases.wakeUp('acme'))
  await step('databases.delete', (t) => t.databases.delete('copy'))
  await step('databases.listDeleted', (t) => t.databases.listDeleted({ search: 'co', limit: 10 }).page())
  await step('organizations.update', (t) => t.organizations.update({ restoreEnabled: true }))
  await step('databases.restore', (t) => t.databases.restore(copy.id, { name: 'copied' }))

  const second = await step('groups.create', (t) =>
    t.groups.create('second', { location: LOCATION, extensions: ['vec', 'uuid'] }),
  )
  await step('groups.create', (t) => t.groups.create('second', { location: LOCATION }))
  await step('groups.list', (t) => t.groups.list())
  await step('groups.retrieve', (t) => t.groups.retrieve('second'))
  await step('groups.configuration', (t) => t.groups.configuration('second'))
  await step('groups.update', (t) => t.groups.update('second', { deleteProtection: true }))
  await step('groups.delete', (t) => t.groups.delete('second'))
  await step('groups.update', (t) => t.groups.update('second', { deleteProtection: false }))
  await step('groups.createToken', (t) => t.groups.createToken('second', { expiration: 'never' }))
  await step('groups.invalidateTokens', (t) => t.groups.invalidateTokens('second'))
  await step('groups.addLocation', (t) => t.groups.addLocation('second', 'aws-us-east-1'))
  await step('groups.waitForLocation', (t) => t.groups.waitForLocation('second', 'aws-us-east-1'))
  await step('groups.removeLocation', (t) => t.groups.removeLocation('second', 'aws-us-east-1'))
  await step('groups.unarchive', (t) => t.groups.unarchive('second'))
  await step('groups.updateVersion', (t) => t.groups.updateVersion('second'))
  await step('groups.migration', (t) => t.groups.migration('second'))
  await step('groups.startMigration', (t) => t.groups.startMigration('second'))
  await step('groups.abortMigration', (t) => t.groups.abortMigration('second'))
  await step('groups.rename', (t) => t.groups.rename('second', 'golden-group'))
  await step('groups.delete', (t) => t.groups.delete('golden-group'))
  await step('groups.listDeleted', (t) => t.groups.listDeleted({ limit: 10 }).page())
  await step('groups.restore', (t) => t.groups.restore(second.id))

  await step('members.list', (t) => t.members.list())
  await step('members.add', (t) => t.members.add('bob', { role: 'viewer' }))
  await step('members.update', (t) => t.members.update('bob', { role: 'admin' }))
  await step('members.retrieve', (t) => t.members.retrieve('bob'))
  await step('members.remove', (t) => t.members.remove('bob'))
  await step('invites.create', (t) => t.invites.create({ email: 'eve+x@mail.example', role: 'member' }))
  await step('invites.list', (t) => t.invites.list())
  await step('invites.delete', (t) => t.invites.delete('eve+x@mail.example'))

  await step('apiTokens.validate', (t) => t.apiTokens.validate())
  const scoped = await step('apiTokens.create', (t) =>
    t.apiTokens.create('golden ci', {
      organization: ORGANIZATION,
      group: 'default',
      scopes: ['read', 'db:create'],
    }),
  )
  await step('apiTokens.listOfOrganization', (t) => t.apiTokens.listOfOrganization())
  await step('apiTokens.revokeOfOrganization', (t) => t.apiTokens.revokeOfOrganization(scoped.id))
  await step('apiTokens.create', (t) => t.apiTokens.create('golden', { organization: ORGANIZATION }))
  await step('apiTokens.list', (t) => t.apiTokens.list())
  await step('apiTokens.revoke', (t) => t.apiTokens.revoke('golden'))
  await step('apiTokens.invalidateSessions', (t) => t.apiTokens.invalidateSessions())
  await step('user.retrieve', (t) => t.user.retrieve())

  await step('jwks.save', (t) => t.jwks.save('auth0', 'https://keys.example/jwks.json', { region: LOCATION }))
  await step('jwks.list', (t) => t.jwks.list())
  await step('jwks.delete', (t) => t.jwks.delete('auth0', { region: LOCATION }))

  const { id: groupId } = await step('groups.retrieve', (t) => t.groups.retrieve('default'))
  await step('databasesById.list', (t) => t.databasesById.list({ groupId, limit: 1 }).page())
  const byId = await step('databasesById.create', (t) => t.databasesById.create('by-id', { groupId }))
  await step('databasesById.retrieve', (t) => t.databasesById.retrieve(byId.id))
  await step('databasesById.createToken', (t) => t.databasesById.createToken(byId.id, { expiration: '1h' }))
  await step('databasesById.delete', (t) => t.databasesById.delete(byId.id))
  await step('groupsById.list', (t) => t.groupsById.list())
  await step('groupsById.retrieve', (t) => t.groupsById.retrieve(groupId))
  await step('groupsById.createToken', (t) => t.groupsById.createToken(groupId))

  await step('auditLogs.list', (t) => t.auditLogs.list({ pageSize: 2 }).page())
  await step('auditLogs.list', (t) => t.auditLogs.list({ pageSize: 2 }).page('2'))
  await step('organizations.usage', (t) => t.organizations.usage())
  await step('organizations.list', (t) => t.organizations.list())
  await step('groups.transfer', (t) => t.groups.transfer('golden-group', 'local'))
  await step('organizations.create', (t) => t.organizations.create('golden-empty'))
  await step('organizations.delete', (t) => t.organizations.delete('golden-empty'))
  return normalized(exchanges)
}

function withoutRaw(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (name, member: unknown) => (name === 'raw' ? undefined : member)))
}

/** What is different in every run becomes what is not. */
function normalized(exchanges: Exchange[]): Exchange[] {
  const names = new Map<string, string>()
  const nameOf = (kind: string, text: string): string => {
    if (!names.has(text)) names.set(text, `${kind}-${names.size + 1}`)
    return names.get(text)!
  }
  let text = JSON.stringify(exchanges)
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => nameOf('uuid', id))
    .replaceAll(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, 'a.jwt.token')
    .replaceAll(/20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/g, '2026-01-01T00:00:00.000Z')
    .replaceAll(/"20\d\d-\d\d-\d\d"/g, '"2026-01-01"')
    .replaceAll(/("valid_from":|"storage_?[bB]ytes":)\d+/g, '$14096')
  for (const [, id] of text.matchAll(/"id":"([\w-]{22})"/g))
    if (id !== undefined) text = text.replaceAll(id, nameOf('token', id))
  text = text.replaceAll(/("id":)\d+/g, '$11')
  return JSON.parse(text) as Exchange[]
}
