import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { routes } from '../../local/platform/routes.ts'
import { start } from './harness.ts'

/** Values that break what trusts its input. */
const hostile = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('acme', 'default', 'local', 'team', 'lhr', 'aws-eu-west-1', 'iku', 'ci'),
  },
  fc.constantFrom(
    '',
    '.',
    '..',
    '../../etc/passwd',
    'a/b',
    '\0',
    'acme\0x',
    "x'--",
    '%',
    '\u{1F600}',
    '\ud800',
  ),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    'x'.repeat(5_000),
    'null',
    '-1',
    '\r\nset-cookie: a',
  ),
  fc.string({ unit: 'binary' }),
)
const value: fc.Arbitrary<unknown> = fc.oneof(
  hostile,
  fc.boolean(),
  fc.double(),
  fc.constant(null),
  fc.constantFrom({ toString: 1, valueOf: 1 }, [{ toString: 1 }]),
  fc.jsonValue(),
)

const FIELDS = (
  'name group group_id location extensions seed size_limit is_schema allow_attach block_reads block_writes ' +
  'delete_protection allowed_ips allowed_aws_vpc_ids permissions fine_grained_permissions organization scopes ' +
  'username role email jwks_url overages database scope __proto__ restore_enabled'
).split(' ')
const body = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .dictionary(fc.constantFrom(...FIELDS), value, { maxKeys: 5 })
      .map((fields) => JSON.stringify(fields)),
  },
  fc
    .dictionary(fc.constant('seed'), fc.record({ type: hostile, name: value, timestamp: value }))
    .map((fields) => JSON.stringify({ name: 'seeded', group: 'default', ...fields })),
  fc.constantFrom('', '[]', 'null', '{', '"', '1e999', '{"name":"\\ud800"}'),
  fc.string(),
)
const QUERIES = [
  'limit',
  'cursor',
  'group',
  'parent',
  'expiration',
  'authorization',
  'from',
  'to',
  'page',
  'page_size',
]
const query = fc.dictionary(fc.constantFrom(...QUERIES, 'search', 'deleted', 'type', 'schema'), hostile, {
  maxKeys: 3,
})

const encode = (part: string) => encodeURIComponent(part.toWellFormed())

describe('hostile input', () => {
  test('is answered on every route with JSON or an empty body, and never with a 5xx', async () => {
    const { call, create, api } = await start()
    await call('POST', '/v1/organizations', { name: 'team' })
    const { id } = (await api('GET', '/local')).body.organization
    const pathOf = (pattern: string, parts: string[]) => {
      let next = 0
      return pattern.replaceAll(/:(\w+)/g, (_, name: string) => {
        const part = parts[next++ % parts.length]!
        if (name === 'organization') return encode(part.length % 4 === 0 ? part : 'local')
        return encode(name === 'organizationId' && part.length % 4 !== 0 ? id : part)
      })
    }
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...routes),
        fc.array(hostile, { minLength: 3, maxLength: 3 }),
        query,
        body,
        async (route, parts, queries, text) => {
          if (parts[0]!.length % 5 === 0) await create('acme').catch(() => undefined)
          const search = new URLSearchParams(queries).toString()
          const path = `${pathOf(route.path, parts)}?${search}`
          const answer = await call(route.method, path, route.method === 'GET' ? undefined : text)
          const isRefusal = answer.status >= 400 && answer.status < 500
          const isWellFormed = isRefusal
            ? typeof answer.body?.error === 'string'
            : answer.status === 200 && (answer.text === '' || typeof answer.body === 'object')
          expect([route.method, path, answer.text, isWellFormed]).toEqual([
            route.method,
            path,
            answer.text,
            true,
          ])
        },
      ),
      { numRuns: 3_000 },
    )
  }, 60_000)

  test('on the host of a database or below /db is no 5xx either', async () => {
    const { turso } = await start()
    await fc.assert(
      fc.asyncProperty(hostile, hostile, async (name, path) => {
        for (const address of [
          `https://127.0.0.1/db/${encode(name)}/${encode(path)}`,
          `https://x-local.aws-eu-west-1.turso.io/${encode(name)}/${encode(path)}`,
        ]) {
          if (!URL.canParse(address)) continue
          const { status } = await turso.fetch(new Request(address, { method: 'POST', body: path }))
          expect([address, status < 500]).toEqual([address, true])
        }
      }),
    )
  })

  test('a path with dots names no other resource', async () => {
    const { api, create } = await start()
    await create('acme')
    expect((await api('DELETE', 'databases/x%2F..%2Facme')).status).toBe(404)
    expect((await api('GET', 'databases/acme%00')).status).toBe(400)
    expect((await api('GET', 'databases?group=default%00')).status).toBe(400)
    expect((await api('GET', 'databases/acme')).status).toBe(200)
  })
})
