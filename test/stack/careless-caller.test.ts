/** Where nothing but the end of its caller ends a transaction, and not by the proxy of a test harness, which does not pass that on. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startStack } from '../support/stack/stack.ts'
import { connect } from '../../src/index.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { signUp } from './worker-and-turso.ts'

/** So long that neither the session's alarm nor the database ends what nobody uses, and that any answer is waited for. */
const NEVER_MS = 600_000
const limits = { SESSION_IDLE_MS: NEVER_MS, PIPELINE_TIMEOUT_MS: NEVER_MS, ABANDONED_CALL_MS: NEVER_MS }

test.each([
  ['between two statements', 0],
  ['behind a statement under way', 1],
])(
  'what a Worker leaves open in a session when it goes %s is rolled back, and takes no place',
  async (_, unfinished) => {
    const caller = 'test/stack/careless-worker/index.ts'
    const stack = await startStack(0, { caller, limits, streamIdleMs: NEVER_MS })
    onTestFinished(() => stack.close())
    const { database, token } = await signUp(stack, 'left')
    stack.turso.faults.add({ kind: 'latency', ms: 500, on: 'pipeline', containing: 'unfinished' })
    const underWay = await answerOnce(() => stack.turso.faults.fired().length > 0)
    const query = unfinished === 1 ? `?under-way=${encodeURIComponent(underWay)}` : ''
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
    expect(stack.turso.faults.fired()).toHaveLength(unfinished)
    const db = connect({ url: database.http_url, authToken: token.jwt })
    expect((await db.execute('select * from notes')).rows).toEqual([])
  },
)

/** The URL of a server that has an answer as soon as the condition holds. */
async function answerOnce(condition: () => boolean): Promise<string> {
  const server = createServer((_, response) => {
    void vi.waitUntil(condition, PATIENCE_MS).then(() => response.end())
  })
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}
