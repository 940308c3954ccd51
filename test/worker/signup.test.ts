import { env } from 'cloudflare:workers'
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connect } from '../../src/index.ts'
import { clearFaults, failNext, localPlatform, requestsSeen } from '../support/turso.ts'
import { call, ORIGIN, signUp, signUpNow, type ProblemBody, type SignupAnswer } from './client.ts'
import { resetPace } from './pace-control.ts'

beforeEach(clearFaults)
afterEach(clearFaults)

const read = (id: string): Promise<Response> =>
  call(`/v1/tenants/${encodeURIComponent(id)}`, { headers: { authorization: 'Bearer signup-key' } })

describe('a signup', () => {
  test('answers 201 with tenant, database and token', async () => {
    const response = await signUp({ id: 'acme', name: 'Acme Inc', metadata: { plan: 'gold' } })
    expect(response.status).toBe(201)
    expect(response.headers.get('location')).toBe('/v1/tenants/acme')
    expect(response.headers.get('cache-control')).toBe('no-store')
    const answer: SignupAnswer = await response.json()
    const { name } = answer.database
    const hostname = `${name}-local.aws-eu-west-1.turso.io`
    expect(answer).toEqual({
      tenant: {
        id: 'acme',
        name: 'Acme Inc',
        status: 'active',
        location: 'aws-eu-west-1',
        group: 'default',
        schema_version: 1,
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        metadata: { plan: 'gold' },
      },
      database: {
        name: expect.stringMatching(/^acme-[a-z2-7]{10}$/),
        hostname,
        url: `libsql://${hostname}`,
        http_url: `https://${hostname}/`,
        gateway_url: `${ORIGIN}/t/acme/`,
      },
      token: { jwt: expect.any(String), authorization: 'full-access', expires_at: expect.any(String) },
    })
    const lifeMs = Date.parse(answer.token.expires_at!) - Date.now()
    expect(lifeMs).toBeGreaterThan(86_000_000)
    expect(lifeMs).toBeLessThanOrEqual(86_401_000)
  })

  test('gives a database that has the schema and takes queries', async () => {
    const { database, token } = await signUpNow({ id: 'with-schema' })
    const db = connect({ url: database.http_url, authToken: token.jwt })
    await db.execute('insert into notes (title) values (?)', ['hello'])
    const { rows } = await db.execute('select title, body from notes')
    expect(rows).toEqual([{ title: 'hello', body: '' }])
    const history = await db.execute('select version, name, checksum from _turso_edge_migrations')
    expect(history.rows).toEqual([
      { version: 1, name: expect.any(String), checksum: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ])
  })

  test('costs three upstream requests, one after the other', async () => {
    await signUpNow({ id: 'warm-the-group' })
    await clearFaults()
    const { database } = await signUpNow({ id: 'three-calls' })
    expect(await requestsSeen()).toEqual([
      'POST api.turso.tech/v1/organizations/local/databases',
      `POST api.turso.tech/v1/organizations/local/databases/${database.name}/auth/tokens`,
      `POST ${database.hostname}/v3/pipeline`,
    ])
  })

  test('mints the token that was asked for, and applies the schema all the same', async () => {
    const { database, token } = await signUpNow({
      id: 'reader',
      token: { authorization: 'read-only', expiration: '2h' },
    })
    expect(token.authorization).toBe('read-only')
    const db = connect({ url: database.http_url, authToken: token.jwt })
    expect((await db.execute('select count(*) as n from notes')).rows).toEqual([{ n: 0 }])
    await expect(db.execute("insert into notes (title) values ('x')")).rejects.toMatchObject({
      code: 'forbidden',
    })
    const forever = await signUpNow({ id: 'forever', token: { expiration: 'never' } })
    expect(forever.token.expires_at).toBeNull()
  })

  test('puts another location into a group of its own, made on the way', async () => {
    const { tenant, database } = await signUpNow({ id: 'tokyo', location: 'aws-ap-northeast-1' })
    expect(tenant).toMatchObject({ location: 'aws-ap-northeast-1', group: 'default-aws-ap-northeast-1' })
    expect(database.hostname).toContain('.aws-ap-northeast-1.')
  })

  test('can be read back, without a token', async () => {
    const { tenant, database } = await signUpNow({ id: 'read@back:1' })
    const response = await read('read@back:1')
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      tenant,
      database,
      timeline: ['create_database', 'create_token', 'migrate'].map((step) => ({
        step,
        attempt: 1,
        at: expect.any(String),
        duration_ms: expect.any(Number),
        outcome: 'done',
        detail: null,
        request_id: null,
      })),
      orphans: [],
    })
    expect(database.gateway_url).toBe(`${ORIGIN}/t/read%40back%3A1/`)
  })

  test('reading a tenant that does not exist leaves nothing behind', async () => {
    expect((await read('looked-for')).status).toBe(404)
    await runInDurableObject(env.TENANTS.getByName('looked-for'), async (_, state) => {
      expect([...state.storage.kv.list()]).toEqual([])
    })
  })

  test('waits for a database that is not served yet', async () => {
    const body = '{"error":"not found"}'
    await failNext({ kind: 'respond', on: 'pipeline', times: 2, status: 404, body })
    expect((await signUpNow({ id: 'slow-start' })).tenant.status).toBe('active')
  })
})

