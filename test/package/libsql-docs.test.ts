/** The recipes of docs/libsql.md run as they stand, over the libraries that they are about. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLocalTurso } from '../../local/index.ts'
import { serveLocalTurso, type LocalTursoServer } from '../../local/serve.ts'
import { createPlatform } from '../../src/index.ts'

const root = path.join(import.meta.dirname, '../..')
const turso = createLocalTurso()

let folder: string
let server: LocalTursoServer
let recipes: string[]

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'turso-edge-recipes-'))
  await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  server = await serveLocalTurso(turso, { port: 0 })
  const text = await readFile(path.join(root, 'docs/libsql.md'), 'utf8')
  recipes = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => match[1]!)
})
afterAll(async () => {
  await server.close()
  await turso.close()
  await rm(folder, { recursive: true })
})

/** Runs a recipe in a process of its own, with an empty database, and gives what it has printed. */
async function run(recipe: string, name: string): Promise<string> {
  const outfile = path.join(folder, `${name}.mjs`)
  await build({
    stdin: { contents: recipe, resolveDir: folder, loader: 'ts' },
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    alias: {
      'turso-edge/libsql': path.join(root, 'src/libsql/index.ts'),
      'turso-edge/drizzle': path.join(root, 'src/drizzle/index.ts'),
    },
    external: ['drizzle-orm', '@libsql/*', 'kysely', '@prisma/*'],
  })
  const platform = createPlatform({
    token: 'local-platform-token',
    organization: 'local',
    fetch: (url, init) => turso.fetch(new Request(url, init)),
  })
  await platform.databases.create(name, { location: 'aws-eu-west-1' })
  const env = {
    ...process.env,
    TURSO_DATABASE_URL: `${server.url}/db/${name}/`,
    TURSO_AUTH_TOKEN: await platform.databases.createToken(name),
  }
  return (await promisify(execFile)(process.execPath, [outfile], { env })).stdout.trim()
}

test('the recipes run', async () => {
  const printed = await Promise.all(recipes.map((recipe, index) => run(recipe, `recipe-${index}`)))
  expect(printed).toEqual([
    '',
    '{ one: 1 }',
    'true',
    "[ { id: 1, name: 'Ada' } ]",
    expect.stringContaining('rows: [ [ 1 ] ]'),
  ])
})
