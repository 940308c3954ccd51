import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Fault } from '../../local/faults/script.ts'
import { connect } from '../../src/index.ts'
import { clearFaults, failNext, localPlatform } from '../support/turso.ts'
import { call, signUp, signUpNow } from './client.ts'

// The group is made on the way to its first database, by a request that is none of those that are slow here.
beforeAll(async () => void (await signUpNow({ id: 'first-of-all' })))
beforeEach(clearFaults)
afterEach(clearFaults)

const authorization = 'Bearer signup-key'

interface History {
  tenant: { status: string }
  database: { name: string }
  timeline: { step: string; outcome: string; duration_ms: number }[]
}

const read = async (id: string): Promise<History> =>
  await (await call(`/v1/tenants/${id}`, { headers: { authorization } })).json()

async function databasesOf(slug: string): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of localPlatform().databases.list())
    if (name.startsWith(`${slug}-`)) names.push(name)
  return names
}

/**
 * Longer than any call may take. The one is done only then, long after it was given up; the other has been done at once, and
 * its answer comes drop by drop.
 */
const silences = [
  ['unanswered', { kind: 'latency', ms: 20_000 }],
  ['dribbled', { kind: 'slow_body', ms: 8_000 }],
] as const satisfies [string, Fault][]

/** Of an answer's bytes, so that it comes in two or three drops. */
const DROPS = { 'databases.create': 130, 'databases.createToken': 180, pipeline: 1_000 }

const withDrops = (fault: Fault, on: keyof typeof DROPS): Fault =>
  fault.kind === 'slow_body' ? { ...fault, bytes: DROPS[on] } : fault

test('a call that is not answered, or whose answer does not end, is given up in time, and the signup goes on to one database', async () => {
  const ids: string[] = []
  for (const [index, [silence, fault]] of silences.entries()) {
    for (const on of ['databases.create', 'pipeline'] as const) {
      const id = `${silence}-${on.replace('.', '-')}`
      ids.push(id)
      // The body of each has its tenant's name or id.
      await failNext({ ...withDrops(fault, on), on, containing: id })
    }
    // A request for a token has no body: two of the signups will meet it.
    const on = 'databases.createToken'
    await failNext({ ...withDrops(fault, on), on, nth: index + 1 })
  }
  // On a busy machine the rest is for the alarm.
  for (const { status } of await Promise.all(ids.map((id) => signUp({ id }))))
    expect([201, 202]).toContain(status)
  const given = new Map<string, number>()
  for (const id of ids) {
    await expect.poll(async () => (await read(id)).tenant.status, { timeout: 60_000 }).toBe('active')
    const { database, timeline } = await read(id)
    expect(await databasesOf(id)).toEqual([database.name])
    for (const { step, outcome } of timeline)
      if (outcome === 'retried') given.set(step, (given.get(step) ?? 0) + 1)
    const { hostname } = await localPlatform().databases.retrieve(database.name)
    const authToken = await localPlatform().databases.createToken(database.name)
    const db = connect({ url: `https://${hostname}`, authToken })
    expect((await db.execute('select * from notes')).rows).toEqual([])
  }
  const all = ['create_database', 'create_token', 'migrate'].map((step) => given.get(step) ?? 0)
  expect(Math.min(...all)).toBeGreaterThanOrEqual(2)
}, 600_000)
