import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { descendantsOf, stillRunning, waitFor } from './processes.ts'
import { endAllStacks, endStack, runStart, startStack, stopStack, type Stack } from './stack.ts'
import { PATIENCE_MS } from '../support/patience.ts'

const root = path.join(import.meta.dirname, '../..')
let folder: string
/** A data folder for the test alone. */
let data: string
/** One that the first tests use after each other. A start takes seconds. */
let kept: string

beforeAll(async () => {
  kept = path.join(await mkdtemp(path.join(tmpdir(), 'turso-edge-kept-')), 'data')
})
afterAll(() => rm(path.dirname(kept), { recursive: true, force: true }))
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'turso-edge-start-'))
  data = path.join(folder, 'data')
})
afterEach(async () => {
  await endAllStacks()
  await rm(folder, { recursive: true, force: true })
})

const signUp = (stack: Stack, id: string) =>
  fetch(`${stack.url}/v1/tenants`, {
    method: 'POST',
    headers: { authorization: 'Bearer dev-key', 'content-type': 'application/json' },
    body: JSON.stringify({ id }),
  })

const pidOf = async (stack: Stack, command: string) => {
  const found = (await descendantsOf(stack.pid)).find(({ commandLine }) => commandLine.includes(command))
  if (!found) throw new Error(`npm start has no process ${command}`)
  return found.pid
}

