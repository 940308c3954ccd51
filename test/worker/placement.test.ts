import { env } from 'cloudflare:workers'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { runInDurableObject } from 'cloudflare:test'
import { placementsFor, placeNear } from '../../worker/placement.ts'
import { forgetLocation, learnLocation, locateTenant } from '../../worker/tenant-locations.ts'
import { requestsSeen } from '../support/turso.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { putClockForward, resetClock } from './clock.ts'
import { answerOf, close, execute, refusalOf } from './gateway-client.ts'

afterEach(resetClock)

describe('where an object is wished for', () => {
  test.each([
    ['aws-us-east-1', 'enam'],
    ['aws-us-east-2', 'enam'],
    ['aws-us-west-2', 'wnam'],
    ['aws-eu-west-1', 'weur'],
    ['aws-ap-south-1', 'me'],
    ['aws-ap-northeast-1', 'apac-ne'],
    ['ams', 'weur'],
    ['waw', 'eeur'],
    ['gru', 'sam'],
    ['syd', 'oc'],
    ['jnb', 'afr'],
    ['bom', 'me'],
    ['qro', 'wnam'],
  ])('is near the database: %s → %s', (location, hint) => {
    expect(placementsFor(location)[0]).toBe(hint)
  })

  test('is left to Cloudflare where nothing is known', () => {
    for (const location of [null, 'aws-mars-1', '', 'constructor', 'enam ewr'])
      expect(placementsFor(location)).toEqual([])
    const id = env.SESSIONS.newUniqueId()
    expect(placeNear(null, (options) => env.SESSIONS.get(id, options)).hint).toBeNull()
  })

  test('is the second nearest for a runtime that does not know the nearest', () => {
    const id = env.SESSIONS.newUniqueId()
    const placed = placeNear('aws-ap-northeast-1', (options) => {
      if (options.locationHint === 'apac-ne') throw new TypeError('unknown location hint')
      return env.SESSIONS.get(id, options)
    })
    expect(placed.hint).toBe('apac')
  })
})

describe('where a tenant is', () => {
  let tenant: SignupAnswer
  beforeAll(async () => {
    tenant = await signUpNow({ id: 'located' })
  })

  const select = (): Promise<Response> =>
    call('/t/located/v3/pipeline', {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.token.jwt}` },
      body: JSON.stringify({ requests: [execute('select 1'), close] }),
    })
  /** Behind the back of the route that would forget it. */
  const setStatus = (status: string): Promise<void> =>
    runInDurableObject(env.TENANTS.getByName('located'), (_, { storage }) => {
      storage.kv.put('tenant', { ...storage.kv.get<object>('tenant'), status })
    })

  test('is known for a minute, and no longer than that', async () => {
    expect(await locateTenant(env, 'located')).toMatchObject({ kind: 'open', location: 'aws-eu-west-1' })
    await setStatus('suspended')
    expect((await select()).status).toBe(200)
    putClockForward(60_000)
    expect(await refusalOf(select())).toMatchObject({ status: 403, code: 'TENANT_SUSPENDED' })
    await setStatus('active')
    // What is not open is not remembered.
    await answerOf(select())
  })

  test('is forgotten by whoever suspends it', async () => {
    await answerOf(select())
    const patch = (isSuspended: boolean): Promise<Response> =>
      call('/v1/tenants/located', {
        method: 'PATCH',
        headers: { authorization: 'Bearer admin-key', 'content-type': 'application/merge-patch+json' },
        body: JSON.stringify({ suspended: isSuspended }),
      })
    expect((await patch(true)).status).toBe(200)
    expect(await refusalOf(select())).toMatchObject({ status: 403 })
    expect((await patch(false)).status).toBe(200)
    await answerOf(select())
  })

  test('is learnt from the host that its database sends it to, as long as it is known', async () => {
    await locateTenant(env, 'located')
    learnLocation(env, 'located', 'aws-us-east-1')
    expect(await locateTenant(env, 'located')).toMatchObject({ location: 'aws-us-east-1' })
    forgetLocation(env, 'located')
    learnLocation(env, 'located', 'aws-us-east-1')
    expect(await locateTenant(env, 'located')).toMatchObject({ location: 'aws-eu-west-1' })
    await requestsSeen()
  })
})
