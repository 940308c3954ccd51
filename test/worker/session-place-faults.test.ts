/** The object of a session goes away while it is dealing with the place of its stream. */
import { env } from 'cloudflare:workers'
import { abortAllDurableObjects, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SESSION_LEASE_MS } from '../../worker/limits.ts'
import {
  clearFaults,
  failNext,
  holdNext,
  localPlatform,
  openStreams,
  requestsSeen,
} from '../support/turso.ts'
import { call, signUpNow } from './client.ts'
import { putClockForward, resetClock } from './clock.ts'
import { answerOf, close, execute, insert, refusalOf, sessionOf } from './gateway-client.ts'
import { hang } from './hanging-object.ts'
import { objectsOf } from './objects.ts'

beforeEach(async () => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  await clearFaults()
})
afterEach(() => {
  vi.restoreAllMocks()
  resetClock()
})

type Send = (requests: object[], baton?: string | null) => Promise<Response>

interface Client {
  send: Send
  /** Requests of the last call that have reached its database. */
  toDatabase: () => Promise<string[]>
  streams: () => Promise<unknown[]>
  places: () => Promise<unknown[]>
  /** The object that counts. */
  registry: () => DurableObjectStub
}

/** @param isKnown whether the gateway has seen that the database takes its token */
async function clientOf(id: string, isKnown: boolean): Promise<Client> {
  const tenant = await signUpNow({ id })
  const { name, hostname } = tenant.database
  const token = await localPlatform().databases.createToken(name)
  const send: Send = (requests, baton = null) =>
    call(`/t/${id}/v3/pipeline`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ baton, requests }),
    })
  if (isKnown) await answerOf(send([execute('select 1'), close]))
  await requestsSeen()
  // A stub is of no use any more once its object was aborted.
  const registry = () => env.TENANT_SESSIONS.getByName(id)
  return {
    send,
    toDatabase: async () => (await requestsSeen()).filter((line) => line.includes(hostname)),
    streams: async () => (await openStreams()).filter(({ database }) => database === name),
    places: async () => await registry().list('', 100),
    registry,
  }
}

/** Ends the object alone: what it has told others is carried out. */
const abort = (session: DurableObjectId): Promise<void> =>
  runInDurableObject(env.SESSIONS.get(session), (_, state) => state.abort()).catch(() => undefined)

/** Of which nobody has a baton. */
const lastSession = (): DurableObjectId => objectsOf(env.SESSIONS).at(-1)!

const storedBy = (session: DurableObjectId): Promise<unknown[]> =>
  runInDurableObject(env.SESSIONS.get(session), (_, { storage }) => [...storage.kv.list()])

/** Once the database has met its limits. */
async function titlesOf({ send, streams }: Client): Promise<string[]> {
  await failNext({ kind: 'stream_expired', on: 'pipeline' })
  const { results } = await answerOf(send([execute('select title from notes'), close]))
  expect(await streams()).toEqual([])
  // Nobody has the write lock.
  await answerOf(send([execute('begin immediate'), execute('commit'), close]))
  return results[0]!.response!.result!.rows.map(([title]) => title!.value)
}

const UNDOABLE = [execute('begin immediate'), insert('undoable')]
/** Its first statement stays, whatever becomes of the other. */
const LASTING = [insert('lasting'), execute('begin immediate')]

