/** Another Worker of the account, bundled and bound as its wrangler.toml says, signs tenants up through the service binding. */
import { createTestHarness } from 'wrangler'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLocalTurso, type LocalTurso } from '../../local/index.ts'
import { serveLocalTurso, type LocalTursoServer } from '../../local/serve.ts'
import { connect } from '../../src/index.ts'
import { testBindings } from '../support/node/test-bindings.ts'

let turso: LocalTurso
let server: LocalTursoServer
let harness: ReturnType<typeof createTestHarness>

beforeAll(async () => {
  turso = createLocalTurso()
  server = await serveLocalTurso(turso, { port: 0 })
  const { TURSO_PLATFORM_TOKEN, API_KEYS, BATON_KEY, ...vars } = testBindings
  harness = createTestHarness({
    workers: [
      { configPath: './examples/signup-worker/wrangler.toml' },
      {
        configPath: './wrangler.toml',
        vars: { ...vars, TURSO_API_URL: server.url, TURSO_DATABASE_URL: `${server.url}/db/{name}/` },
        secrets: { TURSO_PLATFORM_TOKEN, API_KEYS, BATON_KEY },
      },
    ],
  })
  await harness.listen()
})
afterAll(async () => {
  await harness.close()
  await server.close()
  await turso.close()
})

const signUp = async (id: string) => {
  const response = await harness.getWorker('signup-worker').fetch(`https://app.example/signup?id=${id}`, {
    method: 'POST',
  })
  return { status: response.status, body: (await response.json()) as Record<string, string> }
}

describe('the example of a Worker that signs tenants up', () => {
  test('gets a database and a token that opens it, without an API key', async () => {
    const { status, body } = await signUp('acme')
    expect(status).toBe(201)
    const db = connect({ url: body['url']!, authToken: body['token']! })
    await db.execute("insert into notes (title) values ('by a binding')")
    expect((await db.execute('select title from notes')).rows).toEqual([{ title: 'by a binding' }])
  })

  test('gets the same database however often it asks', async () => {
    const answers = [await signUp('twice'), await signUp('twice')]
    expect(answers.map(({ status }) => status)).toEqual([201, 201])
    expect(answers[0]!.body['url']).toBe(answers[1]!.body['url'])
  })

  test('writes to it by a session, not more than it allows, however many do so at once', async () => {
    await signUp('notes')
    const add = async (title: string): Promise<number> => {
      const url = `https://app.example/notes?id=notes&title=${title}`
      return (await harness.getWorker('signup-worker').fetch(url, { method: 'POST' })).status
    }
    const statuses = await Promise.all(['a', 'b', 'c', 'd'].map(add))
    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, 201, 201, 409])
  })

  test('is told what is wrong by code and field, through the binding', async () => {
    const { status, body } = await signUp('..%2Fx')
    expect([status, body]).toMatchObject([400, { code: 'invalid_request', errors: [{ field: 'id' }] }])
  })
})
