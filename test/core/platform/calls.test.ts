import { describe, expect, test } from 'vitest'
import { createPlatform, isTursoError, type CallOptions, type Fetch } from '../../../src/index.ts'
import {
  clearFaults,
  failNext,
  localPlatform,
  PLATFORM_TOKEN,
  requestsSeen,
  uniqueName,
} from '../../support/turso.ts'

const turso = localPlatform()
const location = 'aws-eu-west-1'

/** A server that never answers. */
const slow = createPlatform({ token: 't', organization: 'o', fetch: () => new Promise(() => {}) })

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (isTursoError(error) ? error.code : error),
  )

describe('databases', () => {
  test('are created, retrieved and deleted', async () => {
    const name = uniqueName('life')
    const created = await turso.databases.create(name, { location })
    expect(created).toMatchObject({ name, hostname: `${name}-local.${location}.turso.io` })
    const found = await turso.databases.retrieve(name)
    expect(found).toMatchObject({
      id: created.id,
      group: 'default',
      primaryLocation: location,
      deleteProtection: false,
    })
    await turso.databases.delete(name)
    expect(await codeOf(turso.databases.retrieve(name))).toBe('not_found')
    expect(await codeOf(turso.databases.delete(name))).toBe('not_found')
  })

  test('a name that exists is told apart from other refusals', async () => {
    const name = uniqueName('twice')
    await turso.databases.create(name, { location })
    expect(await codeOf(turso.databases.create(name, { location }))).toBe('already_exists')
    expect(await codeOf(turso.databases.create('UPPER CASE', { location }))).toBe('invalid_request')
  })

  test('a missing group is created on the way, and costs nothing when it is there', async () => {
    const group = uniqueName('group')
    expect(await codeOf(turso.databases.create(uniqueName('db'), { group }))).toBe('invalid_request')
    await turso.databases.create(uniqueName('db'), { group, location })
    await clearFaults()
    await turso.databases.create(uniqueName('db'), { group, location })
    expect(await requestsSeen()).toHaveLength(1)
  })

  test('two callers that create one missing group at once both get their database', async () => {
    const group = uniqueName('race')
    const created = await Promise.all(
      [1, 2, 3].map(() => turso.databases.create(uniqueName('db'), { group, location })),
    )
    expect(new Set(created.map(({ id }) => id)).size).toBe(3)
  })

  test('names cannot leave their path segment', async () => {
    expect(await codeOf(turso.databases.retrieve('a/../b'))).toBe('not_found')
    await expect(turso.databases.retrieve('..')).rejects.toThrow(/path segment/)
  })

  test('another organization is another address', async () => {
    expect(await codeOf(turso.databases.retrieve('x', { organization: 'elsewhere' }))).toBe('not_found')
  })
})

describe('tokens', () => {
  test('carry the asked expiration and rights, and no body is sent for them', async () => {
    const name = uniqueName('tokens')
    await turso.databases.create(name, { location })
    const bodies: unknown[] = []
    const watching: Fetch = (url, init) => {
      bodies.push(init.body)
      return globalThis.fetch(url, init)
    }
    const watched = createPlatform({ token: 'local-platform-token', organization: 'local', fetch: watching })
    const jwt = await watched.databases.createToken(name, { expiration: '1h', authorization: 'read-only' })
    const claims = JSON.parse(atob(jwt.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/')))
    expect(claims).toMatchObject({ a: 'ro' })
    expect(claims.exp - claims.iat).toBe(3600)
    expect(bodies).toEqual([undefined])
    await expect(turso.databases.createToken(name, { expiration: 'soon' })).rejects.toThrow(
      /"expiration" must be/,
    )
    expect(await codeOf(turso.databases.createToken('missing'))).toBe('not_found')
  })
})

describe('trouble', () => {
  test.each([
    [{ status: 401, body: '{"error":"could not parse jwt id"}' }, 'unauthorized'],
    [
      { status: 502, headers: { 'content-type': 'text/html' }, body: '<html><b>Bad gateway</b></html>' },
      'unavailable',
    ],
    [{ status: 429, headers: { 'retry-after': '3' } }, 'rate_limited'],
    [{ status: 200, body: '' }, 'protocol'],
    [{ status: 200, body: '{"database":{"Name":"x"}}' }, 'protocol'],
    [{ status: 200, body: '{"database":{"Name":' }, 'protocol'],
    [{ status: 307, headers: { location: 'https://evil.example/' } }, 'protocol'],
  ])('%j is %s', async (respond, code) => {
    const name = uniqueName('trouble')
    await failNext({ kind: 'respond', on: 'databases.retrieve', ...respond })
    const once = createPlatform({ token: PLATFORM_TOKEN, organization: 'local', retry: false })
    expect(await codeOf(once.databases.retrieve(name))).toBe(code)
  })

  test('a wrong token is unauthorized, and appears nowhere', async () => {
    const wrong = createPlatform({ token: 'hunter2', organization: 'local' })
    const error = await wrong.databases.retrieve('x').catch((caught: unknown) => caught)
    expect(isTursoError(error, 'unauthorized')).toBe(true)
    expect(JSON.stringify([error, String(error), wrong])).not.toContain('hunter2')
  })

  test.each([
    ['databases.create', (options: CallOptions) => slow.databases.create('x', options)],
    ['databases.retrieve', (options: CallOptions) => slow.databases.retrieve('x', options)],
    ['databases.createToken', (options: CallOptions) => slow.databases.createToken('x', options)],
    ['databases.delete', (options: CallOptions) => slow.databases.delete('x', options)],
    ['groups.create', (options: CallOptions) => slow.groups.create('x', { ...options, location })],
  ])('%s ends by its timeout and by its signal', async (_, call) => {
    expect(await codeOf(call({ timeoutMs: 20 }))).toBe('timeout')
    const controller = new AbortController()
    const reason = new Error('the user left')
    const pending = call({ signal: controller.signal })
    controller.abort(reason)
    await expect(pending).rejects.toBe(reason)
  })

  test('missing or malformed options are refused at once', () => {
    expect(() => createPlatform({ token: '', organization: 'o' })).toThrow(/"token" is missing/)
    expect(() => createPlatform({ token: 't', organization: '' })).toThrow(/"organization" is missing/)
    for (const baseUrl of [
      'api',
      'localhost:8080',
      'ftp://h',
      'https://u:p@h',
      'https://h/?k=1',
      'https://h/#f',
    ])
      expect(() => createPlatform({ token: 't', organization: 'o', baseUrl })).toThrow(/^"baseUrl" (?!.*u:p)/)
  })
})
