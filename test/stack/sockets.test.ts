/** Clients as they are published, over real sockets: to the Worker, and from it to the local Turso. */
import { createClient, type Client } from '@libsql/client'
import * as hrana from '@libsql/hrana-client'
import { drizzle } from 'drizzle-orm/libsql'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { REGRESSIONS, requests, SETUP, type Operation } from '../local/differential/operations.ts'
import { createRemote, splitIntoRequests } from '../local/differential/remote.ts'
import { connectSocket } from './socket-remote.ts'
import { signUp, startStack, type RunningStack, type Signup } from './worker-and-turso.ts'

let stack: RunningStack

beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack.close())

const socketUrl = ({ database }: Signup): string => database.gateway_url.replace(/^http/, 'ws')

async function libsql(id: string): Promise<{ client: Client; signup: Signup }> {
  const signup = await signUp(stack, id)
  const client = createClient({ url: socketUrl(signup), authToken: signup.token.jwt })
  onTestFinished(() => client.close())
  expect(client.protocol).toBe('ws')
  return { client, signup }
}

const titles = async (client: Client): Promise<unknown[]> =>
  (await client.execute('select title from notes order by id')).rows.map((row) => row['title'])

async function suspend(id: string): Promise<void> {
  const response = await fetch(`${stack.url}/v1/tenants/${id}`, {
    method: 'PATCH',
    headers: { authorization: 'Bearer admin-key', 'content-type': 'application/merge-patch+json' },
    body: '{"suspended":true}',
  })
  expect(response.status).toBe(200)
}

/** Of this tenant the database holds nothing. */
async function noStreams(id: string): Promise<void> {
  const theirs = (): unknown[] =>
    stack.turso.streams().filter(({ database }) => database.startsWith(`${id}-`))
  await expect.poll(theirs).toEqual([])
}

