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
  ])('however often they say %s', { timeout: patient }, (_, requests) => {
    expect(() => readRequests(requests, {})).not.toThrow()
    expect(() => isSelfContained(`{"steps":${requests}}`)).not.toThrow()
  })

  test('and so are the texts that they name, each of which is read once', { timeout: patient }, () => {
    const text = JSON.stringify(`select '${'x'.repeat(400_000)}'`)
    const requests = `[${filled('{"type":"execute","stmt":{"sql_id":1}},').slice(0, -1)}]`
    expect(readRequests(requests, { 1: text })).toMatchObject({ needsHistory: null, leavesState: false })
    const asking = JSON.stringify(`select last_insert_rowid(), '${'x'.repeat(400_000)}'`)
    expect(readRequests(requests, { 1: asking })).toMatchObject({ needsHistory: 'latest' })
  })
})

describe('what requests ask of the statements before them', () => {
  test.each([
    'select last_insert_rowid()',
    'select LAST_INSERT_ROWID ( )',
    'select changes()',
    'select changes \n\t\r\f()',
    'select changes/* how many */()',
    'select "changes"()',
    'select [changes]()',
    'select `changes`()',
    'select changes -- how many\n()',
  ])('%j is a question about the latest', (sql) => {
    expect(factsOf(execute(sql)).needsHistory).toBe('latest')
    expect(
      readRequests(executing(sql).replaceAll(' ', '\\u0020').replaceAll('\\n', '\\u000a'), {}).needsHistory,
    ).toBe('latest')
  })

  test('a number of all changes is about all of them', () => {
    expect(factsOf(execute('insert into t values (1)'), execute('select total_changes()')).needsHistory).toBe(
      'all',
    )
    expect(factsOf(execute('select total_changes(), changes()')).needsHistory).toBe('all')
  })

  test('a statement before it in the same requests answers it', () => {
    const asking = execute('select last_insert_rowid()')
    expect(factsOf(execute('insert into t values (1)'), asking).needsHistory).toBeNull()
    expect(factsOf(execute('\n  replace into t values (1)'), asking).needsHistory).toBeNull()
    expect(factsOf(execute('update t set a = 1'), execute('select changes()')).needsHistory).toBeNull()
    expect(factsOf({ type: 'sequence', sql: 'insert into t values (1)' }, asking).needsHistory).toBeNull()
    const batch = {
      steps: [{ stmt: { sql: 'insert into t values (1)' } }, { stmt: { sql: 'select changes()' } }],
    }
    expect(readBatch(JSON.stringify(batch), {}).needsHistory).toBeNull()
    const stored = { 1: '"insert into t values (1)"' }
    expect(
      readRequests(JSON.stringify([{ type: 'execute', stmt: { sql_id: 1 } }, asking]), stored).needsHistory,
    ).toBeNull()
  })

  test.each([
    ['itself', [execute('insert into t values (last_insert_rowid())')]],
    ['itself, behind a semicolon', [execute("insert into t values ('a; b', last_insert_rowid())")]],
    ['an argument', [execute('select ?', 'insert into t'), execute('select last_insert_rowid()')]],
    ['a text', [execute("select 'insert into t'"), execute('select last_insert_rowid()')]],
    ['an explanation', [execute('explain insert into t values (1)'), execute('select last_insert_rowid()')]],
    [
      'a description',
      [{ type: 'describe', sql: 'insert into t values (1)' }, execute('select last_insert_rowid()')],
    ],
    [
      'a text that is stored',
      [
        { type: 'store_sql', sql_id: 1, sql: 'insert into t values (1)' },
        execute('select last_insert_rowid()'),
      ],
    ],
    ['an update, of the row', [execute('update t set a = 1'), execute('select last_insert_rowid()')]],
    ['one behind it', [execute('select last_insert_rowid()'), execute('insert into t values (1)')]],
  ])('but not %s', (_, requests) => {
    expect(factsOf(...requests).needsHistory).toBe('latest')
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
