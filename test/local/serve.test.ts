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
