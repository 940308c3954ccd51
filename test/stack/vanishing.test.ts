/** Without the proxy of `wrangler dev`, which does not pass on that a client has gone. */
import { request } from 'node:http'
import { createClient } from '@libsql/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startStack, type BenchStack } from '../../bench/worker/stack.ts'
import { signUp } from './worker-and-turso.ts'

let stack: BenchStack

beforeAll(async () => {
  stack = await startStack(0)
})
afterAll(() => stack.close())

test('a client that hangs up in the middle of a transaction leaves no write lock behind', async () => {
  const { database, token } = await signUp(stack, 'vanishing')
  const url = `${database.gateway_url.replace(/\/$/, '')}/v3/pipeline`
  const headers = { authorization: `Bearer ${token.jwt}`, 'content-type': 'application/json' }
  const order = (
    baton: string | null,
    ...texts: string[]
  ): { method: string; headers: typeof headers; body: string } => ({
    method: 'POST',
    headers,
    body: JSON.stringify({ baton, requests: texts.map((sql) => ({ type: 'execute', stmt: { sql } })) }),
  })
  const open = (): unknown[] =>
    stack.turso.streams().filter((stream) => stream.database === database.name && stream.inTransaction)
  const { method, body } = order(null, 'begin immediate', "insert into notes (title) values ('vanished')")
  const { baton } = (await (await fetch(url, { method, headers, body })).json()) as { baton: string }
  expect(open()).toHaveLength(1)
  // The answer is under way for about a second.
  stack.turso.faults.add({ kind: 'slow_body', on: 'pipeline', containing: 'still there', ms: 200, bytes: 64 })
  const vanishing = request(url, { method, headers })
  vanishing.on('error', () => undefined)
  vanishing.end(order(baton, "select 'still there'").body)
  await expect.poll(stack.lastPipeline).toContain('still there')
  expect(open()).toHaveLength(1)
  // With a reset: that a client has only said that it sends nothing more, workerd takes for one that still reads.
  vanishing.socket!.resetAndDestroy()
  // Long before the alarm, and the limit of the database itself.
  await expect.poll(open, { timeout: 6_000 }).toEqual([])
  const client = createClient({ url: database.gateway_url, authToken: token.jwt })
  await client.batch(["insert into notes (title) values ('next')"], 'write')
  const { rows } = await client.execute('select title from notes')
  expect(rows.map((row) => row['title'])).toEqual(['next'])
  client.close()
  // Its baton is used up, and what it did is not told as if it were known.
  const again = await fetch(url, { method, headers, body: order(baton, 'commit').body })
  expect(await again.json()).toMatchObject({ code: 'STREAM_LOST', outcome: 'unknown' })
})
