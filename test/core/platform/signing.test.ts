/** Tokens that are signed here, for the local Turso, which knows their key set by a data: URL. */
import fc from 'fast-check'
import { afterAll, afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  connect,
  createSigner,
  generateSigningKey,
  importSigningKey,
  isTursoError,
  permissions,
  type PrivateSigningKey,
  type Signer,
  type SignOptions,
  type SigningKey,
} from '../../../src/index.ts'
import { expirationSeconds } from '../../../src/platform/expiration.ts'
import { checkToken } from '../../../src/platform/checks.ts'
import { createTestDatabase, localPlatform, uniqueName } from '../../support/turso.ts'

const seed = 20_261_123
const newKey = async (): Promise<SigningKey> => importSigningKey(await generateSigningKey())

interface Decoded {
  header: Record<string, unknown>
  claims: Record<string, unknown>
}

function decode(jwt: string): Decoded {
  const [header, claims] = jwt
    .split('.', 2)
    .map((part) => JSON.parse(atob(part.replaceAll('-', '+').replaceAll('_', '/'))) as Decoded['header'])
  return { header: header!, claims: claims! }
}

/** What a call fails with, in short. */
const messageOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`,
  )

describe('against the local Turso', () => {
  let registered = ''

  async function register(signer: Signer): Promise<void> {
    registered ||= uniqueName('keys')
    const document = `data:application/json,${encodeURIComponent(JSON.stringify(signer.jwks()))}`
    await localPlatform().jwks.save(registered, document, { region: 'aws-eu-west-1' })
  }

  afterAll(() => localPlatform().jwks.delete(registered, { region: 'aws-eu-west-1' }))

  /** An existing database with a table, and a client for it with any token. */
  async function prepare() {
    const { name, hostname, database } = await createTestDatabase()
    await database.execute('create table notes (text)')
    const { id } = await localPlatform().databases.retrieve(name)
    const open = (authToken: string) => connect({ url: `libsql://${hostname}`, authToken })
    return { name, id, open }
  }

  const outcome = async (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'done',
      (error: unknown) =>
        isTursoError(error) ? [error.code, (error as { status?: number }).status ?? error.message] : error,
    )

  test('a token opens its database, and no request is sent for it', async () => {
    const key = await newKey()
    const signer = createSigner({ keys: [key] })
    await register(signer)
    const { id, open } = await prepare()
    vi.stubGlobal('fetch', () => {
      throw new Error('a request')
    })
    const token = await signer.sign({ database: id, expiration: '5m' })
    vi.unstubAllGlobals()
    const db = open(token)
    await db.execute("insert into notes values ('hello')")
    expect((await db.execute('select text from notes')).rows).toEqual([{ text: 'hello' }])
  })

  test('a read-only token reads, and its writes are refused', async () => {
    const signer = createSigner({ keys: [await newKey()] })
    await register(signer)
    const { id, open } = await prepare()
    const tokens = [
      await signer.sign({ database: id, expiration: '5m', authorization: 'read-only' }),
      await signer.sign({
        database: id,
        expiration: '5m',
        fineGrainedPermissions: permissions({ '*': ['data_read'] }),
      }),
    ]
    for (const token of tokens) {
      const db = open(token)
      expect(await outcome(db.execute('select * from notes'))).toBe('done')
      expect(await outcome(db.execute("insert into notes values ('no')"))).toEqual(['forbidden', 403])
    }
    expect((await open(tokens[0]!).execute('select * from notes')).rows).toEqual([])
  })

  test('an expired token, one of another key, of a retired key and of another database are refused', async () => {
    const [key, stranger] = [await newKey(), await newKey()]
    const signer = createSigner({ keys: [key] })
    await register(signer)
    const [ours, theirs] = [await prepare(), await prepare()]
    const past = createSigner({ keys: [key], now: () => Date.now() - 3_600_000 })
    const options: SignOptions = { database: ours.id, expiration: '5m' }
    const ask = async (token: string): Promise<unknown> => outcome(ours.open(token).execute('select 1'))

    expect(await ask(await past.sign(options))).toEqual(['unauthorized', 401])
    expect(await ask(await past.sign({ ...options, expiration: '2h' }))).toBe('done')
    expect(await ask(await createSigner({ keys: [stranger] }).sign(options))).toEqual(['unauthorized', 401])
    const pretender = { ...stranger, publicKey: key.publicKey }
    expect(await ask(await createSigner({ keys: [pretender] }).sign(options))).toEqual(['unauthorized', 401])
    expect(await ask(await signer.sign({ ...options, database: theirs.id }))).toEqual(['not_found', 404])

    const kept = await signer.sign(options)
    expect(await ask(kept)).toBe('done')
    await register(createSigner({ keys: [stranger] }))
    expect(await ask(kept)).toEqual(['unauthorized', 401])
  })

  test('a rotation of keys interrupts nobody: both are published until the tokens of the old one have expired', async () => {
    const [old, next] = [await newKey(), await newKey()]
    const { id, open } = await prepare()
    const ask = async (token: string): Promise<unknown> => outcome(open(token).execute('select 1'))
    const options: SignOptions = { database: id, expiration: '5m' }

    const before = createSigner({ keys: [old, next] })
    await register(before)
    const first = await before.sign(options)
    const during = createSigner({ keys: [next, { publicKey: old.publicKey }] })
    await register(during)
    const second = await during.sign(options)
    expect([decode(first).header['kid'], decode(second).header['kid']]).toEqual([
      old.publicKey.kid,
      next.publicKey.kid,
    ])
    expect([await ask(first), await ask(second)]).toEqual(['done', 'done'])

    await register(createSigner({ keys: [next] }))
    expect([await ask(first), await ask(second)]).toEqual([['unauthorized', 401], 'done'])
  })

  test('a token with the rotation of the database ends with it', async () => {
    const signer = createSigner({ keys: [await newKey()] })
    await register(signer)
    const { name, id, open } = await prepare()
    const { databases } = localPlatform()
    const { rid } = decode(await databases.createToken(name)).claims as { rid: string }
    const bound = open(await signer.sign({ database: id, expiration: '5m', rid }))
    const unbound = open(await signer.sign({ database: id, expiration: '5m' }))
    expect([await outcome(bound.execute('select 1')), await outcome(unbound.execute('select 1'))]).toEqual([
      'done',
      'done',
    ])
    await databases.invalidateTokens(name)
    expect([await outcome(bound.execute('select 1')), await outcome(unbound.execute('select 1'))]).toEqual([
      ['unauthorized', 401],
      'done',
    ])
  })

  test('a token of a group opens its databases', async () => {
    const signer = createSigner({ keys: [await newKey()] })
    await register(signer)
    const { name, open } = await prepare()
    const { group } = await localPlatform().databases.retrieve(name)
    const groupToken = decode(await localPlatform().groups.createToken(group)).claims
    const token = await signer.sign({ group: groupToken['gid'] as string, expiration: '5m' })
    expect(await outcome(open(token).execute('select 1'))).toBe('done')
    const other = await signer.sign({ group: 'another', expiration: '5m' })
    expect(await outcome(open(other).execute('select 1'))).toEqual(['not_found', 404])
  })
})

