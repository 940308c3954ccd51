/** The bytes that a server answers each client with: asked once, of the local Turso, and replayed ever after. */
import { createLocalTurso } from '../local/index.ts'
import { compareCells, toCell } from './cells.ts'
import { openBareFetch } from './clients/bare.ts'
import type { FetchInput, OpenClient } from './clients/contract.ts'
import type { RecordedAnswer } from './replay.ts'
import {
  bytesOf,
  INSERT_FILE,
  INSERT_ITEM,
  itemOf,
  RESET,
  SCHEMA,
  type Scenario,
  type ScenarioSizes,
} from './scenarios.ts'

export interface Recorder {
  /** Where it is, for a client that is to talk to it without being recorded. */
  readonly url: string
  readonly authToken: string
  readonly fetch: typeof fetch
  /** How many streams are open. */
  readonly openStreams: () => number
  /**
   * Runs a scenario once, against the database, and checks what the client says of it and what it has left there.
   * Throws when that is not what the scenario expects, and when the client made other than one request.
   */
  record(scenario: Scenario, open: OpenClient): Promise<RecordedAnswer>
  close(): Promise<void>
}

const INSERTS_AT_ONCE = 500
/** Long, so that a stream that a client forgets stays to be counted. */
const STREAM_IDLE_MS = 3_600_000

/** An offline Turso with the scenarios' data in it. */
export async function createRecorder(sizes: ScenarioSizes): Promise<Recorder> {
  const turso = createLocalTurso({ behaviour: 'cloud', streamIdleMs: STREAM_IDLE_MS })
  const live = (input: FetchInput, init?: RequestInit): Promise<Response> =>
    turso.fetch(new Request(input, init))
  try {
    const { url, authToken } = await createDatabase(live)
    const send = (requests: object[]) => sendPipeline(live, { url, authToken }, requests)
    const bare = openBareFetch({ url, authToken, fetch: live })
    await send([{ type: 'sequence', sql: SCHEMA }])
    const items = Array.from({ length: sizes.tenThousand }, (_, id) => ({
      sql: INSERT_ITEM,
      args: itemOf(id),
    }))
    for (let start = 0; start < items.length; start += INSERTS_AT_ONCE)
      bare.changesOf(await bare.batch(items.slice(start, start + INSERTS_AT_ONCE)))
    bare.changesOf(await bare.write({ sql: INSERT_FILE, args: [1, bytesOf(sizes.blobBytes, 1)] }))

    return {
      url,
      authToken,
      fetch: live,
      openStreams: () => turso.streams().length,
      async record(scenario, open) {
        await send([{ type: 'sequence', sql: RESET }])
        const recorded: RecordedAnswer[] = []
        const fetch = async (input: FetchInput, init?: RequestInit): Promise<Response> => {
          const request = new Request(input, init)
          const text = await request.clone().text()
          const response = await turso.fetch(request)
          const body = new Uint8Array(await response.arrayBuffer())
          const contentType = response.headers.get('content-type') ?? ''
          recorded.push({ request: text, contentType, body })
          return new Response(body, response)
        }
        const client = open({ url, authToken, fetch })
        compareCells(scenario.name, scenario.read(client, await scenario.run(client)), scenario.expected)
        if (scenario.written) {
          const rows = bare.rowsOf(await bare.query({ sql: scenario.written.sql, args: [] }))
          const found = rows.map((row) => Object.values(row).map(toCell))
          compareCells(`${scenario.name}, as written`, found, scenario.written.expected)
        }
        if (recorded.length !== 1) throw new Error(`${scenario.name} took ${recorded.length} requests`)
        return recorded[0]!
      },
      close: turso.close,
    }
  } catch (error) {
    await turso.close()
    throw error
  }
}

async function createDatabase(live: typeof fetch): Promise<{ url: string; authToken: string }> {
  const call = async (resource: string, body: object = {}) => {
    const response = await live(`https://api.turso.tech/v1/organizations/local/${resource}`, {
      method: 'POST',
      headers: { authorization: 'Bearer local-platform-token' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(await response.text())
    return (await response.json()) as { jwt: string; database: { Hostname: string } }
  }
  await call('groups', { name: 'default', location: 'aws-eu-west-1' })
  const { database } = await call('databases', { name: 'bench', group: 'default' })
  const { jwt } = await call('databases/bench/auth/tokens')
  return { url: `https://${database.Hostname}`, authToken: jwt }
}

async function sendPipeline(
  live: typeof fetch,
  { url, authToken }: { url: string; authToken: string },
  requests: object[],
): Promise<void> {
  const response = await live(`${url}/v3/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${authToken}` },
    body: JSON.stringify({ requests: [...requests, { type: 'close' }] }),
  })
  const text = await response.text()
  if (!response.ok || text.includes('"type":"error"')) throw new Error(text)
}
