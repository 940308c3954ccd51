import { describe, expect, test } from 'vitest'
import type { WireBatchResult, WireCondition, WireStreamRequest } from '../../src/hrana/wire.ts'
import { errorOf, rowsOf, start, statement } from './harness.ts'

async function acme() {
  const { create, turso } = await start()
  return { database: await create('acme'), turso }
}

describe('an execute request', () => {
  test('describes its columns, counts and the last inserted rowid', async () => {
    const { database } = await acme()
    const [, inserted, selected, updated] = await database.execute(
      'create table t (id integer primary key, a varchar(10))',
      "insert into t (a) values ('x'), ('y')",
      'select id, a, a || 1 from t',
      "update t set a = 'z'",
    )
    expect(inserted).toMatchObject({
      response: {
        result: { affected_row_count: 2, last_insert_rowid: '2', rows_written: 2, rows: [], cols: [] },
      },
    })
    expect(selected).toMatchObject({
      response: {
        result: {
          cols: [
            { name: 'id', decltype: 'INTEGER' },
            { name: 'a', decltype: 'varchar(10)' },
            { name: 'a || 1', decltype: null },
          ],
          affected_row_count: 0,
          last_insert_rowid: null,
          rows_read: 2,
          query_duration_ms: expect.any(Number),
        },
      },
    })
    expect(updated).toMatchObject({
      response: { result: { affected_row_count: 2, last_insert_rowid: null } },
    })
  })

  test('returns what RETURNING returns, once', async () => {
    const { database } = await acme()
    const results = await database.execute(
      'create table t (a)',
      'with q as (select 1 union all select 2) insert into t select * from q returning a',
      'select count(*) from t',
    )
    expect(rowsOf(results[1])).toHaveLength(2)
    expect(results[1]).toMatchObject({
      response: { result: { affected_row_count: 2, last_insert_rowid: '2' } },
    })
    expect(rowsOf(results[2])).toEqual([[{ type: 'integer', value: '2' }]])
  })

  test('leaves rows out when they are not wanted', async () => {
    const { database } = await acme()
    const { results } = await database.run([{ type: 'execute', stmt: { sql: 'select 1', want_rows: false } }])
    expect(rowsOf(results[0])).toEqual([])
  })

  test.each([
    ['nothing', ' -- no statement', 'SQL_NO_STATEMENT', 'SQL string does not contain any statement'],
    [
      'two statements',
      'select 1; select 2',
      'SQL_MANY_STATEMENTS',
      'SQL string contains more than one statement',
    ],
    ['no SQL', 'selec 1', 'SQL_PARSE_ERROR', 'SQL string could not be parsed: near "selec": syntax error'],
    ['half a statement', 'select', 'SQL_PARSE_ERROR', 'SQL string could not be parsed: incomplete input'],
    ['a NUL', 'select 1\0', 'SQL_PARSE_ERROR', 'SQL string could not be parsed: unrecognized token: "\\0"'],
    ['VACUUM', 'vacuum', 'SQL_PARSE_ERROR', 'SQL string could not be parsed: unsupported statement: vacuum'],
    [
      'a file to attach',
      "attach '/etc/x' as x",
      'SQL_PARSE_ERROR',
      "SQL string could not be parsed: unsupported statement: attach '/etc/x' as x",
    ],
    [
      'a pragma that changes the journal',
      'pragma journal_mode = delete',
      'SQL_PARSE_ERROR',
      'SQL string could not be parsed: unsupported statement: pragma journal_mode = delete',
    ],
    ['an unknown table', 'select * from nope', 'SQLITE_UNKNOWN', 'SQLite error: no such table: nope'],
    [
      'an unknown column',
      'select nope',
      'SQL_INPUT_ERROR',
      'SQL input error: no such column: nope (at offset 7)',
    ],
    ['an overflow', 'select abs(-9223372036854775808)', 'SQLITE_UNKNOWN', 'SQLite error: integer overflow'],
    [
      'a value too big',
      'select zeroblob(3000000000)',
      'SQLITE_TOOBIG',
      'SQLite error: string or blob too big',
    ],
  ])('%s is an in-band error and the pipeline goes on', async (_, sql, code, message) => {
    const { database } = await acme()
    const [failed, next] = await database.execute(sql, 'select 1')
    expect(errorOf(failed)).toEqual({ code, message })
    expect(rowsOf(next)).toHaveLength(1)
  })

  test('constraints have the primary code only', async () => {
    const { database } = await acme()
    const results = await database.execute(
      'create table t (a unique, b references t (a), c check (c > 0), d not null default 1)',
      'insert into t (a) values (1)',
      'insert into t (a) values (1)',
      'insert into t (a, b) values (2, 9)',
      'insert into t (a, c) values (2, -1)',
      'insert into t (a, d) values (2, null)',
    )
    const errors = results.slice(2).map(errorOf)
    expect(errors.map(({ code }) => code)).toEqual(Array(4).fill('SQLITE_CONSTRAINT'))
    expect(errors[0]!.message).toBe('SQLite error: UNIQUE constraint failed: t.a')
    expect(errors[1]!.message).toBe('SQLite error: FOREIGN KEY constraint failed')
  })

  test.each([
    ['a column', 'select a, nope from t', 'no such column: nope (at offset 10)'],
    ['a column of a table', 'select 1 from t where t . nope = 1', 'no such column: t.nope (at offset 22)'],
    ['a quoted column', 'select [no pe] from t', 'no such column: no pe (at offset 7)'],
    ['a function', "select 'é', nope(1)", 'no such function: nope (at offset 13)'],
    ['a table', 'create table t (a)', 'table t already exists (at offset 13)'],
    ['a name in several places', 'select nope from t where nope = 1', 'no such column: nope'],
  ])('the place of an error is told where it can be: %s', async (_, sql, message) => {
    const { database } = await acme()
    const [, failed] = await database.execute('create table t (a)', sql)
    expect(errorOf(failed)).toEqual({ code: 'SQL_INPUT_ERROR', message: `SQL input error: ${message}` })
  })

  test('a COMMIT that fails leaves a transaction that can still be rolled back, and nothing behind', async () => {
    const { database } = await acme()
    const results = await database.execute(
      'create table parents (id integer primary key)',
      'create table children (parent references parents deferrable initially deferred)',
      'begin',
      'insert into children values (9)',
      'commit',
      'rollback',
      'drop table children',
    )
    expect(errorOf(results[4]).message).toBe('SQLite error: FOREIGN KEY constraint failed')
    expect(results.slice(5).map(({ type }) => type)).toEqual(['ok', 'ok'])
  })

  test('EXPLAIN needs no values, and leaves the stream usable', async () => {
    const { database } = await acme()
    const results = await database.execute(
      'create table t (a)',
      'explain insert into t values (?)',
      'explain query plan select * from t where a = :a',
      'savepoint s',
      'drop table t',
      'release s',
    )
    expect(results.map(({ type }) => type)).toEqual(Array(6).fill('ok'))
  })
})

