/** Tokens of other issuers, whose key sets an organization has registered. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LocalTursoOptions } from '../../local/index.ts'
import { createClock, start, statement } from './harness.ts'

const READ = { requests: [statement('select 1'), { type: 'close' }] }
const WRITE = { requests: [statement('create table t (x)'), { type: 'close' }] }
const KEY_SETS = '/v2/organizations/local/jwks'
const ADDRESS = 'https://issuer.example/jwks.json'

interface IssuerKey {
  jwk: Record<string, unknown>
  /** A text is the payload as it stands. */
  token(claims: object | string, header?: object): string
}

const encode = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

function issuerKey(kid: string, kind: 'EdDSA' | 'RS256' = 'EdDSA', modulusLength = 2048): IssuerKey {
  const { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject } =
    kind === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('rsa', { modulusLength })
  return {
    jwk: { ...publicKey.export({ format: 'jwk' }), kid },
    token(claims, header = { alg: kind, kid }) {
      const signed = `${encode(header)}.${encode(claims)}`
      const digest = kind === 'EdDSA' ? null : 'sha256'
      return `${signed}.${sign(digest, Buffer.from(signed), privateKey).toString('base64url')}`
    },
  }
}

const inline = (...keys: IssuerKey[]): string =>
  `data:application/json;base64,${Buffer.from(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })).toString('base64')}`

/** A local Turso with the database `acme`, which has registered a key set. */
async function prepare(jwks_url: string, options: LocalTursoOptions = {}) {
  const { api, call, create, turso } = await start(options)
  const database = await create('acme')
  const save = (url: string, name = 'ours') => call('PUT', `${KEY_SETS}/${name}`, { jwks_url: url })
  await save(jwks_url)
  const { DbId: id } = (await api('GET', 'databases/acme')).body.database as { DbId: string }
  const ask = async (jwt: string, body: unknown = READ) => (await database.send(body, { jwt })).status
  return { api, call, create, turso, database, save, id, ask }
}

