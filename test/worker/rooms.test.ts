/** What is large takes room of its isolate, and gives it back whatever becomes of it: beside room.test.ts. */
import { beforeAll, beforeEach, expect, test } from 'vitest'
import type { FaultKind } from '../../local/faults/script.ts'
import { answers, bodies, sessionRequests } from '../../worker/memory/rooms.ts'
import { clearFaults, failNext } from '../support/turso.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { answerOf, close, execute, insert } from './gateway-client.ts'

/** More than is small. */
const LARGE = 100_000

let tenant: SignupAnswer

beforeAll(async () => {
  tenant = await signUpNow({ id: 'rooms' })
})
beforeEach(clearFaults)

const send = (endpoint: string, body: string, token = tenant.token.jwt): Promise<Response> =>
  call(`/t/rooms/v3/${endpoint}`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body })

const large = ` /* ${'x'.repeat(LARGE)} */`
/** Its answer is large, too. */
const select = `select hex(zeroblob(${LARGE}))${large}`
const passing = JSON.stringify({ requests: [execute(select), close] })
const session = JSON.stringify({ requests: [execute('begin'), execute(select)] })
const batch = (...sql: string[]): string =>
  JSON.stringify({ batch: { steps: sql.map((text) => ({ stmt: { sql: text } })) } })

const requests: [what: string, endpoint: string, body: string][] = [
  ['a pipeline that keeps no stream', 'pipeline', passing],
  ['a pipeline of a session', 'pipeline', session],
  ['a cursor that leaves nothing', 'cursor', batch(select)],
  ['a cursor of a session', 'cursor', batch('begin', select)],
]
const outcomes: [what: string, fault: FaultKind | null][] = [
  ['is answered', null],
  ['is refused at length', { kind: 'respond', status: 500, body: large }],
  ['is refused at length for what it is', { kind: 'respond', status: 400, body: large }],
  ['is answered at length with no answer', { kind: 'respond', status: 200, body: `{"results":[${large}` }],
  ['is answered at length with another shape', { kind: 'wrong_shape', body: { baton: 'b', padding: large } }],
  ['is answered by halves', { kind: 'truncated', share: 0.5, ending: 'clean' }],
  ['is sent elsewhere', { kind: 'redirect', to: 'https://evil.example/' }],
  ['is followed by a strange host', { kind: 'base_url', url: 'https://evil.example' }],
]
const ofClient: [what: string, endpoint: string, body: string][] = [
  ['is no JSON', 'pipeline', passing.slice(0, -1)],
  ['is two requests in one', 'pipeline', `${passing.slice(0, -1)},"requests":[]}`],
  ['has a forged baton', 'pipeline', JSON.stringify({ baton: 'A'.repeat(91), requests: [insert(large)] })],
  ['is no batch', 'cursor', JSON.stringify({ batch: [large] })],
]

const taken = (): number[] => [bodies, sessionRequests, answers].map((room) => room.taken())

test.each(
  requests.flatMap(([what, endpoint, body]) =>
    outcomes.map(([becomes, fault]) => [what, becomes, endpoint, body, fault] as const),
  ),
)('%s that %s leaves all room to others', async (_, _becomes, endpoint, body, fault) => {
  if (fault !== null) await failNext({ ...fault, on: endpoint, nth: 1 })
  await (await send(endpoint, body)).text()
  await expect.poll(taken).toEqual([0, 0, 0])
})

test.each(ofClient)('what %s leaves all room to others', async (_, endpoint, body) => {
  await (await send(endpoint, body)).text()
  await expect.poll(taken).toEqual([0, 0, 0])
})

test('a body with a token that opens nothing takes none', async () => {
  expect((await send('pipeline', passing, 'made-up')).status).toBe(401)
  await expect.poll(taken).toEqual([0, 0, 0])
})

test('is taken while it is on its way, or all of this would be seen too late', async () => {
  const response = await send('pipeline', session)
  expect(answers.taken()).toBeGreaterThan(LARGE)
  await answerOf(Promise.resolve(response))
  await expect.poll(taken).toEqual([0, 0, 0])
})
