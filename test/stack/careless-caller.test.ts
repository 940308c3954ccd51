/** Where nothing but the end of its caller ends a transaction, and not by the proxy of a test harness, which does not pass that on. */
import { expect, onTestFinished, test } from 'vitest'
import { startStack } from '../support/stack/stack.ts'
import { connect } from '../../src/index.ts'
import { signUp } from './worker-and-turso.ts'

/** So long that neither the session's alarm nor the database ends what nobody uses, and that any answer is waited for. */
const NEVER_MS = 600_000
const limits = { SESSION_IDLE_MS: NEVER_MS, PIPELINE_TIMEOUT_MS: NEVER_MS, ABANDONED_CALL_MS: NEVER_MS }

test.each([
  ['', 0],
  ['?unfinished', 1],
])(
  'what a Worker leaves open in a session when it goes is rolled back, also behind a statement under way, and takes no place (%s)',
  async (query, held) => {
    const caller = 'test/stack/careless-worker/index.ts'
    const stack = await startStack(0, { caller, limits, streamIdleMs: NEVER_MS })
    onTestFinished(() => stack.close())
    const { database, token } = await signUp(stack, 'left')
    stack.turso.faults.add({ kind: 'latency', ms: 500, on: 'pipeline', containing: 'unfinished' })
    const response = await fetch(`${stack.url}/caller${query}`)
    expect(await response.json()).toEqual({ rowsAffected: 1 })
    await expect.poll(() => stack.turso.streams()).toEqual([])
    // The gateway hears of it when the database has answered.
    await expect
      .poll(async () => {
        const headers = { authorization: 'Bearer admin-key' }
        const list = await fetch(`${stack.url}/v1/sessions?tenant=left`, { headers })
        return (await list.json()) as unknown
      })
      .toMatchObject({ sessions: [] })
    expect(stack.turso.faults.fired()).toHaveLength(held)
    const db = connect({ url: database.http_url, authToken: token.jwt })
    expect((await db.execute('select * from notes')).rows).toEqual([])
  },
)
