/**
 * Every input of every operation that is documented, and of the entrypoint for bindings, has a word of its own. Then each word
 * is looked for: it may be where its place says, and nowhere else.
 */
import { env, exports } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { TenantsService } from '../../src/index.ts'
import type { Operation } from '../../worker/api/operation.ts'
import { operations } from '../../worker/api/operations.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { objectsOf } from './objects.ts'

const lines: string[] = []

beforeEach(() => {
  lines.length = 0
  for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const)
    vi.spyOn(console, level).mockImplementation((...words: unknown[]) => {
      lines.push(words.map((word) => (typeof word === 'string' ? word : JSON.stringify(word))).join(' '))
    })
})
afterEach(() => void vi.restoreAllMocks())

/** All that is stored, as text: of every object, and of every table of the directory. */
async function dump(): Promise<{ objects: string; directory: string }> {
  const parts: unknown[] = []
  const namespaces = [env.TENANTS, env.SESSIONS, env.SOCKETS, env.TENANT_SESSIONS, env.UPSTREAM]
  for (const namespace of namespaces as DurableObjectNamespace[])
    for (const id of objectsOf(namespace))
      parts.push(await runInDurableObject(namespace.get(id), (_, { storage }) => [...storage.kv.list()]))
  const { results: tables } = await env.DIRECTORY.prepare(
    "select name from sqlite_schema where type = 'table' and name not like '\\_cf\\_%' escape '\\'",
  ).all<{ name: string }>()
  const rows: unknown[] = []
  for (const { name } of tables)
    rows.push((await env.DIRECTORY.prepare(`select * from "${name}"`).all()).results)
  return { objects: JSON.stringify(parts), directory: JSON.stringify(rows) }
}

/** Words, by what they were put into. */
const words = new Map<string, string>()
function wordFor(place: string): string {
  const word = `canary-${words.size}-word`
  words.set(word, place)
  return word
}

/** What callers send besides what is documented. */
const OTHER_HEADERS = [
  'x-canary',
  'cookie',
  'referer',
  'user-agent',
  'x-api-key',
  'x-forwarded-for',
  'idempotency-key',
]

interface Sent {
  path?: Record<string, string>
  query?: Record<string, string>
  headers?: Record<string, string>
  body?: unknown
}

const right = ({ auth }: Operation, jwt: string): Record<string, string> =>
  auth === null ? {} : { authorization: `Bearer ${auth === 'database' ? jwt : `${auth}-key`}` }

async function send(operation: Operation, tenant: SignupAnswer, sent: Sent): Promise<string> {
  const path = operation.path
    .replace(/:version\{[^}]*\}/, 'v3')
    .replaceAll(/:(\w+)/g, (_, name: string) => sent.path?.[name] ?? tenant.tenant.id)
  const query = sent.query === undefined ? '' : `?${new URLSearchParams(sent.query).toString()}`
  const response = await call(path + query, {
    method: operation.method.toUpperCase(),
    headers: { ...right(operation, tenant.token.jwt), ...sent.headers },
    ...(sent.body === undefined
      ? {}
      : { body: typeof sent.body === 'string' ? sent.body : JSON.stringify(sent.body) }),
  })
  return `${await response.text()} ${JSON.stringify([...response.headers])}`
}

const stmt = { sql: 'select 1' }
const minimal = ({ path }: Operation, id: string): Record<string, unknown> =>
  path === '/v1/tenants'
    ? { id }
    : path.startsWith('/t/')
      ? {
          baton: null,
          requests: [{ type: 'execute', stmt }, { type: 'close' }],
          batch: { steps: [{ stmt }] },
        }
      : {}

/** The fields of a body, as its schema has them. */
const fieldsOf = ({ body }: Operation): string[] =>
  Object.keys((body as unknown as { def?: { shape?: object } } | undefined)?.def?.shape ?? {})

function inputsOf(operation: Operation, id: () => string): Sent[] {
  const name = `${operation.method.toUpperCase()} ${operation.path}`
  const hasBody = operation.method !== 'get' && operation.method !== 'delete'
  const body = hasBody ? { body: minimal(operation, id()) } : {}
  const place = (kind: string, key: string): string => wordFor(`${kind} ${key} of ${name}`)
  const sent: Sent[] = []
  for (const key of Object.keys(operation.parameters ?? {}))
    sent.push({ ...body, path: { [key]: place('path', key) } })
  for (const key of [...Object.keys(operation.query ?? {}), 'unknown'])
    sent.push({ ...body, query: { [key]: place('query', key) } })
  for (const key of new Set([
    ...Object.keys(operation.headers ?? {}).map((each) => each.toLowerCase()),
    ...OTHER_HEADERS,
  ]))
    if (!['upgrade', 'x-request-id'].includes(key))
      sent.push({ ...body, headers: { [key]: place('header', key) } })
  if (operation.auth !== null)
    sent.push({ ...body, headers: { authorization: `Bearer ${place('header', 'authorization')}` } })
  if (!hasBody) return sent
  for (const key of [...fieldsOf(operation), 'unknown'])
    for (const value of [place('field', key), { [place('key in', key)]: place('field', key) }])
      sent.push({ body: { ...minimal(operation, id()), [key]: value } })
  sent.push({ body: `{"id":"${place('field', 'malformed')}` })
  return sent
}

