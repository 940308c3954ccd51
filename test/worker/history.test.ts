/** `last_insert_rowid()`, `changes()` and `total_changes()` through the gateway, as they are without it. */
import fc from 'fast-check'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { clearFaults, openStreams, requestsSeen } from '../support/turso.ts'
import { behaviour } from './behaviour.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { resetClock } from './clock.ts'
import {
  alarmAfter,
  answerOf,
  close,
  execute,
  insert,
  refusalOf,
  type PipelineAnswer,
} from './gateway-client.ts'

let tenant: SignupAnswer
/** One is asked through the gateway, the other directly. */
let twins: [SignupAnswer, SignupAnswer]

beforeAll(async () => {
  tenant = await signUpNow({ id: 'history' })
  twins = [await signUpNow({ id: 'history-gateway' }), await signUpNow({ id: 'history-direct' })]
})
beforeEach(clearFaults)
afterEach(resetClock)

const post = (tenant: SignupAnswer, path: string, body: object): Promise<Response> =>
  call(`/t/${tenant.tenant.id}/v3/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.token.jwt}` },
    body: JSON.stringify(body),
  })
const send = (requests: object[], baton: string | null = null): Promise<Response> =>
  post(tenant, 'pipeline', { baton, requests })

interface Cursor {
  baton: string | null
  values: unknown[][]
}

interface Entry {
  /** Of the first line. */
  baton?: string | null
  type: string
  step: number
  row: { value: unknown }[]
}

/** As `@tursodatabase/serverless` sends everything. */
async function cursor(baton: string | null, ...sql: string[]): Promise<Cursor> {
  const probe = { condition: { type: 'is_autocommit' }, stmt: { sql: 'SELECT 1', want_rows: false } }
  const steps = [...sql.map((text) => ({ stmt: { sql: text, args: [], named_args: [] } })), probe]
  const response = await post(tenant, 'cursor', { baton, batch: { steps } })
  const [head, ...entries] = (await response.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry)
  // sqld sends that of the probe too.
  const end = entries.findIndex(({ type, step }) => type === 'step_begin' && step === sql.length)
  const rows = entries.slice(0, end).filter(({ type }) => type === 'row')
  return { baton: head!.baton ?? null, values: rows.map(({ row }) => row.map(({ value }) => value)) }
}

/** The connections of the local Turso have changed rows of others before. */
const ALL = 'select last_insert_rowid() > 0, changes(), total_changes() > 0'
const streams = async (): Promise<unknown[]> =>
  (await openStreams()).filter(({ database }) => database === tenant.database.name)

