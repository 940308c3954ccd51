import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
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
  return spawnWith({}, ...args)
}

function spawnWith(env: Record<string, string>, ...args: string[]) {
  const child = fork(COMMAND, args, {
    silent: true,
    execArgv: [],
    env: { ...process.env, TURSO_PLATFORM_TOKEN: '', ...env },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  return { child, output }
}

/** Starts the command and waits until it is ready. */
async function listen(...args: string[]) {
  return listenWith({}, ...args)
}

async function listenWith(env: Record<string, string>, ...args: string[]) {
  const { child, output } = spawnWith(env, 'local', '--port', '0', ...args)
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

  test.each([['--help'], ['local', '--help'], ['-h']])('prints its usage: %j', async (...args) => {
    const { child, output } = spawn(...args)
    expect(await ended(child)).toBe(0)
    expect(output.stdout).toMatch(/^Usage: /)
    for (const word of ['--port', '--host', '--data', '--organization', '--faults', 'TURSO_PLATFORM_TOKEN'])
      expect(output.stdout).toContain(word)
  })

  test('serves an organization of another name, with a token from the environment', async () => {
    const { url } = await listenWith({ TURSO_PLATFORM_TOKEN: 'secret-token' }, '--organization', 'acme-inc')
    const status = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` }
      return (await fetch(`${url}/v1/organizations/acme-inc/groups`, { headers })).status
    }
    expect([await status('secret-token'), await status('local-platform-token')]).toEqual([200, 401])
  })

  test('listens on another address', async () => {
    const { child, output } = spawn('local', '--port', '0', '--host', '127.0.0.2')
    await expect.poll(() => output.stdout, { timeout: TIMEOUT_MS }).toContain('\n')
    expect(output.stdout).toMatch(/^local Turso listening on http:\/\/127\.0\.0\.2:\d+\n$/)
    child.kill()
    expect(await ended(child)).toBe(0)
  })

  test('meets the faults of a file', async () => {
    const file = join(temporaryFolder(), 'faults.json')
    writeFileSync(file, JSON.stringify([{ kind: 'respond', status: 418, on: 'locations.list' }]))
    const { url } = await listen('--faults', file)
    expect((await fetch(`${url}/v1/locations`)).status).toBe(418)
  })

  test('meets the faults of a seed', async () => {
    const { url } = await listen('--faults', '3')
    const outcomes = new Set<number | string>()
    for (let index = 0; index < 300; index++) {
      const response = fetch(`${url}/v1/locations`, { redirect: 'manual' })
      outcomes.add(
        await response.then(
          ({ status }) => status,
          () => 'cut',
        ),
      )
    }
    expect(outcomes.size).toBeGreaterThan(2)
  })

  test.each([
    [['local', '--nope'], /Unknown option '--nope'/],
    [['local', '--port', 'x'], /--port must be a number from 0 to 65535, not "x"$/],
    [['local', '--port', '65536'], /--port must be /],
    [['local', '--data', ''], /--data must not be empty$/],
    [['local', '--organization', 'A B'], /"organization" must be /],
    [['local', '--faults', '/nowhere.json'], /--faults: ENOENT.*'\/nowhere\.json'$/],
    [['local', '--faults', COMMAND], /--faults: .*command\.ts is not JSON: /],
    [['local', '--faults', '99999999999'], /--faults: the seed must be a whole number/],
    [['local', 'stray'], /unexpected argument "stray"$/],
    [['serve'], /unknown subcommand "serve"; there is only "local"$/],
    [[], /missing the subcommand; did you mean "turso-edge local"\?$/],
  ])('refuses %j with one line, a hint, and code 2', async (args, reason) => {
    const { child, output } = spawn(...args)
    expect(await ended(child)).toBe(2)
    const [line = '', hint, ...rest] = output.stderr.split('\n')
    expect(line).toMatch(/^local Turso: /)
    expect(line).toMatch(reason)
    expect([hint, rest]).toEqual(['See turso-edge --help', ['']])
  })

  test('refuses a folder that another process uses with one line and code 1', async () => {
    const data = temporaryFolder()
    await listen('--data', data)
    const { child, output } = spawn('local', '--port', '0', '--data', data)
    expect(await ended(child)).toBe(1)
    expect(output.stderr).toBe(`local Turso: another local Turso is using ${data}\n`)
  })

  test('refuses a port that is taken with one line and code 1', async () => {
    const { turso } = await start()
    const server = await serveLocalTurso(turso, { port: 0 })
    onTestFinished(server.close)
    const port = new URL(server.url).port
    const { child, output } = spawn('local', '--port', port, '--data', temporaryFolder())
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
