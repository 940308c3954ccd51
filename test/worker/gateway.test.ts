import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { clearFaults, failNext, localPlatform, openStreams, requestsSeen } from '../support/turso.ts'
import { behaviour } from './behaviour.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { putClockForward, resetClock } from './clock.ts'
import {
  alarmAfter,
  answerOf,
  close,
  execute,
  insert,
  refusalOf,
  sessionOf,
  storedIn,
  type PipelineAnswer,
} from './gateway-client.ts'

let acme: SignupAnswer
let other: SignupAnswer

beforeAll(async () => {
  acme = await signUpNow({ id: 'gateway-acme' })
  other = await signUpNow({ id: 'gateway-other' })
})
beforeEach(clearFaults)
afterEach(resetClock)

function send(
  requests: object[],
  baton: string | null = null,
  { tenant = 'gateway-acme', token = acme.token.jwt as string | null, version = 'v3', method = 'POST' } = {},
): Promise<Response> {
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` }
  const body = method === 'POST' ? JSON.stringify({ baton, requests }) : null
  return call(`/t/${tenant}/${version}/pipeline`, { method, headers, body })
}

const titles = async (): Promise<string[]> => {
  const { results } = await answerOf(send([execute('select title from notes order by id'), close]))
  return results[0]!.response!.result!.rows.map(([title]) => title!.value)
}

const streamsOfAcme = async (): Promise<unknown[]> =>
  (await openStreams()).filter(({ database }) => database === acme.database.name)

describe('a pipeline that keeps no stream', () => {
  test('goes straight through, in both versions, without an object', async () => {
    for (const version of ['v2', 'v3']) {
      const answer = await answerOf(send([execute('select 1'), close], null, { version }))
      expect(answer).toMatchObject({ baton: null, results: [{ type: 'ok' }, { type: 'ok' }] })
    }
    expect(await requestsSeen()).toEqual([
      `POST ${acme.database.hostname}/v2/pipeline`,
      `POST ${acme.database.hostname}/v3/pipeline`,
    ])
    expect(await streamsOfAcme()).toEqual([])
  })

  test('that is answered without a body may have run', async () => {
    await failNext({ kind: 'respond', on: 'pipeline', status: 204 })
    expect(await refusalOf(send([execute('select 1'), close]))).toMatchObject({
      status: 502,
      code: 'NO_ANSWER',
      outcome: 'unknown',
    })
  })

  test('passes values on untouched', async () => {
    const body =
      '{"requests":[{"type":"execute","stmt":{"sql":"select ?, ?","args":[{"type":"float","value":-0.0},{"type":"text","value":"\\u0000\\ud83e\\udd8a"}]}},{"type":"close"}]}'
    const response = await call('/t/gateway-acme/v3/pipeline', {
      method: 'POST',
      headers: { authorization: `Bearer ${acme.token.jwt}` },
      body,
    })
    const text = await response.text()
    expect(text).toMatch(/"float","value":-0/)
    expect(text).toMatch(/\\u0000/)
  })
})

describe('an interactive transaction', () => {
  test('commits over several requests, and the client sees only batons of ours', async () => {
    const begun = await answerOf(send([execute('begin immediate')]))
    expect(JSON.stringify(await storedIn(begun.baton!))).not.toContain(begun.baton)
    const inserted = await answerOf(send([insert('committed')], begun.baton))
    expect(inserted.baton).not.toBe(begun.baton)
    expect(await titles()).not.toContain('committed')
    const committed = await answerOf(send([execute('commit'), close], inserted.baton))
    expect(committed.baton).toBeNull()
    expect(await titles()).toContain('committed')
    expect(await streamsOfAcme()).toEqual([])
  })

  test('rolls back', async () => {
    const begun = await answerOf(send([execute('begin immediate'), insert('undone')]))
    await answerOf(send([execute('rollback'), close], begun.baton))
    expect(await titles()).not.toContain('undone')
  })

  test('closed without a commit is rolled back', async () => {
    const begun = await answerOf(send([execute('begin immediate'), insert('dropped')]))
    await answerOf(send([close], begun.baton))
    expect(await titles()).not.toContain('dropped')
    expect(await streamsOfAcme()).toEqual([])
  })

  test('goes on after the object was evicted', async () => {
    const begun = await answerOf(send([execute('begin immediate'), insert('survived')]))
    await evictDurableObject(sessionOf(begun.baton!))
    await answerOf(send([execute('commit'), close], begun.baton))
    expect(await titles()).toContain('survived')
  })

  test('that takes too long is rolled back, and its client is told that it was the time', async () => {
    let { baton } = await answerOf(send([execute('begin'), insert('too slow')]))
    for (let round = 0; round < 7; round++) {
      putClockForward(8_000)
      ;({ baton } = await answerOf(send([execute('select 1')], baton)))
    }
    await alarmAfter(4_000, baton!)
    const refusal = await refusalOf(send([execute('commit')], baton))
    expect(refusal).toMatchObject({ code: 'STREAM_EXPIRED', outcome: 'rolled_back' })
    expect(refusal.message).toMatch(/transaction took too long/)
    await expect.poll(streamsOfAcme).toEqual([])
    expect(await titles()).not.toContain('too slow')
  })

  test('that is left behind is closed by the alarm, and its client is told what became of it', async () => {
    const begun = await answerOf(send([execute('begin immediate'), insert('left behind')]))
    expect(await streamsOfAcme()).toEqual([{ database: acme.database.name, inTransaction: true }])
    // Before its time it does nothing.
    await alarmAfter(0, begun.baton!)
    expect(await streamsOfAcme()).toHaveLength(1)
    await alarmAfter(9_000, begun.baton!)
    await expect.poll(streamsOfAcme).toEqual([])
    expect(await titles()).not.toContain('left behind')
    const refusal = await refusalOf(send([execute('commit'), close], begun.baton))
    expect(refusal).toMatchObject({ status: 400, code: 'STREAM_EXPIRED', outcome: 'rolled_back' })
    // It remembers that for a while, and then nothing at all.
    await alarmAfter(600_000, begun.baton!)
    expect(await storedIn(begun.baton!)).toEqual([])
  })
})

describe('a session without a transaction', () => {
  test('lets go of the database, and its client never hears of it', async () => {
    const begun = await answerOf(send([insert('before the pause')], null, { version: 'v2' }))
    await alarmAfter(9_000, begun.baton!)
    await expect.poll(streamsOfAcme).toEqual([])
    const { results, baton } = await answerOf(send([execute('select 42')], begun.baton, { version: 'v2' }))
    expect(results).toHaveLength(1)
    expect(results[0]!.response!.result!.rows[0]![0]!.value).toBe('42')
    await answerOf(send([close], baton))
    expect(await streamsOfAcme()).toEqual([])
  })

  test('has its stored texts on the next stream too', async () => {
    const stored = await answerOf(
      send([
        { type: 'store_sql', sql_id: 1, sql: 'select \'fløde\' as "q"' },
        { type: 'store_sql', sql_id: 2, sql: 'select 2' },
        { type: 'close_sql', sql_id: 2 },
      ]),
    )
    await alarmAfter(9_000, stored.baton!)
    const used = await answerOf(
      send(
        [
          { type: 'execute', stmt: { sql_id: 1 } },
          { type: 'store_sql', sql_id: 2, sql: 'select 3' },
        ],
        stored.baton,
      ),
    )
    expect(used.results).toHaveLength(2)
    expect(used.results[0]!.response!.result!.rows[0]![0]!.value).toBe('fløde')
    await answerOf(send([close], used.baton))
  })

  test('goes on when the database has restarted', async () => {
    const begun = await answerOf(send([execute('select 1')]))
    await failNext({ kind: 'restart', on: 'pipeline' })
    const { results, baton } = await answerOf(send([insert('after the restart')], begun.baton))
    expect(results).toHaveLength(1)
    await answerOf(send([close], baton))
    expect((await titles()).filter((title) => title === 'after the restart')).toHaveLength(1)
  })

  test.each([
    ['settings', [execute('pragma foreign_keys = off')], execute('pragma foreign_keys'), /for too long/],
    [
      'settings, spelt with escapes',
      [{ type: 'sequence', sql: 'select 1;\npragma foreign_keys = off' }],
      execute('select 1'),
      /for too long/,
    ],
    [
      'the last insert',
      [insert('a row')],
      execute('select last_insert_rowid()'),
      /asks of statements before it/,
    ],
  ])('is not given another stream where that would change %s', async (_, first, then, why) => {
    const begun = await answerOf(send(first))
    await alarmAfter(9_000, begun.baton!)
    await expect.poll(streamsOfAcme).toEqual([])
    const expired = { status: 400, code: 'STREAM_EXPIRED', outcome: 'rolled_back' }
    const message = expect.stringMatching(why)
    expect(await refusalOf(send([then], begun.baton))).toMatchObject({ ...expired, message })
  })

  test('does not forget that another stream has its place: not for a question later, only for an insert on that', async () => {
    const expired = { status: 400, code: 'STREAM_EXPIRED', outcome: 'rolled_back' }
    const reopened = async (then: object): Promise<string> => {
      const begun = await answerOf(send([insert('long ago')]))
      await alarmAfter(9_000, begun.baton!)
      return (await answerOf(send([then], begun.baton))).baton!
    }
    for (const question of ['last_insert_rowid', 'total_changes']) {
      const baton = await reopened(execute('select 1'))
      expect(await refusalOf(send([execute(`select ${question}()`)], baton))).toMatchObject(expired)
    }
    await expect.poll(streamsOfAcme).toEqual([])
    const asked = send([execute('select last_insert_rowid()'), close], await reopened(insert('just now')))
    const answer = (await (await asked).json()) as PipelineAnswer & { code?: string }
    const row = answer.results?.[0]?.response?.result?.rows[0]?.[0]?.value
    // Turso Cloud keeps no stream that could be asked.
    expect(answer.code ?? Number(row) > 0).toBe(behaviour === 'cloud' ? 'STREAM_EXPIRED' : true)
  })

  test.each([
    ['an update', 'update notes set title = title', 'select last_insert_rowid()'],
    ['an argument that looks like one', "select 'update'", 'select changes()'],
    ['an insert', "insert into notes (title) values ('counted')", 'select total_changes()'],
  ])('is not taken for one with the last insert on it because of %s', async (_, before, then) => {
    const begun = await answerOf(send([insert('a row')]))
    await alarmAfter(9_000, begun.baton!)
    expect(await refusalOf(send([execute(before), execute(then)], begun.baton))).toMatchObject({
      code: 'STREAM_EXPIRED',
    })
  })

  test.each([
    ['the number of all changes, by an insert', insert('just now'), 'total_changes'],
    [
      'the last insert, by one that fails',
      execute("insert into notes (id) values ('none')"),
      'last_insert_rowid',
    ],
    ['the last insert, by a text about one', execute("select 'insert into'"), 'last_insert_rowid'],
  ])('is not taken for one that can tell %s', async (_, reopening, question) => {
    const begun = await answerOf(send([insert('a row')]))
    await alarmAfter(9_000, begun.baton!)
    const { baton } = await answerOf(send([reopening], begun.baton))
    expect(await refusalOf(send([execute(`select ${question}()`)], baton))).toMatchObject({
      code: 'STREAM_EXPIRED',
    })
  })

  test('is not given another stream where a stored text asks for the last insert', async () => {
    const stored = await answerOf(
      send([{ type: 'store_sql', sql_id: 1, sql: 'select last_insert_rowid()' }, insert('a row')]),
    )
    await alarmAfter(9_000, stored.baton!)
    expect(await refusalOf(send([{ type: 'execute', stmt: { sql_id: 1 } }], stored.baton))).toMatchObject({
      code: 'STREAM_EXPIRED',
    })
  })

  test('has a transaction that a cursor has begun by a stored text', async () => {
    const stored = await answerOf(send([{ type: 'store_sql', sql_id: 1, sql: 'begin immediate' }]))
    const cursor = await call('/t/gateway-acme/v3/cursor', {
      method: 'POST',
      headers: { authorization: `Bearer ${acme.token.jwt}` },
      body: JSON.stringify({ baton: stored.baton, batch: { steps: [{ stmt: { sql_id: 1 } }] } }),
    })
    const { baton } = JSON.parse((await cursor.text()).split('\n')[0]!) as { baton: string }
    await expect.poll(async () => JSON.stringify(await storedIn(baton))).toContain('"in_transaction"')
    await alarmAfter(9_000, baton)
    expect(await refusalOf(send([insert('in a stored transaction')], baton))).toMatchObject({
      code: 'STREAM_EXPIRED',
      outcome: 'rolled_back',
    })
  })

  test('is turned away with its baton when the database is busy, and may come back with it', async () => {
    const begun = await answerOf(send([execute('select 1')]))
    await alarmAfter(9_000, begun.baton!)
    await failNext({ kind: 'rate_limited', on: 'pipeline', retryAfter: 1 })
    expect((await send([execute('select 2')], begun.baton)).status).toBe(429)
    const { baton } = await answerOf(send([execute('select 2')], begun.baton))
    await answerOf(send([close], baton))
  })

  test('is forgotten after an hour', async () => {
    const begun = await answerOf(send([execute('select 1')]))
    await alarmAfter(9_000, begun.baton!)
    await alarmAfter(3_600_000, begun.baton!)
    expect(await storedIn(begun.baton!)).toEqual([])
  })
})

describe('version 2', () => {
  const sendV2 = (requests: object[], baton: string | null = null): Promise<Response> =>
    call('/t/gateway-acme/v2/pipeline', {
      method: 'POST',
      headers: { authorization: `Bearer ${acme.token.jwt}` },
      body: JSON.stringify({ baton, requests }),
    })
  const guarded = {
    type: 'batch',
    batch: { steps: [{ condition: { type: 'is_autocommit' }, stmt: { sql: 'select 1' } }] },
  }

  test.each([
    ['get_autocommit', { type: 'get_autocommit' }, 'The `get_autocommit` request'],
    ['is_autocommit', guarded, 'BatchCond of type `is_autocommit`'],
  ])(
    'has no %s: the database refuses it, in a session too, whose stream ends with it',
    async (_, request, what) => {
      const begun = await answerOf(sendV2([execute('begin')]))
      for (const response of [
        await sendV2([request, close]),
        await sendV2([request]),
        await sendV2([request], begun.baton),
      ])
        expect([response.status, await response.text()]).toEqual([
          400,
          expect.stringContaining(`${what} is only supported in protocol version hrana3 and higher`),
        ])
      expect(await refusalOf(sendV2([execute('commit')], begun.baton))).toMatchObject({ code: 'STREAM_LOST' })
      await expect.poll(streamsOfAcme).toEqual([])
    },
  )

  test('has it as a text', async () => {
    const text = { type: 'text', value: '{"type":"get_autocommit"}' }
    const { results, baton } = await answerOf(
      sendV2([{ type: 'execute', stmt: { sql: 'select ?', args: [text] } }]),
    )
    expect(results[0]!.response!.result!.rows).toEqual([[text]])
    await answerOf(sendV2([close], baton))
  })
})

describe('a baton', () => {
  test('is good for one request, and a second use harms nobody', async () => {
    const begun = await answerOf(send([execute('begin immediate')]))
    const next = await answerOf(send([insert('once')], begun.baton))
    expect(await refusalOf(send([insert('once')], begun.baton))).toMatchObject({
      status: 400,
      code: 'BATON_REUSED',
    })
    await answerOf(send([execute('commit'), close], next.baton))
    expect((await titles()).filter((title) => title === 'once')).toHaveLength(1)
  })

  test('sent twice at once is used once', async () => {
    const begun = await answerOf(send([execute('begin immediate')]))
    const responses = await Promise.all([
      send([insert('race')], begun.baton),
      send([insert('race')], begun.baton),
    ])
    expect(responses.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 400])
    const winner: PipelineAnswer = await responses.find(({ status }) => status === 200)!.json()
    await answerOf(send([execute('commit'), close], winner.baton))
    expect((await titles()).filter((title) => title === 'race')).toHaveLength(1)
  })

  test('that is in use is refused at once, however long its request takes', async () => {
    const begun = await answerOf(send([execute('begin immediate')]))
    await requestsSeen()
    await failNext({ kind: 'latency', on: 'pipeline', ms: 1_000, containing: 'takes long' })
    let isOver = false
    const running = send([insert('takes long')], begun.baton).finally(() => (isOver = true))
    await expect.poll(requestsSeen).not.toEqual([])
    const reused = { status: 400, code: 'BATON_REUSED' }
    expect(await refusalOf(send([insert('second')], begun.baton))).toMatchObject(reused)
    expect(isOver).toBe(false)
    await answerOf(send([execute('rollback'), close], (await answerOf(running)).baton))
  })

  test('is refused for another tenant, another token or when forged, before an object wakes', async () => {
    const begun = await answerOf(send([execute('begin immediate')]))
    const invalid = { status: 400, code: 'BATON_INVALID' }
    const foreign = { tenant: 'gateway-other', token: other.token.jwt }
    expect(await refusalOf(send([execute('commit')], begun.baton, foreign))).toMatchObject(invalid)
    expect(await refusalOf(send([execute('commit')], begun.baton, { token: other.token.jwt }))).toMatchObject(
      invalid,
    )
    expect(await refusalOf(send([execute('commit')], 'AAAA'))).toMatchObject(invalid)
    const forged = begun.baton!.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'))
    expect(await refusalOf(send([execute('commit')], forged))).toMatchObject(invalid)
    await answerOf(send([close], begun.baton))
  })
})

describe('what a client is told about a transaction', () => {
  const lost = { code: 'STREAM_LOST', outcome: 'unknown' }

  test('never that it was rolled back when it was committed', async () => {
    // Committed and closed, and the answer never came: the client repeats it.
    const begun = await answerOf(send([execute('begin'), insert('committed and closed')]))
    await answerOf(send([execute('commit'), close], begun.baton))
    expect(await refusalOf(send([execute('commit'), close], begun.baton))).toMatchObject(lost)
    // Committed and left open, until the alarm.
    const second = await answerOf(send([execute('begin'), insert('committed and left')]))
    await answerOf(send([execute('commit')], second.baton))
    await alarmAfter(9_000, second.baton!)
    const reused = await refusalOf(send([execute('commit')], second.baton))
    expect(reused).toMatchObject({ code: 'BATON_REUSED' })
    expect(reused).not.toHaveProperty('outcome')
    const committed = (await titles()).filter((title) => title.startsWith('committed and'))
    expect(committed).toEqual(['committed and closed', 'committed and left'])
  })

  test.each([
    ['sqld, expired', { kind: 'stream_expired', on: 'pipeline' }],
    ['sqld, restarted', { kind: 'respond', on: 'pipeline', status: 400, body: 'Received an invalid baton' }],
    ['Cloud', { kind: 'respond', on: 'pipeline', status: 404, body: '{"error":"stream not found: 1:2"}' }],
  ] as const)('a stream that upstream has given up (%s) is an expired one', async (_, fault) => {
    const begun = await answerOf(send([execute('begin')]))
    await failNext(fault)
    const expired = { status: 400, code: 'STREAM_EXPIRED', outcome: 'rolled_back' }
    expect(await refusalOf(send([execute('select 1')], begun.baton))).toMatchObject(expired)
    expect(await refusalOf(send([execute('commit')], begun.baton))).toMatchObject(expired)
    await alarmAfter(600_000, begun.baton!)
    // A COMMIT may have been the second of two, and the first have taken the stream with it.
    const again = await answerOf(send([execute('begin')]))
    await failNext(fault)
    expect(await refusalOf(send([execute('commit')], again.baton))).toMatchObject(lost)
  })

  test('a refusal closes the stream at once, so that it keeps no write lock', async () => {
    const before = await streamsOfAcme()
    const begun = await answerOf(send([execute('begin immediate')]))
    expect(await streamsOfAcme()).toHaveLength(before.length + 1)
    expect((await send([{ type: 'nonsense' }], begun.baton)).status).toBe(400)
    await expect.poll(streamsOfAcme).toHaveLength(before.length)
    expect(await refusalOf(send([execute('commit')], begun.baton))).toMatchObject(lost)
  })

  test('an answer that no session can hold ends it, says so, and keeps no write lock', async () => {
    const begun = await answerOf(send([execute('begin immediate')]))
    // Two rows of 4.5 MB each: as much as the database sends for one request, and less than two of them have.
    const large = execute("select replace(hex(zeroblob(1500000)), '00', '€') from (values (1), (2))")
    const refusal = await refusalOf(send([large, large], begun.baton))
    expect(refusal).toMatchObject({ status: 502, code: 'RESPONSE_TOO_LARGE', outcome: 'unknown' })
    expect(await refusalOf(send([execute('commit')], begun.baton))).toMatchObject(lost)
  })
})

describe('what goes wrong upstream', () => {
  test('a lost answer leaves the outcome unknown, says so, and is never sent again', async () => {
    const begun = await answerOf(send([execute('begin immediate'), insert('who knows')]))
    await clearFaults()
    await failNext({ kind: 'replace', on: 'pipeline', from: '"results"', to: '"res' })
    const lost = await refusalOf(send([execute('commit')], begun.baton))
    expect(lost).toMatchObject({ code: 'STREAM_LOST', outcome: 'unknown' })
    const again = await refusalOf(send([execute('commit')], begun.baton))
    expect(again).toMatchObject({ code: 'STREAM_LOST', outcome: 'unknown' })
    // Besides it only a close.
    expect((await requestsSeen()).length).toBeLessThanOrEqual(2)
    await alarmAfter(600_000, begun.baton!)
  })

  test.each([504, 400])(
    'a %i in mid-transaction passes through, and the outcome stays unknown',
    async (status) => {
      const begun = await answerOf(send([execute('begin')]))
      await failNext({ kind: 'respond', on: 'pipeline', status, effect: true })
      expect((await send([execute('commit')], begun.baton)).status).toBe(status)
      const again = await refusalOf(send([execute('commit')], begun.baton))
      expect(again).toMatchObject({ code: 'STREAM_LOST', outcome: 'unknown' })
      await alarmAfter(600_000, begun.baton!)
    },
  )

  test('an object that wakes up in the middle of a request does not send it again', async () => {
    const begun = await answerOf(send([execute('begin')]))
    await runInDurableObject(sessionOf(begun.baton!), (_, { storage }) => {
      const record = storage.kv.get<{ state: object }>('stream/http')!
      const before = record.state
      storage.kv.put('stream/http', {
        ...record,
        state: { ...before, kind: 'in_flight', before, startedAt: 0 },
      })
    })
    await clearFaults()
    const lost = await refusalOf(send([execute('commit')], begun.baton))
    expect(lost).toMatchObject({ code: 'STREAM_LOST', outcome: 'unknown' })
    expect(await requestsSeen()).toEqual([])
    await alarmAfter(600_000, begun.baton!)
  })

  test.each([
    'https://evil.example',
    'http://169.254.169.254/',
    'https://u:p@x.turso.io',
    'https://x.turso.io:8443',
  ])('a base_url of %s is not followed: no further request carries the token', async (baseUrl) => {
    await failNext({ kind: 'base_url', on: 'pipeline', url: baseUrl })
    expect(await refusalOf(send([execute('begin immediate')]))).toMatchObject({ code: 'STREAM_LOST' })
    expect((await requestsSeen()).filter((line) => !line.includes(acme.database.hostname))).toEqual([])
  })

  test('a redirect is not followed', async () => {
    for (const requests of [[execute('select 1')], [execute('select 1'), close]]) {
      await failNext({ kind: 'redirect', on: 'pipeline', to: 'https://evil.example/' })
      expect(await refusalOf(send(requests))).toMatchObject({ status: 502, code: 'UPSTREAM_REFUSED' })
    }
    expect((await requestsSeen()).every((line) => line.includes(acme.database.hostname))).toBe(true)
  })

  test('a stateless answer with a baton or an address in it loses them, and nothing else', async () => {
    for (const url of ['https://evil.example', `https://${acme.database.hostname}`]) {
      await failNext({ kind: 'base_url', on: 'pipeline', url })
      const answer = await answerOf(send([execute('select 7 as seven'), close]))
      expect(answer).toMatchObject({ baton: null, base_url: null })
      expect(answer.results[0]!.response!.result!.rows[0]![0]!.value).toBe('7')
    }
    await failNext({ kind: 'replace', on: 'pipeline', from: '"baton":null', to: '"baton":"secret"' })
    expect((await answerOf(send([execute('select 1'), close]))).baton).toBeNull()
  })

  test('a large refusal in mid-transaction is passed on as it is', async () => {
    const begun = await answerOf(send([execute('begin')]))
    const body = `${'x'.repeat(3_000_000)}€`
    await failNext({ kind: 'respond', on: 'pipeline', status: 400, body })
    const response = await send([execute('commit')], begun.baton)
    expect([response.status, await response.text()]).toEqual([400, body])
  })

  test('when to come back is passed on', async () => {
    for (const requests of [[execute('select 1')], [execute('select 1'), close]]) {
      await failNext({ kind: 'rate_limited', on: 'pipeline', retryAfter: 7 })
      const response = await send(requests)
      expect(response.status).toBe(429)
      expect(response.headers.get('retry-after')).toBe('7')
    }
  })

  test.each([
    ['a session', [insert('unanswered')], 0.5],
    ['a stateless pipeline', [insert('unanswered'), close], 0.05],
  ])(
    'no whole answer to %s is not called a refusal: it may have taken effect',
    async (_, requests, share) => {
      await failNext({ kind: 'truncated', on: 'pipeline', share, ending: 'clean' })
      const response = await send(requests)
      expect(response.headers.get('retry-after')).toBeNull()
      expect(await refusalOf(Promise.resolve(response))).toMatchObject({
        status: 502,
        code: 'NO_ANSWER',
        outcome: 'unknown',
      })
    },
  )

  test.each([
    ['has no whole answer', { kind: 'truncated', on: 'pipeline', share: 0.5, ending: 'cut' } as const],
    ['is answered by something else', { kind: 'wrong_shape', on: 'pipeline' } as const],
  ])('a request did not run when the question whether its token is one %s', async (_, fault) => {
    const token = await localPlatform().databases.createToken(acme.database.name)
    await failNext(fault)
    const refused = await refusalOf(send([execute('pragma foreign_keys = off')], null, { token }))
    expect(refused).toMatchObject({ status: 502, code: 'NO_ANSWER' })
    expect(refused['message']).toContain('did not run')
    expect(refused).not.toHaveProperty('outcome')
  })

  test("the database's own refusals pass through", async () => {
    for (const requests of [[execute('select 1')], [execute('select 1'), close]]) {
      expect((await send(requests, null, { token: 'not.a.token' })).status).toBe(401)
      expect([401, 404]).toContain((await send(requests, null, { token: other.token.jwt })).status)
    }
    const { results } = await answerOf(send([execute('select nonsense'), close]))
    expect(results[0]).toMatchObject({ type: 'error' })
  })
})

