/** Whatever is asked of both clients, each on a database of its own, has the same outcome, but for what is documented. */
import {
  createClient as createTheirs,
  type Client as TheirClient,
  type InStatement,
  type ResultSet,
  type Transaction,
} from '@libsql/client/http'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createClient } from '../../../src/libsql/index.ts'
import { createTestDatabase } from '../../support/turso.ts'

const SCHEMA = `
  create table t (id integer primary key, name text unique, score real, body blob, n integer check (n < 1000));
  create table child (t integer not null references t (id), note text);
`

type Mode = 'write' | 'deferred' | undefined

type Step =
  | { do: 'execute'; statement: InStatement }
  | { do: 'batch'; statements: InStatement[] }
  | { do: 'executeMultiple'; script: string }

type Operation =
  | Step
  | { do: 'batch'; statements: InStatement[]; mode: Mode }
  | { do: 'migrate'; statements: InStatement[] }
  | { do: 'transaction'; mode: Mode; steps: Step[]; end: 'commit' | 'rollback' | 'close' }
  | { do: 'reopen' }

const names = fc.constantFrom('a', 'b', 'ü', '', "it's")
const ids = fc.integer({ min: 1, max: 5 })
const scores = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null))
const bodies = fc.oneof(fc.uint8Array({ maxLength: 4 }), fc.constant(null))
const numbers = fc.oneof(fc.integer({ min: 0, max: 1100 }), fc.boolean(), fc.bigInt({ min: -5n, max: 5n }))

const insert = fc.tuple(names, scores, bodies, numbers).map(([name, score, body, n]): InStatement => ({
  sql: 'insert into t (name, score, body, n) values (?, ?, ?, ?)',
  args: [name, score, body, n],
}))

const safe = fc.oneof(
  fc.constantFrom<InStatement>(
    'select * from t order by id',
    'select count(*), max(n) as most from t',
    'select t.name, child.note from t left join child on child.t = t.id order by 1, 2',
    'select 1 as a, 2 as a',
    'pragma foreign_keys',
  ),
  fc.tuple(ids, scores).map(([id, score]): InStatement => ({
    sql: 'update t set score = $score where id = :id returning id, score',
    args: { $score: score, id },
  })),
  ids.map((id): InStatement => ({ sql: 'delete from child where t = @id', args: { id } })),
)

const risky = fc.oneof(
  insert,
  insert,
  fc
    .tuple(ids, names)
    .map(([id, note]): InStatement => ({ sql: 'insert into child values (?1, ?2)', args: [id, note] })),
  fc.constantFrom<InStatement>(
    'delete from t',
    'insert or replace into t (id, name) values (1, null)',
    'select * from nowhere',
    'select nothing',
    'not sql at all',
    'select 1; select 2',
    '',
    '-- nothing',
    { sql: 'select ?', args: [] },
    { sql: 'select ?, ?', args: ['one'] },
    "insert into t (name) values ('a') returning id > 0 as isNew",
  ),
  safe,
)

const scripts = fc.constantFrom(
  "insert into t (name) values ('s1'); insert into t (name) values ('s2')",
  'delete from child; delete from t;',
  ';;',
  '',
)
const failingScripts = fc.constantFrom(
  "insert into t (name) values ('s3'); not sql; delete from t",
  "begin; insert into t (name) values ('s4'); rollback; insert into t (name) values ('s5')",
  "begin; insert into t (name) values ('gone')",
)

const modes = fc.constantFrom<Mode>('write', 'deferred', undefined)
const execute = (statement: fc.Arbitrary<InStatement>) =>
  statement.map((it): Step => ({ do: 'execute', statement: it }))

// A batch or a script that fails within a transaction is undone here, and left half done there.
const steps = fc.oneof(
  execute(risky),
  fc.array(safe, { minLength: 1, maxLength: 3 }).map((statements): Step => ({ do: 'batch', statements })),
)

const operations = fc.oneof(
  execute(risky),
  execute(risky),
  fc.record({
    do: fc.constant('batch' as const),
    statements: fc.array(risky, { minLength: 1, maxLength: 4 }),
    mode: modes,
  }),
  fc.record({
    do: fc.constant('migrate' as const),
    statements: fc.array(risky, { minLength: 1, maxLength: 3 }),
  }),
  fc.oneof(scripts, failingScripts).map((script): Operation => ({ do: 'executeMultiple', script })),
  fc.record({
    do: fc.constant('transaction' as const),
    mode: modes,
    steps: fc.array(steps, { maxLength: 4 }),
    end: fc.constantFrom('commit' as const, 'rollback' as const, 'close' as const),
  }),
  fc.constant<Operation>({ do: 'reopen' }),
)

const plain = (result: ResultSet): unknown => ({ ...result, json: JSON.stringify(result) })

/** Theirs repeats the code in front of some messages; ours says which statement of a batch it was. */
function outcomeOf(error: unknown): unknown {
  const { name, code, message, statementIndex } = error as Error & { code?: string; statementIndex?: number }
  if (code === undefined) return { name }
  const words = message
    .replace(new RegExp(`^(${code}: )+`), '')
    .replace(/^(Statement \d+ of the batch failed|The transaction could not [^:]*): /, '')
  return { name, code, statementIndex, words }
}

async function attempt(action: () => Promise<unknown>): Promise<unknown> {
  try {
    return await action()
  } catch (error) {
    return outcomeOf(error)
  }
}

const runStep = (on: TheirClient | Transaction, step: Step): Promise<unknown> =>
  attempt(async () => {
    if (step.do === 'execute') return plain(await on.execute(step.statement))
    if (step.do === 'batch') return (await on.batch(step.statements)).map(plain)
    return await on.executeMultiple(step.script)
  })

function run(client: TheirClient, operation: Operation): Promise<unknown> {
  switch (operation.do) {
    case 'batch':
      return attempt(async () =>
        (await client.batch(operation.statements, 'mode' in operation ? operation.mode : undefined)).map(
          plain,
        ),
      )
    case 'migrate':
      return attempt(async () => (await client.migrate(operation.statements)).map(plain))
    case 'transaction':
      return attempt(async () => {
        const tx = await client.transaction(operation.mode)
        const outcomes: unknown[] = []
        for (const step of operation.steps) outcomes.push(await runStep(tx, step), tx.closed)
        outcomes.push(await attempt(async () => tx[operation.end]()), tx.closed)
        outcomes.push(await attempt(() => tx.execute('select 1')))
        return outcomes
      })
    case 'reopen':
      client.close()
      client.reconnect()
      return Promise.resolve(client.closed)
    default:
      return runStep(client, operation)
  }
}

async function open(create: typeof createTheirs): Promise<TheirClient> {
  const { hostname, token } = await createTestDatabase()
  const client = create({ url: `https://${hostname}`, authToken: token })
  await client.executeMultiple(SCHEMA)
  return client
}

describe('this client and @libsql/client', () => {
  test('agree on the outcomes of any operations', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operations, { minLength: 1, maxLength: 8 }), async (list) => {
        const [theirs, ours] = await Promise.all([open(createTheirs), open(createClient)])
        for (const operation of list) {
          const [expected, actual] = await Promise.all([run(theirs, operation), run(ours, operation)])
          expect(actual).toEqual(expected)
        }
        const dump = 'select * from t order by id'
        expect(plain(await ours.execute(dump))).toEqual(plain(await theirs.execute(dump)))
      }),
      { numRuns: 60, seed: 1 },
    )
  })
})
