/** What a caller got wrong: told before anything is sent, and never another database or more rights than were meant. */
import { describe, expect, test } from 'vitest'
import { permissions, uploadDatabase } from '../../../src/index.ts'
import { answeredWith, wireDatabase } from './answers.ts'

const rules = permissions({ notes: ['data_read'] })

describe('a token is not asked for', () => {
  const endpoints = ['databases', 'databasesById', 'groups', 'groupsById'] as const
  test.each<[unknown, RegExp]>([
    [{ expires: '1h' }, /object of expiration, authorization, .*; got an unknown "expires"/],
    [{ Expiration: '1h' }, /unknown "Expiration"/],
    [{ authorisation: 'read-only' }, /unknown "authorisation"/],
    [{ fineGrainedPermission: rules }, /unknown "fineGrainedPermission"/],
    [{ authorization: 'readonly' }, /"authorization" must be/],
    [{ authorization: ['read-only'] }, /"authorization" must be .* got "\[object Array\]"/],
    [{ expiration: ['1h'] }, /"expiration" must be/],
    [{ permissions: rules }, /"fineGrainedPermissions"/],
    [{ permissions: { read_attach: { databases: ['x'] } } }, /"permissions", .* unknown "read_attach"/],
    [{ permissions: { readAttach: { database: ['x'] } } }, /"readAttach" must be .* unknown "database"/],
    [{ permissions: { readAttach: { databases: 'x' } } }, /"databases" must be/],
    [{ permissions: { readAttach: { databases: [1] } } }, /"databases" must be/],
    [{ permissions: { readAttach: {} } }, /"databases" must be/],
    [{ permissions: { readAttach: null } }, /"readAttach" must be/],
    [{ permissions: null }, /"permissions", .* must be a plain object of readAttach; got Null/],
    [{ permissions: 'all' }, /"permissions", .* got String/],
    [{ fineGrainedPermissions: null }, /"fineGrainedPermissions" must be/],
    [{ fineGrainedPermissions: { length: 1 } }, /"fineGrainedPermissions" must be/],
    [{ fineGrainedPermissions: [{ t: null, a: [] }] }, /rules that permit something/],
    [{ fineGrainedPermissions: [null] }, /"fineGrainedPermissions" must be/],
    [{ fineGrainedPermissions: Array.from({ length: 1 }) }, /"fineGrainedPermissions" must be/],
    [{ fineGrainedPermissions: [{ t: null, a: ['data_raed'] }] }, /permit something, .*"a": data_read/],
    [{ fineGrainedPermissions: [{ t: null, a: ['data_read'], tables: [] }] }, /rules that permit/],
    ['10m', /options must be a plain object .*; got String/],
    [rules, /options must be a plain object .*; got Array/],
    [Promise.resolve({ expiration: '1h' }), /got Promise/],
    [new URLSearchParams({ expiration: '1h' }), /got URLSearchParams/],
    [new Map([['expiration', '1h']]), /got Map/],
    [Object.create({ expiration: '1h' }), /must be a plain object/],
  ])('with the options %j', async (options, message) => {
    for (const resource of endpoints) {
      const { turso, sent } = answeredWith([{ body: { jwt: 'j' } }])
      const error = await turso[resource].createToken('acme', options as object).catch((e: unknown) => e)
      expect(error).toBeInstanceOf(TypeError)
      expect((error as TypeError).message).toMatch(message)
      expect(sent).toEqual([])
    }
  })

  test('unless what is unknown or empty is no more than that', async () => {
    const { turso, sent } = answeredWith([{ body: { jwt: 'j' } }])
    for (const options of [
      { expires: undefined },
      { permissions: {} },
      { permissions: { readAttach: undefined } },
      { permissions: { readAttach: { databases: [] } } },
    ])
      await turso.databases.createToken('acme', options as object)
    expect(sent.map(({ body }) => body)).toEqual([undefined, undefined, undefined, undefined])
  })
})

test('no database or group is made, changed or deleted with an option that does not exist', async () => {
  const { turso, sent } = answeredWith([{ body: {} }])
  const wrong = { blockWrite: true } as object
  for (const call of [
    turso.databases.create('acme', wrong),
    turso.databases.create('acme', 'group' as unknown as object),
    turso.databases.ensure('acme', { name: 'other' } as object),
    turso.databases.update('acme', wrong),
    turso.databases.delete('acme', { organizationId: 'other' } as object),
    turso.databases.invalidateTokens('acme', wrong),
    turso.databasesById.create('acme', { groupId: 'g', group: 'g' } as { groupId: string }),
    turso.groups.create('default', { location: 'aws-eu-west-1', locations: [] } as { location: string }),
    turso.groups.update('default', wrong),
    turso.groups.transfer('default', 'other', wrong),
  ])
    await expect(call).rejects.toBeInstanceOf(TypeError)
  expect(sent).toEqual([])
})

describe('an object among the options', () => {
  test.each<[object, RegExp]>([
    [{ seed: 'template' }, /"seed" must be a plain object of type, name, timestamp, url; got String/],
    [{ seed: null }, /"seed" must be .* got Null/],
    [{ seed: { type: 'database', name: 't', timestmap: new Date() } }, /"seed" .* unknown "timestmap"/],
    [{ remoteEncryption: { encryptionkey: 'canary' } }, /"remoteEncryption" .* unknown "encryptionkey"/],
    [{ remoteEncryption: 'canary' }, /"remoteEncryption" must be/],
  ])('is refused when it is not as it must be: %j', async (options, message) => {
    const { turso, sent } = answeredWith([{ body: { database: wireDatabase() } }])
    for (const call of [
      turso.databases.create('acme', options),
      turso.databases.ensure('acme', options),
      turso.databasesById.create('acme', { groupId: 'g', ...options }),
    ]) {
      const error = await call.catch((e: unknown) => e)
      expect(error).toBeInstanceOf(TypeError)
      expect(String(error)).toMatch(message)
      expect(String(error)).not.toContain('canary')
    }
    expect(sent).toEqual([])
  })
})