describe('a cursor that changes rows', () => {
  test.each([
    ['insert', "insert into notes (title) values ('a'), ('b')", ['1', '2', '1']],
    [
      'insert, lower down',
      "\n-- a note\nwith x as (select 'a' as y) insert into notes (title) select y from x",
      ['1', '1', '1'],
    ],
    ['replace', "replace into notes (title) values ('a')", ['1', '1', '1']],
    ['update', "update notes set title = 'c' where id = 1", ['0', '1', '1']],
    ['delete', 'delete from notes where id = 1', ['0', '1', '1']],
  ])('keeps its stream, which is asked about it: %s', async (_, sql, told) => {
    await answerOf(send([execute("insert or replace into notes (id, title) values (1, 'one')"), close]))
    const written = await cursor(null, sql)
    expect(written.baton).not.toBeNull()
    const asked = await cursor(written.baton, ALL)
    expect(asked.values).toEqual([told])
    await answerOf(send([close], asked.baton))
    await expect.poll(streams).toEqual([])
  })

  test.each([
    ['in a transaction of its own', [['begin', "insert into notes (title) values ('a')", 'commit']]],
    ['piece by piece', [['begin'], ["insert into notes (title) values ('a')"], ['commit']]],
    ['by a savepoint', [['savepoint s', "insert into notes (title) values ('a')", 'release s']]],
    ['with a failure', [['begin', "insert into notes (title) values ('a')", 'commit', 'commit']]],
  ])('keeps its stream also %s', async (_, batches) => {
    let baton: string | null = null
    for (const batch of batches) ({ baton } = await cursor(baton, ...batch))
    const asked = await cursor(baton, 'select last_insert_rowid() = max(id), changes() from notes')
    expect(asked.values).toEqual([['1', '1']])
    await answerOf(send([close], asked.baton))
    await expect.poll(streams).toEqual([])
  })

  test('needs one request, whether it leaves its transaction open or not', async () => {
    await requestsSeen()
    const begun = await cursor(null, 'begin', "insert into notes (title) values ('a')")
    const committed = await cursor(begun.baton, 'commit')
    const asked = await cursor(committed.baton, ALL)
    const upstream = `POST ${tenant.database.hostname}/v3/cursor`
    // Before the first, whether the token is accepted; what only asks leaves nothing to ask for.
    const seen = await requestsSeen()
    expect(seen.filter((line) => line === upstream)).toHaveLength(3)
    expect(seen.filter((line) => line !== upstream).length).toBeLessThanOrEqual(1)
    await answerOf(send([close], asked.baton))
  })

  test.each([
    "select 'a' as inserted",
    "select replace(title, 'a', 'b') from notes",
    'select updated from (select 1 as updated)',
  ])('is not one that only reads, which leaves no stream: %s', async (sql) => {
    expect((await cursor(null, sql)).baton).toBeNull()
    await expect.poll(streams).toEqual([])
  })

  test('is asked about after its stream was given back: then nobody knows, and nothing is made up', async () => {
    const written = await cursor(null, "insert into notes (title) values ('long ago')")
    await alarmAfter(9_000, written.baton!)
    await expect.poll(streams).toEqual([])
    expect(await refusalOf(send([execute(ALL)], written.baton))).toMatchObject({ code: 'STREAM_EXPIRED' })
  })

  test('decides the answer on a stream that was opened again, by a row that it inserts', async () => {
    const written = await cursor(null, "insert into notes (title) values ('long ago')")
    await alarmAfter(9_000, written.baton!)
    const again = await cursor(written.baton, "insert into notes (title) values ('now')")
    const asked = await cursor(again.baton, 'select last_insert_rowid() = max(id), changes() from notes')
    expect(asked.values).toEqual([['1', '1']])
    expect(await refusalOf(send([execute(ALL)], asked.baton))).toMatchObject({ code: 'STREAM_EXPIRED' })
  })
})

test('the last insert of a transaction is known in it, whatever the session has written before', async () => {
  let { baton } = await answerOf(send([insert('before')]))
  for (const requests of [[execute('begin')], [insert('in it')]])
    baton = (await answerOf(send(requests, baton))).baton
  const asked = await answerOf(
    send([execute('select last_insert_rowid() = max(id), changes() from notes'), close], baton),
  )
  const [row] = asked.results[0]!.response!.result!.rows
  expect(row!.map(({ value }) => value)).toEqual(['1', '1'])
})