describe('a blocked database', () => {
  const blocked = { code: 'BLOCKED', message: 'Operation was blocked' }

  test('refuses to write, also to streams that are open already', async () => {
    const { create, api } = await start()
    const database = await create('acme')
    const { baton } = await database.run([statement('create table t (a)')], { keep: true })
    await api('PATCH', 'databases/acme/configuration', { block_writes: true })
    const { results } = await database.run(
      ['insert into t values (1)', 'drop table t', 'begin', 'select * from t', 'commit'].map(statement),
      { baton },
    )
    expect(results.slice(0, 2).map(errorOf)).toEqual([blocked, blocked])
    expect(results.slice(2).map(({ type }) => type)).toEqual(['ok', 'ok', 'ok', 'ok'])
    await api('PATCH', 'databases/acme/configuration', { block_writes: false })
    expect((await database.execute('insert into t values (1)'))[0]?.type).toBe('ok')
  })

  test('refuses to read, and to write with that', async () => {
    const { create, api } = await start()
    const database = await create('acme')
    await api('PATCH', 'databases/acme/configuration', { block_reads: true })
    const results = await database.execute('select 1', 'create table t (a)', 'begin')
    expect(results.map(errorOf)).toEqual([blocked, blocked, blocked])
  })
})

describe('an answer that is too large', () => {
  const integer = (count: number) =>
    `with recursive n (i) as (select 1 union all select i + 1 from n where i < ${count}) select i from n`

  test('fails its request; what it did stays, and the pipeline goes on', async () => {
    const { create } = await start({ maxResponseBytes: 10_000 })
    const database = await create('acme')
    await database.execute('create table t (a)')
    const steps = ["insert into t values ('x')", integer(1_000), "insert into t values ('y')"]
    const { results } = await database.run([
      { type: 'batch', batch: { steps: steps.map((sql) => ({ stmt: { sql } })) } },
      statement('select a from t'),
      statement(integer(200)),
    ])
    expect(errorOf(results[0])).toEqual({ code: 'RESPONSE_TOO_LARGE', message: 'Response is too large' })
    expect(rowsOf(results[1])).toEqual([[{ type: 'text', value: 'x' }]])
    expect(rowsOf(results[2])).toHaveLength(200)
  })

  test('is one of more than 10 MB, over all steps of a batch', async () => {
    const { database } = await acme()
    const blob = { stmt: { sql: 'select zeroblob(4000000)' } }
    const { results } = await database.run([
      { type: 'batch', batch: { steps: [blob, blob] } },
      { type: 'batch', batch: { steps: [blob, blob, blob] } },
    ])
    expect(results[0]?.type).toBe('ok')
    expect(errorOf(results[1]).code).toBe('RESPONSE_TOO_LARGE')
  })

  test('leaves a write with its rows done', async () => {
    const { create } = await start({ maxResponseBytes: 100 })
    const database = await create('acme')
    await database.execute('create table t (a)')
    const [inserted] = await database.execute("insert into t values ('x') returning a, zeroblob(200)")
    expect(errorOf(inserted).code).toBe('RESPONSE_TOO_LARGE')
    expect(rowsOf((await database.execute('select a from t'))[0])).toHaveLength(1)
  })
})