describe('an object that goes away while it asks for a place', () => {
  test.each([
    ['can be undone', 'known', UNDOABLE, true, 1],
    ['can be undone', 'unknown', UNDOABLE, false, 1],
    ['cannot be undone', 'known', LASTING, true, 0],
    ['cannot be undone', 'unknown', LASTING, false, 0],
  ] as const)(
    'for what %s, with a token that is %s, leaves nothing behind',
    async (kind, known, requests, isKnown, opened) => {
      const id = `asking-${kind.replaceAll(' ', '-')}-${known}`
      const client = await clientOf(id, isKnown)
      const wake = await hang(client.registry())
      const lookUps = vi.spyOn(
        Object.getPrototypeOf(env.TENANT_SESSIONS) as DurableObjectNamespace,
        'getByName',
      )
      const running = client.send([...requests])
      await expect.poll(() => lookUps.mock.calls.map(([name]) => name)).toContain(id)
      await expect.poll(client.streams).toHaveLength(opened)
      // The request itself, or the question whether the token is one.
      expect(await client.toDatabase()).toHaveLength(opened === 1 || !isKnown ? 1 : 0)
      const session = lastSession()
      await abort(session)
      expect(await refusalOf(running)).toMatchObject({ outcome: 'unknown' })
      await wake()
      expect(await client.toDatabase()).toEqual([])
      // Nobody was there any more to give it to.
      expect(await client.places()).toEqual([])
      expect(await storedBy(session)).toEqual([])
      expect(await titlesOf(client)).toEqual([])
    },
  )

  test('that it has got, with its request under way, leaves that until its lease ends', async () => {
    const client = await clientOf('asking-has-got', true)
    const hold = await holdNext('pipeline')
    const running = client.send(UNDOABLE)
    await hold.reached()
    await expect.poll(client.places).toHaveLength(1)
    const session = lastSession()
    await abort(session)
    expect(await refusalOf(running)).toMatchObject({ outcome: 'unknown' })
    await hold.letGo()
    expect(await client.streams()).toHaveLength(1)
    expect(await client.places()).toHaveLength(1)
    expect(await storedBy(session)).toEqual([])
    expect(await titlesOf(client)).toEqual([])
    putClockForward(SESSION_LEASE_MS)
    expect(await client.places()).toEqual([])
  })

  test('by the question whether its token is one leaves nothing behind', async () => {
    const client = await clientOf('asking-question', false)
    const hold = await holdNext('pipeline')
    const running = client.send(LASTING)
    await hold.reached()
    expect(await client.toDatabase()).toHaveLength(1)
    const session = lastSession()
    await abort(session)
    expect(await refusalOf(running)).toMatchObject({ outcome: 'unknown' })
    await hold.letGo()
    expect(await client.toDatabase()).toEqual([])
    expect(await client.streams()).toEqual([])
    expect(await client.places()).toEqual([])
    expect(await storedBy(session)).toEqual([])
    expect(await titlesOf(client)).toEqual([])
  })
})

test.each([
  ['is late', { kind: 'latency', ms: 300 }],
  ['does not reach the database', { kind: 'reset_before' }],
] as const)(
  'an object that goes away while it rolls back what has no place has told the truth, also when that %s',
  async (how, fault) => {
    const id = `refused-${how.replaceAll(' ', '-')}`
    const client = await clientOf(id, true)
    const drained = await call('/v1/sessions/drain', {
      method: 'POST',
      headers: { authorization: 'Bearer admin-key' },
      body: JSON.stringify({ tenant: id, within_seconds: 0, for_seconds: 60 }),
    })
    expect(drained.ok).toBe(true)
    await failNext({ ...fault, on: 'pipeline', containing: '[{"type":"close"}]' })
    const refused = await refusalOf(client.send(UNDOABLE))
    expect(refused).toMatchObject({ status: 503, code: 'SESSIONS_DRAINED', outcome: 'rolled_back' })
    const session = lastSession()
    await abort(session)
    expect(await client.places()).toEqual([])
    expect(await storedBy(session)).toEqual([])
    await clearFaults()
    expect(await titlesOf(client)).toEqual([])
  },
)

test.each([['alone'], ['with the object that counts']])(
  'an object that goes away while it gives its place back, %s, leaves that until its lease ends',
  async (how) => {
    const client = await clientOf(`giving-back-${how.replaceAll(' ', '-')}`, true)
    const { baton } = await answerOf(client.send([execute('begin immediate'), insert('kept')]))
    expect(await client.places()).toHaveLength(1)
    const session = sessionOf(baton!).id
    const wake = await hang(client.registry())
    await answerOf(client.send([execute('commit'), close], baton))
    await (how === 'alone' ? abort(session) : abortAllDurableObjects())
    await wake().catch(() => undefined)
    expect(await client.places()).toHaveLength(1)
    expect(await storedBy(session)).toEqual([])
    expect(await titlesOf(client)).toEqual(['kept'])
    putClockForward(SESSION_LEASE_MS)
    expect(await client.places()).toEqual([])
  },
)