test.each([[], null, 'read', [''], [undefined], Array.from({ length: 1 })])(
  'a token of the Platform API is not asked for with the scopes %j',
  async (scopes) => {
    const { turso, sent } = answeredWith([{ body: { name: 'n', id: 'i', token: 't' } }])
    const options = { organization: 'o', group: 'g', scopes: scopes as unknown as 'read'[] }
    await expect(turso.apiTokens.create('ci', options)).rejects.toThrow(/^"scopes" must be a list/)
    expect(sent).toEqual([])
  },
)

test('arguments of the body are texts, as those of the path are', async () => {
  const { turso, sent } = answeredWith([{ body: {} }])
  const wrong = [undefined, null, '', 5, { organization: 'x' }] as unknown[] as string[]
  for (const argument of wrong) {
    await expect(turso.databases.create(argument)).rejects.toThrow(/"name" must be a non-empty text/)
    await expect(turso.groups.transfer('g', argument)).rejects.toThrow(/"organization" must be/)
    await expect(turso.jwks.save('n', argument, { region: 'lhr' })).rejects.toThrow(/"url" must be/)
  }
  expect(sent).toEqual([])
})

test('options of the client, of any request and of an upload are not overlooked', async () => {
  expect(() => answeredWith([], { baseURL: 'http://localhost' } as object)).toThrow(/unknown "baseURL"/)
  const { turso, sent } = answeredWith([{ body: {} }])
  const request = turso.request('POST', '/v1/x', { json: { a: 1 } } as object)
  await expect(request).rejects.toThrow(/unknown "json"/)
  expect(sent).toEqual([])
  const target = { url: 'https://acme.example', authToken: 't' }
  const options = { protocal: 'chunks' } as object
  await expect(uploadDatabase(target, new Uint8Array(1), options)).rejects.toThrow(/unknown "protocal"/)
})

test('a page is not asked for by the null of the last one', async () => {
  const { turso, sent } = answeredWith([{ body: { databases: [] } }])
  const page = turso.databases.list().page(null as unknown as string)
  await expect(page).rejects.toThrow(/by the "next" of another one; got "null"/)
  expect(sent).toEqual([])
})

test('what an argument says no option says otherwise', async () => {
  const { turso, sent } = answeredWith([{ body: { group: {} } }])
  const added = turso.members.add('ann', { role: 'member', username: 'bob' } as { role: 'member' })
  await expect(added).rejects.toThrow(/unknown "username"/)
  await turso.groups.transfer('default', 'target', { organization: 'source' }).catch(() => undefined)
  expect(sent).toHaveLength(1)
  expect(sent[0]!.url).toContain('/v1/organizations/source/groups/default/')
  expect(JSON.parse(sent[0]!.body!)).toEqual({ organization: 'target' })
})

test('a time that is none is named', async () => {
  const { turso, sent } = answeredWith([{ body: {} }])
  await expect(turso.databases.usage('acme', { from: new Date('soon') })).rejects.toThrow(
    /"from" must be a time/,
  )
  expect(sent).toEqual([])
})

test('any path is asked for with its own query, without a fragment, and by GET without a body', async () => {
  const { turso, sent } = answeredWith([{ body: {} }])
  await turso.request('GET', '/v1/x?limit=1', { query: { group: 'g' } })
  expect(new URL(sent[0]!.url).search).toBe('?limit=1&group=g')
  await expect(turso.request('GET', '/v1/x#y')).rejects.toBeInstanceOf(TypeError)
  await expect(turso.request('GET', '/v1/x', { body: {} })).rejects.toBeInstanceOf(TypeError)
  expect(sent).toHaveLength(1)
})

describe('a refusal', () => {
  test.each([
    [403, 'a scope', 'members'],
    [403, 'a scope', 'request'],
    [422, 'a name', 'members'],
  ] as const)('%d gets no guess about %s where it does not fit: %s', async (status, _, where) => {
    const { turso } = answeredWith([{ status, body: { error: 'no' } }])
    const call =
      where === 'request' ? turso.request('GET', '/v1/x') : turso.members.update('ann', { role: 'admin' })
    const error = (await call.catch((e: unknown) => e)) as Error
    expect(error.message).not.toMatch(/scope|token of a group|name/)
  })
})

test('of several names for the same the first that is not empty counts, in one order', async () => {
  const names = {
    Name: 'n',
    DbId: 'i',
    Hostname: 'h',
    uuid: 'other',
    id: 'third',
    name: 'evil',
    hostname: '',
  }
  const turned = Object.fromEntries(Object.entries(names).toReversed())
  for (const members of [names, turned]) {
    const body = { database: { group: 'g', ...members } }
    const found = await answeredWith([{ body }]).turso.databases.retrieve('n')
    expect(found).toMatchObject({ name: 'n', id: 'i', hostname: 'h' })
  }
  const body = { database: wireDatabase({ Hostname: '', hostname: 'h' }) }
  expect(await answeredWith([{ body }]).turso.databases.retrieve('n')).toMatchObject({ hostname: 'h' })
})
