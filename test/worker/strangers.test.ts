/** Whoever has no token of a tenant's database takes nothing from those who have: no place, and nothing that is stored. */
import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createAcceptedTokens } from '../../worker/gateway/accepted-tokens.ts'
import { listLive } from '../../worker/directory/live-tenants.ts'
import type { Lease } from '../../worker/session/leases.ts'
import { clearFaults, failNext, openStreams, requestsSeen } from '../support/turso.ts'
import { call, signUpNow } from './client.ts'
import { answerOf, close, execute } from './gateway-client.ts'
import { openSocket } from './socket-client.ts'

beforeEach(clearFaults)
afterEach(clearFaults)

/** Half as many again as a tenant has places. */
const STRANGERS = 150

const registryOf = (tenant: string) => env.TENANT_SESSIONS.getByName(tenant)
const placesOf = async (tenant: string): Promise<Lease[]> => await registryOf(tenant).list('', 200)
const storedOf = (tenant: string): Promise<unknown[]> =>
  runInDurableObject(registryOf(tenant), (_, { storage }) => [...storage.kv.list()])

const listed = async (tenant: string): Promise<string[]> => await listLive(env.DIRECTORY, tenant, 1)

/** The database takes its time with each of them, so that they are there together. */
const slowly = (ms = 1_500): Promise<void> =>
  failNext({ kind: 'latency', ms, containing: 'stranger', times: STRANGERS })

/** What takes a place before it is sent, what takes it meanwhile, and what can do without. */
const KINDS: { path: string; body: object }[] = [
  { path: 'v3/pipeline', body: { requests: [execute('begin'), execute("select 'stranger'")] } },
  {
    path: 'v2/pipeline',
    body: { requests: [execute('savepoint stranger'), execute('release stranger')] },
  },
  {
    path: 'v3/cursor',
    body: { batch: { steps: [{ stmt: { sql: "insert into notes (title) values ('stranger')" } }] } },
  },
]

function knock(
  tenant: string,
  index: number,
  { path, body } = KINDS[index % KINDS.length]!,
): Promise<Response> {
  return call(`/t/${tenant}/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer made.up.${index}`, 'cf-connecting-ip': `203.0.113.${index % 7}` },
    body: JSON.stringify({ baton: null, ...body }),
  })
}

/** The tenant's own, one after another, until the strangers are done. */
async function useWhile(tenant: string, token: string, strangers: Promise<unknown>): Promise<number> {
  let isOver = false
  let count = 0
  const over = strangers.finally(() => (isOver = true))
  const send = (requests: object[], baton: string | null = null) =>
    answerOf(
      call(`/t/${tenant}/v3/pipeline`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ baton, requests }),
      }),
    )
  do {
    const { baton } = await send([execute('begin'), execute('select 1')])
    await send([execute('commit'), close], baton)
    const { baton: idle } = await send([execute('savepoint own'), execute('release own')])
    await send([close], idle)
    expect((await placesOf(tenant)).filter(({ kind }) => kind === 'websocket')).toEqual([])
    count += 1
  } while (!isOver)
  await over
  return count
}

describe('150 requests with made-up tokens at once', () => {
  test('keep nobody of the tenant from opening a transaction, and leave nothing', async () => {
    const tenant = 'besieged'
    const { database, token } = await signUpNow({ id: tenant })
    await slowly()
    const strangers = Promise.all(Array.from({ length: STRANGERS }, (_, index) => knock(tenant, index)))
    expect(await useWhile(tenant, token.jwt, strangers)).toBeGreaterThan(0)
    const statuses = (await strangers).map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([401]))
    await expect.poll(() => placesOf(tenant)).toEqual([])
    expect((await openStreams()).filter((stream) => stream.database === database.name)).toEqual([])
  })

  test.each(KINDS.map((kind) => [kind.path, kind] as const))(
    'are not known to who counts the sessions of their tenant: %s',
    async (path, kind) => {
      const tenant = `unasked-${path.replace('/', '-')}`
      await signUpNow({ id: tenant })
      const answers = await Promise.all(Array.from({ length: 5 }, (_, index) => knock(tenant, index, kind)))
      expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401])
      expect(await storedOf(tenant)).toEqual([])
      expect(await listed(tenant)).not.toContain(tenant)
    },
  )
})

