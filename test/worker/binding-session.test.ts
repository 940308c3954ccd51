/** Sessions of the entrypoint for service bindings, called as a binding calls them: by RPC. */
import { env, exports } from 'cloudflare:workers'
import { abortAllDurableObjects, evictDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { TenantSessionError, TenantsService } from '../../src/index.ts'
import { clearFaults, failNext, holdNext, openStreams, requestsSeen } from '../support/turso.ts'
import { call, signUpNow } from './client.ts'
import { putClockForward, resetClock } from './clock.ts'
import { PATIENCE_MS } from '../support/patience.ts'

beforeEach(clearFaults)
afterEach(async () => {
  resetClock()
  await clearFaults()
})

type Entrypoint = (options: { props: unknown }) => TenantsService

const bound = (): TenantsService =>
  (exports as unknown as { Tenants: Entrypoint }).Tenants({ props: { name: 'backend' } })

const failure = async (answer: Promise<unknown>): Promise<TenantSessionError> => {
  try {
    await answer
  } catch (error) {
    return error as TenantSessionError
  }
  throw new Error('it did not fail')
}

const streamsOf = async (id: string): Promise<unknown[]> => {
  const { database } = await bound().get(id)
  return (await openStreams()).filter((stream) => stream.database === database!.name)
}

interface Listed {
  id: string
  kind: string
  location_hint: string
  status: string
  in_transaction: boolean
}

const operate = (path: string, method = 'GET', body: object | null = null): Promise<Response> =>
  call(`/v1/sessions${path}`, {
    method,
    headers: { authorization: 'Bearer admin-key', 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  })

const listOf = async (tenant: string): Promise<Listed[]> =>
  ((await (await operate(`?tenant=${tenant}`)).json()) as { sessions: Listed[] }).sessions

const insert = (title: string | null) => ({ sql: 'insert into notes (title) values (?)', args: [title] })

const titlesOf = async (tenant: string): Promise<unknown[]> => {
  using session = await bound().session(tenant)
  const { rows } = await session.execute('select title from notes order by id')
  return rows.map(({ title }) => title)
}

describe('a session of the binding', () => {
  test('executes, runs batches whole or not at all, and transactions', async () => {
    await signUpNow({ id: 'rpc' })
    using session = await bound().session('rpc', { intMode: 'bigint' })
    const inserted = await session.execute('insert into notes (title) values (?)', ['one'])
    expect(inserted).toMatchObject({ rowsAffected: 1, lastInsertRowid: 1n })
    const refused = session.batch([insert('gone'), 'insert into nowhere values (1)'])
    expect(await failure(refused)).toMatchObject({ code: 'sql_error', statementIndex: 1 })
    await session.batch([insert('two'), insert('three')])
    using kept = await session.transaction()
    await kept.execute(insert('four'))
    expect((await kept.execute('select count(*) as n from notes')).rows).toEqual([{ n: 4n }])
    await kept.commit()
    using dropped = await session.transaction()
    await dropped.batch([insert('never')])
    await dropped.rollback()
    expect((await failure(dropped.execute('select 1'))).message).toContain('transaction')
    const { rows } = await session.execute('select title from notes order by id')
    expect(rows.map(({ title }) => title)).toEqual(['one', 'two', 'three', 'four'])
  })

  test('rolls back at once what is open when it is disposed, and when its transaction is', async () => {
    await signUpNow({ id: 'rpc-disposed' })
    const leave = async (disposes: 'session' | 'transaction'): Promise<void> => {
      const session = await bound().session('rpc-disposed')
      const transaction = await session.transaction()
      await transaction.execute("insert into notes (title) values ('left')")
      expect(await streamsOf('rpc-disposed')).toHaveLength(1)
      ;(disposes === 'session' ? session : transaction)[Symbol.dispose]()
      await expect.poll(() => streamsOf('rpc-disposed')).toEqual([])
    }
    await leave('session')
    await leave('transaction')
    using session = await bound().session('rpc-disposed')
    expect((await session.execute('select * from notes')).rows).toEqual([])
  })

  test('goes on with another token when the database does not take the first any more, but for its transactions', async () => {
    await signUpNow({ id: 'rpc-rotated' })
    using session = await bound().session('rpc-rotated')
    await session.execute('select 1')
    using transaction = await session.transaction({ mode: 'read' })
    await transaction.execute('select 1')
    await bound().invalidateTokens('rpc-rotated')
    expect((await session.execute('select 2 as n')).rows).toEqual([{ n: 2 }])
    // Its stream is bound to the token that it began with.
    expect(await failure(transaction.execute('select 3'))).toMatchObject({
      code: 'stream_lost',
      outcome: 'rolled_back',
    })
  })

  test('may read only, if it was asked for so', async () => {
    await signUpNow({ id: 'rpc-reader' })
    using session = await bound().session('rpc-reader', { authorization: 'read-only' })
    expect((await session.execute('select 1 as n')).rows).toEqual([{ n: 1 }])
    expect((await failure(session.execute('delete from notes'))).code).toBe('forbidden')
  })

  test('is of a tenant that is there and open, and of options that there are', async () => {
    await signUpNow({ id: 'rpc-closed' })
    await bound().suspend('rpc-closed')
    expect((await failure(bound().session('rpc-closed'))).code).toBe('tenant_suspended')
    expect((await failure(bound().session('rpc-nobody'))).code).toBe('not_found')
    const wrong = { intMode: 'roman' } as unknown as Parameters<TenantsService['session']>[1]
    expect(await failure(bound().session('rpc', wrong))).toMatchObject({ errors: [{ field: 'intMode' }] })
  })

  test('takes no place without a transaction, and with one is in the list of operators until that ends', async () => {
    await signUpNow({ id: 'rpc-listed' })
    using session = await bound().session('rpc-listed')
    await session.execute('select 1')
    await session.batch(['select 1', 'select 2'])
    expect(await listOf('rpc-listed')).toEqual([])
    const transaction = await session.transaction()
    await transaction.execute(insert('listed'))
    expect(await listOf('rpc-listed')).toMatchObject([
      { kind: 'binding', location_hint: 'weur', status: 'in_transaction', in_transaction: true },
    ])
    transaction[Symbol.dispose]()
    await expect.poll(() => listOf('rpc-listed')).toEqual([])
    expect(await streamsOf('rpc-listed')).toEqual([])
  })

  test('counts against the limit of its tenant: one more is told when to come back, and did not run', async () => {
    await signUpNow({ id: 'limited' })
    using session = await bound().session('limited')
    using other = await bound().session('limited')
    // What it is told to wait is as long as it may take, so it is not tried again.
    const begin = async (on: typeof session, timeoutMs?: number) => {
      const transaction = await on.transaction({ mode: 'read' })
      await transaction.execute('select 1', [], { timeoutMs })
      return transaction
    }
    using first = await begin(session)
    using second = await begin(other)
    expect(await failure(begin(session, 2_000))).toMatchObject({
      code: 'rate_limited',
      retryAfterMs: 2_000,
      serverMessage: expect.stringContaining('has 2 sessions'),
    })
    expect((await session.execute('select 3 as n')).rows).toEqual([{ n: 3 }])
    expect(await listOf('limited')).toHaveLength(2)
    first[Symbol.dispose]()
    using third = await vi.waitUntil(() => begin(session, 2_000).catch(() => null), { timeout: PATIENCE_MS })
    await third!.commit()
    await second.commit()
    expect(await listOf('limited')).toEqual([])
  })

  test.each(['execute', 'commit'] as const)(
    'is told by the next %s that an operator has ended its transaction, and that nothing of it remains',
    async (next) => {
      const id = `rpc-killed-${next}`
      await signUpNow({ id })
      using session = await bound().session(id)
      using transaction = await session.transaction()
      await transaction.execute(insert('killed'))
      const [listed] = await listOf(id)
      expect((await operate(`/${listed!.id}`, 'DELETE')).status).toBe(200)
      const refused = next === 'commit' ? transaction.commit() : transaction.execute(insert('more'))
      expect(await failure(refused)).toMatchObject({
        code: 'stream_lost',
        outcome: 'rolled_back',
        message: expect.stringContaining('closed by an operator'),
      })
      expect(await titlesOf(id)).toEqual([])
    },
  )

  test('is drained: its transaction is rolled back, and none begins until later', async () => {
    await signUpNow({ id: 'rpc-drained' })
    using session = await bound().session('rpc-drained')
    using transaction = await session.transaction()
    await transaction.execute(insert('drained'))
    await operate('/drain', 'POST', { tenant: 'rpc-drained', within_seconds: 0, for_seconds: 60 })
    expect(await failure(transaction.commit())).toMatchObject({ code: 'stream_lost', outcome: 'rolled_back' })
    using refused = await session.transaction()
    expect(await failure(refused.execute('select 1'))).toMatchObject({
      code: 'unavailable',
      retryAfterMs: expect.any(Number),
    })
    expect(await titlesOf('rpc-drained')).toEqual([])
    putClockForward(61_000)
    using later = await session.transaction()
    await later.execute(insert('later'))
    await later.commit()
    expect(await titlesOf('rpc-drained')).toEqual(['later'])
  })

  test('goes on when the object that holds its transaction was evicted', async () => {
    await signUpNow({ id: 'rpc-evicted' })
    using session = await bound().session('rpc-evicted')
    using transaction = await session.transaction()
    await transaction.execute(insert('one'))
    const [listed] = await listOf('rpc-evicted')
    const { SESSIONS } = env
    await evictDurableObject(SESSIONS.get(SESSIONS.idFromString(listed!.id)))
    await transaction.execute(insert('two'))
    await evictDurableObject(SESSIONS.get(SESSIONS.idFromString(listed!.id)))
    await transaction.commit()
    expect(await titlesOf('rpc-evicted')).toEqual(['one', 'two'])
  })

  test('is told that the outcome is unknown when the answer to its commit is lost, and only then', async () => {
    await signUpNow({ id: 'rpc-lost' })
    using session = await bound().session('rpc-lost')
    // Nothing that would hold the write lock until the database finds out.
    using early = await session.transaction({ mode: 'read' })
    await early.execute('select 1')
    await failNext({ kind: 'reset_after', on: 'pipeline' })
    expect(await failure(early.execute('select 2'))).toMatchObject({
      code: 'stream_lost',
      outcome: 'rolled_back',
    })
    using late = await session.transaction()
    await late.execute(insert('committed'))
    await failNext({ kind: 'reset_after', on: 'pipeline' })
    expect(await failure(late.commit())).toMatchObject({ code: 'stream_lost', outcome: 'unknown' })
    expect(await titlesOf('rpc-lost')).toEqual(['committed'])
  })

  test('is told that the outcome is unknown when the object goes in the middle of its commit', async () => {
    await signUpNow({ id: 'rpc-aborted' })
    using session = await bound().session('rpc-aborted')
    using transaction = await session.transaction({ mode: 'deferred' })
    await transaction.execute('select 1')
    const hold = await holdNext('pipeline')
    const commit = failure(transaction.commit())
    await hold.reached()
    await abortAllDurableObjects()
    expect(await commit).toMatchObject({ code: 'stream_lost', outcome: 'unknown' })
    expect((await session.execute('select 2 as n')).rows).toEqual([{ n: 2 }])
  })

  test('is told that its transaction was without a call for too long, and is rolled back', async () => {
    await signUpNow({ id: 'rpc-idle' })
    using session = await bound().session('rpc-idle')
    using transaction = await session.transaction()
    await transaction.execute(insert('idle'))
    putClockForward(9_000)
    expect(await failure(transaction.commit())).toMatchObject({
      code: 'stream_lost',
      outcome: 'rolled_back',
      message: expect.stringContaining('without a request for too long'),
    })
    expect(await titlesOf('rpc-idle')).toEqual([])
  })

  test('ends with its tenant: what is open when that is suspended is rolled back, and nothing runs until it is resumed', async () => {
    await signUpNow({ id: 'rpc-suspended' })
    using session = await bound().session('rpc-suspended')
    using transaction = await session.transaction()
    await transaction.execute(insert('suspended'))
    using other = await session.transaction({ mode: 'deferred' })
    await other.execute('select 1')
    using fresh = await session.transaction()
    await bound().suspend('rpc-suspended')
    const suspended = { code: 'tenant_suspended', message: expect.stringContaining('suspended') }
    // Of a commit it is known as well.
    for (const call of [() => transaction.commit(), () => other.execute('select 1'), () => other.commit()])
      expect(await failure(call())).toMatchObject({ ...suspended, outcome: 'rolled_back' })
    for (const call of [
      () => session.execute('select 1'),
      () => session.batch(['select 1', 'select 2']),
      () => fresh.execute('select 1'),
    ]) {
      const error = await failure(call())
      expect(error).toMatchObject({ ...suspended, status: 403 })
      expect(error.outcome).toBeUndefined()
    }
    await expect.poll(() => streamsOf('rpc-suspended')).toEqual([])
    await bound().resume('rpc-suspended')
    expect((await session.execute('select title from notes')).rows).toEqual([])
    await bound().delete('rpc-suspended')
    expect((await failure(session.execute('select 1'))).code).toBe('not_found')
  })

  test('waits for a call no longer than that may take, and rolls its transaction back at once', async () => {
    await signUpNow({ id: 'rpc-slow' })
    using session = await bound().session('rpc-slow', { timeoutMs: 10_000 })
    const hold = await holdNext('pipeline')
    expect(await failure(session.execute('select 1', [], { timeoutMs: 20 }))).toMatchObject({
      code: 'timeout',
      timeoutMs: 20,
    })
    // It may never have come so far.
    await hold.letGo()
    using transaction = await session.transaction()
    await transaction.execute(insert('slow'))
    await holdNext('pipeline', { containing: 'slower' })
    expect(await failure(transaction.execute(insert('slower'), { timeoutMs: 20 }))).toMatchObject({
      code: 'stream_lost',
      outcome: 'rolled_back',
    })
    await expect.poll(() => listOf('rpc-slow')).toEqual([])
    await expect.poll(() => streamsOf('rpc-slow')).toEqual([])
    expect(await titlesOf('rpc-slow')).toEqual([])
    using hurried = await bound().session('rpc-slow', { timeoutMs: 20 })
    await holdNext('pipeline')
    expect((await failure(hurried.execute('select 1'))).code).toBe('timeout')
    const wrong = { timeoutMs: -1 }
    expect((await failure(session.execute('select 1', [], wrong))).message).toContain('"timeoutMs"')
    expect(await failure(bound().session('rpc-slow', wrong))).toMatchObject({
      code: 'invalid_request',
      errors: [{ field: 'timeoutMs' }],
    })
  })

  test('takes the options of the library for each call', async () => {
    await signUpNow({ id: 'rpc-options' })
    using session = await bound().session('rpc-options')
    const big = { sql: 'select 9007199254740993 as n' }
    expect((await failure(session.execute(big))).message).toContain('intMode')
    expect((await session.execute(big, { intMode: 'bigint' })).rows).toEqual([{ n: 9007199254740993n }])
    const [read] = await session.batch([big], { intMode: 'string', mode: 'read' })
    expect(read!.rows).toEqual([{ n: '9007199254740993' }])
    using transaction = await session.transaction({ mode: 'read' })
    expect((await transaction.execute(big, { intMode: 'bigint' })).rows).toEqual([{ n: 9007199254740993n }])
    const wrong = { mode: 'none' } as unknown as { mode: 'read' }
    expect((await failure(session.batch([big], wrong))).message).toContain('mode')
    expect((await failure(session.transaction(wrong))).message).toContain('mode')
  })

  test('takes no more in one call than the gateway does', async () => {
    await signUpNow({ id: 'rpc-large' })
    using session = await bound().session('rpc-large')
    const large = { sql: 'select length(?) as n', args: [new Uint8Array(7 * 1024 * 1024)] }
    expect(await failure(session.execute(large))).toMatchObject({ code: 'invalid_request', status: 413 })
    const half = { sql: 'select length(?) as n', args: [new Uint8Array(4 * 1024 * 1024)] }
    expect((await session.execute(half)).rows).toEqual([{ n: 4 * 1024 * 1024 }])
  })

  test('has so many transactions open at once, and another when one of them has ended', async () => {
    await signUpNow({ id: 'rpc-many' })
    using session = await bound().session('rpc-many')
    const open = await Promise.all(Array.from({ length: 16 }, () => session.transaction({ mode: 'read' })))
    expect(await failure(session.transaction())).toMatchObject({
      code: 'too_many_transactions',
      message: expect.stringContaining('16'),
    })
    await open[0]!.execute('select 1')
    await open[0]!.commit()
    using another = await session.transaction()
    expect((await failure(session.transaction())).code).toBe('too_many_transactions')
    for (const unused of open) unused[Symbol.dispose]()
    using last = await vi.waitUntil(() => session.transaction().catch(() => null), { timeout: PATIENCE_MS })
    await last!.rollback()
    await another.rollback()
  })

  test('says so when what it has given is used behind its end', async () => {
    await signUpNow({ id: 'rpc-over' })
    const session = await bound().session('rpc-over')
    const transaction = await session.transaction()
    await transaction.execute(insert('over'))
    session[Symbol.dispose]()
    await expect.poll(() => streamsOf('rpc-over')).toEqual([])
    expect((await failure(transaction.execute('select 1'))).code).toBe('session_ended')
    expect((await failure(transaction.batch(['select 1']))).code).toBe('session_ended')
    expect((await failure(transaction.commit())).code).toBe('session_ended')
    await transaction.rollback()
  })

  test('cuts off what waits for a lock when it is disposed, and lets a commit come to its end', async () => {
    await signUpNow({ id: 'rpc-cut' })
    const session = await bound().session('rpc-cut')
    const committed = await session.transaction()
    await committed.execute(insert('committed'))
    const hold = await holdNext('pipeline', { containing: 'slowly' })
    const statement = committed.execute(insert('slowly'))
    const commit = committed.commit()
    const waiting = await session.transaction()
    const waits = failure(waiting.execute(insert('waits')))
    await expect.poll(async () => (await listOf('rpc-cut')).map(({ status }) => status)).toHaveLength(2)
    session[Symbol.dispose]()
    expect((await waits).code).toBe('session_ended')
    await hold.letGo()
    await Promise.all([statement, commit])
    await expect.poll(() => listOf('rpc-cut')).toEqual([])
    expect(await titlesOf('rpc-cut')).toEqual(['committed', 'slowly'])
  })

  test.each([
    ['runs out', async () => putClockForward(59 * 60_000)],
    ['is refused', async () => void (await bound().invalidateTokens('rpc-refused'))],
  ])('asks for one token, however many calls need it at once, when its own %s', async (what, end) => {
    const id = what === 'runs out' ? 'rpc-runs-out' : 'rpc-refused'
    await signUpNow({ id })
    using session = await bound().session(id)
    await session.execute('select 1')
    await end()
    await requestsSeen()
    await Promise.all(Array.from({ length: 10 }, () => session.execute('select 1')))
    const minted = (await requestsSeen()).filter((request) => request.includes('/auth/tokens'))
    expect(minted).toHaveLength(1)
  })

  test('begins a transaction with a token that outlives it', async () => {
    await signUpNow({ id: 'rpc-renewed' })
    using session = await bound().session('rpc-renewed')
    const minted = async (): Promise<number> =>
      (await requestsSeen()).filter((request) => request.includes('/auth/tokens')).length
    await minted()
    await session.execute('select 1')
    putClockForward(57 * 60_000)
    await session.execute('select 1')
    expect(await minted()).toBe(0)
    putClockForward(2 * 60_000)
    using transaction = await session.transaction()
    await transaction.execute('select 1')
    await transaction.commit()
    expect(await minted()).toBe(1)
  })

  test('is named by one request id in the audit of its token and in the log of what is sent for it', async () => {
    await signUpNow({ id: 'rpc-traced' })
    const lines: string[] = []
    vi.spyOn(console, 'error').mockImplementation((line: unknown) => void lines.push(String(line)))
    try {
      using session = await bound().session('rpc-traced')
      using transaction = await session.transaction()
      await transaction.execute('select 1')
      await failNext({ kind: 'base_url', on: 'pipeline', url: 'https://elsewhere.example/' })
      expect((await failure(transaction.execute('select 2'))).code).toBe('stream_lost')
    } finally {
      vi.restoreAllMocks()
    }
    const audit = async (): Promise<{ actor: string; request_id: string }[]> => {
      const path = '/v1/audit?tenant=rpc-traced&action=token'
      const response = await call(path, { headers: { authorization: 'Bearer admin-key' } })
      return ((await response.json()) as { audit: { actor: string; request_id: string }[] }).audit
    }
    await expect.poll(async () => (await audit()).map(({ actor }) => actor)).toContain('binding:backend')
    const row = (await audit()).find(({ actor }) => actor === 'binding:backend')
    const failed = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(failed).toMatchObject([
      { event: 'base_url_rejected', tenant: 'rpc-traced', request_id: row!.request_id },
    ])
  })
})
