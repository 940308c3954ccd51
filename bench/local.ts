/**
 * `npm run bench:local`: what a request to the local Turso costs, next to the same statement on the `libsql` binding in
 * the same run; how long it takes to open with many databases, and what it needs when it is idle.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import Database from 'libsql'
import { createLocalTurso } from '../local/index.ts'
import { measureRate } from './rate.ts'
import { printTable } from './table.ts'

const MS = 3_000
const PLATFORM_TOKEN = 'local-platform-token'
const SELECT = 'select 1 as one'
const INSERT = "insert into t (a) values ('a row of a usual size, more or less')"

const folder = mkdtempSync(path.join(tmpdir(), 'bench-local-'))
try {
  await benchRequests()
  await benchOpening()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function benchRequests(): Promise<void> {
  const data = path.join(folder, 'requests')
  const server = await startServer(data)
  try {
    const organization = `${server.url}/v1/organizations/local`
    await post(`${organization}/groups`, PLATFORM_TOKEN, { name: 'default', location: 'aws-eu-west-1' })
    await post(`${organization}/databases`, PLATFORM_TOKEN, { name: 'bench', group: 'default' })
    const { jwt } = await post(`${organization}/databases/bench/auth/tokens`, PLATFORM_TOKEN)
    const execute = async (sql: string) => {
      const requests = [{ type: 'execute', stmt: { sql } }, { type: 'close' }]
      const { results } = await post(`${server.url}/db/bench/v3/pipeline`, jwt, { requests })
      return results[0].response.result
    }

    const reference = openReference(path.join(folder, 'reference.db'))
    await execute('create table t (id integer primary key, a)')
    check((await execute(SELECT)).rows, [[{ type: 'integer', value: '1' }]])
    check(reference.prepare(SELECT).raw().all(), [[1n]])
    check((await execute(INSERT)).last_insert_rowid, '1')
    check(reference.prepare(INSERT).run().changes, 1)

    const rows: string[][] = []
    for (const [name, sql] of [
      ['select 1', SELECT],
      ['single-row insert', INSERT],
    ] as const) {
      // The binding prepares anew, as a server that does not know the statement must.
      const run = () => (sql === SELECT ? reference.prepare(sql).raw().all() : reference.prepare(sql).run())
      const direct = await measureRate(run, MS)
      const single = await measureRate(() => execute(sql), MS)
      const parallel = await measureRate(() => execute(sql), MS, 16)
      rows.push([
        name,
        ...[direct, single, parallel].map(({ perSecond }) => perSecond.toFixed(0)),
        `${(direct.perSecond / parallel.perSecond).toFixed(1)} x`,
      ])
    }
    const inserted = Number((await execute('select count(*), max(id) from t')).rows[0][0].value)
    check(inserted, Number((await execute('select max(id) from t')).rows[0][0].value))
    printTable(['per second', 'binding', 'over loopback', '16 at a time', 'binding / 16 at a time'], rows)
    reference.close()
  } finally {
    await server.stop()
  }
}

async function benchOpening(): Promise<void> {
  const rows: string[][] = []
  for (const count of [0, 1_000]) {
    const data = path.join(folder, `opening-${count}`)
    await fill(data, count)
    const openings: number[] = []
    for (let round = 0; round < 3; round++) {
      const startedAt = performance.now()
      const turso = createLocalTurso({ data })
      openings.push(performance.now() - startedAt)
      check((await listDatabases(turso.fetch)).length, count)
      await turso.close()
    }
    const server = await startServer(data)
    const memory = server.residentMebibytes()
    await server.stop()
    rows.push([
      `${count} databases`,
      `${Math.min(...openings).toFixed(0)} ms`,
      `${server.readyMs.toFixed(0)} ms`,
      `${memory.toFixed(0)} MiB`,
    ])
  }
  console.log()
  printTable(['with', 'createLocalTurso', 'process until it listens', 'memory when idle'], rows)
}

async function fill(data: string, count: number): Promise<void> {
  const turso = createLocalTurso({ data })
  const send = async (resource: string, body: object) => {
    const response = await turso.fetch(
      new Request(`https://api.turso.tech/v1/organizations/local/${resource}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${PLATFORM_TOKEN}` },
        body: JSON.stringify(body),
      }),
    )
    if (response.status !== 200) throw new Error(await response.text())
  }
  await send('groups', { name: 'default', location: 'aws-eu-west-1' })
  for (let index = 0; index < count; index++)
    await send('databases', { name: `d-${index}`, group: 'default' })
  await turso.close()
}

async function listDatabases(fetch: (request: Request) => Promise<Response>): Promise<unknown[]> {
  const headers = { authorization: `Bearer ${PLATFORM_TOKEN}` }
  const url = 'https://api.turso.tech/v1/organizations/local/databases'
  const { databases } = (await (await fetch(new Request(url, { headers }))).json()) as {
    databases: unknown[]
  }
  return databases
}

/** With the settings that the local Turso gives its files. */
function openReference(file: string): Database.Database {
  const database = new Database(file)
  database.defaultSafeIntegers(true)
  database.exec(
    'pragma journal_mode = wal; pragma synchronous = normal; create table t (id integer primary key, a)',
  )
  return database
}

/** The command in a process of its own, so that the client does not share its thread. */
async function startServer(data: string) {
  const startedAt = performance.now()
  const command = path.join(import.meta.dirname, '../local/command.ts')
  const child = spawn(process.execPath, [command, 'local', '--port', '0', '--data', data], {
    env: { ...process.env, TURSO_PLATFORM_TOKEN: PLATFORM_TOKEN },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  const url = /http:\S+/.exec(line)?.[0]
  if (url === undefined) throw new Error(line)
  return {
    url,
    readyMs: performance.now() - startedAt,
    /** Linux tells; elsewhere there is no number. */
    residentMebibytes: () =>
      Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024,
    async stop() {
      child.kill()
      await once(child, 'exit')
    },
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- answers are checked before anything is measured
async function post(url: string, token: string, body: object = {}): Promise<any> {
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text}`)
  return JSON.parse(text)
}

function check(actual: unknown, expected: unknown): void {
  const show = (value: unknown) =>
    JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part))
  if (show(actual) !== show(expected)) throw new Error(`expected ${show(expected)}, got ${show(actual)}`)
}