/** What a caller gives for it to be kept: it is the tenant's, and told to whoever may read the tenant. */
const KEPT = /^(field|argument|key in) (id|name|metadata|reason|group|location) /
/** Of these Turso says in its own words that there is none. */
const LOGGED = /^(field|argument) (group|location) /
/** What names what is asked for: a refusal says it back. */
const NAMES = /^(path|key in|argument id|field tenant) /
/** Whose sessions an operator has ended. */
const AUDITED = /^field tenant of POST \/v1\/sessions\/drain$/

test('no input of any operation is in a log line, stored, or in an answer, unless it is there to be', async () => {
  const answers: string[] = []
  let ids = 0
  const id = (): string => `canary-tenant-${(ids += 1)}`
  for (const operation of operations) {
    const tenant = await signUpNow({ id: `canary-of-${operation.id.toLowerCase()}` })
    for (const sent of inputsOf(operation, id)) answers.push(await send(operation, tenant, sent))
  }

  // By RPC, as a caller without types can.
  const bound = (exports as unknown as { Tenants: (options: object) => TenantsService }).Tenants({
    props: { name: 'bound' },
  })
  const service = bound as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
  const ofMethod = (key: string, method: string): string => wordFor(`argument ${key} of ${method}`)
  const { tenant } = await signUpNow({ id: 'canary-bound' })
  const calls: [string, unknown[]][] = [
    ...['id', 'name', 'group', 'location', 'template', 'idempotencyKey', 'metadata', 'unknown'].map(
      (key): [string, unknown[]] => ['signup', [{ id: id(), [key]: ofMethod(key, 'signup') }]],
    ),
    [
      'signup',
      [{ id: id(), metadata: { [ofMethod('metadata', 'signup')]: ofMethod('metadata', 'signup') } }],
    ],
    ['signup', [{ id: id(), token: { expiration: ofMethod('expiration', 'signup') } }]],
    ['signup', [{ id: id() }, { waitMs: ofMethod('waitMs', 'signup') }]],
    ['get', [ofMethod('id', 'get')]],
    ['createToken', [ofMethod('id', 'createToken')]],
    ['createToken', [tenant.id, { expiration: ofMethod('expiration', 'createToken') }]],
    ['createToken', [tenant.id, { permissions: [ofMethod('permissions', 'createToken')] }]],
    ['usage', [tenant.id, { from: ofMethod('from', 'usage') }]],
    ['session', [tenant.id, { authorization: ofMethod('authorization', 'session') }]],
    ['delete', [ofMethod('id', 'delete')]],
    ['delete', [tenant.id, { purge: ofMethod('purge', 'delete') }]],
  ]
  for (const [method, args] of calls)
    try {
      answers.push(JSON.stringify(await service[method]!(...args)))
    } catch (error) {
      answers.push(JSON.stringify([String(error), error]))
    }

  const stored = await dump()
  const logged = lines.join('\n')
  const metrics = await (await call('/metrics', { headers: { authorization: 'Bearer metrics-key' } })).text()
  const told = answers.join('\n')
  expect(words.size).toBeGreaterThan(300)
  const found: string[] = []
  for (const [word, place] of words) {
    const look = (where: string, text: string, isFine = false): void => {
      if (text.includes(word) && !isFine) found.push(`${place} is in ${where}`)
    }
    look('the log', logged, LOGGED.test(place))
    look('the metrics', metrics)
    look('the objects', stored.objects, KEPT.test(place))
    look('the directory', stored.directory, KEPT.test(place) || AUDITED.test(place))
    look('an answer', told, KEPT.test(place) || NAMES.test(place))
  }
  expect(found).toEqual([])
  // What would find a word finds those that are kept.
  expect(
    [...words].some(([word, place]) => place.startsWith('field metadata') && stored.objects.includes(word)),
  ).toBe(true)
  expect(
    [...words].some(([word, place]) => place.startsWith('field name') && stored.directory.includes(word)),
  ).toBe(true)
}, 600_000)
