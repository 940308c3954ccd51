import { expect, describe, test } from 'vitest'
import { isSelfContained, readBatch, readRequests, type RequestFacts } from '../../worker/session/requests.ts'

const CHARACTERS = 2 * 1024 * 1024
const factsOf = (...requests: object[]): RequestFacts => readRequests(JSON.stringify(requests), {})
const execute = (sql: string, ...args: string[]): object => ({
  type: 'execute',
  stmt: { sql, args: args.map((value) => ({ type: 'text', value })) },
})

/** A text of that length, of these alone. */
const filled = (piece: string): string => piece.repeat(Math.floor(CHARACTERS / piece.length))
const executing = (sql: string): string => JSON.stringify([execute(sql)])

describe('requests are read in a time that grows with their length alone', () => {
  /** Read character by character over and over, the longest of them would take minutes. */
  const patient = 20_000

  test.each([
    ['a word that could begin an insert', executing(filled('insert '))],
    ['an insert that is none', executing(filled('insert;'))],
    ['a BEGIN behind a line end', JSON.stringify([execute('begin'), execute(filled('\nbegin'))])],
    [
      'a question about an insert',
      JSON.stringify([execute('insert into t'), execute(filled('last_insert_rowid '))]),
    ],
    ['almost a question', JSON.stringify([execute('insert into t'), execute(filled('changes     '))])],
    ['a pragma', executing(filled('pragma main.'))],
    ...['begin', 'savepoint s'].flatMap((sql) =>
      [' ', ' a', ';'].map((piece): [string, string] => [
        `${piece} behind ${sql}`,
        JSON.stringify([execute('begin'), execute(`${sql}${filled(piece)}!`)]),
      ]),
    ),
    [
      'that something is not so',
      `[${JSON.stringify(execute('begin'))},{"type":"batch","batch":{"steps":[{"stmt":{"sql":"savepoint s"},"condition":${filled('{"type":"not","cond":')}null${'}'.repeat(Math.floor(CHARACTERS / 21))}}]}}]`,
    ],
    ['a quote', executing(filled('"'))],
    ['a backslash', executing(filled('\\'))],
    ...["'", '/*', '--', '[', '$', '$a(', 'changes(', 'changes/**/', 'replace '].map(
      (piece): [string, string] => [
        `${piece} beside a question`,
        executing(`select changes(), ${filled(piece)}`),
      ],
    ),
  ])('however often they say %s', { timeout: patient }, (_, requests) => {
    expect(() => readRequests(requests, {})).not.toThrow()
    expect(() => isSelfContained(`{"steps":${requests}}`)).not.toThrow()
  })

  test('and so are the texts that they name, each of which is read once', { timeout: patient }, () => {
    const text = JSON.stringify(`select '${'x'.repeat(400_000)}'`)
    const requests = `[${filled('{"type":"execute","stmt":{"sql_id":1}},').slice(0, -1)}]`
    expect(readRequests(requests, { 1: text })).toMatchObject({ asks: [], leavesState: false })
    const asking = JSON.stringify(`select last_insert_rowid(), '${'x'.repeat(400_000)}'`)
    expect(readRequests(requests, { 1: asking })).toMatchObject({ asks: ['last_insert_rowid'] })
  })
})

describe('what requests ask of the statements before them', () => {
  test.each([
    ['last_insert_rowid', 'select last_insert_rowid()'],
    ['last_insert_rowid', 'select LAST_INSERT_ROWID ( )'],
    ['changes', 'select changes()'],
    ['changes', 'select changes \n\t\r\f()'],
    ['changes', 'select changes/* how many */()'],
    ['changes', 'select "changes"()'],
    ['changes', 'select [changes]()'],
    ['changes', 'select `changes`()'],
    ['changes', 'select changes -- how many\n()'],
    ['total_changes', "select 'it''s', total_changes()"],
    ['last_insert_rowid', 'insert into t values (last_insert_rowid())'],
  ])('is %s: %j', (kind, sql) => {
    expect(factsOf(execute(sql)).asks).toEqual([kind])
    expect(
      readRequests(executing(sql).replaceAll(' ', '\\u0020').replaceAll('\\n', '\\u000a'), {}).asks,
    ).toEqual([kind])
  })

  test('is asked whatever comes before it in the same requests, which may fail or change nothing', () => {
    const requests = [
      execute('insert into t values (1)'),
      execute('select last_insert_rowid(), changes()'),
      execute('select total_changes()'),
    ]
    expect(factsOf(...requests).asks).toEqual(['last_insert_rowid', 'changes', 'total_changes'])
    const stored = { 1: '"select changes()"' }
    expect(readRequests('[{"type":"execute","stmt":{"sql_id":1}}]', stored).asks).toEqual(['changes'])
  })

  test.each([
    ['select ?', 'select changes()'],
    ['insert into changes (changes) values (?)', '{"sql":"select changes()"}'],
    ['select * from last_insert_rowid(1)', ''],
    ["select 'changes()', total_changes, :changes() -- changes()", ''],
  ])('is nothing in %s, with the argument %j', (sql, argument) => {
    expect(factsOf(execute(sql, argument)).asks).toEqual([])
  })
})

describe('requests that may change rows', () => {
  test.each([
    'insert into t values (1)',
    '\n-- x\nreplace into t values (1)',
    'with a as (select 1) delete from t',
    'UPDATE t set a = 1',
  ])('have a word for it: %j', (sql) => {
    expect(factsOf(execute(sql)).mayWrite).toBe(true)
    expect(isSelfContained(JSON.stringify({ steps: [{ stmt: { sql } }] }))).toBe(false)
  })

  test('have it in their SQL', () => {
    const sql = "select replace(a, 'b', 'c'), updated, ? from inserted"
    expect(factsOf(execute(sql, 'please insert')).mayWrite).toBe(false)
  })
})