describe('a value of more than 5 MB', () => {
  const blob = (bytes: number) => ({ type: 'blob', base64: Buffer.alloc(bytes).toString('base64') }) as const

  test.each<[string, WireStreamRequest]>([
    ['in a result', statement('select zeroblob(5000001)')],
    ['as a long text', statement("select printf('%.*c', 5000001, 'x')")],
    [
      'as an argument',
      { type: 'execute', stmt: { sql: 'select 1 where ? is null', args: [blob(5_000_001)] } },
    ],
  ])('%s is SQLITE_TOOBIG', async (_, request) => {
    const { database } = await acme()
    const { results } = await database.run([request])
    expect(errorOf(results[0])).toEqual({
      code: 'SQLITE_TOOBIG',
      message: 'SQLite error: string or blob too big',
    })
  })

  test('is one byte more than what passes', async () => {
    const { database } = await acme()
    const { results } = await database.run([
      { type: 'execute', stmt: { sql: 'select length(?)', args: [blob(5_000_000)] } },
      statement('select zeroblob(5000000)'),
    ])
    expect(results.map(({ type }) => type)).toEqual(['ok', 'ok', 'ok'])
  })
})

describe('arguments', () => {
  const one = { type: 'integer', value: '1' } as const
  const two = { type: 'integer', value: '2' } as const

  test.each([
    ['by position', { sql: 'select ?, ?', args: [one, two] }],
    ['by number', { sql: 'select ?2 - 1, ?1 + 1', args: [one, two] }],
    ['by number and position', { sql: 'select ?1, ?', args: [one, two] }],
    [
      'by full name',
      {
        sql: 'select :a, @b',
        named_args: [
          { name: ':a', value: one },
          { name: '@b', value: two },
        ],
      },
    ],
    [
      'by bare name',
      {
        sql: 'select $a, :b',
        named_args: [
          { name: 'a', value: one },
          { name: 'b', value: two },
        ],
      },
    ],
    ['by a name that is used twice', { sql: 'select :a, :a + 1', named_args: [{ name: 'a', value: one }] }],
    [
      'between quotes and comments that only look like parameters',
      { sql: `select ?, /* ? */ ? as "?" from (select ':x') -- ?`, args: [one, two] },
    ],
  ])('are bound %s', async (_, stmt) => {
    const { database } = await acme()
    const { results } = await database.run([{ type: 'execute', stmt }])
    expect(rowsOf(results[0])).toEqual([[one, two]])
  })

  test('a null is a value', async () => {
    const { database } = await acme()
    const named_args = [{ name: ':a', value: { type: 'null' } as const }]
    const { results } = await database.run([{ type: 'execute', stmt: { sql: 'select :a', named_args } }])
    expect(rowsOf(results[0])).toEqual([[{ type: 'null' }]])
  })

  test.each([
    ['too many', { sql: 'select ?', args: [one, two] }, 'too many parameters, expected 1 found 2'],
    ['too few', { sql: 'select ?, ?', args: [one] }, 'value for parameter 2 not found'],
    [
      'an unknown name',
      { sql: 'select :a', named_args: [{ name: 'b', value: one }] },
      'value for parameter :a not found',
    ],
    ['positions for names', { sql: 'select :a', args: [one] }, 'value for parameter :a not found'],
  ])('%s are an in-band error', async (_, stmt, reason) => {
    const { database } = await acme()
    const { results } = await database.run([{ type: 'execute', stmt }])
    expect(errorOf(results[0])).toEqual({
      code: 'ARGS_INVALID',
      message: `Arguments do not match SQL parameters: ${reason}`,
    })
  })

  test('both kinds at once are an in-band error', async () => {
    const { database } = await acme()
    const stmt = { sql: 'select ?, :a', args: [one], named_args: [{ name: 'a', value: two }] }
    const { results } = await database.run([{ type: 'execute', stmt }])
    expect(errorOf(results[0]).code).toBe('ARGS_BOTH_POSITIONAL_AND_NAMED')
  })
})

