/**
 * Secrets in every input, and then: in no log line, no error, no answer that is not theirs, no storage of an object, no
 * table of the directory.
 */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Fault } from '../../local/faults/script.ts'
import { app } from '../../worker/app.ts'
import { clearFaults, failNext } from '../support/turso.ts'
import { call, ORIGIN, signUp, signUpNow } from './client.ts'
import { objectsOf } from './objects.ts'
import { greet, openSocket } from './socket-client.ts'

const lines: string[] = []

beforeEach(() => {
  lines.length = 0
  for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const)
    vi.spyOn(console, level).mockImplementation((...words: unknown[]) => {
      lines.push(words.map((word) => (typeof word === 'string' ? word : JSON.stringify(word))).join(' '))
    })
})
afterEach(async () => {
  vi.restoreAllMocks()
  await clearFaults()
})

/** All that is stored, as text: of every object, and of every table of the directory. */
async function dump(): Promise<string> {
  const parts: unknown[] = []
  for (const namespace of [
    env.TENANTS,
    env.SESSIONS,
    env.SOCKETS,
    env.TENANT_SESSIONS,
    env.UPSTREAM,
  ] as DurableObjectNamespace[])
    for (const id of objectsOf(namespace))
      parts.push(
        await runInDurableObject(namespace.get(id), (_, { storage }) => {
          const tables = storage.sql
            .exec<{ name: string }>(
              "select name from sqlite_schema where type = 'table' and name not like '\\_cf\\_%' escape '\\'",
            )
            .toArray()
          return [
            [...storage.kv.list()],
            tables.map(({ name }) => storage.sql.exec(`select * from "${name}"`).toArray()),
          ]
        }),
      )
  const { results: tables } = await env.DIRECTORY.prepare(
    "select name from sqlite_schema where type = 'table' and name not like '\\_cf\\_%' escape '\\'",
  ).all<{ name: string }>()
  for (const { name } of tables)
    parts.push((await env.DIRECTORY.prepare(`select * from "${name}"`).all()).results)
  return JSON.stringify(parts)
}

