/**
 * Every call of @tursodatabase/api 2.0.5 next to ours, each against a local Turso in the same state: what goes over the wire
 * and whether it succeeds. Where they differ, tools/platform/peers.ts says so, and docs/platform.md shows it.
 */
import { createClient } from '@tursodatabase/api'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { createLocalTurso, type LocalTursoOptions } from '../../local/index.ts'
import { createPlatform, type Platform } from '../../src/index.ts'
import { PEERS } from '../../tools/platform/peers.ts'

type Official = ReturnType<typeof createClient>

interface Trace {
  requests: { method: string; url: string; contentType: string | null; body: string }[]
  succeeds: boolean
  result: unknown
}

afterEach(() => void vi.unstubAllGlobals())

/** Runs `prepare` unseen and then `call`, on a new local Turso that the global fetch leads to. */
async function trace<Client>(
  client: Client,
  prepare: (turso: Platform) => Promise<unknown>,
  call: (client: Client) => Promise<unknown>,
  options: LocalTursoOptions,
): Promise<Trace> {
  const local = createLocalTurso({ now: () => 1_800_000_000_000, ...options })
  onTestFinished(local.close)
  const requests: Trace['requests'] = []
  vi.stubGlobal('fetch', async (input: string | URL, init?: RequestInit) => {
    const request = new Request(input, init)
    const body = await request.clone().text()
    const contentType = request.headers.get('content-type')
    requests.push({ method: request.method, url: withoutEmptyQuery(request.url), contentType, body })
    return await local.fetch(request)
  })
  await prepare(ours())
  requests.length = 0
  const [succeeds, result] = await call(client).then(
    (value) => [true, value],
    (error: unknown) => [false, error],
  )
  return { requests, succeeds: succeeds as boolean, result }
}

const withoutEmptyQuery = (url: string): string => url.replace(/\?$/, '')
const ours = (): Platform =>
  createPlatform({ token: 'local-platform-token', organization: 'local', retry: false })
const theirs = (): Official => createClient({ token: 'local-platform-token', org: 'local' })

const nothing = async (): Promise<void> => {}
const group = (turso: Platform) => turso.groups.create('default', { location: 'aws-eu-west-1' })
const database = async (turso: Platform) => {
  await group(turso)
  await turso.databases.create('acme')
}
const token = (turso: Platform) => turso.apiTokens.create('ci')
const invite = (turso: Platform) => turso.invites.create({ email: 'a@b.example', role: 'admin' })
const member = (turso: Platform) => turso.members.add('bob', { role: 'admin' })
const location = 'aws-eu-west-1'
const from = new Date(0)
const timestamp = new Date(86_400_000)

/** By our name: what must be there, their call, ours. */
const PAIRS: Record<
  string,
  [
    prepare: (turso: Platform) => Promise<unknown>,
    their: (client: Official) => Promise<unknown>,
    our: (turso: Platform) => Promise<unknown>,
  ]