describe('a batch', () => {
  const batch = (...steps: [string, WireCondition?][]): WireStreamRequest => ({
    type: 'batch',
    batch: { steps: steps.map(([sql, condition]) => ({ stmt: { sql }, ...(condition && { condition }) })) },
  })
  const resultOf = async (request: WireStreamRequest): Promise<WireBatchResult> => {
    const { database } = await acme()
    const { results } = await database.run([request])
    if (results[0]?.type !== 'ok' || results[0].response.type !== 'batch')
      throw new Error(JSON.stringify(results))
    return results[0].response.result
  }
  const ok = (step: number): WireCondition => ({ type: 'ok', step })
  const error = (step: number): WireCondition => ({ type: 'error', step })

  // Step 0 succeeds, step 1 fails, step 2 is skipped, step 3 is asked.
  test.each<[boolean, string, WireCondition]>([
    [true, 'ok of a success', ok(0)],
    [false, 'ok of a failure', ok(1)],
    [false, 'ok of a skipped step', ok(2)],
    [false, 'error of a success', error(0)],
    [true, 'error of a failure', error(1)],
    [false, 'error of a skipped step', error(2)],
    [true, 'not', { type: 'not', cond: ok(1) }],
    [true, 'and of nothing', { type: 'and', conds: [] }],
    [false, 'or of nothing', { type: 'or', conds: [] }],
    [false, 'and', { type: 'and', conds: [ok(0), ok(1)] }],
    [
      true,
      'or',
      { type: 'or', conds: [ok(1), { type: 'and', conds: [ok(0), { type: 'not', cond: ok(2) }] }] },
    ],
    [true, 'is_autocommit', { type: 'is_autocommit' }],
  ])('a condition is %s: %s', async (isFulfilled, _, condition) => {
    const result = await resultOf(
      batch(['select 1'], ['select * from nope'], ['select 2', ok(1)], ['select 3', condition]),
    )
    expect(result.step_results.map((step) => step !== null)).toEqual([true, false, false, isFulfilled])
    expect(result.step_errors.map((step) => step !== null)).toEqual([false, true, false, false])
  })

  test('is_autocommit is false inside a transaction', async () => {
    const result = await resultOf(batch(['begin'], ['select 1', { type: 'is_autocommit' }]))
    expect(result.step_results[1]).toBeNull()
  })

  test('a step that is not SQL fails alone', async () => {
    const result = await resultOf(batch(['create table t (a)'], ['selec 1'], ['select * from t']))
    expect(result.step_errors.map((failure) => failure?.code)).toEqual([
      undefined,
      'SQL_PARSE_ERROR',
      undefined,
    ])
    expect(result.step_results.map((step) => step !== null)).toEqual([true, false, true])
  })

  test('a step may use what an earlier one made', async () => {
    const { step_errors } = await resultOf(batch(['create table t (a)'], ['insert into t values (1)', ok(0)]))
    expect(step_errors).toEqual([null, null])
  })

  test('a condition about its own or a later step is 400', async () => {
    const { database } = await acme()
    for (const condition of [ok(1), { type: 'not', cond: error(7) } as const]) {
      const { status, text } = await database.send({
        requests: [batch(['select 1'], ['select 2', condition])],
      })
      expect([status, text]).toEqual([400, 'Invalid reference to step in a batch condition'])
    }
  })

  test('conditions nested too deeply are 400', async () => {
    const { database } = await acme()
    let condition: WireCondition = ok(0)
    for (let depth = 0; depth < 200; depth++) condition = { type: 'not', cond: condition }
    expect((await database.send({ requests: [batch(['select 1'], ['select 2', condition])] })).status).toBe(
      400,
    )
  })
})