const pipeline = (tenant: string, jwt: string, body: unknown): Promise<Response> =>
  call(`/t/${tenant}/v3/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${jwt}`, 'x-canary': 'canary-header' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

const execute = (sql: string, ...args: string[]) => ({
  type: 'execute',
  stmt: { sql, args: args.map((value) => ({ type: 'text', value })) },
})

test('no secret is in a log line, a storage, the directory, or an answer to somebody else', async () => {
  const secrets: Record<string, string> = {
    'the API keys': 'signup-key',
    'the administrator key': 'admin-key',
    'the platform token': env.TURSO_PLATFORM_TOKEN,
    'the baton key': env.BATON_KEY,
    'a wrong API key': 'canary-wrong-key',
    'an idempotency key': 'canary-idempotency-key',
    'an argument of SQL': 'canary-argument',
    'the text of SQL': 'canary-sql',
    'a header': 'canary-header',
    'a forged token': 'canary-forged-token',
    'a forged baton': 'canary-forged-baton',
    'an unknown field': 'canary-unknown-field',
  }
  const answers: string[] = []
  const keep = async (response: Response): Promise<string> => {
    const text = await response.text()
    answers.push(text, JSON.stringify([...response.headers]))
    return text
  }

  // A signup that goes well, one that waits, one that fails, and refused ones.
  const key = { 'idempotency-key': 'canary-idempotency-key', 'x-canary': 'canary-header' }
  const { token, database } = await signUpNow({ id: 'canary' })
  const keyed = await signUp({ id: 'canary-keyed' }, key)
  secrets['a token given with a key'] = ((await keyed.json()) as { token: { jwt: string } }).token.jwt
  secrets['a database token'] = token.jwt
  const echo = { body: `{"error":"${env.TURSO_PLATFORM_TOKEN} is refused"}` }
  const faults: Fault[] = [
    { kind: 'respond', on: 'databases.create', status: 402, ...echo },
    { kind: 'respond', on: 'databases.create', status: 500, headers: { 'retry-after': '60' } },
    { kind: 'respond', on: 'databases.createToken', status: 403, ...echo },
    { kind: 'wrong_shape', on: 'databases.create', body: { database: { jwt: secrets['a database token'] } } },
  ]
  for (const [index, fault] of faults.entries()) {
    await failNext(fault)
    await keep(await signUp({ id: `canary-trouble-${index}` }, { ...key, prefer: 'wait=1' }))
  }
  await keep(await signUp({ id: 'x', secret: 'canary-unknown-field' }))
  await keep(await signUp(`{"id":"x","metadata":"canary-unknown-field`))
  await keep(await signUp({ id: 'x' }, { authorization: 'Bearer canary-wrong-key' }))
  await keep(await call('/v1/tenants/canary', { headers: { authorization: 'Bearer canary-wrong-key' } }))
  await keep(await call('/v1/tenants/canary', { headers: { authorization: 'Bearer signup-key' } }))
  await keep(await call('/metrics', { headers: { authorization: 'Bearer admin-key' } }))
  await keep(
    await app.fetch(new Request(`${ORIGIN}/health`), { ...env, BATON_KEY: 'canary-baton-key' } as Env),
  )
  secrets['a malformed secret'] = 'canary-baton-key'

  // The gateway: straight through, in a session, refused, lost, and with what is not a baton.
  const insert = execute('insert into notes (title) values (?) -- canary-sql', 'canary-argument')
  await keep(await pipeline('canary', token.jwt, { baton: null, requests: [insert, { type: 'close' }] }))
  const first = await keep(
    await pipeline('canary', token.jwt, { baton: null, requests: [execute('begin'), insert] }),
  )
  const { baton } = JSON.parse(first) as { baton: string }
  secrets['the secret part of a baton'] = baton.split('.').at(-1)!.slice(-20)
  await failNext({ kind: 'truncated', on: 'pipeline' })
  await keep(await pipeline('canary', token.jwt, { baton, requests: [insert] }))
  await keep(await pipeline('canary', token.jwt, { baton: 'canary-forged-baton', requests: [insert] }))
  await keep(await pipeline('canary', 'canary-forged-token', { baton: null, requests: [insert] }))
  await keep(
    await pipeline('canary', 'canary-forged-token', { baton: null, requests: [insert, { type: 'close' }] }),
  )
  await keep(await pipeline('canary', token.jwt, '{"baton":null,"requests":[canary-sql'))
  await failNext({ kind: 'base_url', on: 'pipeline', url: 'https://canary.evil.example/' })
  await keep(await pipeline('canary', token.jwt, { baton: null, requests: [execute('begin'), insert] }))

  // Over WebSocket: with the right token, in a transaction, and with a wrong one.
  const socket = await greet(token.jwt, 'canary', 'hrana3', { 'x-canary': 'canary-header' })
  await socket.get({ type: 'open_stream', stream_id: 1 })
  for (const request of [execute('begin'), insert, execute('canary-sql')])
    answers.push(JSON.stringify(await socket.ask({ ...request, stream_id: 1 })).replaceAll('canary-sql', ''))
  const refused = await openSocket('canary')
  refused.send({ type: 'hello', jwt: 'canary-forged-token' })
  answers.push(JSON.stringify(await refused.next()))

  // Deleted and gone.
  const authorization = 'Bearer admin-key'
  await keep(await call('/v1/tenants/canary-keyed', { method: 'DELETE', headers: { authorization } }))

  const stored = await dump()
  socket.close()
  const logged = lines.join('\n')
  // What would find a secret finds what is there.
  expect(stored).toContain(database.name)
  expect(stored).toContain('key:app')
  expect(logged).toContain('canary-trouble-0')
  expect(answers.join()).toContain('canary-trouble-1')
  // The client's own baton is in its answer, and a syntax error quotes nothing of another request.
  const own = new Set(['the secret part of a baton'])
  for (const [what, secret] of Object.entries(secrets)) {
    expect.soft(logged.includes(secret), `${what} is in the log`).toBe(false)
    expect.soft(stored.includes(secret), `${what} is stored`).toBe(false)
    const isTold = answers.some((answer) => answer.includes(secret))
    expect.soft(isTold && !own.has(what), `${what} is in an answer`).toBe(false)
  }
})
