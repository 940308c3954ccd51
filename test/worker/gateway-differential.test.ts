import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { connect } from '../../src/index.ts'
import { behaviour } from './behaviour.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'

/** Pairs of tenants: one is spoken to through the gateway, the other's database directly. Each pair on its own. */
const LANES = 4
const SEQUENCES = behaviour === 'spec' ? 500 : 60

type Way = (path: string, body: string) => Promise<Response>
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
      gateway: (path, body) => call(`/t/${one.tenant.id}/${path}`, init(one, body)),
      direct: (path, body) => fetch(`https://${other.database.hostname}/${path}`, init(other, body)),
    })
    for (const { database, token } of [one, other])
      await connect({ url: database.http_url, authToken: token.jwt }).execute(
        'create table things (id integer primary key, v any unique)',
      )
  }
})

/** Of a stream that Turso Cloud has not kept the gateway does not tell it: see `history.test.ts`. */
const HISTORY =
  behaviour === 'cloud'
    ? []
    : ['select count(*) as n, total_changes() > 0 as c, last_insert_rowid() from things']

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
      ...HISTORY,
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
interface Text {
  sql?: string
  sql_id?: number
}
/** Of a request `batch`, and of a cursor. */
interface Batch {
  steps: { condition?: object | null; stmt: Text }[]
}
const batchOf = (stmt: fc.Arbitrary<Text>): fc.Arbitrary<Batch> =>
  fc.tuple(stmt, fc.array(fc.tuple(stmt, condition), { maxLength: 3 })).map(([first, rest]) => ({
    steps: [{ stmt: first }, ...rest.map(([stmt, cond]) => ({ condition: cond, stmt }))],
  }))
const request = fc.oneof(
  { weight: 6, arbitrary: statement.map((stmt): object => ({ type: 'execute', stmt })) },
  {
    weight: 2,
    arbitrary: batchOf(statement).map((batch): object => ({ type: 'batch', batch })),
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
type Step = { requests: object[] } | { batch: Batch }
const pipeline: fc.Arbitrary<Step> = fc.record({
  // One without requests ends a stream of Turso Cloud, and none of the gateway's.
  requests: fc.array(request, { minLength: behaviour === 'cloud' ? 1 : 0, maxLength: 4 }),
})
const cursor: fc.Arbitrary<Step> = fc.record({
  batch: fc.oneof(
    { weight: 8, arbitrary: batchOf(statement) },
    { weight: 1, arbitrary: batchOf(fc.constantFrom({ sql_id: 1 }, { sql_id: 2 })) },
    { weight: 1, arbitrary: fc.constant<Batch>({ steps: [] }) },
  ),
})
const sequence = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({
      version: fc.constant('v2'),
      // It has no cursors.
      steps: fc.array(pipeline, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      version: fc.constant('v3'),
      steps: fc.array(fc.oneof({ weight: 3, arbitrary: pipeline }, { weight: 2, arbitrary: cursor }), {
        minLength: 1,
        maxLength: 3,
      }),
    }),
  },
)

interface Answer {
  status: number
  hasBaton: boolean
  body: unknown
}

const CLOSE = { type: 'close' }
const isClosing = (requests: object[]): boolean =>
  requests.some((each) => 'type' in each && each.type === 'close')

/** Leaves nothing for the sequence behind it, nor a stream. */
const END: Step = {
  requests: [{ type: 'execute', stmt: { sql: 'delete from things' } }, CLOSE],
}

/** Of what a stream must be kept for: the SQL that may begin a transaction, set something, or change rows. */
const NEEDS_STREAM = /\b(?:begin|savepoint|pragma|insert|update|delete)\b/

/** The gateway lets the stream of a first cursor go with it when nothing on it could be asked for later. */
const isLetGo = (step: Step, isFirst: boolean): boolean =>
  isFirst &&
  'batch' in step &&
  step.batch.steps.every(({ stmt: { sql } }) => sql !== undefined && !NEEDS_STREAM.test(sql))

function readBody(step: Step, text: string): { baton: string | null; told: unknown } {
  const timeless = text.replaceAll(/"query_duration_ms":[^,}]+/g, '"ms":0')
  if ('requests' in step) {
    const { baton, results } = JSON.parse(timeless) as { baton: string | null; results: unknown }
    return { baton, told: results }
  }
  const [head, ...entries] = timeless
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
  return { baton: (head as { baton: string | null }).baton, told: entries }
}

/**
 * What all its steps are answered, with the baton of each sent with the next, and closed in the end.
 *
 * @param letsGo whether it is done here what the gateway does with a stream that nobody needs
 */
async function run(
  way: Way,
  { version, steps }: { version: string; steps: Step[] },
  { letsGo }: { letsGo: boolean },
): Promise<Answer[]> {
  const answers: Answer[] = []
  let baton: string | null = null
  for (const step of [...steps, END]) {
    const path: string = `${version}/${'batch' in step ? 'cursor' : 'pipeline'}`
    const response = await way(path, JSON.stringify({ baton, ...step }))
    const text = await response.text()
    const { status, ok } = response
    const body: ReturnType<typeof readBody> = ok ? readBody(step, text) : { baton: null, told: text }
    if (letsGo && body.baton !== null && isLetGo(step, answers.at(-1)?.hasBaton !== true)) {
      await (await way('v3/pipeline', JSON.stringify({ baton: body.baton, requests: [CLOSE] }))).text()
      body.baton = null
    }
    // The gateway's stream goes on where Turso Cloud keeps none, since it holds nothing.
    const isLetGoByCloud = behaviour === 'cloud' && ok && 'requests' in step && !isClosing(step.requests)
    answers.push({ status, hasBaton: body.baton !== null || isLetGoByCloud, body: body.told })
    baton = body.baton
  }
  return answers
}

test(`${SEQUENCES} sequences of operations are answered through the gateway as they are without it`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(sequence, { minLength: LANES, maxLength: LANES }), async (sequences) => {
      await Promise.all(
        sequences.map(async (each, lane) => {
          const [through, direct] = await Promise.all([
            run(lanes[lane]!.gateway, each, { letsGo: false }),
            run(lanes[lane]!.direct, each, { letsGo: true }),
          ])
          expect(through).toEqual(direct)
        }),
      )
    }),
    { numRuns: SEQUENCES / LANES },
  )
}, 600_000)
