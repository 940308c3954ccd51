import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import type { AppEnvironment } from '../../worker/environment.ts'
import { limitBody } from '../../worker/middleware/limit-body.ts'
import { onError } from '../../worker/middleware/problems.ts'
import { call, signUp, signUpNow, type ProblemBody } from './client.ts'

const authorization = 'Bearer signup-key'
const nested = (levels: number): string => '{"a":'.repeat(levels - 1) + '{}' + '}'.repeat(levels - 1)

async function problemOf(response: Response): Promise<ProblemBody> {
  return await response.json()
}

async function gzip(text: string): Promise<ArrayBuffer> {
  return await new Response(
    new Blob([text]).stream().pipeThrough(new CompressionStream('gzip')),
  ).arrayBuffer()
}

describe('a body', () => {
  test('that is not UTF-8 is refused, and no character of it is kept as another', async () => {
    const latin1 = Uint8Array.from('{"id":"latin","name":"Café"}', (character) => character.codePointAt(0)!)
    const response = await call('/v1/tenants', { method: 'POST', headers: { authorization }, body: latin1 })
    expect(response.status).toBe(400)
    expect((await problemOf(response)).detail).toMatch(/UTF-8/)
    const withMark = new TextEncoder().encode('\ufeff{"id":"marked","name":"Café"}')
    const created = await call('/v1/tenants', { method: 'POST', headers: { authorization }, body: withMark })
    expect(await created.json()).toMatchObject({ tenant: { name: 'Café' } })
  })

  test('that comes by drops is given up, with what has come of it', async () => {
    let isCancelled = false
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode('{"id":')),
      cancel: () => void (isCancelled = true),
    })
    const app = new Hono<AppEnvironment>()
      .post('/', limitBody(100, 20), (c) => c.text('read'))
      .onError(onError)
    const response = await app.request('/', { method: 'POST', body })
    expect(response.status).toBe(408)
    expect(await problemOf(response)).toMatchObject({ code: 'request_timeout' })
    expect(isCancelled).toBe(true)
  })

  test('that is too large is not read to its end', async () => {
    let chunks = 0
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          chunks += 1
          controller.enqueue(new Uint8Array(1_000))
        },
      },
      { highWaterMark: 0 },
    )
    const app = new Hono<AppEnvironment>()
      .post('/', limitBody(10_000), (c) => c.text('read'))
      .onError(onError)
    expect((await app.request('/', { method: 'POST', body })).status).toBe(413)
    expect(chunks).toBeLessThan(20)
  })

  test('in many chunks is read as it is', async () => {
    const parts = ['{"a":"', 'ä'.repeat(10), '"}'].map((text) => new TextEncoder().encode(text))
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const part = parts.shift()
        if (part) controller.enqueue(part)
        else controller.close()
      },
    })
    const app = new Hono<AppEnvironment>()
      .post('/', limitBody(1_000), async (c) => c.text(await c.req.text()))
      .onError(onError)
    const response = await app.request('/', { method: 'POST', body })
    expect(await response.text()).toBe(`{"a":"${'ä'.repeat(10)}"}`)
  })

  test('that is packed is refused, and never unpacked', async () => {
    const bomb = await gzip(JSON.stringify({ id: 'bomb', metadata: { zeros: '0'.repeat(20_000_000) } }))
    expect(bomb.byteLength).toBeLessThan(64 * 1024)
    const packed = await call('/v1/tenants', {
      method: 'POST',
      headers: { authorization, 'content-encoding': 'gzip' },
      body: bomb,
    })
    expect(packed.status).toBe(415)
    expect(packed.headers.get('accept-encoding')).toBe('identity')
    expect(await problemOf(packed)).toMatchObject({ code: 'unsupported_encoding' })
    // And without saying so it is no text.
    const unsaid = await call('/v1/tenants', { method: 'POST', headers: { authorization }, body: bomb })
    expect((await problemOf(unsaid)).detail).toMatch(/not UTF-8/)
  })

  test('may be nested 32 levels deep, and is given back so; one more is refused', async () => {
    const metadata: unknown = JSON.parse(nested(31))
    expect((await signUpNow({ id: 'deep', metadata })).tenant.metadata).toEqual(metadata)
    const deeper = await signUp({ id: 'deeper', metadata: JSON.parse(nested(32)) })
    expect(deeper.status).toBe(400)
    expect((await problemOf(deeper)).detail).toMatch(/nested more than 32/)
  })

  test('of nothing but mistakes, or with a name as long as itself, has a short answer', async () => {
    const unknown = Object.fromEntries(Array.from({ length: 2_500 }, (_, n) => [`member ${n}`, n]))
    const long = { ['k'.repeat(60_000)]: 1, id: 'a' }
    for (const body of [unknown, long]) {
      const response = await signUp(body)
      expect(response.status).toBe(400)
      expect((await response.text()).length).toBeLessThan(5_000)
    }
  })

  test('of the gateway is under the same rules, in its own form', async () => {
    const { token } = await signUpNow({ id: 'hostile-gateway' })
    const response = await call('/t/hostile-gateway/v3/pipeline', {
      method: 'POST',
      headers: { authorization: `Bearer ${token.jwt}`, 'content-encoding': 'gzip' },
      body: await gzip('{"requests":[]}'),
    })
    expect(response.status).toBe(415)
    expect(await response.json()).toMatchObject({ code: 'UNSUPPORTED_ENCODING' })
  })
})
