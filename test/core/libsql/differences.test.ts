/** What docs/libsql.md says is different, on both sides. */
import { createClient as createTheirs, type Client, type Config, type InValue } from '@libsql/client/http'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createClient } from '../../../src/libsql/index.ts'
import { clearFaults, createTestDatabase, failNext } from '../../support/turso.ts'

const CLIENTS = { theirs: createTheirs, ours: createClient as (config: Config) => Client }

let config: Record<keyof typeof CLIENTS, Config>

beforeEach(async () => {
  await clearFaults()
  const [a, b] = await Promise.all([createTestDatabase(), createTestDatabase()])
  const configOf = ({ hostname, token }: typeof a): Config => ({
    url: `https://${hostname}`,
    authToken: token,
  })
  config = { theirs: configOf(a), ours: configOf(b) }
})

/** What becomes of the same thing with each client, on a table `t` with one unique column. */
async function compare(
  action: (client: Client) => Promise<unknown>,
  options: Partial<Config> = {},
): Promise<unknown[]> {
  const outcomes: unknown[] = []
  for (const name of ['theirs', 'ours'] as const) {
    const client = CLIENTS[name]({ ...config[name], ...options })
    await CLIENTS[name](config[name]).execute('create table t (a unique)')
    outcomes.push(await action(client).catch(codeOf))
  }
  return outcomes
}

const codeOf = (error: unknown): unknown => (error as { code?: string }).code ?? (error as Error).name

const rowsOf = async (client: Client): Promise<unknown[]> =>
  (await client.execute('select a from t order by 1')).rows.map((row) => row['a'])

describe('arguments', () => {
  const typeOf = (value: unknown) => async (client: Client) =>
    Object.values((await client.execute({ sql: 'select typeof(?)', args: [value as InValue] })).rows[0]!)[0]

  test.each<[string, unknown, string, string]>([
    ['a JavaScript integer', 1, 'real', 'integer'],
    ['a Date', new Date(0), 'real', 'integer'],
    ['a DataView', new DataView(new ArrayBuffer(1)), 'text', 'blob'],
    ['an object', { a: 1 }, 'text', 'TypeError'],
    ['an array', [1], 'text', 'TypeError'],
  ])('%s', async (_, value, theirs, ours) => {
    expect(await compare(typeOf(value))).toEqual([theirs, ours])
  })
})

describe('transactions', () => {
  test('a batch in it that fails', async () => {
    const outcomes = await compare(async (client) => {
      const tx = await client.transaction()
      await tx.batch(["insert into t values ('kept')", 'not sql']).catch(() => undefined)
      await tx.execute("insert into t values ('after')")
      await tx.commit()
      return await rowsOf(client)
    })
    expect(outcomes).toEqual([['after', 'kept'], ['after']])
  })

  test('a script in it that fails', async () => {
    const outcomes = await compare(async (client) => {
      const tx = await client.transaction()
      await tx.execute("insert into t values ('before')")
      await tx.executeMultiple("insert into t values ('kept'); insert into t values ('kept')").catch(() => 0)
      await tx.commit()
      return await rowsOf(client)
    })
    expect(outcomes).toEqual([['before', 'kept'], ['before']])
  })

  test('a statement after the server has rolled it back', async () => {
    const outcomes = await compare(async (client) => {
      const tx = await client.transaction()
      await tx.execute("insert into t values ('a')")
      await tx.execute("insert or rollback into t values ('a')").catch(() => undefined)
      const outcome = await tx.execute("insert into t values ('escaped')").then(() => 'ran', codeOf)
      tx.close()
      return [outcome, await rowsOf(client)]
    })
    expect(outcomes).toEqual([
      ['ran', ['escaped']],
      ['TRANSACTION_CLOSED', []],
    ])
  })

  test('a COMMIT as a statement of it', async () => {
    const outcomes = await compare(async (client) => {
      const tx = await client.transaction()
      onTestFinished(() => tx.close())
      await tx.execute("insert into t values ('a')")
      return (await tx.execute('COMMIT')).rows.length
    })
    expect(outcomes).toEqual([0, 'TypeError'])
  })

  test('a commit beside a statement that fails', async () => {
    const outcomes = await compare(async (client) => {
      const tx = await client.transaction()
      await tx.execute("insert into t values ('a')")
      tx.execute("insert into t values ('a')").catch(() => undefined)
      const outcome = await tx.commit().then(() => 'committed', codeOf)
      return [outcome, await rowsOf(client)]
    })
    expect(outcomes).toEqual([
      ['committed', ['a']],
      ['SQLITE_CONSTRAINT', []],
    ])
  })

  test('a stream that has been idle for too long', async () => {
    const outcomes = await compare(async (client) => {
      const tx = await client.transaction()
      await tx.execute('select 1')
      await failNext({ kind: 'stream_expired', on: 'pipeline' })
      return await tx.execute('select 1')
    })
    expect(outcomes).toEqual(['STREAM_EXPIRED', 'TRANSACTION_CLOSED'])
  })

  test('a mode that is none', async () => {
    expect(await compare((client) => client.batch(['select 1'], 'exclusive' as never))).toEqual([
      'RangeError',
      'TypeError',
    ])
  })
})

describe('clients', () => {
  test('an error of a batch', async () => {
    const outcomes = await compare((client) =>
      client
        .batch(["insert into t values ('a')", "insert into t values ('a')"])
        .catch((error: Error) => error.message),
    )
    expect(outcomes).toEqual([
      expect.stringMatching(/^SQLITE_CONSTRAINT: SQLITE_CONSTRAINT: /),
      expect.stringMatching(/^SQLITE_CONSTRAINT: Statement 1 of the batch failed: /),
    ])
  })

  test('the numbers of an error', async () => {
    const outcomes = await compare((client) =>
      client
        .execute("insert into t values ('a'), ('a')")
        .catch(({ code, extendedCode, rawCode }: Record<string, unknown>) => [code, extendedCode, rawCode]),
    )
    expect(outcomes).toEqual([
      ['SQLITE_CONSTRAINT', undefined, undefined],
      ['SQLITE_CONSTRAINT', 'SQLITE_CONSTRAINT_UNIQUE', 2067],
    ])
  })

  test('a call when it is closed', async () => {
    const outcomes = await compare((client) => {
      client.close()
      return client.execute('select 1')
    })
    expect(outcomes).toEqual(['UNKNOWN', 'HRANA_CLOSED_ERROR'])
  })

  test('an answer that is not JSON', async () => {
    const fetch = async () => new Response('<html>')
    expect(await compare((client) => client.execute('select 1'), { fetch })).toEqual([
      'SyntaxError',
      'HRANA_PROTO_ERROR',
    ])
  })

  test('the concurrency 0', async () => {
    let running = 0
    let most = 0
    // Long enough for all to begin that will: an answer takes many turns.
    const fetch = async (request: Request) => {
      most = Math.max(most, ++running)
      const response = await globalThis.fetch(request)
      running -= 1
      return response
    }
    const outcomes = await compare(
      async (client) => {
        most = 0
        await Promise.all(Array.from({ length: 25 }, () => client.execute('select 1')))
        return most
      },
      { fetch, concurrency: 0 },
    )
    expect(outcomes).toEqual([20, 25])
  })

  test('an address with a path', async () => {
    const seen: string[] = []
    const fetch = (request: Request) => {
      seen.push(new URL(request.url).pathname)
      return Promise.reject(new Error('seen'))
    }
    await compare((client) => client.execute('select 1'), { fetch, url: 'https://host.test/db/acme' })
    expect(seen).toEqual(['/db/v2/pipeline', '/db/acme/v3/pipeline'])
  })
})