> = {
  'databases.list': [
    async (turso) => {
      await database(turso)
      for (let index = 0; index < 2; index++) await turso.databases.create(`more-${index}`)
    },
    // As many as would fit on one page are listed alike; what is on the next one they never ask for.
    async (t) => expect(await t.databases.list({ group: 'default' })).toHaveLength(3),
    async (t) => expect((await t.databases.list({ group: 'default' }).page()).items).toHaveLength(3),
  ],
  'databases.create': [
    group,
    (t) => t.databases.create('acme', { group: 'default' }),
    (t) => t.databases.create('acme', { group: 'default' }),
  ],
  'databases.retrieve': [database, (t) => t.databases.get('acme'), (t) => t.databases.retrieve('acme')],
  'databases.delete': [database, (t) => t.databases.delete('acme'), (t) => t.databases.delete('acme')],
  'databases.createToken': [
    database,
    (t) => t.databases.createToken('acme', { expiration: '1d', authorization: 'read-only' }),
    (t) => t.databases.createToken('acme', { expiration: '1d', authorization: 'read-only' }),
  ],
  'databases.invalidateTokens': [
    database,
    (t) => t.databases.rotateTokens('acme'),
    (t) => t.databases.invalidateTokens('acme'),
  ],
  'databases.usage': [
    database,
    (t) => t.databases.usage('acme', { from }),
    (t) => t.databases.usage('acme', { from }),
  ],
  'databases.instances': [
    database,
    (t) => t.databases.listInstances('acme'),
    (t) => t.databases.instances('acme'),
  ],
  'databases.retrieveInstance': [
    database,
    (t) => t.databases.getInstance('acme', location),
    (t) => t.databases.retrieveInstance('acme', location),
  ],
  'groups.list': [group, (t) => t.groups.list(), (t) => t.groups.list()],
  'groups.create': [
    nothing,
    (t) => t.groups.create('default', location, { extensions: ['vec'] }),
    (t) => t.groups.create('default', { location, extensions: ['vec'] }),
  ],
  'groups.retrieve': [group, (t) => t.groups.get('default'), (t) => t.groups.retrieve('default')],
  'groups.delete': [group, (t) => t.groups.delete('default'), (t) => t.groups.delete('default')],
  'groups.createToken': [
    group,
    (t) => t.groups.createToken('default'),
    (t) => t.groups.createToken('default'),
  ],
  'groups.invalidateTokens': [
    group,
    (t) => t.groups.rotateTokens('default'),
    (t) => t.groups.invalidateTokens('default'),
  ],
  'groups.addLocation': [
    group,
    (t) => t.groups.addLocation('default', 'aws-us-east-1'),
    (t) => t.groups.addLocation('default', 'aws-us-east-1'),
  ],
  'groups.removeLocation': [
    async (turso) => {
      await group(turso)
      await turso.groups.addLocation('default', 'aws-us-east-1')
    },
    (t) => t.groups.removeLocation('default', 'aws-us-east-1'),
    (t) => t.groups.removeLocation('default', 'aws-us-east-1'),
  ],
  'locations.list': [nothing, (t) => t.locations.list(), (t) => t.locations.list()],
  'locations.closest': [nothing, (t) => t.locations.closest(), (t) => t.locations.closest()],
  'organizations.list': [
    nothing,
    async (t) => expect(await t.organizations.list()).toHaveLength(1),
    async (t) => expect(await t.organizations.list()).toHaveLength(1),
  ],
  'organizations.update': [
    nothing,
    (t) => t.organizations.update({ overages: true }),
    (t) => t.organizations.update({ overages: true }),
  ],
  'organizations.invoices': [nothing, (t) => t.organizations.invoices(), (t) => t.organizations.invoices()],
  'organizations.delete': [nothing, (t) => t.organizations.delete(), (t) => t.organizations.delete('local')],
  'members.list': [nothing, (t) => t.organizations.members(), (t) => t.members.list()],
  'members.add': [
    nothing,
    (t) => t.organizations.addMember('bob', 'admin'),
    (t) => t.members.add('bob', { role: 'admin' }),
  ],
  'members.remove': [member, (t) => t.organizations.removeMember('bob'), (t) => t.members.remove('bob')],
  'invites.list': [invite, (t) => t.organizations.listInvites(), (t) => t.invites.list()],
  'invites.create': [
    nothing,
    (t) => t.organizations.inviteUser('a@b.example', 'admin'),
    (t) => t.invites.create({ email: 'a@b.example', role: 'admin' }),
  ],
  'invites.delete': [
    invite,
    (t) => t.organizations.deleteInvite('a@b.example'),
    (t) => t.invites.delete('a@b.example'),
  ],
  'apiTokens.validate': [
    nothing,
    (t) => t.apiTokens.validate('local-platform-token'),
    (t) => t.apiTokens.validate(),
  ],
  'apiTokens.list': [token, (t) => t.apiTokens.list(), (t) => t.apiTokens.list()],
  'apiTokens.create': [nothing, (t) => t.apiTokens.create('ci'), (t) => t.apiTokens.create('ci')],
  'apiTokens.revoke': [token, (t) => t.apiTokens.revoke('ci'), (t) => t.apiTokens.revoke('ci')],
}