describe('a page of another origin', () => {
  const origin = 'https://app.example'

  test.each(['v2/pipeline', 'v3/pipeline', 'v3/cursor', 'v3', 'version'])(
    'may ask %s, as it may ask the database, and is answered without a token',
    async (path) => {
      const headers = {
        origin,
        'access-control-request-method': path.includes('/') ? 'POST' : 'GET',
        'access-control-request-headers': 'authorization,content-type',
      }
      const preflight = await call(`/t/gateway-acme/${path}`, { method: 'OPTIONS', headers })
      expect(preflight.ok).toBe(true)
      expect(Object.fromEntries(preflight.headers)).toMatchObject({
        'access-control-allow-origin': '*',
        'access-control-allow-headers': expect.stringMatching(/authorization/i) as string,
        'access-control-allow-methods': expect.stringContaining('POST') as string,
      })
    },
  )

  test('may read the answers, refusals too, and when to come back', async () => {
    for (const requests of [[execute('select 1'), close], [execute('select 1')]])
      for (const token of [acme.token.jwt, 'nonsense']) {
        const response = await send(requests, null, { token })
        expect(response.headers.get('access-control-allow-origin')).toBe('*')
        expect(response.headers.get('access-control-expose-headers')).toMatch(/retry-after/i)
        const { baton = null } = response.ok ? await response.json<{ baton?: string | null }>() : {}
        if (baton !== null) await answerOf(send([close], baton))
      }
    const refused = await send([close], null, { token: null })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, '*'])
  })

  test('is nobody to the rest of the Worker', async () => {
    const response = await call('/v1/tenants', { method: 'OPTIONS', headers: { origin } })
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('a bad request', () => {
  const post = (body: BodyInit, endpoint = 'pipeline'): Promise<Response> =>
    call(`/t/gateway-acme/v3/${endpoint}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${acme.token.jwt}` },
      body,
    })

  test.each([
    '',
    'null',
    '[]',
    '{}',
    '{"requests":{}}',
    '{"baton":1,"requests":[]}',
    '{"baton":null,"requests":[],"requests":[]}',
    '{"requests":[]',
    '{"requests":[{"type":"close"}]}}',
    '{"requests":[{"type":"close"}]} {"requests":[]}',
    '{"requests":[,]}',
    '{"requests":[7]}',
    '{"requests":[{"type":[{},{}]}]}',
    '{"baton":[{},{}],"requests":[]}',
    `{"baton":"${'x'.repeat(2000)}","requests":[]}`,
  ])('%j is 400 in the form that Hrana clients read', async (body) => {
    expect(await refusalOf(post(body))).toMatchObject({
      status: 400,
      code: 'INVALID_REQUEST',
      message: expect.any(String),
    })
  })

  test.each([
    ['a byte that no UTF-8 has', [0xff]],
    ['half of a character', [0xc3]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
  ])('with %s is refused, not changed into something else', async (_, bytes) => {
    const bodyOf = (before: string, behind: string): Blob => new Blob([before, new Uint8Array(bytes), behind])
    const pipeline = bodyOf(
      '{"requests":[{"type":"execute","stmt":{"sql":"select \'',
      '\'"}},{"type":"close"}]}',
    )
    const invalid = {
      status: 400,
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('UTF-8') as string,
    }
    expect(await refusalOf(post(pipeline))).toMatchObject(invalid)
    const batch = bodyOf('{"batch":{"steps":[{"stmt":{"sql":"select \'', '\'"}}]}}')
    expect(await refusalOf(post(batch, 'cursor'))).toMatchObject(invalid)
    const marked = new Blob(['\ufeff', '{"requests":[{"type":"close"}]}'])
    expect(await refusalOf(post(marked))).toMatchObject({ status: 400, code: 'INVALID_REQUEST' })
  })

  test('a stranger without a token, or to a tenant that is not there, is answered before the body is read', async () => {
    let pulled = 0
    const body = new ReadableStream({
      pull(controller) {
        pulled += 1
        controller.enqueue(new Uint8Array(65_536))
        if (pulled > 100) controller.close()
      },
    })
    const response = await call('/t/nobody-here/v3/pipeline', { method: 'POST', body })
    expect(response.status).toBe(401)
    expect(pulled).toBeLessThan(10)
  })

  test('without a token is 401, of an unknown tenant 404, with another method 405', async () => {
    expect(await refusalOf(send([close], null, { token: null }))).toMatchObject({ status: 401 })
    const unknown = { tenant: 'nobody-here' }
    expect(await refusalOf(send([close], null, unknown))).toMatchObject({
      status: 404,
      code: 'TENANT_NOT_FOUND',
    })
    expect(await refusalOf(send([close], null, { tenant: 'a%2Fb' }))).toMatchObject({ status: 400 })
    expect(await refusalOf(send([], null, { method: 'GET' }))).toMatchObject({ status: 405 })
    expect(await refusalOf(send([close], null, { version: 'v4' }))).toMatchObject({ status: 404 })
  })

  test('at a wrong path is told the right one: clients drop the tenant of a URL that has no slash behind it', async () => {
    const almost = ['/t/acme/v3x/pipeline', '/t/acme/xv3/pipeline', '/t/acme/v2%2fv3/pipeline']
    for (const path of ['/t/v3/pipeline', '/t/acme', '/t/acme/v1', ...almost])
      expect(await refusalOf(call(path, { method: 'POST', body: '{}' }))).toMatchObject({
        status: 404,
        code: 'NOT_FOUND',
        message: `There is nothing at ${path}. A client's URL ends with /t/<tenant>/, slash included; below it are v2/pipeline, v3/pipeline and v3/cursor.`,
      })
    for (const path of ['/t/acme/v2/cursor', '/t/acme/v3x', '/t/acme/xv2', '/t/acme/x/v3'])
      expect([path, (await call(path)).status]).toEqual([path, 404])
  })
})
