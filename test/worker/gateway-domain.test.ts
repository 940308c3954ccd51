import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { app } from '../../worker/app.ts'
import { routedPath } from '../../worker/gateway/domain.ts'
import { signUpNow } from './client.ts'
import { close, execute } from './gateway-client.ts'

describe('the gateway by host name', () => {
  test.each([
    ['https://acme.db.example.com/v3/pipeline', '/t/acme/v3/pipeline'],
    ['https://acme.db.example.com/', '/t/acme/'],
    ['https://ACME.db.example.com/v2', '/t/acme/v2'],
    ['https://acme.db.example.com:8443/v2', '/t/acme/v2'],
    ['https://acme.db.example.com./v2', '/t/acme/v2'],
    ['https://münchen.db.example.com/v2', '/t/xn--mnchen-3ya/v2'],
    ['https://eu.acme.db.example.com/v2', '/t/eu.acme/v2'],
    ['https://db.example.com/v1/tenants', '/v1/tenants'],
    ['https://acme.db.example.com.evil.example/v2', '/v2'],
    ['https://acmedb.example.com/v2', '/v2'],
    // Whatever its path says: at the host of a tenant there is nothing but its gateway.
    ['https://acme.db.example.com/v1/tenants', '/t/acme/v1/tenants'],
    ['https://acme.db.example.com/t/globex/v3/pipeline', '/t/acme/t/globex/v3/pipeline'],
    ['https://acme.db.example.com./v1/tenants', '/t/acme/v1/tenants'],
    ['https://acme.db.example.com/%2e%2e/%2e%2e/v1/tenants', '/t/acme/v1/tenants'],
    // Also of those that are no tenant's.
    ['https://_acme.db.example.com/v1/tenants', '/t/_acme/v1/tenants'],
    ['https://-.db.example.com/v1/tenants', '/t/-/v1/tenants'],
  ])('%s is %s', (url, path) => {
    expect(routedPath(new URL(url), 'db.example.com')).toBe(path)
    expect(routedPath(new URL(url), null)).toBe(new URL(url).pathname)
  })

  test('is the one by path', async () => {
    const { token } = await signUpNow({ id: 'by-host' })
    const withDomain: Env = { ...env, GATEWAY_DOMAIN: 'db.example.com' }
    const ask = async (body: object, path = '/v3/pipeline'): Promise<Response> => {
      const headers = { authorization: `Bearer ${token.jwt}` }
      const init = { method: 'POST', headers, body: JSON.stringify(body) }
      const context = createExecutionContext()
      const response = await app.request(`https://by-host.db.example.com${path}`, init, withDomain, context)
      await waitOnExecutionContext(context)
      return response
    }
    const stateless = await ask({ requests: [execute('select 1'), close] })
    expect(stateless.status).toBe(200)
    const begun = await ask({ requests: [execute('begin')] })
    const { baton } = await begun.json<{ baton: string }>()
    expect(baton).toEqual(expect.any(String))
    const closed = await ask({ baton, requests: [close] })
    expect(await closed.json()).toMatchObject({ baton: null })
    // The baton was that of a session, which is gone.
    expect((await ask({ baton, requests: [close] })).status).toBe(400)
    const elsewhere = await ask({}, '/v1/tenants')
    expect(await elsewhere.json()).toMatchObject({ code: 'NOT_FOUND' })
  })
})

test('a session survives the rotation of the key that signs its batons', async () => {
  const { token } = await signUpNow({ id: 'rotated' })
  const ask = async (with_: Env, body: object): Promise<{ baton: string; code?: string }> => {
    const headers = { authorization: `Bearer ${token.jwt}` }
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    const context = createExecutionContext()
    const response = await app.request('https://x.example/t/rotated/v3/pipeline', init, with_, context)
    const answer: { baton: string; code?: string } = await response.json()
    await waitOnExecutionContext(context)
    return answer
  }
  const begun = await ask(env, { requests: [execute('begin')] })
  const rotated = { ...env, BATON_KEY: 'c2'.repeat(32), BATON_KEY_PREVIOUS: env.BATON_KEY } as Env
  const next = await ask(rotated, { baton: begun.baton, requests: [execute('select 1')] })
  // Its next baton is of the new key: the old one can go.
  const { BATON_KEY_PREVIOUS: _, ...forgotten } = rotated as Env & { BATON_KEY_PREVIOUS: string }
  const last = await ask(forgotten as Env, { baton: next.baton, requests: [close] })
  expect(last).toMatchObject({ baton: null })
  expect(await ask(forgotten as Env, { baton: begun.baton, requests: [close] })).toMatchObject({
    code: 'BATON_INVALID',
  })
})