describe('a stream that was opened again', () => {
  const parked = async (...first: object[]): Promise<string> => {
    const { baton } = await answerOf(send(first))
    await alarmAfter(9_000, baton!)
    return baton!
  }
  const expired = { status: 400, code: 'STREAM_EXPIRED', outcome: 'rolled_back' }

  test.each([
    ['ignored', "insert or ignore into notes (id, title) values (1, 'again')"],
    ['an upsert', "insert into notes (id, title) values (1, 'again') on conflict do update set title = 'x'"],
    ['refused', "insert into notes (id, title) values (1, 'again')"],
    ['of nothing', 'insert into notes (title) select title from notes where false'],
  ])('does not know the last row by an insert that was %s', async (_, sql) => {
    await answerOf(send([execute("insert or replace into notes (id, title) values (1, 'one')"), close]))
    const baton = await parked(insert('before'))
    const tried = await answerOf(send([execute(sql)], baton))
    expect(await refusalOf(send([execute('select last_insert_rowid()')], tried.baton))).toMatchObject(expired)
  })

  test('is not asked by an insert before in the same request either, which may fail', async () => {
    const baton = await parked(insert('before'))
    const requests = [insert('now'), execute('select last_insert_rowid()')]
    expect(await refusalOf(send(requests, baton))).toMatchObject(expired)
  })

  test.each([
    'insert into "changes" (changes) values (1)',
    "insert into changes (changes) values ('changes()')",
    'select changes from changes -- last_insert_rowid()',
    'select /* total_changes() */ [changes], `changes`, "changes" from changes',
    "select 'it''s last_insert_rowid()'",
    'select changes.changes from changes(1)',
    'create table if not exists last_insert_rowid (changes)',
  ])('is not refused for a name that only looks like a question: %s', async (sql) => {
    await answerOf(send([execute('create table if not exists changes (changes)'), close]))
    const baton = await parked(insert('before'))
    const { baton: next, results } = await answerOf(send([execute(sql)], baton))
    expect(results).toHaveLength(1)
    await answerOf(send([close], next))
  })

  test.each([
    'select changes ( )',
    'select CHANGES/* ( */(-- )\n)',
    'select "changes"()',
    'select [total_changes] ()',
    'select `last_insert_rowid`()',
    'select changes(*)',
    'select 1 where 0 < last_insert_rowid()',
  ])('is refused for a question, however it is written: %s', async (sql) => {
    const baton = await parked(insert('before'))
    expect(await refusalOf(send([execute(sql)], baton))).toMatchObject(expired)
  })

  test('is asked before anything was changed: the zeros of any stream', async () => {
    const baton = await parked(execute('select 1'))
    const answer = await answerOf(
      send([execute('select last_insert_rowid(), changes(), total_changes() >= 0')], baton),
    )
    expect(answer.results[0]!.response!.result!.rows).toMatchObject([
      [{ value: '0' }, { value: '0' }, { value: '1' }],
    ])
    await answerOf(send([close], answer.baton))
  })
})

/** SQL in which the names occur; `asks` is what really asks. */
const name = fc.constantFrom('changes', 'last_insert_rowid', 'total_changes', 'CHANGES')
const quoted = fc
  .tuple(name, fc.constantFrom(['', ''], ['"', '"'], ['`', '`'], ['[', ']']))
  .map(([text, [open, end]]) => `${open}${text}${end}`)
const id = fc.integer({ min: 1, max: 6 })
interface Asking {
  sql: string
  asks: boolean
}
const quiet = (sql: fc.Arbitrary<string>): fc.Arbitrary<Asking> =>
  sql.map((text) => ({ sql: text, asks: false }))
const statement: fc.Arbitrary<Asking> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(quoted, fc.constantFrom('()', ' ( )', '/**/(/* ( */)', '(--)\n)', '(*)'))
      .map(([called, parentheses]) => ({
        sql: `select ${called}${parentheses}${/total/.test(called) ? ' >= 0 as n' : ' as n'}`,
        asks: true,
      })),
  },
  {
    weight: 8,
    arbitrary: quiet(
      fc.oneof(
        fc.tuple(quoted, id).map(([table, n]) => `insert into ${table} (id) values (${n})`),
        fc
          .tuple(quoted, quoted, id)
          .map(
            ([table, column, n]) =>
              `insert or ignore into ${table}(id, ${column}) values (${n}, 'changes()')`,
          ),
        fc.tuple(quoted, id).map(([table, n]) => `replace into ${table} values (${n}, 1, 2, 3)`),
        fc
          .tuple(quoted, id)
          .map(
            ([table, n]) => `insert into ${table} (id) values (${n}) on conflict do update set changes = 0`,
          ),
        fc
          .tuple(quoted, quoted, id)
          .map(([table, column, n]) => `update ${table} set ${column} = ${n} where id > ${n}`),
        fc.tuple(quoted, id).map(([table, n]) => `delete from ${table} where id = ${n}`),
        fc
          .tuple(quoted, quoted)
          .map(([table, column]) => `select ${column}, '${column.replaceAll("'", '')}()' from ${table}`),
        name.map((called) => `select 1 /* ${called}() */ -- ${called}()`),
        name.map((called) => `select ':${called}()', replace('a', 'a', "id") from ${called}`),
        fc.constantFrom(
          'select nonsense',
          'create table if not exists copy as select 1 as a',
          'analyze',
          'insert into keyed values (1)',
        ),
      ),
    ),
  },
)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      statements: fc.array(statement, { minLength: 1, maxLength: 3 }),
      way: fc.constantFrom('execute', 'batch', 'sequence'),
    }),
  },
  { weight: 2, arbitrary: fc.constant('pause' as const) },
)

