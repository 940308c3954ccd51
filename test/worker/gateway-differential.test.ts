import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { connect } from '../../src/index.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'

/** Pairs of tenants: one is spoken to through the gateway, the other's database directly. Each pair on its own. */
const LANES = 4
const SEQUENCES = 500

type Way = (version: string, body: string) => Promise<Response>
const lanes: { gateway: Way; direct: Way }[] = []

beforeAll(async () => {
  for (let lane = 0; lane < LANES; lane++) {
    const [one, other] = await Promise.all([
      signUpNow({ id: `differential-${lane}-gateway` }),
      signUpNow({ id: `differential-${lane}-direct` }),
    ])
    const init = ({ token }: SignupAnswer, body: string): RequestInit => ({
      method: 'POST',
      headers: { authorization: `Bearer ${token.jwt}` },
      body,
    })
    lanes.push({
      gateway: (version, body) => call(`/t/${one.tenant.id}/${version}/pipeline`, init(one, body)),
      direct: (version, body) =>
        fetch(`https://${other.database.hostname}/${version}/pipeline`, init(other, body)),
    })
    for (const { database, token } of [one, other])
      await connect({ url: database.http_url, authToken: token.jwt }).execute(
        'create table things (id integer primary key, v any unique)',
      )
  }
})

const value = fc.oneof(
  fc.constant({ type: 'null' }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n) => ({ type: 'integer', value: String(n) })),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => ({ type: 'float', value: n })),
  fc.string({ unit: 'binary', maxLength: 8 }).map((text) => ({ type: 'text', value: text.toWellFormed() })),
  fc.constantFrom('', 'AA==', '/+8=').map((base64) => ({ type: 'blob', base64 })),
)
const statement = fc.oneof(
  fc
    .tuple(value)
    .map((args) => ({ sql: 'insert into things (v) values (?) returning id, v, typeof(v)', args })),
  fc.tuple(value).map((args) => ({ sql: 'insert into things (v) values (?)', args })),
  fc.tuple(value, value).map((args) => ({ sql: 'select ?, ?1 is ?2 as same, typeof(?2)', args })),
  fc.tuple(value).map(([v]) => ({ sql: 'select :x as x', named_args: [{ name: 'x', value: v }] })),
  fc
    .constantFrom(
      'select id, v from things order by id',
      'select count(*) as n, total_changes() > 0 as c, last_insert_rowid() from things',
      "update things set v = id where typeof(v) = 'null'",
      'delete from things where id % 2 = 0',
      'begin',
      'begin immediate',
      'commit',
      'rollback',
      'savepoint s',
      'release s',
      'rollback to s',
      'pragma foreign_keys = off',
      'pragma foreign_keys',
      'select nonsense',
      'selec',
      'insert into things (id, v) values (1, 1)',
      'select 1; select 2',
      '',
      'select ?',
      'select \'begin\', \'close\', \'{"type":"close"}\', "get_autocommit"',
    )
    .map((sql) => ({ sql })),
)
const condition = fc.constantFrom(
  null,
  { type: 'ok', step: 0 },
  { type: 'not', cond: { type: 'ok', step: 0 } },
  { type: 'and', conds: [] },
  { type: 'is_autocommit' },
  { type: 'not', cond: { type: 'is_autocommit' } },
)
const request = fc.oneof(
  { weight: 6, arbitrary: statement.map((stmt): object => ({ type: 'execute', stmt })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(statement, fc.array(fc.tuple(statement, condition), { maxLength: 3 }))
      .map(([first, rest]): object => ({
        type: 'batch',
        batch: { steps: [{ stmt: first }, ...rest.map(([stmt, cond]) => ({ condition: cond, stmt }))] },
      })),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom<object>(
      { type: 'sequence', sql: 'select 1; insert into things (v) values (null); select 2' },
      { type: 'describe', sql: 'select id, v from things where id = :id' },
      { type: 'store_sql', sql_id: 1, sql: 'select count(*) from things' },
      { type: 'store_sql', sql_id: 2, sql: 'select "ø", \'\\\'' },
      { type: 'close_sql', sql_id: 1 },
      { type: 'execute', stmt: { sql_id: 1 } },
      { type: 'execute', stmt: { sql_id: 2 }, unknown: { close: [1, '}'] } },
      { type: 'get_autocommit' },
      { type: 'close' },
      { type: 'nonsense' },
    ),
  },
)
const sequence = fc.record({
  version: fc.constantFrom('v2', 'v3', 'v3'),
  pipelines: fc.array(fc.array(request, { maxLength: 4 }), { minLength: 1, maxLength: 3 }),
})

interface Answer {
  status: number
  hasBaton: boolean
  body: unknown
}

/** Leaves nothing for the sequence behind it, nor a stream. */
const END = [{ type: 'execute', stmt: { sql: 'delete from things' } }, { type: 'close' }]

/** What all its pipelines are answered, with the baton of each sent with the next, and closed in the end. */
async function run(
  way: Way,
  { version, pipelines }: { version: string; pipelines: object[][] },
): Promise<Answer[]> {
  const answers: Answer[] = []
  let baton: string | null = null
  for (const requests of [...pipelines, END]) {
    const response = await way(version, JSON.stringify({ baton, requests }))
    const text = await response.text()
    const body = (response.ok ? JSON.parse(text) : null) as { baton: string | null; results: unknown } | null
    baton = body?.baton ?? null
    answers.push({
      status: response.status,
      hasBaton: baton !== null,
      body:
        body === null
          ? text
          : JSON.parse(JSON.stringify(body.results).replaceAll(/"query_duration_ms":[^,}]+/g, '"ms":0')),
    })
  }
  return answers
}

test(`${SEQUENCES} sequences of operations are answered through the gateway as they are without it`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(sequence, { minLength: LANES, maxLength: LANES }), async (sequences) => {
      await Promise.all(
        sequences.map(async (each, lane) => {
          const [through, direct] = await Promise.all([
            run(lanes[lane]!.gateway, each),
            run(lanes[lane]!.direct, each),
          ])
          expect(through).toEqual(direct)
        }),
      )
    }),
    { numRuns: SEQUENCES / LANES },
  )
}, 120_000)
