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
  test('begin a transaction and end none, and begin no other', () => {
    expect(factsOf(execute('begin'), execute('insert into t values (1)')).isUndoable).toBe(true)
    for (const sql of [
      'begin',
      '\nbegin',
      '\tBEGIN immediate',
      '/**/begin',
      'savepoint s',
      '\ncommit',
      'pragma x = 1',
    ])
      expect([
        sql,
        factsOf(execute('begin'), execute('insert into t values (1)'), execute(sql)).isUndoable,
      ]).toEqual([sql, false])
  })
})

test('a cursor may begin a transaction by a text that is not known here', () => {
  const batch = JSON.stringify({ steps: [{ stmt: { sql_id: 1 } }] })
  expect(readBatch(batch, {}).mayBegin).toBe(true)
  expect(readBatch(batch, { 1: '"select 1"' }).mayBegin).toBe(false)
  expect(readBatch(batch, { 1: '"begin"' }).mayBegin).toBe(true)
})
