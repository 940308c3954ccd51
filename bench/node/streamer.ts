/** A process of Node that reads one long answer and watches its own memory. Started by `cursor.ts`, asked once. */
import type { OpenClient } from '../clients/contract.ts'
import { ratio, race, type Runner, type Spread } from '../harness.ts'
import { createLongAnswer } from './long-answer.ts'

export interface StreamRequest {
  modulePath: string
  /** `stream`: row by row. `query`: all of them at once. */
  way: 'stream' | 'query'
  rows: number
}

export interface StreamAnswer {
  /** Bytes that the process grew by, at most. */
  peakBytes: number
  rowsPerSecond: number
  /** Times what `JSON.parse` takes for every line of the cursor. */
  ratio: Spread
}

/**
 * Resolves with the sum of the first column.
 *
 * @param onCollected called while all rows are held, by whoever holds them
 */
type Read = (network: typeof fetch, onCollected: () => void) => Promise<number>

const IDLE_ROWS = 20_000
const RACE_ROWS = 20_000
const RACE_ROUNDS = 7
const SERVER = { url: 'https://replayed.example', authToken: 'token' }
const STATEMENT = { sql: 'select * from items', args: [] }

process.once('message', (request: StreamRequest) => {
  void answer(request).then((result) => process.send!(result, () => process.exit()))
})

async function answer({ modulePath, way, rows }: StreamRequest): Promise<StreamAnswer> {
  const { open } = (await import(modulePath)) as { open: OpenClient }
  const read = way === 'stream' ? streamWith(open) : queryWith(open)

  // Idle is a process that has done this before: its code is compiled.
  await readAll(read, IDLE_ROWS, () => undefined)
  globalThis.gc!()
  const idleBytes = process.memoryUsage.rss()

  let peakBytes = 0
  const startedAt = performance.now()
  await readAll(read, rows, () => {
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss() - idleBytes)
  })
  const seconds = (performance.now() - startedAt) / 1_000

  const runners = (
    [
      ['lines', parseLines],
      ['client', read],
    ] as const
  ).map(([name, reader]): Runner => ({
    name,
    async sample() {
      const begun = performance.now()
      await readAll(reader, RACE_ROWS, () => undefined)
      return (performance.now() - begun) * 1_000
    },
  }))
  const times = await race(runners, { rounds: RACE_ROUNDS })
  return { peakBytes, rowsPerSecond: rows / seconds, ratio: ratio(times, 'client', 'lines') }
}

/** @param watch called whenever more of the answer is asked for, and when a client that collects has it all */
async function readAll(read: Read, rows: number, watch: () => void): Promise<void> {
  const answer = createLongAnswer(rows, watch)
  const sum = await read(answer.fetch, watch)
  if (sum !== answer.sum) throw new Error(`the first column adds up to ${sum}, not ${answer.sum}`)
}

const streamWith =
  (open: OpenClient): Read =>
  async (network) => {
    let sum = 0
    for await (const { id } of open({ ...SERVER, fetch: network }).stream!(STATEMENT)) sum += id as number
    return sum
  }

const queryWith =
  (open: OpenClient): Read =>
  async (network, onCollected) => {
    const client = open({ ...SERVER, fetch: network })
    const outcome = await client.query(STATEMENT)
    const rows = client.rowsOf(outcome)
    onCollected()
    return rows.reduce((sum, { id }) => sum + (id as number), 0)
  }

/** No client: the least that reads a cursor. */
const parseLines: Read = async (network) => {
  const response = await network(`${SERVER.url}/v3/cursor`)
  const decoder = new TextDecoder()
  let rest = ''
  let sum = 0
  for await (const chunk of response.body!) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      const entry = JSON.parse(line) as { type?: string; row?: [{ value: string }] }
      if (entry.type === 'row') sum += Number(entry.row![0].value)
    }
  }
  return sum
}