describe('a token', () => {
  const now = (): number => 1_800_000_000_999

  test('has the claims of Turso, and names its key', async () => {
    const key = await newKey()
    const signer = createSigner({ keys: [key], now })
    const claims = async (options: SignOptions) => decode(await signer.sign(options)).claims
    const iat = 1_800_000_000
    const perm = permissions({ notes: ['data_read', 'data_add'] })

    expect(decode(await signer.sign({ database: 'id-1', expiration: '5m' }))).toEqual({
      header: { alg: 'EdDSA', typ: 'JWT', kid: key.publicKey.kid },
      claims: { a: 'rw', id: 'id-1', iat, exp: iat + 300 },
    })
    expect(await claims({ group: 'id-2', expiration: 'never', authorization: 'read-only' })).toEqual({
      a: 'ro',
      gid: 'id-2',
      iat,
    })
    expect(
      await claims({ database: 'id-1', expiration: 'never', fineGrainedPermissions: perm, rid: 'r' }),
    ).toEqual({ a: 'rw', id: 'id-1', perm, rid: 'r', iat })
    const attach = { readAttach: { databases: ['id-3'] } }
    expect(await claims({ database: 'id-1', expiration: 'never', permissions: attach })).toEqual({
      p: { rw: { ns: ['id-1'] }, roa: { ns: ['id-3'] } },
      id: 'id-1',
      iat,
    })
    expect(
      await claims({
        group: 'id-2',
        expiration: 'never',
        permissions: attach,
        authorization: 'read-only',
      }),
    ).toEqual({ p: { ro: { tags: ['id-2'] }, roa: { ns: ['id-3'] } }, gid: 'id-2', iat })
  })

  test('is verified by WebCrypto with the published key', async () => {
    const signer = createSigner({ keys: [await newKey()] })
    const [published] = signer.jwks().keys
    const publicKey = await crypto.subtle.importKey('jwk', { ...published! }, 'Ed25519', false, ['verify'])
    const jwt = await signer.sign({ database: 'ä', expiration: '1m' })
    const [header, claims, signature] = jwt.split('.')
    const bytes = Uint8Array.from(atob(signature!.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
      character.charCodeAt(0),
    )
    const signed = new TextEncoder().encode(`${header}.${claims}`)
    expect(await crypto.subtle.verify('Ed25519', publicKey, bytes, signed)).toBe(true)
  })

  test.each<[string, object, RegExp]>([
    ['no expiration', { database: 'x' }, /"expiration" must be "never"/],
    ['a malformed expiration', { database: 'x', expiration: '5s' }, /"expiration" must be "never".*got "5s"/],
    ['an expiration of no time', { database: 'x', expiration: '0m' }, /"expiration" must be/],
    ['an expiration beyond all dates', { database: 'x', expiration: '999999999w' }, /beyond any date/],
    ['no database', { expiration: '5m' }, /Either "database" or "group"/],
    ['an empty database', { database: '', expiration: '5m' }, /Either "database" or "group"/],
    ['a database and a group', { database: 'x', group: 'y', expiration: '5m' }, /Either "database" or/],
    [
      'a misspelled authorization',
      { database: 'x', expiration: '5m', authorization: 'readonly' },
      /"authorization" must be/,
    ],
    [
      'permissions of nothing',
      { database: 'x', expiration: '5m', fineGrainedPermissions: [] },
      /rules that permit something/,
    ],
    [
      'an authorization in a list',
      { database: 'x', expiration: '5m', authorization: ['read-only'] },
      /"authorization" must be/,
    ],
    [
      'an expiration that is no text',
      { database: 'x', expiration: new String('never') },
      /"expiration" must be "never"/,
    ],
    ['a rotation that is no text', { database: 'x', expiration: '5m', rid: '' }, /"rid" must be a text/],
    [
      'options in a misspelled name',
      { database: 'x', expiration: '5m', authorisation: 'read-only' },
      /"authorisation"/,
    ],
    [
      'misspelled permissions',
      { database: 'x', expiration: '5m', fineGrainedPermission: permissions({ n: ['data_read'] }) },
      /"fineGrainedPermission"/,
    ],
    [
      'an inherited misspelled name',
      Object.create({ database: 'x', expiration: '5m', authorisation: 'read-only' }) as object,
      /plain object of .*; got Object/,
    ],
    ...[
      permissions({ n: ['data_read'] }),
      { read_attach: { databases: ['y'] } },
      { readAttach: { database: 'y' } },
      { readAttach: { databases: 'y' } },
      { readAttach: { databases: [''] } },
      { readAttach: { databases: [5] } },
      { readAttach: ['y'] },
      { readAttach: {} },
      { readAttach: null },
      null,
      'y',
    ].map((attach): [string, object, RegExp] => [
      `what is to be attached as ${JSON.stringify(attach)}`,
      { database: 'x', expiration: '5m', permissions: attach },
      /permissions|readAttach|databases/,
    ]),
  ])('with %s is refused', async (_, options, expected) => {
    const signer = createSigner({ keys: [await newKey()] })
    expect(await messageOf(signer.sign(options as SignOptions))).toMatch(expected)
  })

  test.each([Number.NaN, Infinity, 'now', undefined])('of a clock that says %s is refused', async (time) => {
    const signer = createSigner({ keys: [await newKey()], now: () => time as number })
    expect(await messageOf(signer.sign({ database: 'x', expiration: '1h' }))).toMatch(/^TypeError: .*"now"/)
  })

  test('has the expirations that the API has', () => {
    const piece = fc.tuple(fc.nat(99), fc.constantFrom('w', 'd', 'h', 'm', 's', 'y', '', ' '))
    const text = fc.oneof(
      fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.flat().join('')),
      fc.constantFrom('never', 'none', 'default', '1w2d6h3m', '0w1m', ''),
      fc.string(),
    )
    fc.assert(
      fc.property(text, (expiration) => {
        const isTaken = (read: () => unknown): boolean => {
          try {
            read()
            return true
          } catch (error) {
            return !(error instanceof TypeError)
          }
        }
        expect(isTaken(() => expirationSeconds(expiration))).toBe(isTaken(() => checkToken({ expiration })))
      }),
      { seed, numRuns: 1_000 },
    )
    expect(expirationSeconds('never')).toBeUndefined()
    expect(expirationSeconds('2w1d30m')).toBe(15 * 86_400 + 1_800)
  })
})

