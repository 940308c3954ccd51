/** Names, paths, headers and answers that somebody hostile chose. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPlatform, isTursoError, permissions, uploadDatabase } from '../../../src/index.ts'
import { fromWireName, toWireName } from '../../../src/platform/names.ts'
import { answeredWith, codeOf } from './answers.ts'
import { methods, pathOf, takesOrganization } from './methods.ts'

const seed = 20_261_123
const text = fc.string({ unit: 'binary', maxLength: 40 })
const nasty = fc.oneof(
  text,
  fc.constantFrom(
    '..',
    '.',
    '',
    '../..',
    'a/../../b',
    '%2e%2e',
    'a?b=c',
    'a#b',
    'a\\b',
    '//evil.example',
    'a\r\nb: c',
  ),
)

test('no name leaves its segment of the path, whatever the method', async () => {
  const withArguments = methods.filter(({ arity }) => arity > 0)
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...withArguments),
      fc.array(nasty, { minLength: 3 }),
      async (method, names) => {
        const { turso, sent } = answeredWith([{ body: {} }], { retry: false })
        const [organization = '', ...args] = names
        const options = takesOrganization(method) ? { organization } : {}
        await method.call(turso, args.slice(0, method.arity), options).catch(() => undefined)
        if (sent.length === 0) return
        const { origin, pathname, search, hash, href } = new URL(sent[0]!.url)
        expect([origin, hash, href]).toEqual(['https://api.turso.tech', '', sent[0]!.url])
        expect(pathname + search).toBe(pathOf(method, args, organization))
      },
    ),
    { seed, numRuns: 1_000 },
  )
})

test('no option leaves its place in the query', async () => {
  await fc.assert(
    fc.asyncProperty(nasty, nasty, async (group, parent) => {
      const { turso, sent } = answeredWith([{ body: { databases: [] } }])
      await turso.databases.list({ group, parent }).page()
      const { pathname, searchParams, hash } = new URL(sent[0]!.url)
      expect([pathname, hash]).toEqual(['/v1/organizations/acme-inc/databases', ''])
      expect([...searchParams]).toEqual([
        ['group', group.toWellFormed()],
        ['parent', parent.toWellFormed()],
      ])
    }),
    { seed, numRuns: 300 },
  )
})

test('no token becomes another header, and none is quoted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', minLength: 8, maxLength: 20 }), async (token) => {
      const { turso, sent } = answeredWith([{ body: {} }], { token: `canary${token}` })
      const error = await turso.groups.list().catch((reason: unknown) => reason)
      for (const { headers } of sent)
        expect(headers).toEqual({ accept: 'application/json', authorization: `Bearer canary${token}` })
      expect(String(error)).not.toContain('canary')
    }),
    { seed },
  )
})

test('every name of the wire comes back from ours', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*$/), (name) => {
      const ours = fromWireName(name)
      expect(ours).not.toContain('_')
      // Those that have a name of their own here are never sent.
      if (/^(db_id|uuid|primary|primary_region|regions|database_type|jwks_name|jwks_url)$/.test(name)) return
      expect(toWireName(ours)).toBe(name)
    }),
    { seed },
  )
})

test.each([5, '..', '', null, {}, '\ud800'])(
  'the id of an organization that is %j is no segment of a path',
  async (id) => {
    const { turso, sent } = answeredWith([{ body: { organization: { id, name: 'n', slug: 's' } } }])
    expect(await codeOf(turso.databases.listDeleted().page())).toBe('protocol')
    expect(sent).toHaveLength(1)
  },
)

test.each(['', 'a\nb', 'a b', 'ä', 5, ['a'], null])('a token that is %j is none', async (jwt) => {
  const { turso } = answeredWith([{ body: { jwt } }])
  expect(await codeOf(turso.databases.createToken('a'))).toBe('protocol')
})

test('an answer with the names of built-in members changes nothing but itself', async () => {
  const body =
    '{"group":{"name":"g","uuid":"u","primary":"p","__proto__":{"polluted":1},"constructor":1,"toString":2}}'
  const { turso } = answeredWith([{ body }])
  const group = await turso.groups.retrieve('g')
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  expect(Object.getPrototypeOf(group)).toBe(Object.prototype)
  expect(group).toMatchObject({ id: 'u', name: 'g' })
})

test('any JSON at all ends in a result or in one of our errors', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), fc.constantFrom(200, 400, 403, 422, 500), async (body, status) => {
      const { turso } = answeredWith([{ status, body: JSON.stringify(body) }], { retry: false })
      const calls = [
        turso.databases.retrieve('a'),
        turso.databases.usage('a'),
        turso.databases.stats('a'),
        turso.databases.ensure('a'),
        turso.databases.list().page(),
        turso.auditLogs.list().page(),
        turso.organizations.list(),
        turso.locations.list(),
        turso.apiTokens.create('a'),
        turso.groups.createToken('a'),
        turso.apiTokens.validate(),
      ]
      const outcomes = await Promise.allSettled(calls)
      const strangers = outcomes.filter(
        (outcome) => outcome.status === 'rejected' && !isTursoError(outcome.reason),
      )
      expect(strangers).toEqual([])
    }),
    { seed, numRuns: 200 },
  )
})

describe('secrets', () => {
  const canaries = ['canary-platform', 'canary-key', 'canary-database', 'canary-upload']
  const reveal = (error: unknown): string => {
    const parts: unknown[] = []
    for (let at = error; at instanceof Error; at = at.cause)
      parts.push(at.message, at.stack, JSON.stringify(at))
    return parts.join()
  }

  test.each([
    [{ status: 400, body: { error: `you sent ${canaries.join(' ')}` } }],
    [{ status: 401, body: canaries.join(' ') }],
    [{ status: 403, body: { error: { deep: canaries } } }],
    [{ status: 200, body: canaries.join(' ') }],
    [{ status: 302 }],
  ] as { status: number; body?: unknown }[][])(
    'are in no error after %j',
    async (answer = { status: 200 }) => {
      const { turso } = answeredWith([answer], { token: 'canary-platform', retry: false })
      const remoteEncryption = { encryptionKey: 'canary-key', encryptionCipher: 'aes256gcm' } as const
      const create = { remoteEncryption }
      // Each is told what it sent itself: the others are the server's own words.
      const error = await turso.databases.create('acme', create).catch((reason: unknown) => reason)
      expect(reveal(error)).not.toMatch(/canary-(platform|key)/)

      const upload = uploadDatabase(
        { url: 'https://acme.example', authToken: 'canary-database' },
        new Uint8Array(1),
        {
          encryptionKey: 'canary-upload',
          retry: false,
          fetch: async () => new Response(JSON.stringify(answer.body ?? ''), { status: answer.status }),
        },
      )
      expect(reveal(await upload.catch((reason: unknown) => reason))).not.toMatch(/canary-(database|upload)/)
    },
  )

  // Who tells the closest location is not sent it.
  const sentTheToken = methods.filter(({ endpoint }) => !endpoint.route.includes(':region'))
  test.each(sentTheToken)('are in no error of $name', async (method) => {
    const words = 'you sent canary-platform'
    for (const answer of [
      { status: 200, body: words },
      { status: 401, body: { error: words } },
      { status: 500, body: `<p>${words}</p>` },
      { status: 302, body: words },
      new TypeError(words),
    ]) {
      const { turso } = answeredWith([answer], { token: 'canary-platform', retry: false })
      const args = Array.from({ length: method.arity }, () => 'x')
      const outcome: unknown = await method.call(turso, args, {}).catch((reason: unknown) => reason)
      // The cause of a failed connection is what fetch has thrown, as it is.
      const { message = '', stack = '' } = (outcome ?? {}) as Partial<Error>
      expect(answer instanceof Error ? message + stack : reveal(outcome)).not.toContain('canary')
    }
  })

  test('are not to be seen at a client', () => {
    const turso = createPlatform({ token: 'canary-platform', organization: 'o' })
    expect(JSON.stringify(turso)).not.toContain('canary')
    expect(Object.keys(turso.databases)).toContain('createToken')
  })

  test('in a query are in no error', async () => {
    const { turso } = answeredWith([{ status: 500, body: {} }], { retry: false })
    const error = await turso.request('GET', '/v1/x', { query: { secret: 'canary' } }).catch(String)
    expect(error).not.toContain('canary')
  })
})

describe('permissions', () => {
  test('are rules of tables, * for all of them', () => {
    expect(permissions({ notes: ['data_read', 'data_add'], '*': ['data_read'] })).toEqual([
      { t: ['notes'], a: ['data_read', 'data_add'] },
      { t: null, a: ['data_read'] },
    ])
  })

  test('that permit nothing, or what does not exist, are refused', () => {
    expect(() => permissions({})).toThrow(/must name a table/)
    expect(() => permissions({ notes: [] })).toThrow(/of "notes" must be some of data_read/)
    expect(() => permissions({ notes: ['data_write' as 'data_read'] })).toThrow(/must be some of/)
  })
})