describe('@libsql/client over ws', () => {
  test('executes, with arguments of every kind, and stores what it repeats', async () => {
    const { client } = await libsql('ws-execute')
    for (const title of ['one', 'two', 'three'])
      await client.execute({ sql: 'insert into notes (title) values (?)', args: [title] })
    expect(await titles(client)).toEqual(['one', 'two', 'three'])
    const sql = 'select ? as a, ? as b, ? as c, ? as d, :e as e'
    await expect(client.execute({ sql, args: [1] })).rejects.toThrow(/arg|param/i)
    const { rows, columns } = await client.execute({
      sql: 'select :a as a, :b as b, :c as c, :d as d',
      args: { a: null, b: 0.1, c: 'ß\u{1F600}', d: new Uint8Array([0, 255]) },
    })
    expect(columns).toEqual(['a', 'b', 'c', 'd'])
    expect({ ...rows[0], d: [...new Uint8Array(rows[0]!['d'] as ArrayBuffer)] }).toMatchObject({
      a: null,
      b: 0.1,
      c: 'ß\u{1F600}',
      d: [0, 255],
    })
    await noStreams('ws-execute')
  })

  test('runs batches, whole or not at all', async () => {
    const { client } = await libsql('ws-batch')
    await client.batch(
      ["insert into notes (title) values ('a')", "insert into notes (title) values ('b')"],
      'write',
    )
    await expect(
      client.batch(["insert into notes (title) values ('c')", 'insert into nowhere values (1)'], 'write'),
    ).rejects.toThrow(/nowhere/)
    expect(await titles(client)).toEqual(['a', 'b'])
    await client.migrate(['create table parent (id integer primary key)'])
    await client.executeMultiple("insert into notes (title) values ('d'); insert into parent values (1)")
    expect(await titles(client)).toEqual(['a', 'b', 'd'])
    await noStreams('ws-batch')
  })

  test('runs interactive transactions: committed, rolled back, closed, and failed in the middle', async () => {
    const { client } = await libsql('ws-transaction')
    const kept = await client.transaction('write')
    await kept.execute("insert into notes (title) values ('kept')")
    await kept.batch(["insert into notes (title) values ('kept too')"])
    expect((await kept.execute('select count(*) as n from notes')).rows[0]!['n']).toBe(2)
    await kept.commit()
    const dropped = await client.transaction('write')
    await dropped.execute("insert into notes (title) values ('dropped')")
    await dropped.rollback()
    const closed = await client.transaction('write')
    await closed.execute("insert into notes (title) values ('closed')")
    closed.close()
    const failed = await client.transaction('write')
    await failed.execute("insert into notes (title) values ('before')")
    await expect(failed.execute('insert into nowhere values (1)')).rejects.toThrow(/nowhere/)
    await failed.rollback()
    expect(await titles(client)).toEqual(['kept', 'kept too'])
    await noStreams('ws-transaction')
  })

  test('runs transactions side by side, on one socket and on several', async () => {
    const { client, signup } = await libsql('ws-concurrent')
    const second = createClient({ url: socketUrl(signup), authToken: signup.token.jwt })
    onTestFinished(() => second.close())
    await Promise.all(
      Array.from({ length: 24 }, async (_, n) => {
        const transaction = await (n % 2 === 0 ? client : second).transaction('write')
        const { rows } = await transaction.execute('select count(*) as n from notes')
        await transaction.execute({
          sql: 'insert into notes (title) values (?)',
          args: [`after ${Number(rows[0]!['n'])}`],
        })
        await transaction.commit()
      }),
    )
    expect(await titles(client)).toEqual(Array.from({ length: 24 }, (_, n) => `after ${n}`))
    await noStreams('ws-concurrent')
  })

  test('rolls back at once what it leaves open when it goes', async () => {
    const { client, signup } = await libsql('ws-leaves')
    const transaction = await client.transaction('write')
    await transaction.execute("insert into notes (title) values ('left')")
    client.close()
    await noStreams('ws-leaves')
    const next = createClient({ url: socketUrl(signup), authToken: signup.token.jwt })
    onTestFinished(() => next.close())
    expect(await titles(next)).toEqual([])
  })

  test("tells what is wrong with a token in the database's words", async () => {
    const signup = await signUp(stack, 'ws-refused')
    for (const authToken of [(await signUp(stack, 'ws-other')).token.jwt, 'nonsense', undefined]) {
      const client = createClient({
        url: socketUrl(signup),
        ...(authToken === undefined ? {} : { authToken }),
      })
      await expect(client.execute('select 1')).rejects.toThrow(/exist|JWT|jwt|Unauthorized/)
      client.close()
    }
  })

  test.each([
    ['suspended', 'TENANT_SUSPENDED', (url: string) => url],
    ['not there', 'TENANT_NOT_FOUND', (url: string) => url.replace(/\/$/, '-nobody/')],
  ])('is told by the code of its errors that the tenant is %s', async (what, code, urlFor) => {
    const id = `ws-${what.replace(' ', '-')}`
    const signup = await signUp(stack, id)
    await suspend(id)
    const client = createClient({ url: urlFor(socketUrl(signup)), authToken: signup.token.jwt })
    onTestFinished(() => client.close())
    const message = expect.stringMatching(/suspended: its database|no such tenant/) as string
    for (const work of [
      () => client.execute('select 1'),
      () => client.batch(['select 1', 'select 2'], 'write'),
      async () => await (await client.transaction('write')).execute('select 1'),
      () => client.executeMultiple('select 1; select 2'),
    ])
      await expect(work()).rejects.toMatchObject({ code, message })
  })

  test('hears that the database could not be reached, and goes on when it can', async () => {
    const { client } = await libsql('ws-unplugged')
    await client.execute("insert into notes (title) values ('before')")
    const transaction = await client.transaction('write')
    await transaction.execute("insert into notes (title) values ('lost')")
    await stack.unplug()
    await expect(transaction.commit()).rejects.toThrow(/unknown/)
    await expect(client.execute('select 1')).rejects.toThrow(/No whole answer came/)
    await stack.plug()
    await expect.poll(() => titles(client).catch(String)).toEqual(['before'])
  })
})

