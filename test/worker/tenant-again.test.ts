/** An id whose tenant is deleted and signed up again has another database: what belongs to the former life opens none. */
import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clearFaults, localPlatform, requestsSeen } from '../support/turso.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { putClockForward, resetClock } from './clock.ts'
import { alarmAfter, answerOf, execute, insert, refusalOf, sessionOf } from './gateway-client.ts'

const admin = { authorization: 'Bearer admin-key' }

beforeEach(clearFaults)
afterEach(resetClock)

async function purge(id: string): Promise<void> {
  expect((await call(`/v1/tenants/${id}?purge=true`, { method: 'DELETE', headers: admin })).status).toBe(202)
  await expect
    .poll(async () => {
      putClockForward(120_000)
      await runDurableObjectAlarm(env.TENANTS.getByName(id))
      return (await call(`/v1/tenants/${id}`, { headers: admin })).status
    })
    .toBe(404)
  resetClock()
}

/** For the databases of a tenant's group, those to come included. */
const groupToken = ({ tenant }: SignupAnswer): Promise<string> =>
  localPlatform().groups.createToken(tenant.group)

function send(id: string, token: string, requests: object[], baton: string | null = null): Promise<Response> {
  return call(`/t/${id}/v3/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ baton, requests }),
  })
}

describe('a session of a tenant that is deleted and signed up again', () => {
  test.each([
    ['holds a stream', false, [execute('select 1')]],
    ['pauses without one', true, [execute('select 1')]],
    ['has stored a text', true, [{ type: 'store_sql', sql_id: 1, sql: 'select 1' }]],
    ['is in a transaction', false, [execute('begin'), insert('of the former life')]],
  ] as const)('and %s ends, although its token opens both databases', async (how, pauses, requests) => {
    const id = `again-${how.replaceAll(' ', '-')}`
    const former = await signUpNow({ id })
    const token = await groupToken(former)
    const { baton } = await answerOf(send(id, token, [...requests]))
    if (pauses) await alarmAfter(9_000, baton!)
    await purge(id)
    const present = await signUpNow({ id })
    expect(present.database.name).not.toBe(former.database.name)
    await requestsSeen()
    expect(await refusalOf(send(id, token, [insert('astray')], baton))).toMatchObject({
      status: 400,
      code: 'BATON_INVALID',
    })
    expect(await requestsSeen()).toEqual([])
    expect(await sessionOf(baton!).describe()).not.toContainEqual(
      expect.objectContaining({ isInTransaction: true }),
    )
  })
})