const SETUP = ['changes', 'last_insert_rowid', 'total_changes']
  .map(
    (table) =>
      `create table if not exists ${table} (id integer primary key, changes, last_insert_rowid, total_changes)`,
  )
  .concat('create table if not exists keyed (a primary key) without rowid')
const RESET = ['changes', 'last_insert_rowid', 'total_changes', 'keyed']
  .map((table) => `delete from ${table}`)
  .concat('drop table if exists copy')
const script = (statements: string[]): object => ({ type: 'sequence', sql: statements.join(';') })

const ROW = /"last_insert_rowid":"?(-?\d+)"?/g

test('random SQL with such names is answered as without the gateway, or is told that its stream has expired where it really asks', async () => {
  const direct = async (requests: object[], baton: string | null): Promise<PipelineAnswer> =>
    await answerOf(
      fetch(`https://${twins[1].database.hostname}/v3/pipeline`, {
        method: 'POST',
        headers: { authorization: `Bearer ${twins[1].token.jwt}` },
        body: JSON.stringify({ baton, requests }),
      }),
    )
  const gateway = (requests: object[], baton: string | null = null): Promise<Response> =>
    post(twins[0], 'pipeline', { baton, requests })
  /**
   * Beside an insert that has made no row stands that of one before it, or 0 if there is none on its stream; directly also
   * one of another stream, since the local Turso uses connections again.
   */
  const resultsOf = ({ results }: PipelineAnswer, isRowKnown: boolean): unknown =>
    JSON.parse(
      JSON.stringify(results)
        .replaceAll(/"query_duration_ms":[^,}]+/g, '"ms":0')
        .replaceAll(ROW, isRowKnown ? '$&' : '"row":0'),
    )
  const told = ({ results }: PipelineAnswer): string[] =>
    [...JSON.stringify(results).matchAll(ROW)].map(([, row]) => row!)
  let expirations = 0
  let answersAfterPause = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 10 }), async (steps) => {
      for (const run of [
        (requests: object[]) => answerOf(gateway(requests)),
        (requests: object[]) => direct(requests, null),
      ])
        await run([script([...SETUP, ...RESET]), close])
      let through: string | null = null
      let wanted: string | null = null
      // Turso Cloud keeps no stream that holds nothing, and each request may find another one.
      let hasPaused = behaviour === 'cloud'
      let hasInserted = false
      for (const each of steps) {
        if (each === 'pause') {
          if (through !== null) await alarmAfter(9_000, through)
          hasPaused ||= through !== null
          hasInserted = false
          continue
        }
        const { statements, way } = each
        const requests =
          way === 'execute'
            ? statements.map(({ sql }) => execute(sql))
            : way === 'batch'
              ? [{ type: 'batch', batch: { steps: statements.map(({ sql }) => ({ stmt: { sql } })) } }]
              : [script(statements.map(({ sql }) => `${sql}\n`))]
        const response = await gateway(requests, through)
        const isAsking = hasPaused && statements.some(({ asks }) => asks)
        if (isAsking && response.status === 400) {
          const { code } = await refusalOf(Promise.resolve(response))
          expirations += code === 'STREAM_EXPIRED' ? 1 : Number.NaN
          await direct([close], wanted)
          through = wanted = null
          hasPaused = behaviour === 'cloud'
          hasInserted = false
          continue
        }
        const seen = await answerOf(Promise.resolve(response))
        const expected = await direct(requests, wanted)
        const isKnown = hasInserted || !told(seen).includes('0')
        hasInserted ||= told(seen).some((row) => row !== '0')
        expect(resultsOf(seen, isKnown)).toEqual(resultsOf(expected, isKnown))
        if (isAsking) answersAfterPause += 1
        through = seen.baton
        wanted = expected.baton
      }
      if (through !== null) await answerOf(gateway([close], through))
      if (wanted !== null) await direct([close], wanted)
    }),
    { numRuns: behaviour === 'spec' ? 150 : 50 },
  )
  // Both happen, or nothing was shown.
  expect(expirations).toBeGreaterThan(5)
  expect(answersAfterPause).toBeGreaterThan(5)
}, 600_000)