/** Those that are wrong about something that a plain call does not show. */
const UNSEEN: Record<string, () => Promise<[theirs: Trace, ours: Trace]>> = {
  'databases.list': async () => {
    const list = async (turso: Platform) => {
      const names: string[] = []
      for await (const { name } of turso.databases.list()) names.push(name)
      expect(names).toHaveLength(3)
    }
    const paged = {
      kind: 'respond',
      on: 'GET /v1/organizations/local/databases',
      nth: 1,
      status: 200,
    } as const
    const body = JSON.stringify({
      databases: ['a', 'b'].map((Name) => ({ Name, DbId: Name, Hostname: Name, group: 'default' })),
      pagination: { next: 'x' },
    })
    const last = JSON.stringify({
      databases: [{ Name: 'c', DbId: 'c', Hostname: 'c', group: 'default' }],
      pagination: { next: null },
    })
    const faults = [
      { ...paged, body },
      { ...paged, nth: 2, body: last },
    ]
    return [
      await trace(theirs(), nothing, async (t) => expect(await t.databases.list()).toHaveLength(3), {
        faults,
      }),
      await trace(ours(), nothing, list, { faults }),
    ]
  },
  'databases.create': async () => {
    const seed = () => ({ type: 'database' as const, name: 'acme', timestamp })
    const unchanged = async (create: (given: ReturnType<typeof seed>) => Promise<unknown>): Promise<void> => {
      const given = seed()
      await create(given).catch(() => undefined)
      expect(given).toEqual(seed())
    }
    return [
      await trace(
        theirs(),
        database,
        (t) => unchanged((given) => t.databases.create('copy', { group: 'default', seed: given })),
        {},
      ),
      await trace(
        ours(),
        database,
        (t) => unchanged((given) => t.databases.create('copy', { seed: given })),
        {},
      ),
    ]
  },
  'databases.retrieve': async () => [
    await trace(theirs(), database, (t) => t.databases.get('nope/../acme'), {}),
    await trace(ours(), database, (t) => t.databases.retrieve('nope/../acme'), {}),
  ],
  'locations.closest': async () => {
    const faults = [{ kind: 'html', on: 'GET /' }] as const
    const any = async (closest: Promise<{ server?: unknown }>): Promise<void> =>
      expect(
        await closest.then(
          ({ server }) => typeof server,
          () => 'an error',
        ),
      ).not.toBe('undefined')
    const wrong = { faults: [{ ...faults[0], kind: 'wrong_shape' as const }] }
    return [
      await trace(theirs(), nothing, (t) => any(t.locations.closest()), wrong),
      await trace(ours(), nothing, (t) => any(t.locations.closest()), wrong),
    ]
  },
}

const overTheWire = ({ requests, succeeds }: Trace) => ({ requests, succeeds })

const traces = async (method: string): Promise<[theirs: Trace, ours: Trace]> => {
  const [prepare, their, our] = PAIRS[method]!
  return [await trace(theirs(), prepare, their, {}), await trace(ours(), prepare, our, {})]
}

const methods = Object.keys(PAIRS).map((method) => ({ method, differs: PEERS[method]?.officialDiffers }))
const isUnseen = ({ method }: { method: string }): boolean => method in UNSEEN

test.each(methods.filter((pair) => pair.differs === undefined || isUnseen(pair)))(
  '$method sends the same, and ends alike',
  async ({ method }) => {
    const [their, our] = await traces(method)
    expect(overTheWire(our)).toEqual(overTheWire(their))
  },
)

test.each(methods.filter((pair) => pair.differs !== undefined && !isUnseen(pair)))(
  '$method: theirs $differs, ours does not',
  async ({ method }) => {
    const [their, our] = await traces(method)
    expect(our.succeeds).toBe(true)
    expect(overTheWire(our)).not.toEqual(overTheWire(their))
  },
)

test.each(methods.filter(isUnseen))(
  '$method: theirs $differs in another case, ours does not',
  async ({ method }) => {
    const [their, our] = await UNSEEN[method]!()
    expect(overTheWire(our)).not.toEqual(overTheWire(their))
    // The name that goes nowhere is not found.
    expect(our.succeeds).toBe(method !== 'databases.retrieve')
  },
)

test('every method of theirs that we have is compared', () => {
  const known = Object.keys(PEERS).filter((method) => PEERS[method]?.official !== undefined)
  expect(Object.keys(PAIRS).toSorted()).toEqual(known.toSorted())
})