describe('a key set in a data: URL', () => {
  test('opens what the claims say', async () => {
    const key = issuerKey('k1')
    const { id, ask } = await prepare(inline(key))
    expect(await ask(key.token({ a: 'rw', id }), WRITE)).toBe(200)
    expect(await ask(key.token({ a: 'ro', id }))).toBe(200)
    for (const claims of [
      { a: 'ro', id },
      { id, perm: [{ t: null, a: ['data_read'] }] },
    ]) {
      const jwt = key.token(claims)
      expect([await ask(jwt), await ask(jwt, WRITE)]).toEqual([200, 403])
    }
    expect(await ask(key.token({ a: 'rw', id: 'another' }))).toBe(404)
    expect(await ask(key.token({ a: 'rw', gid: 'another' }))).toBe(404)
  })

  test('may have the keys of RSA that Clerk has, not those that are not known here', async () => {
    const [rsa, ed, unknown] = [issuerKey('rsa', 'RS256'), issuerKey('ed'), issuerKey('odd')]
    unknown.jwk['crv'] = 'Ed1'
    const { id, ask } = await prepare(inline(unknown, rsa, ed))
    expect(await ask(rsa.token({ id }))).toBe(200)
    expect(await ask(ed.token({ id }))).toBe(200)
    expect(await ask(unknown.token({ id }))).toBe(401)
  })

  test('lets in nothing that none of its keys has signed', async () => {
    const [key, rsa, stranger] = [issuerKey('k1'), issuerKey('rsa', 'RS256'), issuerKey('k1')]
    const { id, ask } = await prepare(inline(key, rsa))
    const genuine = key.token({ id })
    const [header, , signature] = genuine.split('.')
    const forged = [
      stranger.token({ id }),
      `${header}.${encode({ id, a: 'rw' })}.${signature}`,
      key.token({ id }, { alg: 'EdDSA' }),
      key.token({ id }, { alg: 'EdDSA', kid: 'k2' }),
      key.token({ id }, { alg: 'EdDSA', kid: 'rsa' }),
      key.token({ id }, { alg: 'none', kid: 'k1' }),
      key.token({ id }, { alg: 'HS256', kid: 'k1' }),
      key.token({ id }, { alg: 'RS256', kid: 'k1' }),
      rsa.token({ id }, { alg: 'EdDSA', kid: 'rsa' }),
      `${genuine}.more`,
      `${header}..`,
    ]
    expect(await ask(genuine)).toBe(200)
    for (const jwt of forged) expect(await ask(jwt)).toBe(401)
  })

  test.each(['not json', '"text"', 'null', '[]', '5', 'true', '', '{"exp":1e999}'])(
    'has no tokens whose payload is no object of claims: %s',
    async (payload) => {
      const key = issuerKey('k1')
      const { ask } = await prepare(inline(key))
      expect([await ask(key.token({})), await ask(key.token(payload))]).toEqual([200, 401])
    },
  )

  test('has no tokens whose header demands what is not known here', async () => {
    const key = issuerKey('k1')
    const { id, ask } = await prepare(inline(key))
    for (const crit of [['b64'], [], null])
      expect(await ask(key.token({ id }, { alg: 'EdDSA', kid: 'k1', crit, b64: false }))).toBe(401)
  })

  test('verifies with a key only what the key is for', async () => {
    const keys = {
      signing: issuerKey('signing'),
      encryption: issuerKey('encryption'),
      rs256: issuerKey('rs256', 'RS256'),
      rs512: issuerKey('rs512', 'RS256'),
      es256: issuerKey('es256'),
      weak: issuerKey('weak', 'RS256', 1024),
    }
    Object.assign(keys.signing.jwk, { use: 'sig', alg: 'EdDSA' })
    Object.assign(keys.encryption.jwk, { use: 'enc' })
    Object.assign(keys.rs256.jwk, { use: 'sig', alg: 'RS256' })
    Object.assign(keys.rs512.jwk, { alg: 'RS512' })
    Object.assign(keys.es256.jwk, { alg: 'ES256' })
    const { id, ask } = await prepare(inline(...Object.values(keys)))
    const answers = Object.entries(keys).map(async ([name, key]) => [name, await ask(key.token({ id }))])
    expect(Object.fromEntries(await Promise.all(answers))).toEqual({
      signing: 200,
      encryption: 401,
      rs256: 200,
      rs512: 401,
      es256: 401,
      weak: 401,
    })
  })

  test('has tokens that begin, a minute early', async () => {
    const clock = createClock()
    const key = issuerKey('k1')
    const { id, database } = await prepare(inline(key), { now: clock.now })
    const jwt = key.token({ id, nbf: Math.floor(clock.now() / 1000) + 61 })
    const { status, body } = await database.send(READ, { jwt })
    expect([status, body]).toEqual([401, { error: 'Unauthorized: `The JWT is not valid yet`' }])
    clock.advance(1_000)
    expect((await database.send(READ, { jwt })).status).toBe(200)
  })

  test('has tokens that expire, a minute late', async () => {
    const clock = createClock()
    const key = issuerKey('k1')
    const { id, database } = await prepare(inline(key), { now: clock.now })
    const jwt = key.token({ id, exp: clock.now() / 1000 })
    clock.advance(60_000)
    expect((await database.send(READ, { jwt })).status).toBe(200)
    clock.advance(1_000)
    const { status, body } = await database.send(READ, { jwt })
    expect([status, body]).toEqual([401, { error: 'Unauthorized: `The JWT has expired`' }])
  })

  test('has tokens that open the whole organization when they lack the claims of Turso', async () => {
    const key = issuerKey('k1')
    const { create, ask } = await prepare(inline(key))
    const jwt = key.token({ sub: 'user-1' })
    const other = await create('other')
    expect([await ask(jwt), (await other.send(READ, { jwt })).status]).toEqual([200, 200])
  })

  test.each([
    { exp: 'soon' },
    { id: 5 },
    { gid: {} },
    { p: { rw: { ns: 5 } } },
    { p: { ro: { tags: [5] } } },
    { perm: [5] },
    { perm: [{ t: null }] },
    { perm: 'all' },
    { rid: 1 },
    { a: 'none' },
    { a: 'read-only' },
    { a: null },
    { a: ['ro'] },
    { nbf: 'soon' },
    { exp: null },
    { p: null },
    { p: 5 },
    { p: [] },
    { perm: [{ t: null, a: [7] }] },
    [],
  ])('has no tokens with claims of another shape: %j', async (claims) => {
    const key = issuerKey('k1')
    const { ask } = await prepare(inline(key))
    expect(await ask(key.token(claims))).toBe(401)
  })

  test('needs no rotation in its tokens, but the right one if there is one, as the template has it', async () => {
    const key = issuerKey('k1')
    const { api, call, id, ask } = await prepare(inline(key))
    const { template } = (await call('POST', '/v2/organizations/local/jwks-template', { database: 'acme' }))
      .body
    const jwts = [key.token(template), key.token({ id }), key.token({ id, rid: 'another' })]
    const all = async () => [await ask(jwts[0]!), await ask(jwts[1]!), await ask(jwts[2]!)]
    expect(await all()).toEqual([200, 200, 401])
    await api('POST', 'databases/acme/auth/rotate')
    expect(await all()).toEqual([401, 200, 401])
  })

  test('counts as long as it is registered, for its organization alone', async () => {
    const [one, two] = [issuerKey('k1'), issuerKey('k2')]
    const { call, save, id, ask } = await prepare(inline(one))
    const jwts = [one.token({ id }), two.token({ id })]
    const both = async () => [await ask(jwts[0]!), await ask(jwts[1]!)]
    expect(await both()).toEqual([200, 401])
    await save(inline(one, two))
    expect(await both()).toEqual([200, 200])
    await save(inline(two))
    expect(await both()).toEqual([401, 200])
    await call('DELETE', `${KEY_SETS}/ours`)
    expect(await both()).toEqual([401, 401])

    await call('POST', '/v1/organizations', { name: 'others' })
    await call('PUT', '/v2/organizations/others/jwks/theirs', { jwks_url: inline(one, two) })
    expect(await both()).toEqual([401, 401])
  })

  test('survives a restart', async () => {
    const data = mkdtempSync(join(tmpdir(), 'issuers-'))
    onTestFinished(() => rmSync(data, { recursive: true }))
    const key = issuerKey('k1')
    const { id, turso, database } = await prepare(inline(key), { data })
    await turso.close()
    const { use } = await start({ data })
    const again = await use(database.name)
    expect((await again.send(READ, { jwt: key.token({ id }) })).status).toBe(200)
  })

  test.each([
    'data:,not json',
    'data:,{}',
    'data:,null',
    'data:nothing',
    'data:,%',
    'data:,{"keys":[null,5]}',
  ])('that is none has no keys: %s', async (url) => {
    const key = issuerKey('k1')
    const { id, ask, database } = await prepare(url)
    expect(await ask(key.token({ id }))).toBe(401)
    expect((await database.send(READ)).status).toBe(200)
  })
})

