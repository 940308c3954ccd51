import { env } from 'cloudflare:workers'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createExecutionContext, runInDurableObject, waitOnExecutionContext } from 'cloudflare:test'
import { app } from '../../worker/app.ts'
import { named, placementsFor, placeNear } from '../../worker/session/location-hint.ts'
import { forgetLocation, learnLocation, locateTenant } from '../../worker/gateway/tenant-locations.ts'
import { failNext, requestsSeen } from '../support/turso.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { putClockForward, resetClock } from './clock.ts'
import { answerOf, close, execute, refusalOf, sessionOf, type PipelineAnswer } from './gateway-client.ts'

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

describe('a database that sends a stream to a host which names another location', () => {
  interface Listed {
    id: string
    location_hint: string | null
  }
  const sessionsOf = async (tenant: string): Promise<Listed[]> => {
    const response = await call(`/v1/sessions?tenant=${tenant}`, {
      headers: { authorization: 'Bearer admin-key' },
    })
    return ((await response.json()) as { sessions: Listed[] }).sessions
  }

  test.each(['pipeline', 'cursor'] as const)(
    'has the sessions that begin from then on near that: by a %s',
    async (by) => {
      const id = `moved-by-${by}`
      const { database, token } = await signUpNow({ id })
      const send = (path: string, body: object): Promise<Response> =>
        call(`/t/${id}/v3/${path}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token.jwt}` },
          body: JSON.stringify(body),
        })
      const pipeline = (requests: object[], baton: string | null = null): Promise<PipelineAnswer> =>
        answerOf(send('pipeline', { baton, requests }))
      const elsewhere = `${database.name}-local.aws-us-east-1.turso.io/db/${database.name}`
      /** @returns the next baton */
      const run = async (sql: string, baton: string | null): Promise<string> => {
        if (by === 'pipeline') return (await pipeline([execute(sql)], baton)).baton!
        const answer = await send('cursor', { baton, batch: { steps: [{ stmt: { sql } }] } })
        return (JSON.parse((await answer.text()).split('\n')[0]!) as { baton: string }).baton
      }

      await failNext({ kind: 'base_url', on: by, url: `https://${elsewhere}` })
      const first = await run('begin', null)
      await requestsSeen()
      // It goes on there, and is where it began.
      const baton = await run('select 2', first)
      const seen = await requestsSeen()
      expect(seen).toContain(`POST ${elsewhere}/v3/${by}`)
      expect(seen.every((line) => line.includes(elsewhere))).toBe(true)
      expect(await sessionsOf(id)).toMatchObject([
        { id: sessionOf(baton).id.toString(), location_hint: 'weur' },
      ])
      const second = await pipeline([execute('begin')])
      const listed = await sessionsOf(id)
      expect(listed.find((session) => session.id === sessionOf(second.baton!).id.toString())).toMatchObject({
        location_hint: 'enam',
      })
      for (const each of [baton, second.baton]) await pipeline([close], each)
    },
  )
})

describe('a jurisdiction', () => {
  interface Asked {
    call: string
    jurisdiction?: string
    hint?: string
  }

  /** The namespace as it is, and what it was asked for: a workerd on its own knows no jurisdiction, so that it is left out. */
  function watched(namespace: object, asked: Asked[]): object {
    return new Proxy(namespace, {
      get(target, name) {
        const method = Reflect.get(target, name) as unknown
        if (typeof method !== 'function') return method
        return (...args: [unknown?, { locationHint?: string }?]): unknown => {
          const options = (name === 'newUniqueId' ? args[0] : args[1]) as
            | { jurisdiction?: string; locationHint?: string }
            | undefined
          if (name === 'jurisdiction') {
            asked.push({ call: 'jurisdiction', jurisdiction: String(args[0]) })
            return watched(namespace, asked)
          }
          asked.push({
            call: String(name),
            ...(options?.jurisdiction === undefined ? {} : { jurisdiction: options.jurisdiction }),
            ...(options?.locationHint === undefined ? {} : { hint: options.locationHint }),
          })
          return (method as (...all: unknown[]) => unknown).apply(target, name === 'newUniqueId' ? [] : args)
        }
      },
    })
  }

  test.each([
    ['eu', [{ call: 'newUniqueId', jurisdiction: 'eu' }, { call: 'get' }]],
    ['', [{ call: 'newUniqueId' }, { call: 'get', hint: 'weur' }]],
  ])(
    '%j is where a session has its object, which then is wished for nowhere else',
    async (jurisdiction, wanted) => {
      const { token } = await signUpNow({ id: `jurisdiction-${jurisdiction || 'none'}` })
      const asked: Asked[] = []
      const there = {
        ...env,
        JURISDICTION: jurisdiction,
        SESSIONS: watched(env.SESSIONS, asked),
      } as unknown as Env
      const send = async (body: object): Promise<PipelineAnswer> => {
        const context = createExecutionContext()
        const path = `/t/jurisdiction-${jurisdiction || 'none'}/v3/pipeline`
        const request = new Request(`https://tenants.example${path}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token.jwt}` },
          body: JSON.stringify(body),
        })
        const answer = await answerOf(Promise.resolve(app.fetch(request, there, context)))
        await waitOnExecutionContext(context)
        return answer
      }
      const { baton } = await send({ requests: [execute('begin')] })
      expect(asked).toEqual(wanted)
      asked.length = 0
      await send({ baton, requests: [close] })
      // By its id, which says where it is.
      expect(asked).toEqual([{ call: 'idFromString' }, { call: 'get' }])
    },
  )

  test('is where what is named has its object: which sessions a tenant has', () => {
    const asked: Asked[] = []
    const namespace = watched(env.TENANT_SESSIONS, asked) as Env['TENANT_SESSIONS']
    named(namespace, 'anybody', 'eu')
    named(namespace, 'anybody', null)
    expect(asked).toEqual([
      { call: 'jurisdiction', jurisdiction: 'eu' },
      { call: 'getByName' },
      { call: 'getByName' },
    ])
  })
})
