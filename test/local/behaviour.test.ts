import { describe, expect, test } from 'vitest'
import { BEHAVIOURS, type BehaviourName } from '../../local/behaviour.ts'
import { createLocalTurso } from '../../local/index.ts'
import type { WireStreamRequest } from '../../src/hrana/wire.ts'
import { createClock, errorOf, rowsOf, start, statement } from './harness.ts'

const NAMES = Object.keys(BEHAVIOURS) as BehaviourName[]

/** What each behaviour is expected to do. */
type ByBehaviour<T> = Record<BehaviourName, T>

describe.each(NAMES)('as %s', (behaviour) => {
  const acme = async () => {
    const clock = createClock()
    const { create, turso } = await start({ behaviour, now: clock.now })
    const database = await create('acme')
    await database.execute('create table t (id integer primary key, a unique)')
    const cursor = (sql: string) =>
      turso.fetch(
        new Request(`${database.url}/v3/cursor`, {
          method: 'POST',
          headers: { authorization: `Bearer ${database.jwt}` },
          body: JSON.stringify({ batch: { steps: [{ stmt: { sql } }] } }),
        }),
      )
    return { clock, database, turso, cursor }
  }
  const expected = <T>(byBehaviour: ByBehaviour<T>): T => byBehaviour[behaviour]

  test('a stream without state keeps its baton, or has none', async () => {
    const { database, turso } = await acme()
    const { baton } = await database.run([statement('select 1')], { keep: true })
    const isKept = expected({ spec: true, sqld: true, cloud: false })
    expect([typeof baton === 'string', turso.streams().length]).toEqual([isKept, isKept ? 1 : 0])
  })

  test.each<[string, WireStreamRequest]>([
    ['a transaction', statement('begin')],
    ['stored SQL', { type: 'store_sql', sql_id: 1, sql: 'select 1' }],
    ['a changed setting', statement('pragma foreign_keys = off')],
  ])('a stream with %s keeps its baton', async (_, request) => {
    const { database } = await acme()
    expect((await database.run([request], { keep: true })).baton).toEqual(expect.any(String))
  })

  test('an empty pipeline keeps a stream alive, or closes it', async () => {
    const { database, turso } = await acme()
    const { baton } = await database.run([statement('begin')], { keep: true })
    const empty = await database.run([], { baton, keep: true })
    expect(empty).toMatchObject({ results: [] })
    const isKept = expected({ spec: true, sqld: true, cloud: false })
    expect([typeof empty.baton === 'string', turso.streams().length]).toEqual([isKept, isKept ? 1 : 0])
  })

  test('batons that cannot be used are refused', async () => {
    const { clock, database } = await acme()
    const { baton: first } = await database.run([statement('begin')], { keep: true })
    await database.run([statement('select 1')], { baton: first, keep: true })
    const refusal = async (baton: string | null) => {
      const { status, text, headers } = await database.send({ baton, requests: [] })
      return [status, headers.get('content-type')?.split(';')[0], text]
    }
    const used = await refusal(first)
    clock.advance(10_000)
    const expired = await refusal(first)
    const text = (message: string) => [400, 'text/plain', message]
    const json = (status: number, body: unknown) => [status, 'application/json', JSON.stringify(body)]
    const unknown = [404, 'application/json', expect.stringMatching(NOT_FOUND)]
    const bySqld = {
      used: text('Received a baton that has already been used'),
      expired: json(400, { message: 'The stream has expired due to inactivity', code: 'STREAM_EXPIRED' }),
      forged: text('Received an invalid baton'),
      malformed: text('Received an invalid baton'),
    }
    const byCloud = {
      used: unknown,
      expired: unknown,
      forged: unknown,
      malformed: json(400, { error: 'malformed baton' }),
    }
    expect({ used, expired, forged: await refusal('A'.repeat(64)), malformed: await refusal('!') }).toEqual(
      expected({ spec: bySqld, sqld: bySqld, cloud: byCloud }),
    )
  })

  test('a baton of another database is refused, or runs there', async () => {
    const { create } = await start({ behaviour })
    const [acme, other] = [await create('acme'), await create('other')]
    await acme.execute('create table t (a)')
    const { baton } = await acme.run([statement('begin')], { keep: true })
    const { status, body } = await other.send({ baton, requests: [statement('select count(*) from t')] })
    expect([status, body?.results?.[0].type]).toEqual(
      expected<unknown[]>({ spec: [400, undefined], sqld: [200, 'ok'], cloud: [404, undefined] }),
    )
  })

  test('a request after close fails, or loses the pipeline, or has it refused', async () => {
    const { database } = await acme()
    const insert = statement('insert into t (a) values (1)')
    const { status, body, text } = await database.send({ requests: [insert, { type: 'close' }, insert] })
    const answer = status === 200 ? errorOf(body.results[2]).code : (body?.error ?? text)
    const [rows] = await database.execute('select * from t')
    expect([status, answer, rowsOf(rows).length]).toEqual(
      expected<unknown[]>({
        spec: [200, 'STREAM_NOT_OPEN', 1],
        sqld: [400, 'Stream for this baton was closed', 1],
        cloud: [400, '`close` must be the last request of a pipeline', 0],
      }),
    )
  })

  test('store_sql under a number in use is refused, or replaces', async () => {
    const { database } = await acme()
    const { status, body, text } = await database.send({
      requests: [
        { type: 'store_sql', sql_id: 1, sql: 'select 1' },
        { type: 'store_sql', sql_id: 1, sql: 'select 2' },
        { type: 'execute', stmt: { sql_id: 1 } },
      ],
    })
    expect([status, status === 200 ? rowsOf(body.results[2]) : text]).toEqual(
      expected<unknown[]>({
        spec: [400, 'SQL text 1 already exists'],
        sqld: [400, 'SQL text 1 already exists'],
        cloud: [200, [[{ type: 'integer', value: '2' }]]],
      }),
    )
  })

  test('the condition `error` about a skipped step', async () => {
    const { database } = await acme()
    const { results } = await database.run([
      {
        type: 'batch',
        batch: {
          steps: [
            { stmt: { sql: 'select 1' } },
            { stmt: { sql: 'select 2' }, condition: { type: 'not', cond: { type: 'ok', step: 0 } } },
            { stmt: { sql: 'select 3' }, condition: { type: 'error', step: 1 } },
          ],
        },
      },
    ])
    const skipped = expected({ spec: null, sqld: expect.anything(), cloud: expect.anything() })
    expect(results[0]).toMatchObject({
      response: { result: { step_results: [expect.anything(), null, skipped] } },
    })
  })

  test('want_rows: false', async () => {
    const { database } = await acme()
    const { results } = await database.run([{ type: 'execute', stmt: { sql: 'select 1', want_rows: false } }])
    expect(rowsOf(results[0])).toHaveLength(expected({ spec: 0, sqld: 1, cloud: 0 }))
  })

  test('a step that is no SQL fails alone, or its batch', async () => {
    const { database } = await acme()
    const { results } = await database.run([
      {
        type: 'batch',
        batch: { steps: [{ stmt: { sql: 'insert into t (a) values (1)' } }, { stmt: { sql: 'selec 1' } }] },
      },
      statement('select * from t'),
    ])
    const code = 'SQL_PARSE_ERROR'
    const alone = { response: { result: { step_errors: [null, { code }] } } }
    expect(results[0]).toMatchObject(
      expected<object>({ spec: alone, sqld: { error: { code } }, cloud: alone }),
    )
    expect(rowsOf(results[1])).toHaveLength(expected({ spec: 1, sqld: 0, cloud: 1 }))
  })

  test('a cursor over what is no SQL', async () => {
    const { cursor, turso } = await acme()
    const response = await cursor('selec 1')
    const text = await response.text()
    const message = 'SQL string could not be parsed: near "selec": syntax error'
    const stepError = `{"type":"step_error","step":0,"error":{"message":${JSON.stringify(message)},"code":"SQL_PARSE_ERROR"}}\n`
    expect([response.status, text.replace(/^\{"baton".*\n/, '').replace(TERMINATOR, '')]).toEqual(
      expected<unknown[]>({
        spec: [200, stepError],
        sqld: [500, JSON.stringify({ error: `Internal Error: \`${message}\`` })],
        cloud: [200, stepError],
      }),
    )
    expect(turso.streams()).toHaveLength(expected({ spec: 1, sqld: 0, cloud: 1 }))
  })

  test.each([
    ['that writes with a read-only token', '?authorization=read-only', 'insert into t (a) values (1)', 403],
    ['over a text that is not UTF-8', '', "select cast(x'ff' as text)", 200],
  ])('a cursor %s is refused, or cut off after its baton', async (_, query, sql, status) => {
    const { create, turso, use } = await start({ behaviour })
    await (await create('acme')).execute('create table t (a)')
    const { url, jwt } = await use('acme', query)
    const headers = { authorization: `Bearer ${jwt}` }
    const body = JSON.stringify({ batch: { steps: [{ stmt: { sql } }] } })
    const response = await turso.fetch(new Request(`${url}/v3/cursor`, { method: 'POST', headers, body }))
    let text = ''
    const reading = async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk
      return 'whole'
    }
    const end = await reading().catch(({ message }: Error) => message)
    const refused = [status, expect.stringContaining('"error"'), 'whole']
    const cut = [200, expect.stringMatching(/^\{"baton":".*\n/), 'terminated']
    expect([response.status, text, end]).toEqual(expected({ spec: refused, sqld: cut, cloud: refused }))
    // What has its baton goes on until it is idle for too long.
    expect(turso.streams()).toHaveLength(response.status === 200 ? 1 : 0)
  })

  test('a cursor ends with a rowid of all digits and its terminator', async () => {
    const { cursor } = await acme()
    const response = await cursor('insert into t (id) values (9223372036854775807)')
    const [, , ...entries] = (await response.text()).trimEnd().split('\n')
    const end = (rowid: string) => `{"type":"step_end","affected_row_count":1,"last_insert_rowid":${rowid}}`
    const rowid = '9223372036854775807'
    expect(entries).toEqual(
      expected<unknown[]>({
        spec: [end(`"${rowid}"`)],
        sqld: [end(rowid), expect.stringMatching(/^\{"type":"replication_index","replication_index":\d+\}$/)],
        cloud: [end(rowid), '{"type":"replication_index","replication_index":null}'],
      }),
    )
  })

  test('results with or without a replication index', async () => {
    const { database } = await acme()
    const { results } = await database.run([
      statement('select 1'),
      { type: 'batch', batch: { steps: [{ stmt: { sql: 'select 1' } }] } },
    ])
    const index = expected({ spec: undefined, sqld: expect.any(String), cloud: undefined })
    const [one, batch] = results.map((result) => result as any) // oxlint-disable-line typescript/no-explicit-any -- sqld's addition has no type
    expect([one.response.result.replication_index, batch.response.result.replication_index]).toEqual([
      index,
      index,
    ])
  })

  test('errors of constraints with or without an extended code', async () => {
    const { database } = await acme()
    const [, unique, primaryKey, datatype, check] = await database.execute(
      "insert into t values (1, 'a')",
      "insert into t values (2, 'a')",
      "insert into t values (1, 'b')",
      "insert into t values ('x', 'b')",
      'create table c (a check (a > 0)); ',
    )
    const isSent = expected({ spec: false, sqld: false, cloud: true })
    const extended = (name: string) => (isSent ? { extended_code: `SQLITE_CONSTRAINT_${name}` } : {})
    expect(errorOf(unique)).toEqual({
      code: 'SQLITE_CONSTRAINT',
      message: 'SQLite error: UNIQUE constraint failed: t.a',
      ...extended('UNIQUE'),
    })
    expect(errorOf(primaryKey)).toMatchObject({ code: 'SQLITE_CONSTRAINT', ...extended('PRIMARYKEY') })
    expect(errorOf(datatype)).toEqual({ code: 'SQLITE_MISMATCH', message: 'SQLite error: datatype mismatch' })
    expect(check?.type).toBe('ok')
  })

  test('the names of described parameters', async () => {
    const { database } = await acme()
    const { results } = await database.run([{ type: 'describe', sql: 'select ?, :a, @b, $c' }])
    const written = [null, ':a', '@b', '$c']
    const bare = [null, 'a', 'b', 'c']
    const names = expected({ spec: written, sqld: written, cloud: bare })
    expect(results[0]).toMatchObject({ response: { result: { params: names.map((name) => ({ name })) } } })
  })

  test('a statement that is not run is refused in its own words, and a change of user_version is one or not', async () => {
    const { database } = await acme()
    const [analyze, change, version] = await database.execute(
      'ANALYZE',
      'pragma user_version = 7',
      'pragma user_version',
    )
    const refusal = (message: string) => ({ type: 'error', error: { code: 'SQL_PARSE_ERROR', message } })
    const ok = expect.objectContaining({ type: 'ok' })
    const at = (value: string) => [[{ type: 'integer', value }]]
    const bySqld = [refusal('SQL string could not be parsed: unsupported statement: ANALYZE'), ok, at('7')]
    const byCloud = [
      refusal('SQL not allowed statement: ANALYZE'),
      refusal('SQL not allowed statement: pragma user_version = 7'),
      at('0'),
    ]
    expect([analyze, change, rowsOf(version)]).toEqual(
      expected<unknown[]>({ spec: bySqld, sqld: bySqld, cloud: byCloud }),
    )
  })

  test('wrong names and blocked writes have the texts of their server', async () => {
    const { api, create } = await start({ behaviour })
    const database = await create('acme')
    const [name] = await database.execute('select nope')
    await api('PATCH', 'databases/acme/configuration', { block_writes: true })
    const [write] = await database.execute('create table t (a)')
    await api('PATCH', 'databases/acme/configuration', { block_reads: true })
    const [read] = await database.execute('select 1')
    const bySqld = [
      { code: 'SQL_INPUT_ERROR', message: 'SQL input error: no such column: nope (at offset 7)' },
      { code: 'BLOCKED', message: 'Operation was blocked' },
      { code: 'BLOCKED', message: 'Operation was blocked' },
    ]
    const byCloud = [
      { code: 'SQL_INPUT_ERROR', message: 'SQLite input error: no such column: nope (at offset 7)' },
      { code: 'BLOCKED', message: 'Operation was blocked: SQL write operations are forbidden' },
      { code: 'BLOCKED', message: 'Operation was blocked: SQL read operations are forbidden' },
    ]
    expect([name, write, read].map(errorOf)).toEqual(expected({ spec: bySqld, sqld: bySqld, cloud: byCloud }))
  })

  test('a named argument needs the prefix of its parameter or none, or any', async () => {
    const { database } = await acme()
    const named = (name: string): WireStreamRequest => ({
      type: 'execute',
      stmt: { sql: 'select :a', named_args: [{ name, value: { type: 'null' } }] },
    })
    const { results } = await database.run([named('a'), named(':a'), named('@a')])
    expect(results.slice(0, 3).map(({ type }) => type)).toEqual(
      expected({ spec: ['ok', 'ok', 'error'], sqld: ['ok', 'ok', 'error'], cloud: ['ok', 'ok', 'ok'] }),
    )
  })

  test('no statement and wrong arguments have codes of their own, or those of wrong SQL', async () => {
    const { database } = await acme()
    const nulls = [{ type: 'null' as const }]
    const both = { args: nulls, named_args: [{ name: 'a', value: nulls[0]! }] }
    const { results } = await database.run([
      statement('-- nothing'),
      statement('select ?'),
      { type: 'execute', stmt: { sql: 'select :a', ...both } },
    ])
    const own = ['SQL_NO_STATEMENT', 'ARGS_INVALID', 'ARGS_BOTH_POSITIONAL_AND_NAMED']
    expect(results.slice(0, 3).map((result) => errorOf(result).code)).toEqual(
      expected({ spec: own, sqld: own, cloud: ['SQL_PARSE_ERROR', 'SQL_INPUT_ERROR', 'SQL_INPUT_ERROR'] }),
    )
  })

  test('a step with both kinds of arguments fails alone, or its batch', async () => {
    const { database } = await acme()
    const nulls = [{ type: 'null' as const }]
    const steps = [
      { stmt: { sql: 'insert into t (a) values (1)' } },
      { stmt: { sql: 'select :a', args: nulls, named_args: [{ name: 'a', value: nulls[0]! }] } },
    ]
    const { results } = await database.run([{ type: 'batch', batch: { steps } }])
    const [rows] = await database.execute('select * from t')
    expect([results[0]?.type, rowsOf(rows).length]).toEqual(
      expected<unknown[]>({ spec: ['ok', 1], sqld: ['error', 0], cloud: ['ok', 1] }),
    )
  })

  test('a step that is no SQL fails the batch before a later condition is looked at, or is left to fail alone', async () => {
    const { database } = await acme()
    const later = { stmt: { sql: 'select 1' }, condition: { type: 'ok', step: 5 } }
    const steps = [{ stmt: { sql: 'selec' } }, later]
    const { status } = await database.send({ requests: [{ type: 'batch', batch: { steps } }] })
    expect(status).toBe(expected({ spec: 400, sqld: 200, cloud: 400 }))
  })

  test('refused requests have bodies of their layer, or always the same', async () => {
    const { database } = await acme()
    const { status, text, headers } = await database.send('{')
    const message = 'Cannot deserialize client message from JSON: the body is not JSON'
    const plain = [400, 'text/plain; charset=utf-8', message]
    expect([status, headers.get('content-type'), text]).toEqual(
      expected({
        spec: plain,
        sqld: plain,
        cloud: [400, 'application/json', JSON.stringify({ error: message })],
      }),
    )
  })

  test('a token that is no JWT', async () => {
    const { database } = await acme()
    const statusOf = async (jwt: string | null) => (await database.send({ requests: [] }, { jwt })).status
    const status = expected({ spec: 401, sqld: 401, cloud: 400 })
    expect([await statusOf('nonsense'), await statusOf('a.b.c'), await statusOf(null)]).toEqual([
      status,
      401,
      401,
    ])
  })

  test('GET /v2 and /v3 greet, and other paths are not found', async () => {
    const { database, turso } = await acme()
    const get = async (path: string) => {
      const response = await turso.fetch(new Request(database.url + path))
      return [response.status, await response.text()]
    }
    const greeting = 'Hello, this is HTTP API v2 (Hrana over HTTP)'
    const bySqld = [
      [200, greeting],
      [200, greeting],
      [404, ''],
    ]
    expect([await get('/v2'), await get('/v3'), await get('/v3-protobuf')]).toEqual(
      expected({
        spec: bySqld,
        sqld: bySqld,
        cloud: [
          [200, '{"msg":"Hello, this is HTTP API v2 (Hrana over HTTP)"}'],
          [200, '{"msg":"Hello, this is HTTP API v3 (Hrana over HTTP)"}'],
          [404, '{"error":"route not found"}'],
        ],
      }),
    )
  })
})

const NOT_FOUND = /^\{"error":"stream not found: [0-9a-f]{8}:[0-9a-f]{8}"\}$/
const TERMINATOR = /\{"type":"replication_index","replication_index":null\}\n$/

test('a behaviour that does not exist is refused', () => {
  expect(() => createLocalTurso({ behaviour: 'Cloud' as BehaviourName })).toThrow(
    '"behaviour" must be one of spec, sqld, cloud',
  )
})
