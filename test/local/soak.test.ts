/**
 * Many clients on many databases for a while: nothing is lost, nothing hangs, nothing leaks.
 *
 * `SOAK_SECONDS` is how long (default 4; 60 before a release, which also prints what happened).
 */
import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test } from 'vitest'
import { MAX_UNFINALISED_CONNECTIONS } from '../../local/limits.ts'
import { createLocalTurso } from '../../local/index.ts'
import { serveLocalTurso } from '../../local/serve.ts'
import { statement, toAnswer, type Answer } from './harness.ts'

const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 4)
const DATABASES = 20
const CLIENTS = 200
/** A client that waits for longer than this is stuck: the server gives up on a lock after 5 seconds. */
const DEADLINE_MS = 30_000

const collectGarbage = (() => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
})()
const openFiles = () => readdirSync('/proc/self/fd').length
const usedBytes = () => {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

interface Counts {
  increments: number
  reads: number
  /** Refused because there were too many streams. */
  refused: number
  /** Failed with an SQL error, such as a lock that did not come. */
  failed: number
}

/** A failure that the protocol tells clients to expect, after which they try again. */
class Retry extends Error {}

test(
  `${CLIENTS} clients on ${DATABASES} databases for ${SECONDS} s`,
  { timeout: SECONDS * 1000 + 120_000 },
  async () => {
    const openFilesBefore = openFiles()
    const turso = createLocalTurso()
    onTestFinished(turso.close)
    const server = await serveLocalTurso(turso, { port: 0 })
    onTestFinished(server.close)
    const databases = await createDatabases(server.url)
    const counts: Counts[] = databases.map(() => ({ increments: 0, reads: 0, refused: 0, failed: 0 }))
    const total = (key: keyof Counts) => counts.reduce((sum, count) => sum + count[key], 0)

    const endsAt = performance.now() + SECONDS * 1000
    const clients = Array.from({ length: CLIENTS }, (_, index) => {
      const number = index % DATABASES
      const work = Math.floor(index / DATABASES) % 5 === 4 ? readTwice : increment
      return runClient(databases[number]!, work, counts[number]!, () => performance.now() < endsAt)
    })

    // Half of the time is for everything to be opened and cached that ever will be.
    await expect
      .poll(() => performance.now() > endsAt - SECONDS * 500, { timeout: SECONDS * 2000 })
      .toBe(true)
    const [warmFiles, warmBytes] = [openFiles(), usedBytes()]
    await Promise.all(clients)
    const [endFiles, endBytes] = [openFiles(), usedBytes()]

    expect(turso.streams()).toEqual([])
    for (const [number, database] of databases.entries()) {
      const { body } = await database.send(null, statement('select n from counter'), { type: 'close' })
      const { rows } = body.results[0].response.result
      expect(Number(rows[0][0].value)).toBe(counts[number]!.increments)
      expect(counts[number]!.reads).toBeGreaterThan(0)
    }
    // Three files for each connection that is kept, which are never more than there are clients, and two for each that
    // waits for the garbage collector.
    const mostFiles = 3 * CLIENTS + 2 * CLIENTS + 2 * MAX_UNFINALISED_CONNECTIONS + 100
    expect(endFiles - openFilesBefore).toBeLessThan(mostFiles)
    expect(endBytes - warmBytes).toBeLessThan(32 * 2 ** 20)

    await server.close()
    await turso.close()
    await expect
      .poll(
        () => {
          collectGarbage()
          return openFiles()
        },
        { timeout: 10_000 },
      )
      .toBeLessThan(openFilesBefore + 20)

    if (process.env['SOAK_SECONDS'] !== undefined) {
      console.log(
        `${total('increments')} increments, ${total('reads')} reads, ${total('refused')} refused with 429, ` +
          `${total('failed')} failed and were tried again; ` +
          `open files ${openFilesBefore} before, ${warmFiles} warm, ${endFiles} at the end, ${openFiles()} after; ` +
          `memory ${mebibytes(warmBytes)} warm, ${mebibytes(endBytes)} at the end`,
      )
    }
  },
)

interface Connected {
  /** Sends a pipeline, on a new stream or on that of a baton. */
  send(baton: string | null, ...requests: object[]): Promise<Answer>
}

async function createDatabases(url: string): Promise<Connected[]> {
  const post = (path: string, token: string, body: unknown) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(DEADLINE_MS),
    }).then(toAnswer)
  const platform = (path: string, body: unknown) =>
    post(`/v1/organizations/local/${path}`, 'local-platform-token', body)

  await platform('groups', { name: 'default', location: 'aws-eu-west-1' })
  return Promise.all(
    Array.from({ length: DATABASES }, async (_, index) => {
      const name = `soak-${index}`
      await platform('databases', { name, group: 'default' })
      const { body } = await platform(`databases/${name}/auth/tokens`, {})
      const database: Connected = {
        send: (baton, ...requests) => post(`/db/${name}/v3/pipeline`, body.jwt, { baton, requests }),
      }
      const schema = 'create table counter (n integer not null); insert into counter values (0)'
      await database.send(null, { type: 'sequence', sql: schema }, { type: 'close' })
      return database
    }),
  )
}

type Work = (database: Connected, counts: Counts) => Promise<void>

async function runClient(
  database: Connected,
  work: Work,
  counts: Counts,
  isGoingOn: () => boolean,
): Promise<void> {
  while (isGoingOn()) {
    try {
      await work(database, counts)
    } catch (error) {
      if (!(error instanceof Retry)) throw error
    }
  }
}

/** Reads and writes in an interactive transaction, over three requests. */
const increment: Work = async (database, counts) => {
  const begun = await use(
    database,
    counts,
    null,
    statement('begin immediate'),
    statement('select n from counter'),
  )
  const next = begun.values[1]! + 1
  const written = await use(database, counts, begun.baton, statement(`update counter set n = ${next}`))
  await use(database, counts, written.baton, statement('commit'), { type: 'close' })
  counts.increments++
}

/** Reads the same state twice in a transaction, over two requests. */
const readTwice: Work = async (database, counts) => {
  const first = await use(database, counts, null, statement('begin'), statement('select n from counter'))
  const second = await use(database, counts, first.baton, statement('select n from counter'), {
    type: 'close',
  })
  expect(second.values[0]).toBe(first.values[1])
  counts.reads++
}

async function use(database: Connected, counts: Counts, baton: string | null, ...requests: object[]) {
  const { status, body, text } = await database.send(baton, ...requests)
  if (status === 429 && baton === null) {
    counts.refused++
    throw new Retry()
  }
  if (status !== 200) throw new Error(`${status}: ${text}`)
  if (body.results.some(({ type }: { type: string }) => type === 'error')) {
    counts.failed++
    if (body.baton !== null) await database.send(body.baton, { type: 'close' })
    throw new Retry()
  }
  const values: number[] = body.results.map(
    ({ response }: { response: { result?: { rows: { value: string }[][] } } }) =>
      Number(response.result?.rows[0]?.[0]?.value),
  )
  return { baton: body.baton as string | null, values }
}

const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
