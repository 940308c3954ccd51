/** What a caller got wrong: told before anything is sent, and never another database or more rights than were meant. */
import { describe, expect, test } from 'vitest'
import { permissions } from '../../../src/index.ts'
import { answeredWith, wireDatabase } from './answers.ts'

const rules = permissions({ notes: ['data_read'] })

describe('a token is not asked for', () => {
  const endpoints = ['databases', 'databasesById', 'groups', 'groupsById'] as const
  test.each<[unknown, RegExp]>([
    [{ expires: '1h' }, /"expires" is no option/],
    [{ Expiration: '1h' }, /"Expiration" is no option/],
    [{ authorisation: 'read-only' }, /"authorisation" is no option/],
    [{ fineGrainedPermission: rules }, /"fineGrainedPermission" is no option/],
    [{ authorization: 'readonly' }, /"authorization" must be/],
    [{ authorization: ['read-only'] }, /"authorization" must be/],
    [{ expiration: ['1h'] }, /"expiration" must be/],
    [{ permissions: rules }, /"fineGrainedPermissions"/],
    [{ permissions: { read_attach: { databases: ['x'] } } }, /"permissions" must be/],
    [{ permissions: { readAttach: { database: ['x'] } } }, /"permissions" must be/],
    [{ permissions: { readAttach: { databases: 'x' } } }, /"permissions" must be/],
    [{ permissions: { readAttach: { databases: [1] } } }, /"permissions" must be/],
    [{ permissions: { readAttach: null } }, /"permissions" must be/],
    [{ permissions: null }, /"permissions" must be/],
    [{ permissions: 'all' }, /"permissions" must be/],
    [{ fineGrainedPermissions: null }, /"fineGrainedPermissions" must be/],
    [{ fineGrainedPermissions: { length: 1 } }, /"fineGrainedPermissions" must be/],
    [{ fineGrainedPermissions: [{ t: null, a: [] }] }, /"fineGrainedPermissions" must be/],
    [{ fineGrainedPermissions: [null] }, /"fineGrainedPermissions" must be/],
    ['10m', /options must be an object/],
    [rules, /options must be an object/],
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

test('what an argument says no option says otherwise', async () => {
  const { turso, sent } = answeredWith([{ body: { group: {} } }])
  await turso.members.add('ann', { role: 'member', username: 'bob' } as { role: 'member' })
  expect(JSON.parse(sent[0]!.body!)).toEqual({ role: 'member', username: 'ann' })
  await turso.groups.transfer('default', 'target', { organization: 'source' }).catch(() => undefined)
  expect(sent[1]!.url).toContain('/v1/organizations/source/groups/default/')
  expect(JSON.parse(sent[1]!.body!)).toEqual({ organization: 'target' })
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
