/** What is published, installed into a folder of its own and used from there. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = path.join(import.meta.dirname, '../..')
const run = promisify(execFile)

let folder: string
let consumer: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tarball-'))
  consumer = path.join(folder, 'consumer')
  await mkdir(consumer)
  await writeFile(path.join(consumer, 'package.json'), '{ "type": "module", "private": true }')
  await run('npm', ['run', 'build'], { cwd: root })
  await run('npm', ['pack', '--pack-destination', folder, '--ignore-scripts'], { cwd: root })
  const [tarball] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'))
  await run('npm', ['install', path.join(folder, tarball!), '--no-audit', '--ignore-scripts', '--offline'], {
    cwd: consumer,
  })
}, 120_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Makes a package of the repository visible to the consumer. */
async function provide(name: string): Promise<void> {
  const target = path.join(consumer, 'node_modules', name)
  await mkdir(path.dirname(target), { recursive: true })
  await symlink(path.join(root, 'node_modules', name), target)
}

async function runModule(source: string): Promise<string> {
  const file = path.join(consumer, 'consumer.js')
  await writeFile(file, source)
  const { stdout } = await run(process.execPath, [file])
  return stdout.trim()
}

const command = (...args: string[]) =>
  run(path.join(consumer, 'node_modules/.bin/turso-edge'), args).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    ({ code, stderr }: { code: number; stderr: string }) => ({ code, output: stderr }),
  )

const EXAMPLE = `
  import { connect, createPlatform } from 'turso-edge'
  import { createLocalTurso } from 'turso-edge/local'

  const turso = createLocalTurso()
  const fetch = (input, init) => turso.fetch(new Request(input, init))
  const platform = createPlatform({ token: 'local-platform-token', organization: 'local', fetch })
  const { hostname } = await platform.databases.create('acme', { location: 'aws-eu-west-1' })
  const authToken = await platform.databases.createToken('acme')
  const { rows } = await connect({ url: 'libsql://' + hostname, authToken, fetch }).execute('select 1 + 1 as two')
  console.log(JSON.stringify(rows))
  await turso.close()
`

describe('the package without libsql', () => {
  test('is a library without dependencies', async () => {
    expect(await readdir(path.join(consumer, 'node_modules'))).toEqual([
      '.bin',
      '.package-lock.json',
      'turso-edge',
    ])
    expect(await runModule(`import { connect } from 'turso-edge'; console.log(typeof connect)`)).toBe(
      'function',
    )
  })

  test('has nothing but the build and the papers in it', async () => {
    const files = await readdir(path.join(consumer, 'node_modules/turso-edge'), { recursive: true })
    const foreign = files.filter(
      (file) => !/^dist($|\/(local|src)($|\/))|^(LICENSE|README\.md|package\.json)$/.test(file),
    )
    expect(foreign).toEqual([])
  })

  test('says what to install when a local Turso is created', async () => {
    const message = await runModule(`
      import { createLocalTurso } from 'turso-edge/local'
      try { createLocalTurso() } catch (error) { console.log(error.name + ': ' + error.message) }
    `)
    expect(message).toMatch(
      /^LibsqlMissingError: the local Turso needs the package "libsql": npm install --save-dev libsql@0\.5\.29 \(/,
    )
  })

  test('says so as a command, which still explains itself', async () => {
    expect(await command('local', '--port', '0')).toEqual({
      code: 1,
      output: expect.stringContaining('npm install --save-dev libsql@0.5.29'),
    })
    expect(await command('--help')).toEqual({
      code: 0,
      output: expect.stringMatching(/^Usage: turso-edge local/),
    })
    expect((await command('serve')).code).toBe(2)
  })
})

describe('the package with libsql', () => {
  beforeAll(() => provide('libsql'))

  test('runs a local Turso', async () => {
    expect(await runModule(EXAMPLE)).toBe('[{"two":2}]')
  })

  test('runs every example of docs/local.md', async () => {
    const text = await readFile(path.join(root, 'docs/local.md'), 'utf8')
    const examples = [...text.matchAll(/^```ts\n([^]*?)^```$/gm)].map((match) => match[1]!)
    const outputs: string[] = []
    for (const [index, example] of examples.entries()) {
      const file = path.join(consumer, `example-${index}.ts`)
      await writeFile(file, example)
      outputs.push((await run(process.execPath, [file])).stdout.trim())
    }
    expect(outputs).toEqual(['[ { two: 2 } ]', '200', '[]'])
  })

  test('has types that a strict project accepts', async () => {
    await provide('@types/node')
    await provide('undici-types')
    await writeFile(
      path.join(consumer, 'consumer.ts'),
      `import { connect, type Database } from 'turso-edge'
       import { createLocalTurso, serveLocalTurso, type Fault, type LocalTurso } from 'turso-edge/local'
       const fault: Fault = { kind: 'latency', ms: [1, 2], on: 'pipeline' }
       // @ts-expect-error -- there is no such kind
       const wrong: Fault = { kind: 'nope' }
       const turso: LocalTurso = createLocalTurso({ faults: [fault, wrong] })
       const database: Database = connect({ url: (await serveLocalTurso(turso, { port: 0 })).url })
       export { database }`,
    )
    const strict = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022,dom', '--types', 'node']
    for (const [module, moduleResolution] of [
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler'],
    ] as const) {
      const tsc = path.join(root, 'node_modules/.bin/tsc')
      const args = [
        '--ignoreConfig',
        ...strict,
        '--module',
        module,
        '--moduleResolution',
        moduleResolution,
        'consumer.ts',
      ]
      const { stdout } = await run(tsc, args, { cwd: consumer }).catch((error: { stdout: string }) => error)
      expect(stdout).toBe('')
    }
  })
})