describe('requests that can be taken back', () => {
  const inside = { type: 'not', cond: { type: 'is_autocommit' } }
  const step = (sql: string, condition?: object): object => ({ stmt: { sql }, condition })
  const batch = (...steps: object[]): object => ({ type: 'batch', batch: { steps } })
  const store = (sql_id: number, sql: string | null): object => ({ type: 'store_sql', sql_id, sql })
  const named = (sql_id: number, more = {}): object => ({ type: 'execute', stmt: { sql_id, ...more } })
  const script = (sql: string): object => ({ type: 'sequence', sql })
  const savepoint = (condition?: object): object => batch(step('SAVEPOINT s', condition))
  const begin = batch(step('BEGIN IMMEDIATE'))

  test.each<[string, object[]]>([
    ['BEGIN', [execute('begin')]],
    ['BEGIN and statements', [execute('\n begin deferred ;'), execute('insert into t values (?)', 'begin')]],
    ['BEGIN as a script', [script('BEGIN '), { type: 'get_autocommit' }]],
    ['BEGIN in a batch', [batch(step('BEGIN'), step('insert into t values (1)', { type: 'ok', step: 0 }))]],
    ['a BEGIN that is stored', [store(1, 'begin'), store(2, 'select 1'), named(1), named(2)]],
    ['a transaction that ends', [begin, execute('insert into t values (1)'), execute('commit')]],
    ['a savepoint within it alone', [begin, savepoint(inside), script('ROLLBACK TO s;RELEASE s')]],
    [
      'likewise, on more conditions',
      [begin, savepoint({ type: 'and', conds: [{ type: 'ok', step: 0 }, inside] })],
    ],
  ])('are %s', (_, requests) => {
    expect(factsOf(...requests).isUndoable).toBe(true)
  })

  test.each<[string, object[]]>([
    ['nothing', []],
    ['a statement before BEGIN', [execute('insert into t values (1)'), execute('begin')]],
    ['a step before BEGIN', [batch(step('insert into t values (1)'), step('begin'))]],
    ['more than BEGIN in its text', [script('begin; insert into t values (1); commit; begin')]],
    ['a comment before BEGIN', [execute('/**/begin')]],
    ...[
      'begin',
      '\nbegin',
      '\tBEGIN immediate',
      '/**/begin',
      'savepoint s',
      'pragma x = 1',
      'create temp table x (y)',
    ].map((sql): [string, object[]] => [
      `${sql} behind it`,
      [execute('begin'), execute('insert into t values (1)'), execute(sql)],
    ]),
    ['a script that begins', [begin, script('commit; begin')]],
    ['a savepoint', [begin, savepoint()]],
    ['a savepoint without a transaction', [begin, savepoint({ type: 'is_autocommit' })]],
    ['a savepoint within it or not', [begin, savepoint({ type: 'or', conds: [inside] })]],
    ['a savepoint on all of no conditions', [begin, savepoint({ type: 'and', conds: [] })]],
    ['a savepoint not within it', [begin, savepoint({ type: 'not', cond: inside })]],
    ['more than a savepoint', [begin, batch(step('savepoint s; commit; begin', inside))]],
    ['a stored BEGIN twice', [store(1, 'begin'), named(1), named(1)]],
    ['likewise, beside a text that is none', [store(1, 'begin'), named(1), named(1, { sql: null })]],
    ['a text that is stored over', [store(1, 'begin'), store(1, 'select 1'), named(1)]],
    ['a text that is forgotten', [store(1, 'begin'), { type: 'close_sql', sql_id: 1 }, named(1)]],
    ['a text that is not stored', [begin, named(1)]],
    ['what nobody knows', [begin, { type: 'nonsense' }]],
    ['no batch', [begin, { type: 'batch', batch: null }]],
  ])('are not %s', (_, requests) => {
    expect(factsOf(...requests).isUndoable).toBe(false)
  })

  test('are not what says two things, or hides a letter', () => {
    const twice =
      '[{"type":"execute","stmt":{"sql":"begin"}},{"type":"execute","stmt":{"sql":"x","sql":"begin"}}]'
    expect(readRequests(twice, {}).isUndoable).toBe(false)
    const hidden = String.raw`[{"type":"execute","stmt":{"sql":"begin"}},{"type":"execute","stmt":{"sql":"b\u0065gin"}}]`
    expect(readRequests(hidden, {}).isUndoable).toBe(false)
  })
})

test('a cursor may begin a transaction by a text that is not known here', () => {
  const batch = JSON.stringify({ steps: [{ stmt: { sql_id: 1 } }] })
  expect(readBatch(batch, {}).mayBegin).toBe(true)
  expect(readBatch(batch, { 1: '"select 1"' }).mayBegin).toBe(false)
  expect(readBatch(batch, { 1: '"begin"' }).mayBegin).toBe(true)
})

test('what stands in a comment of any length is not asked for', () => {
  const sql = (text: string): string => JSON.stringify([{ type: 'execute', stmt: { sql: text } }])
  const stars = '*'.repeat(8_000_000)
  expect(readRequests(sql(`select 1 /${stars} changes() ${stars}/`), {}).asks).toEqual([])
  expect(readRequests(sql(`select 1 /*${stars} changes()`), {}).asks).toEqual([])
  expect(readRequests(sql(`/${stars}/ select changes()`), {}).asks).toEqual(['changes'])
})