describe('what a token may do', () => {
  const { jwks } = localPlatform()

  test('is asked for in the same words in a template', async () => {
    const signer = createSigner({ keys: [await newKey()] })
    const options = {
      authorization: 'read-only',
      fineGrainedPermissions: permissions({ notes: ['data_read'], '*': ['data_add'] }),
      rid: 'r',
    } as const
    const claims = jwks.template({ id: 'x' }, options)
    expect(claims).toEqual({ a: 'ro', id: 'x', perm: options.fineGrainedPermissions, rid: 'r' })
    const signed = await signer.sign({ database: 'x', expiration: '5m', ...options })
    expect(decode(signed).claims).toMatchObject(claims)
    expect(jwks.template({ groupId: 'g' })).toEqual({ a: 'rw', gid: 'g', perm: [] })
  })

  test.each<[string, object]>([
    ['"authorization"', { authorization: 'readonly' }],
    ['"authorization"', { authorization: ['read-only'] }],
    ['"authorization"', { authorization: null }],
    ['"authorisation"', { authorisation: 'read-only' }],
    ['"fineGrainedPermission"', { fineGrainedPermission: permissions({ n: ['data_read'] }) }],
    ['"rid"', { rid: 5 }],
    ['permissions', { permissions: permissions({ n: ['data_read'] }) }],
    ...[
      [],
      Array.from({ length: 1 }),
      null,
      'all',
      { length: 1 },
      [null],
      [5],
      [{ t: null }],
      [{ t: null, a: [] }],
      [{ t: null, a: 'data_read' }],
      [{ t: null, a: [undefined] }],
      [{ t: null, a: ['data_raed'] }],
      [{ a: ['data_read'] }],
      [{ t: [], a: ['data_read'] }],
      [{ t: 'notes', a: ['data_read'] }],
      [{ t: [''], a: ['data_read'] }],
      [{ t: null, a: ['data_read'], actions: [] }],
      [...permissions({ n: ['data_read'] }), { t: null, a: [] }],
    ].map((rules): [string, object] => ['permissions', { fineGrainedPermissions: rules }]),
  ])('is refused by the signer and by the template alike: %s in %j', async (expected, options) => {
    const signer = createSigner({ keys: [await newKey()] })
    const signing = signer.sign({ database: 'x', expiration: '5m', ...options })
    const templating = (async () => jwks.template({ id: 'x' }, options))()
    for (const message of [await messageOf(signing), await messageOf(templating)]) {
      expect(message).toMatch(/^TypeError: /)
      expect(message).toMatch(new RegExp(expected, 'i'))
    }
  })

  test.each<unknown>([
    {},
    null,
    undefined,
    'x',
    { id: undefined },
    { id: '' },
    { id: 5 },
    { groupId: undefined },
    { groupId: null },
    { databaseId: 'x' },
    { id: 'x', group: 'y' },
    { id: 'x', groupId: 'y' },
  ])('is refused by the template without one database or group: %j', (subject) => {
    expect(() => jwks.template(subject as { id: string })).toThrow(TypeError)
  })
})

