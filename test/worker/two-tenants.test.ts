import { beforeAll, describe, expect, test } from 'vitest'
import { operations } from '../../worker/api/operations.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'

/** All routes that are about one tenant. */
const ofOneTenant = operations.filter(({ path }) => /:(id|tenant)\b/.test(path))
const name = ({ method, path }: (typeof operations)[number]): string => `${method.toUpperCase()} ${path}`

let mine: SignupAnswer
let yours: SignupAnswer

beforeAll(async () => {
  mine = await signUpNow({ id: 'two-mine', metadata: { note: 'mine alone' } })
  yours = await signUpNow({ id: 'two-yours', metadata: { note: 'yours alone' } })
  const insert = { type: 'execute', stmt: { sql: "insert into notes (title) values ('row of yours')" } }
  const response = await call('/t/two-yours/v3/pipeline', {
    method: 'POST',
    headers: { authorization: `Bearer ${yours.token.jwt}` },
    body: JSON.stringify({ baton: null, requests: [insert, { type: 'close' }] }),
  })
  if (!response.ok) throw new Error(await response.text())
})

/** A request about one tenant that says everywhere else that it is about the other. */
function ask(operation: (typeof operations)[number], authorization: string | null): Promise<Response> {
  const path = operation.path.replace(/:(id|tenant)\b/, 'two-mine').replace(/:version\{[^}]*\}/, 'v3')
  const sql = { sql: 'select title from notes', want_rows: true }
  const body = operation.path.startsWith('/t/')
    ? {
        baton: null,
        tenant: 'two-yours',
        requests: [{ type: 'execute', stmt: sql }, { type: 'close' }],
        batch: { steps: [{ stmt: sql }] },
      }
    : {}
  return call(`${path}?tenant=two-yours&id=two-yours`, {
    method: operation.method.toUpperCase(),
    headers: {
      ...(authorization === null ? {} : { authorization }),
      'x-tenant-id': 'two-yours',
      'content-type': 'application/json',
    },
    ...(operation.method === 'get' ? {} : { body: JSON.stringify(body) }),
  })
}

const isOfYours = (text: string): boolean =>
  ['two-yours', 'yours alone', 'row of yours', yours.database.name, yours.token.jwt].some((part) =>
    text.includes(part),
  )

describe('two tenants', () => {
  test.each(ofOneTenant.map((operation) => [name(operation), operation] as const))(
    '%s tells nothing of the other one, whatever key or token asks, and wherever else it is named',
    async (_, operation) => {
      for (const authorization of [
        'Bearer signup-key',
        'Bearer admin-key',
        `Bearer ${mine.token.jwt}`,
        `Bearer ${yours.token.jwt}`,
        null,
      ]) {
        const response = await ask(operation, authorization)
        expect(isOfYours(await response.text())).toBe(false)
        expect(isOfYours(JSON.stringify([...response.headers]))).toBe(false)
      }
    },
  )

  test.each(
    ofOneTenant.filter(({ auth }) => auth !== null).map((operation) => [name(operation), operation] as const),
  )('%s is refused without the right that it needs', async (_, operation) => {
    const refused = {
      signup: [null, `Bearer ${mine.token.jwt}`],
      admin: [null, `Bearer ${mine.token.jwt}`, 'Bearer signup-key'],
      metrics: [null, 'Bearer signup-key'],
      database: [null, `Bearer ${yours.token.jwt}`, 'Bearer admin-key'],
    }
    for (const authorization of refused[operation.auth!]) {
      const { status } = await ask(operation, authorization)
      expect([401, 403, 404]).toContain(status)
    }
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
