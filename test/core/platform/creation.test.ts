/** What `create` and `ensure` take for theirs, what they say when they cannot know, and how long they wait. */
import { describe, expect, test } from 'vitest'
import { answeredWith, codeOf, refusedWith, wireDatabase } from './answers.ts'

const taken = refusedWith(409, 'already exists')
const created = { body: { database: wireDatabase() } }
const found = (members: object) => ({ body: { database: wireDatabase(members as Record<string, unknown>) } })

describe('ensure does not take', () => {
  test.each([
    ['a database without a parent for a copy', { type: 'database', name: 'template' }, { parent: null }],
    ['a database of whose parent nothing is said', { type: 'database', name: 'template' }, {}],
    ['a copy for one of nobody knows what', { type: 'database' } as { type: 'database'; name: string }, {}],
    [
      'a copy of another one',
      { type: 'database', name: 'template' },
      { parent: { id: 'x', name: 'old', branched_at: '2026-01-01T00:00:00Z' } },
    ],
    ['a database that is there for one that awaits a file', { type: 'database_upload' }, {}],
    [
      'a copy for what a dump makes',
      { type: 'dump', url: 'https://dumps.example/1' },
      { parent: { id: 'x', name: 'old', branched_at: '2026-01-01T00:00:00Z' } },
    ],
  ] as const)('%s', async (_, seed, members) => {
    const { turso } = answeredWith([taken, found(members)])
    const error = await turso.databases.ensure('acme', { seed }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'already_exists', message: expect.stringContaining('exists: ') })
  })

  test('a database of another name, which a server has made out of the one that was asked for', async () => {
    const { turso } = answeredWith([taken, found({ Name: 'acme' })])
    const error = await turso.databases.ensure('Acme').catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'already_exists',
      message: 'The database "acme" exists: its name is "acme" instead of "Acme"',
    })
  })

  const remoteEncryption = { encryptionKey: 'AAAA', encryptionCipher: 'aes256gcm' } as const
  test.each([
    ['schema', { schema: 'mine' }, { schema: 'other' }],
    ['schema', { schema: 'mine' }, { schema: '' }],
    ['isSchema', { isSchema: true }, { is_schema: false }],
    ['engine', { useTursodb: true }, { database_type: 'libsql' }],
    ['engine', { useTursodb: false }, { database_type: 'tursodb' }],
    ['encryptionCipher', { remoteEncryption }, { encryption_cipher: 'aes128gcm' }],
    // The API leaves it out of a database that is not encrypted.
    ['encryptionCipher', { remoteEncryption }, {}],
  ] as const)('a database with another %s: %j and %j', async (name, options, members) => {
    const { turso } = answeredWith([taken, found(members)])
    const error = await turso.databases.ensure('acme', options).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'already_exists',
      message: expect.stringMatching(new RegExp(`exists: its ${name} is .* instead of`)),
    })
    expect(String(error)).not.toContain('AAAA')
  })
})

describe('ensure takes', () => {
  test('the copy that it would have made', async () => {
    const parent = { id: 'x', name: 'template', branched_at: '2026-01-01T00:00:00Z' }
    const { turso } = answeredWith([taken, found({ parent })])
    const seed = { type: 'database', name: 'template' } as const
    expect(await turso.databases.ensure('acme', { seed })).toMatchObject({ id: 'id-1' })
  })

  test.each([
    [
      'of a dump, whose content nobody can compare',
      { seed: { type: 'dump', url: 'https://d.example/' } },
      {},
    ],
    [
      'that is encrypted alike',
      { remoteEncryption: { encryptionKey: 'AAAA', encryptionCipher: 'aes256gcm' } },
      { encryption_cipher: 'aes256gcm' },
    ],
    ['of the engine that was asked for', { useTursodb: true }, { database_type: 'tursodb' }],
    ['of which the API does not say what it is', { schema: 'mine', isSchema: false, useTursodb: true }, {}],
    [
      'that has what was not asked for',
      {},
      { schema: 's', parent: { name: 'p' }, encryption_cipher: 'aes256gcm' },
    ],
  ] as const)('a database %s', async (_, options, members) => {
    const { turso } = answeredWith([taken, found(members)])
    expect(await turso.databases.ensure('acme', options)).toMatchObject({ id: 'id-1' })
  })

  test('a database whose name is refused as not available', async () => {
    const { turso, sent } = answeredWith([refusedWith(422, 'name not available'), created])
    expect(await turso.databases.ensure('acme')).toMatchObject({ id: 'id-1' })
    expect(sent.map(({ method }) => method)).toEqual(['POST', 'GET'])
  })
})

test.each([
  ['unavailable', refusedWith(503, 'overloaded')],
  ['forbidden', refusedWith(403, 'forbidden')],
  ['network', new TypeError('fetch failed')],
] as const)('a look that fails is told by its own error: %s', async (code, failure) => {
  const { turso } = answeredWith([taken, failure], { retry: false })
  expect(await codeOf(turso.databases.ensure('acme'))).toBe(code)
})

test.each(['create', 'ensure'] as const)(
  '%s does not sleep into its timeout, but says what the server said',
  async (method) => {
    const busy = { ...refusedWith(503, 'overloaded'), headers: { 'retry-after': '20' } }
    const { turso } = answeredWith([busy, refusedWith(404, 'none')])
    expect(await codeOf(turso.databases[method]('acme', { timeoutMs: 10_000 }))).toBe('unavailable')
  },
)