describe('keys', () => {
  test('are published without their private halves, whatever a caller has put in', async () => {
    const jwk = await generateSigningKey({ kid: 'one' })
    const key = await importSigningKey(jwk)
    const { d: secret } = jwk
    const signer = createSigner({
      keys: [{ ...key, publicKey: { ...jwk } }, { publicKey: await generateSigningKey({ kid: 'two' }) }],
    })
    const text = JSON.stringify([
      signer.jwks(),
      signer.pem(),
      key,
      await signer.sign({ database: 'x', expiration: '1m' }),
    ])
    expect(text).not.toContain(secret)
    expect(signer.jwks().keys.map((published) => Object.keys(published).toSorted())).toEqual(
      ['one', 'two'].map(() => ['alg', 'crv', 'kid', 'kty', 'use', 'x']),
    )
  })

  test('are published for signing with EdDSA, whatever a caller has put in', async () => {
    const key = await newKey()
    const publicKey = { ...key.publicKey, alg: 'none', use: 'enc' } as unknown as SigningKey['publicKey']
    expect(createSigner({ keys: [{ ...key, publicKey }] }).jwks().keys).toEqual([key.publicKey])
  })

  test.each(['', 5, null])('are not made with the kid %j', async (kid) => {
    expect(await messageOf(generateSigningKey({ kid: kid as string }))).toMatch(/^TypeError: .*"kid"/)
  })

  test('have their thumbprint as kid unless they have another', async () => {
    // RFC 8037, appendix A: its key, and its thumbprint.
    const key = await importSigningKey({
      kty: 'OKP',
      crv: 'Ed25519',
      d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
      x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
    } as PrivateSigningKey)
    expect(key.publicKey.kid).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
    expect(createSigner({ keys: [key] }).pem()).toBe(
      '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n',
    )
    expect((await generateSigningKey({ kid: 'mine' })).kid).toBe('mine')
  })

  test('come as JWK or as its JSON, which a secret of a Worker is', async () => {
    const jwk = await generateSigningKey()
    const [one, two] = [await importSigningKey(jwk), await importSigningKey(JSON.stringify(jwk))]
    const bytes = new TextEncoder().encode('the same')
    expect(new Uint8Array(await one.sign(bytes))).toEqual(new Uint8Array(await two.sign(bytes)))
  })

  test('cannot be read again once they are imported', async () => {
    const jwk = await generateSigningKey()
    const importKey = vi.spyOn(crypto.subtle, 'importKey')
    onTestFinished(() => importKey.mockRestore())
    await importSigningKey(jwk)
    const keys = await Promise.all(importKey.mock.results.map(({ value }) => value as Promise<CryptoKey>))
    expect(keys.filter(({ type }) => type === 'private').map(({ extractable }) => extractable)).toEqual([
      false,
    ])
  })

  test('that are malformed are refused without being quoted', async () => {
    const [jwk, other] = [await generateSigningKey(), await generateSigningKey()]
    const secret = jwk.d
    const malformed: unknown[] = [
      undefined,
      null,
      5,
      '',
      'null',
      secret,
      `{"d":"${secret}"`,
      {},
      { ...jwk, d: undefined },
      { ...jwk, d: `${secret}A` },
      { ...jwk, d: secret.slice(1) },
      { ...jwk, d: `${secret.slice(0, 42)}=` },
      { ...jwk, x: other.x },
      { ...jwk, crv: 'Ed448' },
      { ...jwk, kty: 'EC' },
      { ...jwk, kid: '' },
      { ...jwk, kid: 5 },
    ]
    for (const key of malformed) {
      const message = await messageOf(importSigningKey(key as PrivateSigningKey))
      expect(message).toMatch(/^TypeError: The signing key is malformed: /)
      expect(message).not.toContain(secret.slice(1, 40))
    }
  })

  test('of a signer are one that signs, and no two of the same name', async () => {
    const key = await newKey()
    const { publicKey } = key
    expect(() => createSigner({ keys: [] as unknown as [SigningKey] })).toThrow(/first of "keys"/)
    expect(() => createSigner({ keys: [{ publicKey } as SigningKey] })).toThrow(/first of "keys"/)
    expect(() => createSigner({ keys: [key, { publicKey }] })).toThrow(/same "kid"/)
    const broken = { ...key, publicKey: { ...publicKey, x: 'short' } }
    expect(() => createSigner({ keys: [broken] })).toThrow(/malformed/)
  })

  describe('in a runtime without Ed25519', () => {
    afterEach(() => void vi.unstubAllGlobals())

    test.each([
      ['no WebCrypto', undefined],
      ['no secure context', {}],
      [
        'another WebCrypto',
        {
          subtle: {
            digest: async () => new ArrayBuffer(32),
            generateKey: () => Promise.reject(new DOMException('Unrecognized name.', 'NotSupportedError')),
            importKey: () => Promise.reject(new DOMException('Unrecognized name.', 'NotSupportedError')),
          },
        },
      ],
    ])('say so: %s', async (_, crypto) => {
      const jwk = await generateSigningKey()
      vi.stubGlobal('crypto', crypto)
      expect(await messageOf(generateSigningKey())).toMatch(/^TypeError: This runtime has no Ed25519/)
      expect(await messageOf(importSigningKey(jwk))).toMatch(/^TypeError: This runtime has no Ed25519/)
    })
  })
})