describe('a sequence', () => {
  test('runs a script with triggers up to its first failure', async () => {
    const { database } = await acme()
    const script = `create table t (a unique); -- the table
      create trigger g after insert on t begin delete from t where a = 9; select 1; end;
      insert into t values (1); insert into t values (1); insert into t values (2);`
    const { results } = await database.run([{ type: 'sequence', sql: script }, statement('select a from t')])
    expect(errorOf(results[0]).code).toBe('SQLITE_CONSTRAINT')
    expect(rowsOf(results[1])).toEqual([[{ type: 'integer', value: '1' }]])
  })

  test('runs nothing when any of it is not SQL', async () => {
    const { database } = await acme()
    const { results } = await database.run([
      { type: 'sequence', sql: 'create table t (a); selec 1' },
      statement('select * from t'),
    ])
    expect(errorOf(results[0]).code).toBe('SQL_PARSE_ERROR')
    expect(errorOf(results[1]).message).toBe('SQLite error: no such table: t')
  })

  test('of nothing is ok', async () => {
    const { database } = await acme()
    const { results } = await database.run([{ type: 'sequence', sql: ' -- nothing' }])
    expect(results[0]).toEqual({ type: 'ok', response: { type: 'sequence' } })
  })
})

describe('a describe request', () => {
  test('tells parameters, columns and what kind of statement it is, without running it', async () => {
    const { database } = await acme()
    await database.execute('create table t (a text)')
    const { results } = await database.run([
      { type: 'describe', sql: 'insert into t values (:x || ?3) returning a, 1 as one' },
      { type: 'describe', sql: 'explain select 1' },
      statement('select count(*) from t'),
    ])
    expect(results[0]).toEqual({
      type: 'ok',
      response: {
        type: 'describe',
        result: {
          params: [{ name: ':x' }, { name: null }, { name: '?3' }],
          cols: [
            { name: 'a', decltype: 'TEXT' },
            { name: 'one', decltype: null },
          ],
          is_explain: false,
          is_readonly: false,
        },
      },
    })
    expect(results[1]).toMatchObject({ response: { result: { is_explain: true, is_readonly: true } } })
    expect(rowsOf(results[2])).toEqual([[{ type: 'integer', value: '0' }]])
  })
})

