import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Operation } from '../../worker/api/operation.ts'
import { operations } from '../../worker/api/operations.ts'
import { behaviour } from './behaviour.ts'
import { call, signUp, signUpNow, type SignupAnswer } from './client.ts'

/** All routes that are about one tenant. */
const ofOneTenant = operations.filter(({ path }) => /:(id|tenant)\b/.test(path))
const named = ofOneTenant.map((operation) => [nameOf(operation), operation] as const)

function nameOf({ method, path }: Operation): string {
  return `${method.toUpperCase()} ${path}`
}

/** A new one for each test: whatever a route does to it, the next one finds a tenant that is whole. */
let mine: SignupAnswer
let yours: SignupAnswer
let count = 0

const insert = { type: 'execute', stmt: { sql: "insert into notes (title) values ('row of yours')" } }
const admin = { authorization: 'Bearer admin-key' }

beforeAll(async () => {
  yours = await signUpNow({ id: 'two-yours', name: 'Yours', metadata: { note: 'yours alone' } })
  const response = await call('/t/two-yours/v3/pipeline', {
    method: 'POST',
    headers: { authorization: `Bearer ${yours.token.jwt}` },
    body: JSON.stringify({ baton: null, requests: [insert, { type: 'close' }] }),
  })
  if (!response.ok) throw new Error(await response.text())
})
beforeEach(async () => {
  mine = await signUpNow({ id: `two-mine-${(count += 1)}`, metadata: { note: 'mine alone' } })
})

/** A request about one tenant; with `isMisled` it says everywhere else that it is about the other. */
function ask(operation: Operation, authorization: string | null, isMisled: boolean): Promise<Response> {
  const path = operation.path.replace(/:(id|tenant)\b/, mine.tenant.id).replace(/:version\{[^}]*\}/, 'v3')
  const stmt = { sql: 'select title from notes', want_rows: true }
  const body = operation.path.startsWith('/t/')
    ? {
        baton: null,
        ...(isMisled ? { tenant: 'two-yours' } : {}),
        requests: [{ type: 'execute', stmt }, { type: 'close' }],
        batch: { steps: [{ stmt }] },
      }
    : isMisled && operation.body !== undefined
      ? { id: 'two-yours', tenant: 'two-yours' }
      : {}
  return call(isMisled ? `${path}?tenant=two-yours&id=two-yours` : path, {
    method: operation.method.toUpperCase(),
    headers: {
      ...(authorization === null ? {} : { authorization }),
      ...(isMisled ? { 'x-tenant-id': 'two-yours', 'idempotency-key': 'two-yours' } : {}),
      'content-type': 'application/json',
    },
    ...(operation.method === 'get' ? {} : { body: JSON.stringify(body) }),
  })
}

function isOfYours(text: string): boolean {
  const { database, token } = yours
  return ['two-yours', 'Yours', 'yours alone', 'row of yours', database.name, token.jwt].some((part) =>
    text.includes(part),
  )
}

const rightOf = ({ auth }: Operation): string | null =>
  auth === null ? null : auth === 'database' ? `Bearer ${mine.token.jwt}` : `Bearer ${auth}-key`

/** What the tenant must be for a route to have something to do. */
async function prepare({ path }: Operation): Promise<void> {
  if (path.endsWith('/restore'))
    await call(`/v1/tenants/${mine.tenant.id}`, { method: 'DELETE', headers: admin })
}

/** It has an id of its own, which is in no other place; and a WebSocket is asked for with `Upgrade`. */
const hasNothing = new Set(['DELETE /v1/sessions/:id', 'GET /t/:tenant', 'GET /t/:tenant/'])

describe('two tenants', () => {
  test.each(named)(
    '%s tells nothing of the other one, whatever key or token asks, and wherever else it is named',
    async (_, operation) => {
      await prepare(operation)
      const keys = [null, yours.token.jwt, mine.token.jwt, 'signup-key', 'admin-key']
      const requests = keys.flatMap((key) =>
        [true, false].map((isMisled) => [key && `Bearer ${key}`, isMisled] as const),
      )
      for (const [authorization, isMisled] of requests) {
        const response = await ask(operation, authorization, isMisled)
        expect(isOfYours(await response.text())).toBe(false)
        expect(isOfYours(JSON.stringify([...response.headers]))).toBe(false)
      }
    },
  )

  test.each(named.filter(([name]) => !hasNothing.has(name)))(
    '%s answers who has the right, about the one that the path names',
    async (_, operation) => {
      await prepare(operation)
      const response = await ask(operation, rightOf(operation), false)
      expect(response.ok).toBe(true)
      expect(isOfYours(await response.text())).toBe(false)
    },
  )

  test.each(named.filter(([, { auth }]) => auth !== null))(
    '%s is refused without the right that it needs',
    async (_, operation) => {
      const own = `Bearer ${mine.token.jwt}`
      const refused = {
        signup: [null, own],
        admin: [null, own, 'Bearer signup-key'],
        metrics: [null, 'Bearer signup-key'],
        database: [null, `Bearer ${yours.token.jwt}`, 'Bearer signup-key', 'Bearer admin-key'],
      }
      for (const authorization of refused[operation.auth!]) {
        const { status } = await ask(operation, authorization, false)
        // To Turso Cloud, what is no JWT is a request that makes no sense.
        expect(behaviour === 'cloud' ? [400, 401, 403, 404] : [401, 403, 404]).toContain(status)
      }
    },
  )

  test('an Idempotency-Key of the one leads nowhere but to the tenant of the request', async () => {
    const key = { 'idempotency-key': 'shared by mistake' }
    const answers: SignupAnswer[] = []
    for (const id of ['two-keyed', 'two-keyed-too']) answers.push(await (await signUp({ id }, key)).json())
    expect(new Set(answers.map(({ database }) => database.name)).size).toBe(2)
    for (const [index, id] of ['two-keyed', 'two-keyed-too'].entries()) {
      const again: SignupAnswer = await (await signUp({ id }, key)).json()
      expect(again.database.name).toBe(answers[index]!.database.name)
    }
  })

  test.each(['/v1/tenants?q=', '/v1/audit?tenant=', '/v1/sessions?tenant='])(
    '%s of the one has nothing of the other',
    async (path) => {
      const response = await call(path + mine.tenant.id, { headers: admin })
      expect(response.status).toBe(200)
      expect(isOfYours(await response.text())).toBe(false)
    },
  )

  test('whatever is done to the one, the other is as it was', async () => {
    const read = async (): Promise<unknown> =>
      await (await call('/v1/tenants/two-yours', { headers: admin })).json()
    const before = await read()
    for (const operation of ofOneTenant) {
      await ask(operation, rightOf(operation), true)
      await ask(operation, rightOf(operation), false)
    }
    expect(await read()).toEqual(before)
    const response = await call('/t/two-yours/v3/pipeline', {
      method: 'POST',
      headers: { authorization: `Bearer ${yours.token.jwt}` },
      body: '{"baton":null,"requests":[{"type":"execute","stmt":{"sql":"select title from notes"}},{"type":"close"}]}',
    })
    expect(await response.text()).toContain('row of yours')
  })

  test('a token of the one does not open the database of the other', async () => {
    const response = await call('/t/two-yours/v3/pipeline', {
      method: 'POST',
      headers: { authorization: `Bearer ${mine.token.jwt}` },
      body: '{"baton":null,"requests":[{"type":"execute","stmt":{"sql":"select title from notes"}},{"type":"close"}]}',
    })
    expect([401, 404]).toContain(response.status)
    expect(await response.text()).not.toContain('row of yours')
  })
})
