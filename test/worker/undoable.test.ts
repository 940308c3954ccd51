/** What the reader of requests says can be taken back, is: by the local engine, whose whole content is compared. */
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { isUndoable } from '../../worker/session/undoable.ts'
import { createTestDatabase } from '../support/turso.ts'

const RUNS = 2000

let hostname: string
let token: string

beforeAll(async () => {
  ;({ hostname, token } = await createTestDatabase())
  await send(null, [
    {
      type: 'sequence',
      sql: `create table t (id integer primary key, v unique);
        create table log (id integer primary key autoincrement, v);
        create trigger t_insert after insert on t begin insert into log (v) values (new.v); end;
        create trigger t_delete before delete on t when old.v = 'kept' begin select raise(rollback, 'kept'); end;
        insert into t (v) values ('kept'), ('other')`,
    },
    { type: 'close' },
  ])
})

interface Answer {
  baton: string | null
  results: { type: string; response?: { type: string; is_autocommit?: boolean; result?: unknown } }[]
}

async function send(baton: string | null, requests: object[]): Promise<Answer | null> {
  const response = await fetch(`https://${hostname}/v3/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ baton, requests }),
  })
  return response.ok ? await response.json() : null
}

/** Of every table, and what else is in the file. */
async function content(): Promise<unknown> {
  const questions = [
    'select * from sqlite_schema order by name',
    'select * from t order by id',
    'select * from log order by id',
    'select * from sqlite_sequence',
    'pragma user_version',
  ].map((sql) => ({ type: 'execute', stmt: { sql } }))
  const answer = await send(null, [...questions, { type: 'close' }])
  return answer!.results.slice(0, -1).map(({ response }) => (response!.result as { rows: unknown }).rows)
}

const sql = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom(
      'insert into t (v) values (random())',
      'insert or rollback into t (id) values (1)',
      "insert or rollback into t (v) values ('kept')",
      'insert or fail into t (id) values (1)',
      'delete from t where id > 2',
      "delete from t where v = 'kept'",
      'update t set v = random() where id > 1',
      'create table if not exists added (id integer primary key autoincrement)',
      'insert into added default values',
      'drop table if exists added',
      'pragma user_version = 7',
      'select * from t',
      'select nonsense',
      'selec',
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'begin',
      'BEGIN IMMEDIATE',
      ' begin deferred ;',
      'begin; commit',
      'commit',
      'end',
      'rollback',
      'savepoint s',
      'release s',
      'rollback to s',
      '/**/savepoint s',
      'pragma recursive_triggers = on',
      'create temp table x (y)',
    ),
  },
)
const named = fc.oneof(
  { weight: 8, arbitrary: sql.map((text): object => ({ sql: text })) },
  { weight: 2, arbitrary: fc.constantFrom<object>({ sql_id: 1 }, { sql_id: 2 }, { sql: null, sql_id: 1 }) },
)
const { condition } = fc.letrec<{ condition: object }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom<object>({ type: 'is_autocommit' }, { type: 'not', cond: { type: 'is_autocommit' } }),
    fc.nat({ max: 3 }).map((step) => ({ type: 'ok', step })),
    fc.nat({ max: 3 }).map((step) => ({ type: 'error', step })),
    tie('condition').map((cond) => ({ type: 'not', cond })),
    fc
      .tuple(fc.constantFrom('and', 'or'), fc.array(tie('condition'), { maxLength: 2 }))
      .map(([type, conds]) => ({ type, conds })),
  ),
}))
const step = fc.record({ stmt: named, condition: fc.option(condition) })
/** A condition may only name the steps before its own. */
const batchOf = (steps: { stmt: object; condition: object | null }[]): object => ({
  type: 'batch',
  batch: {
    steps: steps.map(({ stmt, condition: cond }, index) => {
      const named = JSON.stringify(cond)
      if (index === 0 && named.includes('"step"')) return { stmt }
      const clamped = named.replaceAll(/"step":(\d)/g, (_, at) => `"step":${Math.min(Number(at), index - 1)}`)
      return { stmt, condition: JSON.parse(clamped) as object | null }
    }),
  },
})
const batch = fc.array(step, { minLength: 1, maxLength: 5 }).map(batchOf)
const beginning = fc
  .tuple(fc.constantFrom('begin', 'begin immediate', 'BEGIN DEFERRED'), fc.array(step, { maxLength: 4 }))
  .chain(([text, steps]) =>
    fc.constantFrom<object>(
      { type: 'execute', stmt: { sql: text } },
      { type: 'sequence', sql: text },
      batchOf([{ stmt: { sql: text }, condition: null }, ...steps]),
    ),
  )
const storing = fc.record({ type: fc.constant('store_sql'), sql_id: fc.constantFrom(1, 2), sql })
const request: fc.Arbitrary<object> = fc.oneof(
  { weight: 4, arbitrary: named.map((statement) => ({ type: 'execute', stmt: statement })) },
  { weight: 4, arbitrary: batch },
  {
    weight: 2,
    arbitrary: fc
      .array(sql, { minLength: 1, maxLength: 3 })
      .map((texts) => ({ type: 'sequence', sql: texts.join(';') })),
  },
  { weight: 1, arbitrary: storing },
  { weight: 1, arbitrary: fc.constant({ type: 'get_autocommit' }) },
)
const pipeline = fc
  .tuple(
    fc.array(storing, { maxLength: 2 }),
    fc.option(beginning, { freq: 8 }),
    fc.array(request, { maxLength: 5 }),
  )
  .map(([texts, first, rest]) => [...texts, ...(first === null ? [] : [first]), ...rest])

test(
  'whatever can be taken back, and ends in a transaction, is gone with its rollback',
  { timeout: 600_000 },
  async () => {
    let count = 0
    await fc.assert(
      fc.asyncProperty(pipeline, async (requests) => {
        if (!isUndoable(JSON.stringify(requests))) return
        const before = await content()
        const answer = await send(null, [...requests, { type: 'get_autocommit' }])
        // It was refused as a whole.
        if (answer === null) return
        const isOpen = answer.results.at(-1)!.response!.is_autocommit === false
        const end = isOpen ? [{ type: 'execute', stmt: { sql: 'rollback' } }] : []
        if (answer.baton !== null) await send(answer.baton, [...end, { type: 'close' }])
        if (!isOpen) return
        count += 1
        expect(await content()).toEqual(before)
      }),
      { numRuns: RUNS },
    )
    // It was not all talk.
    expect(count).toBeGreaterThan(RUNS / 20)
  },
)
