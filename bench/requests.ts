/** How many requests a flow takes, counted on the way to a local Turso. */
import { setTimeout } from 'node:timers/promises'
import type { BenchClient, FetchInput, OpenClient } from './clients/contract.ts'
import type { Entrant } from './entrants.ts'
import { createRecorder } from './recorded-answers.ts'

export interface FlowCount {
  requests: number
  /** How many were on their way at the same time. */
  together: number
  /** Streams that stay open on the server afterwards, each a connection until it is idle for ten seconds. */
  leftOpen: number
}

/** `undefined` where a client has no way to do it. */
export type FlowOutcome = FlowCount | { failure: string } | undefined

interface Flow {
  readonly name: string
  run(client: BenchClient): Promise<unknown> | undefined
}

const HANGS_AFTER_MS = 3_000

const SIZES = { thousand: 2, tenThousand: 2, inserts: 1, blobBytes: 1 }
const SELECT = { sql: 'select id, name from items where id = ?', args: [1] }
const INSERT = "insert into notes (id, title) values (1, 'a')"

export const FLOWS: readonly Flow[] = [
  { name: 'execute', run: (client) => client.query(SELECT) },
  { name: 'batch of 3', run: (client) => client.batch([1, 2, 3].map(() => ({ sql: INSERT, args: [] }))) },
  {
    name: 'transaction of 3, one after the other',
    run: (client) =>
      client.transaction?.(async (tx) => {
        for (let index = 0; index < 3; index++) await tx.execute(INSERT)
      }),
  },
  {
    name: 'transaction of 3, issued together',
    run: (client) =>
      client.transaction?.(async (tx) => {
        await Promise.all([1, 2, 3].map(() => tx.execute(INSERT)))
      }),
  },
  {
    name: 'one statement and rollback',
    run: (client) =>
      client
        .transaction?.(async (tx) => {
          await tx.execute(INSERT)
          throw new RolledBack()
        })
        .catch(expect(RolledBack)),
  },
  { name: 'executeMultiple', run: (client) => client.executeMultiple?.(`${INSERT}; ${INSERT};`) },
  {
    name: '5 at the same time',
    run: (client) => Promise.all([1, 2, 3, 4, 5].map(() => client.query(SELECT))),
  },
  {
    name: 'a statement that fails',
    run: (client) => client.query({ sql: 'select nothing from nowhere', args: [] }).catch(expect(Error)),
  },
]

/** By flow, in their order. */
export async function countRequests(entrants: readonly Entrant[]): Promise<Map<string, FlowOutcome[]>> {
  const { fetch } = globalThis
  try {
    const counts = new Map<string, FlowOutcome[]>()
    for (const { name, open } of entrants)
      if (open) {
        const row: FlowOutcome[] = []
        for (const flow of FLOWS) row.push(await count(open, flow))
        counts.set(name, row)
      }
    return counts
  } finally {
    // Some clients can only be given another one by replacing it.
    globalThis.fetch = fetch
  }
}

/** With a Turso of its own, so that what a flow leaves behind is in nobody's way. */
async function count(open: OpenClient, flow: Flow): Promise<FlowOutcome> {
  const turso = await createRecorder(SIZES)
  let requests = 0
  let running = 0
  let together = 0
  const counting = async (input: FetchInput, init?: RequestInit): Promise<Response> => {
    requests++
    together = Math.max(together, ++running)
    try {
      return await turso.fetch(input, init)
    } finally {
      running--
    }
  }
  const aborter = new AbortController()
  try {
    const client = open({ url: turso.url, authToken: turso.authToken, fetch: counting })
    const done = flow.run(client)
    if (!done) return undefined
    const hangs = setTimeout(HANGS_AFTER_MS, undefined, { signal: aborter.signal }).then(() => {
      throw new Error('never ends')
    })
    await Promise.race([done, hangs])
    // What a client sends without waiting for it counts as well.
    do await setTimeout(5)
    while (running > 0)
    return { requests, together, leftOpen: turso.openStreams() }
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) }
  } finally {
    aborter.abort()
    await turso.close()
  }
}

class RolledBack extends Error {}

const expect = (kind: new (...args: never[]) => Error) => (error: unknown) => {
  if (!(error instanceof kind)) throw error
}