describe('a second signup of the same id', () => {
  test('with the same Idempotency-Key gives the same database and a fresh token', async () => {
    const body = { id: 'again', metadata: { a: 1, b: 2 } }
    const first: SignupAnswer = await (await signUp(body, { 'idempotency-key': '"key-1"' })).json()
    const response = await signUp('{"metadata":{"b":2,"a":1},"id":"again"}', { 'idempotency-key': 'key-1' })
    expect(response.status).toBe(201)
    expect(response.headers.get('idempotency-replayed')).toBe('true')
    const second: SignupAnswer = await response.json()
    expect(second.database).toEqual(first.database)
    expect(second.tenant).toEqual(first.tenant)
    const db = connect({ url: second.database.http_url, authToken: second.token.jwt })
    expect((await db.execute('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  test('with the same key and another body is 422', async () => {
    await signUp({ id: 'other-body' }, { 'idempotency-key': 'key-2' })
    const response = await signUp({ id: 'other-body', name: 'x' }, { 'idempotency-key': 'key-2' })
    expect(response.status).toBe(422)
    // An empty object and an empty list are not the same either.
    await signUp({ id: 'empty', metadata: { a: {} } }, { 'idempotency-key': 'key-3' })
    expect((await signUp({ id: 'empty', metadata: { a: [] } }, { 'idempotency-key': 'key-3' })).status).toBe(
      422,
    )
  })

  test('without a key, or with another one, is 409, names the same database and has no token', async () => {
    const { tenant, database } = await signUpNow({ id: 'taken' })
    for (const headers of [{}, { 'idempotency-key': 'key-3' }] as Record<string, string>[]) {
      const response = await signUp({ id: 'taken' }, headers)
      expect(response.status).toBe(409)
      const problem = await response.json()
      expect(problem).toMatchObject({ code: 'tenant_exists', tenant, database })
      expect(problem).not.toHaveProperty('token')
    }
  })

  test('at the same time makes one database, whoever wins', async () => {
    const responses = await Promise.all(
      Array.from({ length: 5 }, () => signUp({ id: 'at-once' }, { 'idempotency-key': 'key-4' })),
    )
    const statuses = responses.map(({ status }) => status)
    expect(statuses).toContain(201)
    expect(statuses.every((status) => status === 201 || status === 409)).toBe(true)
    const creates = (await requestsSeen()).filter(
      (line) => line === 'POST api.turso.tech/v1/organizations/local/databases',
    )
    expect(creates.length).toBeLessThanOrEqual(2)
    const { rows } = await listed('at-once')
    expect(rows).toHaveLength(1)
  })

  test('finds its state again after the object was evicted', async () => {
    const first: SignupAnswer = await (await signUp({ id: 'evicted' }, { 'idempotency-key': 'k' })).json()
    await evictDurableObject(env.TENANTS.getByName('evicted'))
    const second: SignupAnswer = await (await signUp({ id: 'evicted' }, { 'idempotency-key': 'k' })).json()
    expect(second.database).toEqual(first.database)
  })
})

/** The databases whose name begins with a slug. */
async function listed(slug: string): Promise<{ rows: string[] }> {
  const response = await fetch('https://api.turso.tech/v1/organizations/local/databases', {
    headers: { authorization: 'Bearer local-platform-token' },
  })
  const { databases } = (await response.json()) as { databases: { Name: string }[] }
  return { rows: databases.map(({ Name }) => Name).filter((name) => name.startsWith(`${slug}-`)) }
}

/** Trouble that the request cannot wait out. */
const forLater = { 'retry-after': '60' }

describe('trouble upstream', () => {
  test.each([
    ['creating the database', 'databases.create'],
    ['minting the token', 'databases.createToken'],
    ['applying the schema', 'pipeline'],
  ])(
    'unavailable for long while %s is 202, and the same signup succeeds later with one database',
    async (step, on) => {
      const id = `down-${step.split(' ')[0]}`
      await failNext({ kind: 'respond', on, status: 503, headers: forLater, body: 'busy' })
      const accepted = await signUp({ id })
      expect(accepted.status).toBe(202)
      expect(Number(accepted.headers.get('retry-after'))).toBeGreaterThanOrEqual(59)
      expect(accepted.headers.get('location')).toBe(`/v1/tenants/${id}`)
      expect(await accepted.json()).not.toHaveProperty('token')
      const unfinished = (await (await read(id)).json()) as { tenant: { status: string; attempts: number } }
      expect(unfinished.tenant).toMatchObject({ status: 'provisioning', attempts: 1 })
      expect((await signUpNow({ id })).tenant).toMatchObject({ status: 'active', schema_version: 1 })
      expect((await listed(id)).rows).toHaveLength(1)
    },
  )

  test.each([
    ['creating the database', 'databases.create'],
    ['minting the token', 'databases.createToken'],
    ['applying the schema', 'pipeline'],
  ])('an answer lost while %s still ends in exactly one database with its schema', async (step, on) => {
    const id = `lost-${step.split(' ')[0]}`
    await signUpNow({ id: `group-for-${id}` })
    await failNext({ kind: 'respond', on, status: 504, headers: forLater, effect: true })
    expect((await signUp({ id })).status).toBe(202)
    const { database, token, tenant } = await signUpNow({ id })
    expect(tenant.schema_version).toBe(1)
    expect((await listed(id)).rows).toEqual([database.name])
    const db = connect({ url: database.http_url, authToken: token.jwt })
    expect((await db.execute('select * from notes')).rows).toEqual([])
  })

  test('the object evicted between attempts goes on where it was', async () => {
    await failNext({
      kind: 'respond',
      on: 'databases.createToken',
      status: 502,
      headers: forLater,
      effect: true,
    })
    expect((await signUp({ id: 'evicted-midway' })).status).toBe(202)
    await evictDurableObject(env.TENANTS.getByName('evicted-midway'))
    expect((await signUpNow({ id: 'evicted-midway' })).tenant.status).toBe('active')
    expect((await listed('evicted-midway')).rows).toHaveLength(1)
  })

  test('while unfinished, another body is 409 and the same one goes on', async () => {
    await failNext({ kind: 'respond', on: 'databases.createToken', status: 500, headers: forLater })
    expect((await signUp({ id: 'unfinished' })).status).toBe(202)
    expect((await signUp({ id: 'unfinished', name: 'Other' })).status).toBe(409)
    expect((await signUp({ id: 'unfinished' })).status).toBe(201)
  })

  test('a refused creation leaves nothing but the memory of it, so a corrected signup works at once', async () => {
    const body = '{"error":"invalid location"}'
    await failNext({ kind: 'respond', on: 'databases.create', status: 400, body })
    const refused = await signUp({ id: 'refused', location: 'aws-nowhere-1' })
    expect(refused.status).toBe(400)
    expect(((await refused.json()) as ProblemBody).detail).toContain('invalid location')
    expect(await (await read('refused')).json()).toMatchObject({
      tenant: {
        status: 'failed',
        failure: { step: 'create_database', detail: expect.stringContaining('invalid') },
      },
      orphans: [],
    })
    expect((await signUpNow({ id: 'refused' })).tenant.status).toBe('active')
  })

  test('a refused token removes the database again', async () => {
    const body = '{"error":"Permissions are not supported"}'
    await failNext({ kind: 'respond', on: 'databases.createToken', status: 400, body })
    expect((await signUp({ id: 'no-token' })).status).toBe(502)
    expect((await listed('no-token')).rows).toEqual([])
    const { timeline, orphans, database } = (await (await read('no-token')).json()) as Record<string, unknown>
    expect([orphans, database]).toEqual([[], undefined])
    expect(
      (timeline as { step: string; outcome: string }[]).map(({ step, outcome }) => [step, outcome]),
    ).toEqual([
      ['create_database', 'done'],
      ['create_token', 'refused'],
      ['delete_database', 'done'],
    ])
  })

  test('a platform token that Turso rejects is waited for, and is not in the answer', async () => {
    const body = '{"error":"local-platform-token is bad"}'
    await failNext({ kind: 'respond', on: 'databases.create', status: 401, body })
    const response = await signUp({ id: 'rejected' }, { prefer: 'wait=1' })
    expect(response.status).toBe(202)
    expect(await response.text()).not.toContain('local-platform-token')
  })

  test('while no database is known to exist, another body may take the place of the unfinished one', async () => {
    await failNext({
      kind: 'respond',
      on: 'databases.create',
      status: 500,
      headers: forLater,
      effect: true,
    })
    expect((await signUp({ id: 'replaced' })).status).toBe(202)
    const { tenant, database } = await signUpNow({ id: 'replaced', group: 'elsewhere' })
    expect(tenant.group).toBe('elsewhere')
    expect((await listed('replaced')).rows).toEqual([database.name])
    expect(await localPlatform().databases.retrieve(database.name)).toMatchObject({ group: 'elsewhere' })
  })

  test("a Worker that has lost its storage, or another one, never gets at this tenant's database", async () => {
    const lostStorage = (id: string): Promise<void> =>
      runInDurableObject(env.TENANTS.getByName(id), async (_, state) => await state.storage.deleteAll())
    for (const [id, fault] of [
      ['foreign-503', { kind: 'respond', on: 'databases.create', status: 503, headers: forLater }],
      ['foreign-429', { kind: 'rate_limited', on: 'databases.create', retryAfter: 60 }],
      ['foreign-402', { kind: 'respond', on: 'databases.create', status: 402, body: '{"error":"limit"}' }],
    ] as const) {
      const { database, token } = await signUpNow({ id })
      const db = connect({ url: database.http_url, authToken: token.jwt })
      await db.execute("insert into notes (title) values ('customer secret')")
      await lostStorage(id)
      await failNext(fault)
      expect([202, 502]).toContain((await signUp({ id })).status)
      await resetPace()
      const again = await signUpNow({ id })
      expect(again.database.name).not.toBe(database.name)
      expect((await db.execute('select title from notes')).rows).toEqual([{ title: 'customer secret' }])
    }
  })

  test('a deletion whose answer was lost never hits what comes after it', async () => {
    await failNext({ kind: 'respond', on: 'databases.createToken', status: 400, body: '{"error":"no"}' })
    // It is still under way when it is given up, and lands after the next signup.
    await failNext({ kind: 'server_error', on: 'databases.delete' })
    const refused = await signUp({ id: 'undo-lost' })
    expect(refused.status).toBe(502)
    expect(((await refused.json()) as ProblemBody).detail).toContain('is deleted as soon as possible')
    const [former] = (await listed('undo-lost')).rows
    await failNext({ kind: 'server_error', on: 'databases.delete' })
    const { database } = await signUpNow({ id: 'undo-lost' })
    expect(database.name).not.toBe(former)
    await localPlatform().databases.delete(former!)
    expect(await localPlatform().databases.retrieve(database.name)).toMatchObject({ name: database.name })
  })

  test('what is left of a refused signup is deleted by the next one', async () => {
    await failNext({ kind: 'respond', on: 'databases.createToken', status: 400, body: '{"error":"no"}' })
    await failNext({ kind: 'server_error', on: 'databases.delete' })
    expect((await signUp({ id: 'leftover' })).status).toBe(502)
    const { database } = await signUpNow({ id: 'leftover' })
    expect((await listed('leftover')).rows).toEqual([database.name])
  })

  test('a conflict that is not about this name is not for good, and is told in its own words', async () => {
    const body = '{"error":"group is being migrated"}'
    await failNext({ kind: 'respond', on: 'databases.create', status: 409, body })
    expect((await signUpNow({ id: 'conflict' })).tenant.status).toBe('active')
    const { timeline } = (await (await read('conflict')).json()) as { timeline: { detail: string | null }[] }
    expect(timeline[0]!.detail).toContain('group is being migrated')
  })

  test.each(['SQLITE_BUSY', 'TRANSACTION_TIMEOUT'])(
    '%s while applying the schema is not for good',
    async (code) => {
      const id = `schema-${code.toLowerCase()}`
      const error = { message: 'database is locked', code }
      const results = [
        { type: 'error', error },
        { type: 'ok', response: { type: 'close' } },
      ]
      const body = JSON.stringify({ baton: null, base_url: null, results })
      await failNext({ kind: 'respond', on: 'pipeline', status: 200, body })
      expect((await signUpNow({ id })).tenant.schema_version).toBe(1)
    },
  )

  test('a schema that an earlier attempt applied after all is not applied again, nor taken for a fault', async () => {
    await failNext({ kind: 'respond', on: 'pipeline', status: 500, headers: forLater, effect: true })
    expect((await signUp({ id: 'late-batch' })).status).toBe(202)
    // The second attempt looks before the first one's batch has landed: it sees no schema.
    const nothing = {
      cols: [{ name: 'version' }, { name: 'name' }, { name: 'checksum' }],
      rows: [],
      affected_row_count: 0,
      last_insert_rowid: null,
    }
    const results = [
      { type: 'ok', response: { type: 'execute', result: nothing } },
      { type: 'ok', response: { type: 'close' } },
    ]
    await failNext({
      kind: 'respond',
      on: 'pipeline',
      status: 200,
      body: JSON.stringify({ baton: null, base_url: null, results }),
    })
    expect((await signUpNow({ id: 'late-batch' })).tenant).toMatchObject({
      status: 'active',
      schema_version: 1,
    })
  })

  test("a refusal is the caller's only where the caller asked for something", async () => {
    const fault = {
      kind: 'respond',
      on: 'databases.create',
      status: 400,
      body: '{"error":"invalid location"}',
    } as const
    await failNext(fault)
    const own = await signUp({ id: 'whose-fault', location: 'aws-nowhere-1' })
    expect(own.status).toBe(400)
    expect(((await own.json()) as ProblemBody).errors).toEqual([
      { field: 'location', detail: 'was not accepted by Turso' },
    ])
    await failNext(fault)
    expect((await signUp({ id: 'whose-fault' })).status).toBe(502)
  })

  test('every key that an unfinished signup was sent with may repeat it', async () => {
    await failNext({ kind: 'respond', on: 'databases.createToken', status: 500, headers: forLater })
    expect((await signUp({ id: 'two-keys' }, { 'idempotency-key': 'first' })).status).toBe(202)
    expect((await signUp({ id: 'two-keys' }, { 'idempotency-key': 'second' })).status).toBe(201)
    for (const key of ['first', 'second'])
      expect((await signUp({ id: 'two-keys' }, { 'idempotency-key': key })).status).toBe(201)
    // However many there were, the first one counts.
    for (let attempt = 0; attempt < 12; attempt++) {
      await failNext({ kind: 'respond', on: 'databases.create', status: 500, headers: forLater })
      expect((await signUp({ id: 'many-keys' }, { 'idempotency-key': `key-${attempt}` })).status).toBe(202)
    }
    for (const key of ['key-11', 'key-0'])
      expect((await signUp({ id: 'many-keys' }, { 'idempotency-key': key })).status).toBe(201)
    expect((await signUp({ id: 'two-keys' }, { 'idempotency-key': 'third' })).status).toBe(409)
  })
})

test('no token and no API key is ever stored', async () => {
  const { token } = await signUpNow({ id: 'secrets' })
  await runInDurableObject(env.TENANTS.getByName('secrets'), async (_, state) => {
    const dump = JSON.stringify([...state.storage.kv.list()])
    expect(dump).toContain('secrets')
    for (const secret of [token.jwt, 'local-platform-token', 'signup-key']) expect(dump).not.toContain(secret)
  })
})