describe('npm start', () => {
  it('prints a sign-up to paste that works, runs the demo, and ends with code 0 at SIGTERM', async () => {
    const stack = await startStack(kept)
    const [, command = ''] = /^(curl .*)$/m.exec(stack.output()) ?? []
    expect(command).toContain(stack.url)
    const pasted = spawnSync('sh', ['-c', `${command} -w ' %{http_code}'`], {
      encoding: 'utf8',
      timeout: PATIENCE_MS,
    })
    expect(pasted.stdout).toMatch(/^\{"tenant":\{"id":"acme".* 201$/)

    const demo = spawnSync(process.execPath, ['tools/demo.ts', '--url', stack.url], {
      cwd: root,
      encoding: 'utf8',
      timeout: PATIENCE_MS,
    })
    expect(demo.stderr).toBe('')
    expect(demo.stdout).toMatch(
      /commit +3 notes before, 4 inside, 4 after\n +rollback +4 notes before, 5 inside, 4 after/,
    )
    expect(demo.status).toBe(0)
    expect(await endStack(stack, () => stack.process.kill('SIGTERM'))).toBe(0)
  })

  it('keeps everything over a restart, makes a lost directory anew, and keeps its secrets to this user', async () => {
    await rm(path.join(kept, 'worker/v3/d1'), { recursive: true })
    const stack = await startStack(kept)
    const rebuild = ['tools/directory.ts', 'rebuild', '--url', stack.url, '--data', kept]
    const rebuilt = spawnSync(process.execPath, rebuild, {
      cwd: root,
      encoding: 'utf8',
      timeout: PATIENCE_MS,
    })
    expect(rebuilt.stdout).toMatch(/^[1-9]\d* tenants published, .* 0 failed\n$/)
    const list = await fetch(`${stack.url}/v1/tenants?q=acme`, {
      headers: { authorization: 'Bearer dev-key' },
    })
    expect(await list.json()).toMatchObject({ tenants: [{ id: 'acme', status: 'active' }] })
    expect((await signUp(stack, 'acme')).status).toBe(409)
    expect((await signUp(stack, 'other')).status).toBe(201)

    const second = await runStart(kept, { flags: ['--fresh'] })
    expect(await second.ended).toBe(1)
    expect(second.output()).toContain(`is in use by another npm start (process ${stack.pid})`)
    expect((await fetch(`${stack.url}/health`)).status).toBe(200)

    const marker: { batonKey: string } = JSON.parse(
      await readFile(path.join(kept, 'development.json'), 'utf8'),
    )
    expect(marker.batonKey).toMatch(/^[0-9a-f]{64}$/)
    expect((await stat(path.join(kept, 'development.json'))).mode & 0o777).toBe(0o600)
    const seen = [
      stack.output(),
      await readFile(path.join(kept, 'worker.log'), 'utf8'),
      ...(await descendantsOf(stack.pid)).map(({ commandLine }) => commandLine),
    ]
    for (const text of seen) expect(text).not.toContain(marker.batonKey)

    expect(await endStack(stack, () => stack.process.kill('SIGINT'))).toBe(0)
  })

  it('takes its parts along when it is killed itself, and starts again and ends with code 0 at SIGHUP', async () => {
    const stack = await startStack(kept)
    expect(await endStack(stack, () => stack.process.kill('SIGKILL'))).toBe(null)
    const again = await startStack(kept)
    expect((await signUp(again, 'acme')).status).toBe(409)
    expect(await endStack(again, () => again.process.kill('SIGHUP'))).toBe(0)
  })

  it('refuses half a state, names what is missing, and starts over with --fresh', async () => {
    for (const half of ['worker', 'turso']) {
      await rm(data, { recursive: true, force: true })
      await cp(kept, data, { recursive: true })
      await rm(path.join(data, half), { recursive: true })
      const stack = await runStart(data)
      expect(await stack.ended).toBe(1)
      expect(stack.output()).toContain(`${path.join(data, half)} is missing`)
      expect(stack.output()).toContain('npm start -- --fresh')
    }
    await writeFile(path.join(data, 'mine.txt'), 'kept')
    const fresh = await startStack(data, { flags: ['--fresh'] })
    expect((await signUp(fresh, 'acme')).status).toBe(201)
    await stopStack(fresh)
    expect(await readFile(path.join(data, 'mine.txt'), 'utf8')).toBe('kept')
  })

  it('ends too when it is npm that is told to', async () => {
    const stack = await startStack(data, { byNpm: true })
    await endStack(stack, () => stack.process.kill('SIGTERM'))
    expect(await readdir(data)).not.toContain('running.pid')
  })

  it('can be stopped while it starts', async () => {
    const stack = await runStart(data)
    await waitFor('both parts', async () => (await descendantsOf(stack.pid)).length >= 2)
    const below = await descendantsOf(stack.pid)
    stack.process.kill('SIGTERM')
    expect(await stack.ended).toBe(0)
    await waitFor('the end of all processes', async () => (await stillRunning(below)).length === 0)
  })

  it.each([
    ['local/command.ts', /The local Turso ended unexpectedly \(SIGKILL\)/],
    ['worker-process.ts', /The Worker ended unexpectedly \(SIGKILL\)/],
    ['workerd serve', /The Worker ended unexpectedly \(code 1\)[^]*workerd ended unexpectedly \(SIGKILL\)/],
  ])('ends everything when %s is killed, and says so', async (command, message) => {
    const stack = await startStack(data)
    const victim = await pidOf(stack, command)
    expect(await endStack(stack, () => process.kill(victim, 'SIGKILL'))).toBe(1)
    expect(stack.output()).toMatch(message)
  })

  it('says which port is taken and by whom, before anything is started', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    try {
      for (const flag of ['--port', '--turso-port']) {
        const stack = await runStart(data, { flags: [`${flag}=${port}`] })
        expect(await stack.ended).toBe(1)
        expect(stack.output()).toMatch(
          new RegExp(`^Port ${port} is taken by process ${process.pid} .*; choose another with ${flag}.\n$`),
        )
      }
      expect(await readdir(folder)).toEqual([])
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  it('deletes and changes nothing in a folder that it did not make', async () => {
    await mkdir(path.join(data, 'worker'), { recursive: true })
    await writeFile(path.join(data, 'worker/precious'), 'kept')
    for (const flags of [['--fresh'], []]) {
      const stack = await runStart(data, { flags })
      expect(await stack.ended).toBe(1)
      expect(stack.output()).toContain(`${data} has no development.json and so was not made by npm start`)
    }
    expect(await readdir(data)).toEqual(['worker'])
    expect(await readFile(path.join(data, 'worker/precious'), 'utf8')).toBe('kept')
  })
})

describe('the arguments of npm start', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['tools/start.ts', ...args], {
      cwd: root,
      encoding: 'utf8',
      timeout: PATIENCE_MS,
    })

  it.each([
    [['--prot=1'], '--prot'],
    [['--port', '80a'], '--port needs a port from 1 to 65535, not "80a"'],
    [['--turso-port=65536'], '--turso-port needs a port from 1 to 65535, not "65536"'],
    [['--port=0'], '--port needs a port'],
    [['--port=9000', '--turso-port=9000'], '--port and --turso-port are both 9000'],
    [['--data='], '--data needs the name of a folder'],
    [['extra'], 'extra'],
  ])('are refused in one line: %j', (args, message) => {
    const { status, stdout, stderr } = run(...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })

  it('are explained by --help', () => {
    const { status, stdout } = run('--help')
    expect(status).toBe(0)
    for (const flag of ['--port', '--turso-port', '--data', '--fresh']) expect(stdout).toContain(flag)
  })
})

describe('npm run demo', () => {
  it('asks whether npm start is running when nothing answers', () => {
    const demo = spawnSync(process.execPath, ['tools/demo.ts', '--url', 'http://127.0.0.1:9'], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(demo.status).toBe(1)
    expect(demo.stderr).toBe('Nothing answers at http://127.0.0.1:9: is `npm start` running?\n')
  })
})