describe('a group that is missing', () => {
  const missing = refusedWith(400, 'group not found')
  const busy = { ...refusedWith(503, 'overloaded'), headers: { 'retry-after': '20' } }
  const location = 'aws-eu-west-1'
  const paths = (sent: { url: string }[]) => sent.map(({ url }) => url.split('/').at(-1))

  test('and cannot be made is told by the error of that, at once without retries', async () => {
    const { turso, sent } = answeredWith([missing, refusedWith(503, 'overloaded')], { retry: false })
    const error = await turso.databases.create('acme', { location }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'unavailable', message: expect.stringContaining('/groups') })
    expect(paths(sent)).toEqual(['databases', 'groups'])
  })

  test('and cannot be made in time is not waited for', async () => {
    const { turso, sent } = answeredWith([missing, busy])
    const creation = turso.databases.create('acme', { location, timeoutMs: 10_000 })
    expect(await codeOf(creation)).toBe('unavailable')
    expect(paths(sent)).toEqual(['databases', 'groups'])
  })

  test('is asked for again as often as retries say', async () => {
    const down = refusedWith(503, 'overloaded')
    const { turso, sent } = answeredWith([missing, down, missing, down, missing, down])
    expect(await codeOf(turso.databases.create('acme', { location }))).toBe('unavailable')
    expect(paths(sent)).toEqual(['databases', 'groups', 'databases', 'groups', 'databases', 'groups'])
  })

  test('may have been made although the answer is lost', async () => {
    const { turso, sent } = answeredWith([missing, new TypeError('cut'), created])
    expect(await turso.databases.create('acme', { location })).toMatchObject({ id: 'id-1' })
    expect(paths(sent)).toEqual(['databases', 'groups', 'databases'])
  })

  test('is made once, and then only waited for', async () => {
    const { turso, sent } = answeredWith([missing, refusedWith(409, 'already exists'), missing, created])
    expect(await turso.databases.ensure('acme', { location })).toMatchObject({ id: 'id-1' })
    expect(paths(sent)).toEqual(['databases', 'groups', 'databases', 'databases'])
  })
})

describe('a walk over a list ends with an error', () => {
  const page = (count: number, rest: object = {}) => ({
    body: {
      databases: Array.from({ length: count }, (_, index) => wireDatabase({ Name: `d${index}` })),
      ...rest,
    },
  })
  const allOf = async (listing: AsyncIterable<unknown>): Promise<unknown[]> => {
    const items: unknown[] = []
    for await (const item of listing) items.push(item)
    return items
  }
  const walk = async (answers: ReturnType<typeof page>[], options = {}): Promise<number> =>
    (await allOf(answeredWith(answers).turso.databases.list(options))).length

  test.each([
    ['1,000 items and no pagination', 1_000, {}, {}],
    ['1,000 items and null', 1_000, { pagination: null }, {}],
    ['1,000 items and an empty pagination', 1_000, { pagination: {} }, {}],
    ['as many as the limit', 100, {}, { limit: 100 }],
    ['1,000 for a limit above', 1_000, {}, { limit: 5_000 }],
  ])('when a full page says nothing of a next one: %s', async (_, count, rest, options) => {
    await expect(walk([page(count, rest)], options)).rejects.toThrow(/more may be missing/)
  })

  test('and not when the page is the last one, or not full', async () => {
    expect(await walk([page(100, { pagination: { next: null } })], { limit: 100 })).toBe(100)
    expect(await walk([page(99)], { limit: 100 })).toBe(99)
    const one = answeredWith([page(1)]).turso.databases.list({ limit: 1 })
    expect((await one.page()).items).toHaveLength(1)
  })

  test.each([{}, ['a'], 7, true])('when the next page is named by %j', async (next) => {
    expect(await codeOf(walk([page(1, { pagination: { next } })]))).toBe('protocol')
  })

  test('when page after page has nothing but another next one, and not when some do', async () => {
    const endless = Array.from({ length: 300 }, (_, index) => page(0, { pagination: { next: `${index}` } }))
    const { turso, sent } = answeredWith(endless)
    expect(await codeOf(allOf(turso.databases.list()))).toBe('protocol')
    expect(sent.length).toBeLessThan(200)
    const gaps = [
      ...endless.slice(0, 50),
      page(1, { pagination: { next: 'x' } }),
      ...endless.slice(50, 100),
      page(1),
    ]
    expect(await walk(gaps)).toBe(2)
  })

  test('when a full page of audit logs says nothing of how many there are', async () => {
    for (const pagination of [{ page: 1 }, { page: 1, total_pages: null }, {}]) {
      const { turso } = answeredWith([{ body: { audit_logs: [{ code: 'a' }, { code: 'b' }], pagination } }])
      expect(await codeOf(allOf(turso.auditLogs.list({ pageSize: 2 })))).toBe('protocol')
    }
  })

  test('and counts pages also where their numbers are texts, or are left out', async () => {
    const numbered = (page?: string) => ({
      body: { audit_logs: [{ code: `c${page}` }], pagination: { page, total_pages: '3' } },
    })
    for (const first of ['1', undefined]) {
      const { turso, sent } = answeredWith([numbered(first), numbered('2'), numbered('3')])
      expect(await allOf(turso.auditLogs.list({ pageSize: 1 }))).toHaveLength(3)
      expect(sent.map(({ url }) => new URL(url).searchParams.get('page'))).toEqual([null, '2', '3'])
    }
  })

  test('when the pages go round in a circle of any length', async () => {
    const circle = ['a', 'b', 'c', 'a'].map((next) => page(1, { pagination: { next } }))
    expect(await codeOf(walk(circle))).toBe('protocol')
  })
})