describe('drizzle over ws', () => {
  const notes = sqliteTable('notes', {
    id: integer().primaryKey({ autoIncrement: true }),
    title: text().notNull(),
  })

  test('queries, and runs transactions', async () => {
    const { client } = await libsql('ws-drizzle')
    const db = drizzle(client)
    await db.insert(notes).values([{ title: 'a' }, { title: 'b' }])
    await db.transaction(async (tx) => {
      const [{ id } = { id: 0 }] = await tx.select().from(notes).limit(1)
      await tx.insert(notes).values({ title: `after ${id}` })
    })
    await expect(
      db.transaction(async (tx) => {
        await tx.insert(notes).values({ title: 'undone' })
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(await db.select({ title: notes.title }).from(notes)).toEqual([
      { title: 'a' },
      { title: 'b' },
      { title: 'after 1' },
    ])
  })
})

describe.each([2, 3] as const)('@libsql/hrana-client over ws, version %i', (version) => {
  async function connect(id: string): Promise<hrana.WsClient> {
    const signup = await signUp(stack, `${id}-${version}`)
    const client = hrana.openWs(socketUrl(signup), signup.token.jwt, version)
    onTestFinished(() => client.close())
    expect(await client.getVersion()).toBe(version)
    return client
  }

  test('reads rows, one row, one value and nothing, on several streams at once', async () => {
    const client = await connect('hrana-read')
    const results = await Promise.all(
      [1, 2, 3].map(async (n) => {
        const stream = client.openStream()
        const { rows } = await stream.query(['select ? as one, 2.5 as half union all select 3, null', [n]])
        const { value } = await stream.queryValue('select 8 where false')
        stream.closeGracefully()
        return [rows.map((row) => [row[0], row['half']]), value]
      }),
    )
    expect(results).toEqual(
      [1, 2, 3].map((n) => [
        [
          [n, 2.5],
          [3, null],
        ],
        undefined,
      ]),
    )
    await noStreams(`hrana-read-${version}`)
  })

  test('is told of a suspended tenant by an error with its code', async () => {
    const id = `hrana-suspended-${version}`
    const signup = await signUp(stack, id)
    await suspend(id)
    const client = hrana.openWs(socketUrl(signup), signup.token.jwt, version)
    onTestFinished(() => client.close())
    const stream = client.openStream()
    await expect(stream.query('select 1')).rejects.toMatchObject({ code: 'TENANT_SUSPENDED' })
    expect(client.closed).toBe(true)
  })

  test('stores texts for all streams of the connection', async () => {
    const client = await connect('hrana-stored')
    const sql = client.storeSql('select ? as v')
    for (const value of ['x', 'y']) {
      const stream = client.openStream()
      expect((await stream.queryValue(new hrana.Stmt(sql).bindIndexes([value]))).value).toBe(value)
      expect((await stream.describe(sql)).isReadonly).toBe(true)
      stream.close()
    }
    sql.close()
    await noStreams(`hrana-stored-${version}`)
  })

  test('describes, runs sequences and batches, and keeps a transaction', async () => {
    const client = await connect('hrana-batch')
    const stream = client.openStream()
    await stream.sequence('create table t (a unique); begin; insert into t values (1)')
    expect((await stream.describe('select a from t where a = :a')).paramNames).toEqual([':a'])
    const batch = stream.batch(false)
    const first = batch.step()
    const failing = first.run('insert into t values (1)').catch((error: unknown) => error)
    const second = batch.step().condition(hrana.BatchCond.not(hrana.BatchCond.ok(first)))
    const ran = second.run('insert into t values (2)')
    await batch.execute()
    expect(await failing).toMatchObject({ code: 'SQLITE_CONSTRAINT' })
    expect((await ran)?.affectedRowCount).toBe(1)
    const isInTransaction = version === 2 || !(await stream.getAutocommit())
    expect(isInTransaction).toBe(true)
    stream.close()
    const other = client.openStream()
    expect((await other.queryValue('select count(*) from t')).value).toBe(0)
    await expect(other.query('select * from nowhere')).rejects.toThrow(/nowhere/)
    expect((await other.queryValue('select 1')).value).toBe(1)
    other.close()
    await noStreams(`hrana-batch-${version}`)
  })
})

test('no token is in the log', async () => {
  const { token } = await signUp(stack, 'ws-logged')
  expect(stack.logs()).not.toContain(token.jwt)
  expect(stack.logs()).not.toMatch(/eyJ[\w-]{8}/)
})

describe('random sequences of operations', () => {
  const runs = Number(process.env['SOCKET_DIFFERENTIAL_RUNS'] ?? 500)
  const seed = Number(process.env['SOCKET_DIFFERENTIAL_SEED'] ?? 1)
  const SHARDS = 5

  /** Whatever the operations before have made, and then what each sequence begins with. */
  const setUp: Operation = {
    type: 'sequence',
    statements: ['view v0', 'table t1', 'table t0', 'table t2', 'table log']
      .map((what) => `drop ${what.replace(' ', ' if exists ')}`)
      .concat(SETUP)
      .map((sql) => ({ sql, args: [], kind: 'other' })),
  }

  const types = new Set<string>()
  /** What the protocol can get wrong shows in a few requests; long ones are for the engine's own test. */
  const short = requests.map((sequence) => sequence.slice(0, 3))

  async function compare(shard: number): Promise<void> {
    const through = await signUp(stack, `diff-socket-${shard}`)
    const directly = await signUp(stack, `diff-direct-${shard}`)
    const socket = await connectSocket(socketUrl(through), through.token.jwt)
    const direct = createRemote(
      stack.turso.fetch,
      directly.database.http_url.replace(/\/$/, ''),
      directly.token.jwt,
    )
    await fc.assert(
      fc.asyncProperty(short, async (sequence) => {
        const last: Operation[] = [{ type: 'close' }]
        for (const operations of [[setUp], ...sequence, last].flatMap(splitIntoRequests)) {
          const [seen, wanted] = await Promise.all([socket.run(operations), direct.run(operations)])
          expect(seen).toEqual(wanted)
          for (const { type } of operations) types.add(type)
        }
      }),
      { numRuns: Math.ceil(runs / SHARDS), seed: seed + shard, examples: REGRESSIONS },
    )
    socket.close()
  }

  test(
    `have the same results, types, errors and order over a socket as directly (${runs}, SOCKET_DIFFERENTIAL_SEED=${seed})`,
    { timeout: 90_000 + runs * 200 },
    async () => {
      // Side by side: each of them mostly waits.
      await Promise.all(Array.from({ length: SHARDS }, (_, shard) => compare(shard)))
      expect(types.size).toBe(7)
    },
  )
})
