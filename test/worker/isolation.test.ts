/** What one tenant is told by ids that look like another's, and by its batons: beside two-tenants.test.ts. */
import { beforeAll, describe, expect, test } from 'vitest'
import { operations } from '../../worker/api/operations.ts'
import type { Operation } from '../../worker/api/operation.ts'
import { connect } from '../../src/index.ts'
import { requestsSeen } from '../support/turso.ts'
import { call, signUpNow, type ProblemBody, type SignupAnswer } from './client.ts'

let one: SignupAnswer
let two: SignupAnswer

beforeAll(async () => {
  one = await signUpNow({ id: 'isolated-1', metadata: { of: 'one' } })
  two = await signUpNow({ id: 'isolated-2', metadata: { of: 'two' } })
  for (const { database, token } of [one, two])
    await connect({ url: database.http_url, authToken: token.jwt }).execute(
      'insert into notes (title) values (?)',
      [`secret of ${database.name}`],
    )
})

const ofTenant = operations.filter(({ path }) => path.startsWith('/v1/tenants/:id'))
const named = (list: readonly Operation[]): [string, Operation][] =>
  list.map((operation) => [`${operation.method.toUpperCase()} ${operation.path}`, operation])

const send = ({ method, path }: Operation, id: string): Promise<Response> =>
  call(path.replaceAll(/:\w+/g, encodeURIComponent(id)), {
    method: method.toUpperCase(),
    headers: { authorization: 'Bearer admin-key' },
  })

describe('ids', () => {
  const tricky = [
    '../isolated-1',
    '..%2fisolated-1',
    'isolated-1/../isolated-2',
    'isolated-1?',
    'isolated-1#',
    'isolated-1\0',
    'isolated-1 ',
    ' isolated-1',
    'ISOLATED-1\n',
    'isolated-1;isolated-2',
    "isolated-1' or '1'='1",
    'ｉsolated-1',
    '.isolated-1',
    '__proto__',
    '\u202eisolated-1',
    'x'.repeat(129),
  ]

  test.each(named(ofTenant))('%s refuses what is none, and says so', async (_, operation) => {
    for (const id of tricky) {
      const response = await send(operation, id)
      const text = await response.text()
      // A slash that is not decoded again is no path of another tenant.
      expect([id, response.status]).toEqual([id, 400])
      expect((JSON.parse(text) as ProblemBody).errors?.[0]?.field).toBe('id')
      expect(text).not.toContain(one.database.name)
    }
  })

  test.each(named(ofTenant))(
    '%s knows no tenant by half of its id, or in other letters',
    async (_, operation) => {
      for (const id of ['isolated', 'isolated-', 'isolated-11', 'Isolated-1', 'isolated-1.', 'constructor']) {
        const body = operation.body === undefined ? {} : { body: '{}' }
        const response = await call(operation.path.replace(':id', id), {
          method: operation.method.toUpperCase(),
          headers: { authorization: 'Bearer admin-key' },
          ...body,
        })
        expect([id, response.status]).toEqual([id, 404])
      }
    },
  )
})

describe('the gateway', () => {
  const pipeline = (
    tenant: SignupAnswer,
    token: string,
    baton: string | null,
    requests: unknown[],
  ): Promise<Response> =>
    call(`${new URL(tenant.database.gateway_url).pathname}v3/pipeline`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ baton, requests }),
    })
  const read = { type: 'execute', stmt: { sql: 'select title from notes' } }

  test("opens no tenant's database to the token of another, with a session or without", async () => {
    for (const [tenant, other] of [
      [one, two],
      [two, one],
    ] as const)
      for (const requests of [[read, { type: 'close' }], [read]]) {
        const response = await pipeline(tenant, other.token.jwt, null, requests)
        expect([401, 404]).toContain(response.status)
        expect(await response.text()).not.toContain('secret of')
      }
  })

  test("takes no tenant's baton at another's gateway, nor with another's token", async () => {
    const opened = await pipeline(one, one.token.jwt, null, [
      { type: 'execute', stmt: { sql: 'begin' } },
      read,
    ])
    const { baton } = (await opened.json()) as { baton: string }
    for (const [tenant, token] of [
      [two, two.token.jwt],
      [two, one.token.jwt],
      [one, two.token.jwt],
    ] as const) {
      const response = await pipeline(tenant, token, baton, [read])
      expect([response.status, await response.json()]).toMatchObject([400, { code: 'BATON_INVALID' }])
    }
    // The session of its owner goes on.
    expect((await pipeline(one, one.token.jwt, baton, [read, { type: 'close' }])).status).toBe(200)
  })

  test('has no way for API keys or the platform token, and passes none on', async () => {
    for (const token of ['signup-key', 'admin-key', 'local-platform-token']) {
      await requestsSeen()
      const response = await pipeline(one, token, null, [read, { type: 'close' }])
      expect([response.status, await response.json()]).toMatchObject([401, { code: 'AUTH_REJECTED' }])
      expect(await requestsSeen()).toEqual([])
    }
  })
})

test('what is done to one tenant leaves the other as it was', async () => {
  const before = await (
    await call('/v1/tenants/isolated-2', { headers: { authorization: 'Bearer admin-key' } })
  ).json()
  const headers = { authorization: 'Bearer admin-key' }
  await call('/v1/tenants/isolated-1', {
    method: 'PATCH',
    headers,
    body: '{"suspended":true,"metadata":{"of":"x"}}',
  })
  await call('/v1/tenants/isolated-1/tokens', { method: 'DELETE', headers })
  await call('/v1/tenants/isolated-1?purge=true', { method: 'DELETE', headers })
  expect(await (await call('/v1/tenants/isolated-2', { headers })).json()).toEqual(before)
  const db = connect({ url: two.database.http_url, authToken: two.token.jwt })
  expect((await db.execute('select title from notes')).rows).toEqual([
    { title: `secret of ${two.database.name}` },
  ])
})