describe('what describe calls read-only', () => {
  test.each([
    ['select * from t', true],
    ['insert into t values (1)', false],
    ['explain insert into t values (1)', false],
    ['explain query plan select * from t', true],
    ['begin', true],
    ['begin immediate', false],
    ['create table if not exists t (a)', false],
    ['create temp table u (a)', false],
    ['pragma user_version', true],
    ['pragma user_version = 1', false],
    ['pragma journal_mode', false],
    ['vacuum', false],
    ["attach 'x' as y", true],
    ['select 1; delete from t', true],
  ])('%s: %s', async (sql, is_readonly) => {
    const { database } = await acme()
    await database.execute('create table t (a)')
    const { results } = await database.run([{ type: 'describe', sql }, statement('select * from t')])
    expect(results[0]).toMatchObject({ response: { result: { is_readonly } } })
    expect(rowsOf(results[1])).toEqual([])
  })

  test('a pragma that takes effect when it is described does so for its stream only', async () => {
    const { database } = await acme()
    await database.run([{ type: 'describe', sql: 'pragma foreign_keys = off' }])
    expect(rowsOf((await database.execute('pragma foreign_keys'))[0])).toEqual([
      [{ type: 'integer', value: '1' }],
    ])
    const { results } = await database.run([{ type: 'describe', sql: 'pragma journal_mode = delete' }])
    expect(errorOf(results[0]).code).toBe('SQL_PARSE_ERROR')
  })
})

describe('stored SQL', () => {
  test('is run by its number until it is closed', async () => {
    const { database } = await acme()
    const { results, baton } = await database.run(
      [
        { type: 'store_sql', sql_id: 1, sql: 'select 1' },
        { type: 'execute', stmt: { sql_id: 1 } },
        { type: 'close_sql', sql_id: 1 },
        { type: 'close_sql', sql_id: 1 },
      ],
      { keep: true },
    )
    expect(rowsOf(results[1])).toHaveLength(1)
    const { status, text } = await database.send({
      baton,
      requests: [{ type: 'execute', stmt: { sql_id: 1 } }],
    })
    expect([status, text]).toEqual([400, 'SQL text 1 not found'])
  })

  test('is limited in number and size, in-band', async () => {
    const { database } = await acme()
    const store = (sql_id: number, sql = 'select 1') => ({ type: 'store_sql', sql_id, sql }) as const
    const many = await database.run(Array.from({ length: 51 }, (_, id) => store(id)))
    expect(errorOf(many.results[50])).toEqual({
      code: 'SQL_STORE_TOO_MANY',
      message: 'The server already stores 50 SQL texts, it cannot store more',
    })
    const large = await database.run([store(1, `select '${'é'.repeat(2500)}'`)])
    expect(errorOf(large.results[0]).code).toBe('SQL_STORE_TOO_LARGE')
  })

  test('under a number in use is 400', async () => {
    const { database } = await acme()
    const request = { type: 'store_sql', sql_id: 1, sql: 'select 1' }
    const { status, text } = await database.send({ requests: [request, request] })
    expect([status, text]).toEqual([400, 'SQL text 1 already exists'])
  })
})

