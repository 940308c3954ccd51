import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createLocalTurso } from '../../local/index.ts'
import { serveLocalTurso } from '../../local/serve.ts'
import { rowsOf, start, statement, toAnswer } from './harness.ts'

const COMMAND = join(import.meta.dirname, '../../local/command.ts')
const TIMEOUT_MS = 20_000

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'local-turso-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function spawn(...args: string[]) {
  const child = fork(COMMAND, args, { silent: true, execArgv: [] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  return { child, output }
}

/** Starts the command and waits until it is ready. */
async function listen(...args: string[]) {
  const { child, output } = spawn('--port', '0', ...args)
  await expect.poll(() => output.stdout, { timeout: TIMEOUT_MS }).toContain('\n')
  const url = /^local Turso listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(output.stdout)?.[1]
  if (!url) throw new Error(JSON.stringify(output))
  return { child, output, url }
}

/** The exit code, or the signal, of a process that ends. */
async function ended(child: ChildProcess): Promise<unknown> {
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  return code ?? signal
}

function post(url: string, token: string, body: unknown) {
  const headers = { authorization: `Bearer ${token}` }
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) }).then(toAnswer)
}

describe('the command', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('ends with code 0 on %s, with requests open', async (signal) => {
    const { child, url, output } = await listen('--data', temporaryFolder())
    expect((await fetch(`${url}/v1/organizations/local/groups`)).status).toBe(401)
    child.kill(signal)
    expect(await ended(child)).toBe(0)
    expect(output.stderr).toBe('')
  })

  test('ends when its parent goes away', async () => {
    const { child } = await listen('--data', temporaryFolder())
    child.disconnect()
    // There is no `close` after a disconnect.
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  test('prints its usage', async () => {
    const { child, output } = spawn('--help')
    expect(await ended(child)).toBe(0)
    expect(output.stdout).toMatch(/^Usage: /)
  })

  test.each([
    [['--nope'], /^local Turso: Unknown option '--nope'.*\n$/],
    [['--port', 'x'], /^local Turso: --port must be a number from 0 to 65535, not "x"\n$/],
    [['--port', '65536'], /^local Turso: --port must be .*\n$/],
    [['--data', ''], /^local Turso: --data must name a folder\n$/],
    [['stray'], /^local Turso: Unexpected argument 'stray'.*\n$/],
  ])('refuses %j with one line and code 2', async (args, line) => {
    const { child, output } = spawn(...args)
    expect(await ended(child)).toBe(2)
    expect(output.stderr).toMatch(line)
  })

  test('refuses a folder that another process uses with one line and code 1', async () => {
    const data = temporaryFolder()
    await listen('--data', data)
    const { child, output } = spawn('--port', '0', '--data', data)
    expect(await ended(child)).toBe(1)
    expect(output.stderr).toBe(`local Turso: another local Turso is using ${data}\n`)
  })

  test('refuses a port that is taken with one line and code 1', async () => {
    const { turso } = await start()
    const server = await serveLocalTurso(turso, { port: 0 })
    onTestFinished(server.close)
    const port = new URL(server.url).port
    const { child, output } = spawn('--port', port, '--data', temporaryFolder())
    expect(await ended(child)).toBe(1)
    expect(output.stderr).toBe(`local Turso: cannot listen on port ${port} of 127.0.0.1: it is in use\n`)
  })

  test(
    'loses no committed row and makes no half database when it is killed',
    { timeout: 60_000 },
    async () => {
      const data = temporaryFolder()
      const committed = new Map<string, number>()
      for (let round = 0; round < 3; round++) {
        const { child, url } = await listen('--data', data)
        const organization = `${url}/v1/organizations/local`
        const platform = (path: string, body: unknown) =>
          post(`${organization}/${path}`, 'local-platform-token', body)
        await platform('groups', { name: 'default', location: 'aws-eu-west-1' })
        const killed = ended(child)
        let isKilled = false
        const work = async (worker: number) => {
          for (let count = 0; !isKilled; count++) {
            const name = `r${round}-w${worker}-${count}`
            if ((await platform('databases', { name, group: 'default' })).status !== 200)
              throw new Error(name)
            committed.set(name, 0)
            const { body } = await platform(`databases/${name}/auth/tokens`, {})
            const pipeline = (...sql: string[]) =>
              post(`${url}/db/${name}/v2/pipeline`, body.jwt, {
                requests: [...sql.map(statement), { type: 'close' }],
              })
            await pipeline('create table t (a)')
            for (let row = 0; row < 5; row++) {
              const { status } = await pipeline('insert into t values (1)')
              if (status === 200) committed.set(name, row + 1)
            }
          }
        }
        const workers = Promise.allSettled([0, 1, 2].map(work))
        await expect
          .poll(() => committed.size, { timeout: TIMEOUT_MS, interval: 5 })
          .toBeGreaterThan(round * 8 + 4)
        child.kill('SIGKILL')
        await killed
        isKilled = true
        await workers
      }
      const { api, use } = await start({ data })
      const names: string[] = (await api('GET', 'databases')).body.databases.map(
        (row: { Name: string }) => row.Name,
      )
      for (const [name, rows] of committed) {
        expect(names).toContain(name)
        const [result] = await (await use(name)).execute(rows > 0 ? 'select count(*) from t' : 'select 0')
        const [[count]] = rowsOf(result) as unknown as [[{ value: string }]]
        expect(Number(count.value)).toBeGreaterThanOrEqual(rows)
      }
      const files = readdirSync(join(data, 'databases')).filter((file) => file.endsWith('.db'))
      expect(files).toHaveLength(names.length)
    },
  )
})

describe('the port', () => {
  test('serves by host name and by path', async () => {
    const { create, turso } = await start()
    const database = await create('acme')
    const server = await serveLocalTurso(turso, { port: 0 })
    onTestFinished(server.close)
    const body = { requests: [statement('select 1'), { type: 'close' }] }
    expect((await post(`${server.url}/db/acme/v3/pipeline`, database.jwt, body)).status).toBe(200)
    expect((await post(`${server.url}/db/nope/v3/pipeline`, database.jwt, body)).status).toBe(404)
    expect((await fetch(`${server.url}/db/acme/v3`)).status).toBe(200)
  })

  test('refuses a body that is too large before it is sent', async () => {
    const { turso } = await start()
    const server = await serveLocalTurso(turso, { port: 0 })
    onTestFinished(server.close)
    const { request } = await import('node:http')
    const outgoing = request(`${server.url}/db/acme/v2/pipeline`, {
      method: 'POST',
      headers: { 'content-length': 65 * 1024 * 1024 },
    })
    outgoing.on('error', () => undefined)
    outgoing.flushHeaders()
    const [response] = (await once(outgoing, 'response')) as [{ statusCode: number }]
    expect(response.statusCode).toBe(413)
    outgoing.destroy()
  })

  test('rolls back when the client goes away', async () => {
    const { create, turso } = await start()
    const database = await create('acme')
    const server = await serveLocalTurso(turso, { port: 0 })
    onTestFinished(server.close)
    await database.run([statement('begin immediate')], { keep: true })
    const aborter = new AbortController()
    const waiting = fetch(`${server.url}/db/acme/v2/pipeline`, {
      method: 'POST',
      headers: { authorization: `Bearer ${database.jwt}` },
      body: JSON.stringify({ requests: [statement('begin immediate')] }),
      signal: aborter.signal,
    })
    await expect.poll(() => turso.streams().length).toBe(2)
    aborter.abort()
    await expect(waiting).rejects.toThrow('aborted')
    await expect.poll(() => turso.streams().length).toBe(1)
  })

  test('answers 500 without details of the request when the local Turso is closed', async () => {
    const turso = createLocalTurso()
    const server = await serveLocalTurso(turso, { port: 0 })
    onTestFinished(server.close)
    await turso.close()
    const response = await fetch(`${server.url}/v1/locations`)
    expect([response.status, await response.json()]).toEqual([
      500,
      { error: 'Internal Error: `the local Turso is closed`' },
    ])
  })
})
