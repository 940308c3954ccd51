import { createConnection } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { serveLocalTurso, type FetchHandler, type ServeOptions } from '../../local/serve.ts'

/** A handler on a port. */
async function serve(handler: FetchHandler, options: Partial<ServeOptions> = {}) {
  const server = await serveLocalTurso(handler, { port: 0, ...options })
  onTestFinished(server.close)
  return server.url
}

test('an answer that HTTP cannot carry is 500, with the reason, and the next one is as ever', async () => {
  const url = await serve({
    fetch: async ({ url: path }) =>
      new Response('hello', path.endsWith('/bad') ? { headers: { location: 'http://x/\u0001' } } : {}),
  })
  for (const body of [null, 'x'.repeat(2_000_000)]) {
    const bad = await fetch(`${url}/bad`, { method: 'POST', body })
    expect([bad.status, await bad.json()]).toEqual([
      500,
      { error: 'Internal Error: `Invalid character in header content ["location"]`' },
    ])
  }
  expect(await (await fetch(`${url}/good`)).text()).toBe('hello')
})

const GREETING: FetchHandler = { fetch: async () => new Response('hello') }

test.each([
  ['TRACE /', 'TRACE / HTTP/1.1\r\nhost: x', '405 Method Not Allowed'],
  ['a user in the host', 'GET / HTTP/1.1\r\nhost: u:p@x', '400 Bad Request'],
  ['a user in an absolute address', 'GET http://u:p@x/v2 HTTP/1.1\r\nhost: x', '400 Bad Request'],
  ['a host that is none', 'GET / HTTP/1.1\r\nhost: a b', '400 Bad Request'],
  ['an absolute address', 'GET http://x/v2 HTTP/1.1\r\nhost: x', '200 OK'],
])('%s is answered with what it is', async (_, head, status) => {
  const { port } = new URL(await serve(GREETING))
  const socket = createConnection(Number(port), '127.0.0.1')
  socket.write(`${head}\r\nconnection: close\r\n\r\n`)
  expect((await text(socket)).split('\r\n')[0]).toBe(`HTTP/1.1 ${status}`)
})

test.each([
  ['sends nothing after its headers', 'content-length: 100\r\n\r\n', ''],
  ['sends a byte now and then', 'content-length: 100000\r\n\r\n', 'x'],
  ['never ends its headers', 'x: ', 'y'],
])('a client that %s is cut', async (_, head, drip) => {
  const url = await serve(
    { fetch: async (request) => new Response(await request.text()) },
    { requestTimeoutMs: 100 },
  )
  const socket = createConnection(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => undefined).resume()
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\n${head}`)
  const dripping = setInterval(() => socket.write(drip), 10)
  onTestFinished(() => clearInterval(dripping))
  await new Promise((resolve) => socket.once('close', resolve))
  expect(await (await fetch(url, { method: 'POST', body: 'next' })).text()).toBe('next')
})
