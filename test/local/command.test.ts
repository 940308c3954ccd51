import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createLocalTurso } from '../../local/index.ts'
import { serveLocalTurso } from '../../local/serve.ts'
import {
  COMMAND,
  ended,
  listen,
  listenWith,
  post,
  spawn,
  temporaryFolder,
  TIMEOUT_MS,
} from './command-process.ts'
import { start, statement } from './harness.ts'

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
    for (const word of [
      '--port',
      '--host',
      '--data',
      '--organization',
      '--behaviour',
      '--faults',
      'TURSO_PLATFORM_TOKEN',
    ])
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

  test('behaves like another server', async () => {
    const { url } = await listen('--behaviour', 'cloud')
    expect((await fetch(`${url}/db/none/v3`)).headers.get('content-type')).toBe('application/json')
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

  test('has the traps of a file', async () => {
    const file = join(temporaryFolder(), 'traps.json')
    writeFileSync(file, JSON.stringify({ rateLimit: { requests: 1, windowMs: 3_600_000 } }))
    const { url } = await listen('--traps', file, '--plan', 'starter')
    const status = async () => {
      const headers = { authorization: 'Bearer local-platform-token' }
      return (await fetch(`${url}/v1/locations`, { headers })).status
    }
    expect([await status(), await status()]).toEqual([200, 429])
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
    [['local', '--plan', 'gold'], /"plan" must be one of /],
    [['local', '--traps', COMMAND], /--traps: .*command\.ts is not JSON: /],
    [['local', '--behaviour', 'mongo'], /"behaviour" must be one of spec, sqld, cloud/],
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
    const { turso, create } = await start()
    const { jwt } = await create('acme')
    const server = await serveLocalTurso(turso, { port: 0 })
    onTestFinished(server.close)
    const { request } = await import('node:http')
    const outgoing = request(`${server.url}/db/acme/v2/pipeline`, {
      method: 'POST',
      headers: { authorization: `Bearer ${jwt}`, 'content-length': 65 * 1024 * 1024 },
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
