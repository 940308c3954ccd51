/** Bodies over real sockets, whose streams the runtime reads: one that tests make by themselves ends in another way. */
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startStack, type Stack } from '../support/stack/stack.ts'
import { signUp } from './worker-and-turso.ts'

let stack: Stack

beforeAll(async () => {
  stack = await startStack(0, { limits: { BODY_TIMEOUT_MS: 300 } })
})
afterAll(() => stack.close())

/** Sends the head of a request and a part of the body that it announces. */
function sendPart(path: string, token: string): { socket: Socket; answered: Promise<string> } {
  const { hostname, port } = new URL(stack.url)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  const answered = new Promise<string>((resolve, reject) => {
    let text = ''
    socket.setEncoding('utf8')
    socket.on('error', reject)
    socket.on('end', () => resolve(text))
    socket.on('data', (piece: string) => {
      text += piece
      if (text.endsWith('}')) resolve(text)
    })
  })
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"id":`,
  )
  return { socket, answered }
}

const addresses = ['/v1/tenants', '/t/slow-body/v3/pipeline'] as const
const tokens = new Map<string, string>()

beforeAll(async () => {
  const { token } = await signUp(stack, 'slow-body')
  tokens.set('/v1/tenants', 'signup-key')
  tokens.set('/t/slow-body/v3/pipeline', token.jwt)
})

test('the time that the database takes to let a token in is not taken from that of the body', async () => {
  const other = await signUp(stack, 'slow-entry')
  stack.turso.faults.add({ kind: 'latency', on: 'pipeline', ms: 1_000, nth: 1, times: 1 })
  const requests = [
    { type: 'execute', stmt: { sql: `select 1 -- ${'x'.repeat(70_000)}` } },
    { type: 'close' },
  ]
  const response = await fetch(`${other.database.gateway_url}v3/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${other.token.jwt}`, 'content-type': 'application/json' },
    body: JSON.stringify({ baton: null, requests }),
  })
  expect(response.status).toBe(200)
  await response.body?.cancel()
})

describe.each(addresses)('a body for %s', (path) => {
  test('that does not come in time is answered with 408', async () => {
    const answer = await sendPart(path, tokens.get(path)!).answered
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(answer).toMatch(/"code":"request_timeout"/i)
  })

  test('that ends before it is whole is the mistake of its sender, who is told that nothing ran', async () => {
    const { socket, answered } = sendPart(path, tokens.get(path)!)
    socket.end()
    const answer = await answered
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toMatch(/"code":"invalid_request"/i)
    expect(answer).not.toContain('outcome')
  })
})