describe('a key set at an address', () => {
  /** What fetches it. `keys` are those that it has now; `undefined`: it cannot be reached. */
  function issuer(...keys: IssuerKey[]) {
    const state = { keys: keys as IssuerKey[] | undefined, status: 200, fetched: [] as string[] }
    const fetchKeySet = async (url: string): Promise<Response> => {
      state.fetched.push(url)
      if (!state.keys) throw new Error('no network')
      return Response.json({ keys: state.keys.map(({ jwk }) => jwk) }, { status: state.status })
    }
    return { state, fetchKeySet }
  }

  test('is not fetched unless there is something to fetch it with', async () => {
    const key = issuerKey('k1')
    const { id, ask } = await prepare(ADDRESS)
    expect(await ask(key.token({ id }))).toBe(401)
  })

  test('is fetched for the first token that needs it, and kept for a minute', async () => {
    const clock = createClock()
    const key = issuerKey('k1')
    const { state, fetchKeySet } = issuer(key)
    const { id, ask, database } = await prepare(ADDRESS, { fetchKeySet, now: clock.now })
    await database.send(READ)
    expect(state.fetched).toEqual([])
    const jwt = key.token({ id })
    expect([await ask(jwt), await ask(jwt)]).toEqual([200, 200])
    expect(state.fetched).toEqual([ADDRESS])
    clock.advance(60_000)
    expect(await ask(jwt)).toBe(200)
    expect(state.fetched).toHaveLength(2)
  })

  test('is fetched again for a key that is new, and a key that is gone lasts for a minute', async () => {
    const clock = createClock()
    const [old, next] = [issuerKey('old'), issuerKey('next')]
    const { state, fetchKeySet } = issuer(old)
    const { id, ask } = await prepare(ADDRESS, { fetchKeySet, now: clock.now })
    expect(await ask(old.token({ id }))).toBe(200)
    state.keys = [old, next]
    expect(await ask(next.token({ id }))).toBe(200)
    state.keys = [next]
    expect(await ask(old.token({ id }))).toBe(200)
    clock.advance(60_000)
    expect([await ask(old.token({ id })), await ask(next.token({ id }))]).toEqual([401, 200])
  })

  test('that cannot be reached has no keys', async () => {
    const clock = createClock()
    const key = issuerKey('k1')
    const { state, fetchKeySet } = issuer(key)
    const { id, ask } = await prepare(ADDRESS, { fetchKeySet, now: clock.now })
    expect(await ask(key.token({ id }))).toBe(200)
    clock.advance(60_000)
    state.keys = undefined
    expect(await ask(key.token({ id }))).toBe(401)
    state.keys = [key]
    state.status = 500
    expect(await ask(key.token({ id }))).toBe(401)
    state.status = 200
    expect(await ask(key.token({ id }))).toBe(200)
  })
})
