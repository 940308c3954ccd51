/** What is published, installed into a folder of its own and used from there. */
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createConsumer, root, run, type Consumer } from './consumer.ts'

let consumer: Consumer

beforeAll(async () => {
  consumer = await createConsumer()
}, 600_000)
afterAll(() => consumer.remove())

const command = (...args: string[]) =>
  run(path.join(consumer.folder, 'node_modules/.bin/turso-edge'), args).then(
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
    expect(await readdir(path.join(consumer.folder, 'node_modules'))).toEqual([
      '.bin',
      '.package-lock.json',
      'turso-edge',
    ])
    expect(
      await consumer.runModule(`import { connect } from 'turso-edge'; console.log(typeof connect)`),
    ).toBe('function')
  })

  test('has nothing but the build and the papers in it', async () => {
    const files = await readdir(path.join(consumer.folder, 'node_modules/turso-edge'), { recursive: true })
    const foreign = files.filter(
      (file) => !/^dist($|\/(local|src)($|\/))|^(LICENSE|README\.md|package\.json)$/.test(file),
    )
    expect(foreign).toEqual([])
  })

  test('says what to install when a local Turso is created', async () => {
    const message = await consumer.runModule(`
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
  beforeAll(() => consumer.provide('libsql'))

  test('runs a local Turso', async () => {
    expect(await consumer.runModule(EXAMPLE)).toBe('[{"two":2}]')
  })

  test('runs every example of docs/local.md', async () => {
    const text = await readFile(path.join(root, 'docs/local.md'), 'utf8')
    const examples = [...text.matchAll(/^```ts\n([^]*?)^```$/gm)].map((match) => match[1]!)
    const outputs: string[] = []
    for (const [index, example] of examples.entries())
      outputs.push(await consumer.runModule(example, `example-${index}.ts`))
    expect(outputs).toEqual(['[ { two: 2 } ]', '200', '[]'])
  })
})
