/** WebSockets of tenants that have no database for them: opened by the Worker itself, to say why. */
import { env } from 'cloudflare:workers'
import { listDurableObjectIds } from 'cloudflare:test'
import { beforeAll, describe, expect, test } from 'vitest'
import { TENANT_SUSPENDED } from '../../worker/hrana/error.ts'
import { openRefused } from '../../worker/socket/refused.ts'
import { requestsSeen } from '../support/turso.ts'
import { call, signUpNow } from './client.ts'
import { openSocket, type ServerMessage, type SocketClient } from './socket-client.ts'

const HELLO = { type: 'hello', jwt: 'a.b.c' }
const OPEN_STREAM = { type: 'request', request_id: 1, request: { type: 'open_stream', stream_id: 1 } }

const authorization = (key: string) => ({
  authorization: `Bearer ${key}`,
  'content-type': 'application/json',
})

beforeAll(async () => {
  for (const id of ['refused-suspended', 'refused-deleted']) await signUpNow({ id })
  await call('/v1/tenants/refused-suspended', {
    method: 'PATCH',
    headers: { ...authorization('admin-key'), 'content-type': 'application/merge-patch+json' },
    body: '{"suspended":true}',
  })
  await call('/v1/tenants/refused-deleted', { method: 'DELETE', headers: authorization('admin-key') })
})

describe.each([
  ['suspended', 'refused-suspended', 'TENANT_SUSPENDED', /suspended/],
  ['deleted', 'refused-deleted', 'TENANT_NOT_FOUND', /no such tenant/],
  ['unknown', 'refused-nobody', 'TENANT_NOT_FOUND', /no such tenant/],
])('a tenant that is %s', (_, id, code, message) => {
  test.each(['hrana2', 'hrana3'])('is told by hello_error, in %s', async (subprotocol) => {
    const before = await listDurableObjectIds(env.SOCKETS)
    await requestsSeen()
    const client = await openSocket(id, subprotocol)
    client.send(HELLO)
    client.send(OPEN_STREAM)
    expect(await client.next()).toEqual({
      type: 'hello_error',
      error: { code, message: expect.stringMatching(message) as string },
    } satisfies ServerMessage)
    expect(await client.closed).toEqual({ code: 1008, reason: code })
    expect(await listDurableObjectIds(env.SOCKETS)).toEqual(before)
    expect(await requestsSeen()).toEqual([])
  })
})

describe('a WebSocket that is only told why', () => {
  test.each<[number, string, (client: SocketClient) => void]>([
    [1007, 'what is not JSON', (client) => client.send('{')],
    [1003, 'a binary message', (client) => client.send(new ArrayBuffer(1))],
    [1008, 'a request before the hello', (client) => client.send(OPEN_STREAM)],
    [1008, 'a hello that is too long', (client) => client.send({ ...HELLO, x: 'x'.repeat(40_000) })],
  ])('is closed with %i for %s, and told nothing', async (code, _, offend) => {
    const client = await openSocket('refused-nobody')
    offend(client)
    client.send(HELLO)
    expect(await Promise.race([client.closed, client.next()])).toMatchObject({ code })
  })

  test.each([
    [undefined, undefined, { code: 1005, reason: '' }],
    [4001, 'enough', { code: 4001, reason: 'enough' }],
  ])('has its close answered (%s)', async (code, reason, closed) => {
    const client = await openSocket('refused-nobody')
    client.close(code, reason)
    expect(await client.closed).toEqual(closed)
  })

  test('is closed when no hello comes in time', async () => {
    const socket = openRefused(3, TENANT_SUSPENDED, 20)
    const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener('close', resolve))
    socket.accept()
    expect(await closed).toMatchObject({ code: 1008, reason: 'No valid hello came within 5000 ms' })
  })
})
