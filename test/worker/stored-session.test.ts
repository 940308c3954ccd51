/** A session that another version of the Worker has stored: after a deploy, its object wakes up to it. */
import { env } from 'cloudflare:workers'
import {
  evictDurableObject,
  listDurableObjectIds,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { clearFaults } from '../support/turso.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { answerOf, close, execute, refusalOf, sessionOf, storedIn } from './gateway-client.ts'
import { greet } from './socket-client.ts'

const TENANT = 'stored-sessions'
let tenant: SignupAnswer

beforeAll(async () => {
  tenant = await signUpNow({ id: TENANT })
})
beforeEach(clearFaults)

const send = (requests: object[], baton: string | null = null): Promise<Response> =>
  call(`/t/${TENANT}/v3/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.token.jwt}` },
    body: JSON.stringify({ baton, requests }),
  })

/** What a stream's record was before it knew what can be asked of a stream, or is in a version that is yet to come. */
const REWRITTEN = {
  'an earlier': (record: { state: object }): object => {
    const { hasWritten, lost, ...state } = record.state as Record<string, unknown>
    expect([hasWritten, lost]).not.toContain(undefined)
    return { ...record, version: 1, state: { ...state, mayHaveRowid: false } }
  },
  'a later': (): object => ({ version: 99, state: 'somewhere else' }),
}

async function rewrite(object: DurableObjectStub, version: keyof typeof REWRITTEN): Promise<void> {
  await runInDurableObject(object, (_, { storage }) => {
    const stored = [...storage.kv.list<{ state: object }>({ prefix: 'stream/' })]
    expect(stored).toHaveLength(1)
    for (const [key, record] of stored) storage.kv.put(key, REWRITTEN[version](record))
  })
  await evictDurableObject(object)
}

describe.each(['an earlier', 'a later'] as const)('a session that %s version has stored', (version) => {
  const begin = async (): Promise<string> => {
    const { baton } = await answerOf(send([execute('begin')]))
    await rewrite(sessionOf(baton!), version)
    return baton!
  }

  test('is lost, as its client is told, each time', async () => {
    const baton = await begin()
    for (let count = 0; count < 2; count++)
      expect(await refusalOf(send([execute('commit')], baton))).toMatchObject({
        status: 400,
        code: 'STREAM_LOST',
        outcome: 'unknown',
      })
  })

  test('is forgotten by its alarm, which does not ring again', async () => {
    const baton = await begin()
    expect(await runDurableObjectAlarm(sessionOf(baton))).toBe(true)
    expect(await storedIn(baton)).toEqual([])
    expect(await runDurableObjectAlarm(sessionOf(baton))).toBe(false)
  })

  test('is not in the list, cannot be killed, and does not hinder a drain', async () => {
    const baton = await begin()
    const headers = { authorization: 'Bearer admin-key', 'content-type': 'application/json' }
    const listed = await call(`/v1/sessions?tenant=${TENANT}`, { headers })
    const { sessions } = await listed.json<{ sessions: { id: string }[] }>()
    const id = sessionOf(baton).id.toString()
    expect(sessions.map((session) => session.id)).not.toContain(id)
    expect((await call(`/v1/sessions/${id}`, { method: 'DELETE', headers })).status).toBe(404)
    await sessionOf(baton).drain(Date.now())
    expect(await refusalOf(send([close], baton))).toMatchObject({ code: 'STREAM_LOST' })
  })

  test('is lost on its socket too, which goes on', async () => {
    const known = new Set((await listDurableObjectIds(env.SOCKETS)).map(String))
    const client = await greet(tenant.token.jwt, TENANT)
    const ids = await listDurableObjectIds(env.SOCKETS)
    const object = env.SOCKETS.get(ids.find((id) => !known.has(id.toString()))!)
    await client.get({ type: 'open_stream', stream_id: 1 })
    await client.get({ type: 'execute', stream_id: 1, stmt: { sql: 'begin' } })
    await rewrite(object, version)
    for (let count = 0; count < 2; count++)
      expect(await client.ask({ type: 'execute', stream_id: 1, stmt: { sql: 'commit' } })).toMatchObject({
        type: 'response_error',
        error: { code: 'STREAM_LOST' },
      })
    await client.get({ type: 'open_stream', stream_id: 2 })
    await client.get({ type: 'execute', stream_id: 2, stmt: { sql: 'select 1' } })
    client.close()
  })
})
