/** Without the proxy of `wrangler dev`, which does not pass on that a client has gone. */
import { request, type ClientRequest } from 'node:http'
import { createClient } from '@libsql/client'
import { expect, onTestFinished, test } from 'vitest'
import { startStack, type Stack, type StackOptions } from '../support/stack/stack.ts'
import { signUp } from './worker-and-turso.ts'

/** So long that neither the session's alarm nor the database ends what nobody uses, and that any answer is waited for. */
const NEVER_MS = 600_000
const limits = { SESSION_IDLE_MS: NEVER_MS, PIPELINE_TIMEOUT_MS: NEVER_MS }
const neverIdle: StackOptions = { limits, streamIdleMs: NEVER_MS }

type Fault = Parameters<Stack['turso']['faults']['add']>[0]

interface Vanishing {
  stack: Stack
  baton: string
  /** Waits for its answer. */
  client: ClientRequest
  send: (baton: string | null, ...texts: string[]) => Promise<Response>
  /** The tenant's transactions. */
  open: () => unknown[]
  /** Writes, which the lock of another would refuse, and tells what is there then. */
  titlesAfterNext: () => Promise<unknown[]>
}

/** A client that has the write lock, and waits for a statement that meets a fault. */
async function waitingClient(id: string, fault: Fault, options: StackOptions = {}): Promise<Vanishing> {
  const stack = await startStack(0, options)
  onTestFinished(() => stack.close())
  const { database, token } = await signUp(stack, id)
  const url = `${database.gateway_url.replace(/\/$/, '')}/v3/pipeline`
  const headers = { authorization: `Bearer ${token.jwt}`, 'content-type': 'application/json' }
  const bodyOf = (baton: string | null, texts: string[]): string =>
    JSON.stringify({ baton, requests: texts.map((sql) => ({ type: 'execute', stmt: { sql } })) })
  const send = (baton: string | null, ...texts: string[]): Promise<Response> =>
    fetch(url, { method: 'POST', headers, body: bodyOf(baton, texts) })
  const begun = await send(null, 'begin immediate', "insert into notes (title) values ('vanished')")
  const { baton } = (await begun.json()) as { baton: string }
  stack.turso.faults.add({ ...fault, containing: id } as Fault)
  const client = request(url, { method: 'POST', headers })
  client.on('error', () => undefined)
  client.end(bodyOf(baton, [`select '${id}'`]))
  await expect.poll(stack.lastPipeline).toContain(id)
  const open = (): unknown[] =>
    stack.turso.streams().filter((stream) => stream.database === database.name && stream.inTransaction)
  expect(open()).toHaveLength(1)
  return {
    stack,
    baton,
    client,
    send,
    open,
    async titlesAfterNext() {
      const next = createClient({ url: database.gateway_url, authToken: token.jwt })
      onTestFinished(() => next.close())
      await next.batch(["insert into notes (title) values ('next')"], 'write')
      return (await next.execute('select title from notes')).rows.map((row) => row['title'])
    },
  }
}

const lost = { code: 'STREAM_LOST', outcome: 'unknown' }

test('a client that hangs up in the middle of a transaction leaves no write lock behind', async () => {
  // The answer is under way for about a second.
  const slow: Fault = { kind: 'slow_body', on: 'pipeline', ms: 200, bytes: 64 }
  const patient = { ...neverIdle, limits: { ...limits, ABANDONED_CALL_MS: NEVER_MS } }
  const { client, open, titlesAfterNext, send, baton } = await waitingClient('hangs-up', slow, patient)
  // With a reset: that a client has only said that it sends nothing more, workerd takes for one that still reads.
  client.socket!.resetAndDestroy()
  await expect.poll(open).toEqual([])
  expect(await titlesAfterNext()).toEqual(['next'])
  // Its baton is used up, and what it did is not told as if it were known.
  expect(await (await send(baton, 'commit')).json()).toMatchObject(lost)
})

test('a client that hangs up while a statement takes long has it cut off, and leaves no write lock behind', async () => {
  const stuck: Fault = { kind: 'latency', on: 'pipeline', ms: NEVER_MS }
  const waiting = await waitingClient('is-stuck', stuck, neverIdle)
  const { stack, client, open, titlesAfterNext, send, baton } = waiting
  const before = stack.cutOff()
  client.socket!.resetAndDestroy()
  await expect.poll(open).toEqual([])
  await expect.poll(() => stack.cutOff() - before).toBe(1)
  expect(await titlesAfterNext()).toEqual(['next'])
  expect(await (await send(baton, 'commit')).json()).toMatchObject(lost)
})

test('a client that closes its connection in good order, which workerd does not tell, holds the write lock no longer than its limit', async () => {
  const { client, open, titlesAfterNext } = await waitingClient('closes', {
    kind: 'latency',
    on: 'pipeline',
    ms: 500,
  })
  client.destroy()
  // By the alarm of its session, 9 s after the answer that nobody has read.
  await expect.poll(open).toEqual([])
  expect(await titlesAfterNext()).toEqual(['next'])
})