describe('protocol errors', () => {
  test.each<[string, unknown, string]>([
    ['no JSON', '{', 'the body is not JSON'],
    ['no object', [], 'the body must be an object'],
    ['no requests', {}, 'requests must be an array'],
    ['an unknown request', { requests: [{ type: 'open' }] }, 'unknown type of request'],
    [
      'an unknown condition',
      { requests: [{ type: 'batch', batch: { steps: [{ condition: { type: 'x' }, stmt: {} }] } }] },
      'unknown type of condition',
    ],
    [
      'args that are null',
      { requests: [{ type: 'execute', stmt: { sql: '', args: null } }] },
      'args must be an array',
    ],
    ['a statement that is missing', { requests: [{ type: 'execute' }] }, 'stmt must be an object'],
    [
      'a large sql_id',
      { requests: [{ type: 'close_sql', sql_id: 2 ** 31 }] },
      'sql_id must be a 32-bit integer',
    ],
    [
      'want_rows that is no boolean',
      { requests: [{ type: 'execute', stmt: { sql: '', want_rows: 1 } }] },
      'want_rows must be a boolean',
    ],
    [
      'half of a surrogate pair in an SQL text',
      { requests: [{ type: 'sequence', sql: "select '\ud800'" }] },
      'sql must be well-formed Unicode',
    ],
    [
      'half of a surrogate pair in a value',
      { requests: [{ type: 'execute', stmt: { sql: '', args: [{ type: 'text', value: '\udc00' }] } }] },
      'a text must be well-formed Unicode',
    ],
    [
      'a float that no double can be',
      '{"requests":[{"type":"execute","stmt":{"sql":"select ?","args":[{"type":"float","value":1e400}]}}]}',
      'a float must be finite',
    ],
  ])('%s is 400 as plain text', async (_, body, reason) => {
    const { database, turso } = await acme()
    const { status, text, headers } = await database.send(body)
    expect([status, text]).toEqual([400, `Cannot deserialize client message from JSON: ${reason}`])
    expect(headers.get('content-type')).toMatch(/^text\/plain/)
    expect(turso.streams()).toEqual([])
  })

  test('a body that is not UTF-8 is 400', async () => {
    const { database, turso } = await acme()
    const headers = { authorization: `Bearer ${database.jwt}` }
    const body = Buffer.from(`{"requests":[{"type":"sequence","sql":"select 'ÿ'"}]}`, 'latin1')
    const response = await turso.fetch(
      new Request(`${database.url}/v3/pipeline`, { method: 'POST', headers, body }),
    )
    expect([response.status, await response.text()]).toEqual([
      400,
      'Cannot deserialize client message from JSON: the body is not UTF-8',
    ])
  })

  test.each([
    [
      'both sql and sql_id',
      { sql: 'select 1', sql_id: 1 },
      'Either `sql` or `sql_id` are required, but not both',
    ],
    ['neither', {}, 'Either `sql` or `sql_id` are required'],
  ])('%s is 400 and closes the stream', async (_, stmt, message) => {
    const { database, turso } = await acme()
    const { status, text } = await database.send({ requests: [{ type: 'execute', stmt }] })
    expect([status, text]).toEqual([400, message])
    expect(turso.streams()).toEqual([])
  })

  test('version 2 knows neither get_autocommit nor is_autocommit', async () => {
    const { database } = await acme()
    const first = await database.send({ requests: [{ type: 'get_autocommit' }] }, { version: 2 })
    expect([first.status, first.text]).toEqual([
      400,
      'The `get_autocommit` request is only supported in protocol version hrana3 and higher',
    ])
    const steps = [{ condition: { type: 'is_autocommit' }, stmt: { sql: 'select 1' } }]
    const second = await database.send({ requests: [{ type: 'batch', batch: { steps } }] }, { version: 2 })
    expect([second.status, second.text]).toEqual([
      400,
      'BatchCond of type `is_autocommit` is only supported in protocol version hrana3 and higher',
    ])
  })
})

describe('the other routes', () => {
  test('answer without a token and with CORS for everyone', async () => {
    const { database, turso } = await acme()
    for (const path of ['/v2', '/v3', '/version', '/health']) {
      const response = await turso.fetch(new Request(database.url + path))
      expect(response.status).toBe(200)
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
    }
    const preflight = await turso.fetch(new Request(`${database.url}/v3/pipeline`, { method: 'OPTIONS' }))
    expect(preflight.status).toBe(200)
    expect(preflight.headers.get('access-control-allow-headers')).toBe('*')
    const refused = await database.send({ requests: [] }, { jwt: null })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, '*'])
  })

  test('GET /health and /version are answered at the root of the server as well', async () => {
    const { turso } = await acme()
    for (const path of ['/health', '/version']) {
      expect((await turso.fetch(new Request(`http://127.0.0.1:8080${path}`))).status).toBe(200)
    }
    expect((await turso.fetch(new Request('http://127.0.0.1:8080/healthy'))).status).toBeGreaterThan(400)
  })

  test('are reached by path as well', async () => {
    const { database, turso } = await acme()
    const response = await turso.fetch(
      new Request('http://127.0.0.1/db/acme/v2/pipeline', {
        method: 'POST',
        headers: { authorization: `bearer ${database.jwt}` },
        body: JSON.stringify({ requests: [statement('select 1')] }),
      }),
    )
    expect(response.status).toBe(200)
  })

  test('are 404 with an empty body when unknown', async () => {
    const { database, turso } = await acme()
    const response = await turso.fetch(
      new Request(`${database.url}/v4/pipeline`, { method: 'POST', body: '{}' }),
    )
    expect([response.status, await response.text()]).toEqual([404, ''])
  })
})