describe('150 WebSockets with made-up tokens at once', () => {
  test('keep nobody of the tenant from opening a transaction, and leave nothing', async () => {
    const tenant = 'besieged-by-sockets'
    const { token } = await signUpNow({ id: tenant })
    await slowly()
    const strangers = Promise.all(
      Array.from({ length: STRANGERS }, async (_, index) => {
        const client = await openSocket(tenant, 'hrana3', { 'cf-connecting-ip': `203.0.113.${index % 7}` })
        client.send({ type: 'hello', jwt: `made.up.${index}` })
        client.send({ type: 'request', request_id: 1, request: { type: 'open_stream', stream_id: 1 } })
        client.send({ type: 'request', request_id: 2, request: { ...execute('begin'), stream_id: 1 } })
        return (await client.closed).code
      }),
    )
    expect(await useWhile(tenant, token.jwt, strangers)).toBeGreaterThan(0)
    expect(new Set(await strangers)).toEqual(new Set([1008]))
    await expect.poll(() => placesOf(tenant)).toEqual([])
  })
})

describe('a token', () => {
  test.each([
    [
      'that its database has not been seen to take is asked about before what cannot be undone is sent',
      false,
    ],
    ['that its database has taken before is not asked about', true],
  ])('%s', async (_, isKnown) => {
    const tenant = `asked-${isKnown}`
    const { database, token } = await signUpNow({ id: tenant })
    const send = (requests: object[]) =>
      answerOf(
        call(`/t/${tenant}/v3/pipeline`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token.jwt}` },
          body: JSON.stringify({ baton: null, requests }),
        }),
      )
    if (isKnown) await send([execute('select 1'), close])
    await requestsSeen()
    // Its stream is kept, by every server.
    const { results } = await send([
      execute('savepoint own'),
      execute('release own'),
      execute('pragma foreign_keys = on'),
    ])
    expect(results).toMatchObject([{ type: 'ok' }, { type: 'ok' }, { type: 'ok' }])
    const seen = (await requestsSeen()).filter((line) => line.includes(database.hostname))
    expect(seen).toHaveLength(isKnown ? 1 : 2)
    expect(await placesOf(tenant)).toHaveLength(1)
  })

  test('that was revoked is forgotten when its database has refused it', async () => {
    const tenant = 'revoked'
    const { token } = await signUpNow({ id: tenant })
    const statusOf = async (requests: object[]): Promise<number> => {
      const response = await call(`/t/${tenant}/v3/pipeline`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token.jwt}` },
        body: JSON.stringify({ baton: null, requests }),
      })
      return response.status
    }
    const use = [execute('select 1'), close]
    expect(await statusOf(use)).toBe(200)
    const headers = { authorization: 'Bearer admin-key' }
    expect((await call(`/v1/tenants/${tenant}/tokens`, { method: 'DELETE', headers })).status).toBe(200)
    expect(await statusOf(use)).toBe(401)
    // Of somebody who is asked about first, this is never sent.
    await failNext({ kind: 'respond', status: 404, containing: 'savepoint revoked', nth: 1 })
    expect(await statusOf([execute('savepoint revoked'), execute('release revoked')])).toBe(401)
    expect(await listed(tenant)).not.toContain(tenant)
  })

  test('that a database has taken is remembered until it is refused, or others have been used since', () => {
    const tokens = createAcceptedTokens(2)
    for (const name of ['a', 'b', 'a', 'c']) tokens.learn(name, true)
    tokens.learn('made-up', false)
    expect(['a', 'b', 'c', 'made-up'].filter(tokens.has)).toEqual(['a', 'c'])
    tokens.learn('a', false)
    expect(['a', 'b', 'c'].filter(tokens.has)).toEqual(['c'])
  })
})
