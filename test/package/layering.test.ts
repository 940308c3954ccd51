import { execFile } from 'node:child_process'
import { mkdtemp, mkdir, readdir, rm, writeFile, copyFile, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = path.join(import.meta.dirname, '../..')
const oxlint = path.join(root, 'node_modules/.bin/oxlint')

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'layering-'))
  await copyFile(path.join(root, '.oxlintrc.json'), path.join(folder, '.oxlintrc.json'))
})
afterAll(() => rm(folder, { recursive: true }))

/** What the linter says about a file at this place with this source. */
async function lint(file: string, source: string): Promise<string> {
  const target = path.join(folder, file)
  await mkdir(path.dirname(target), { recursive: true })
  await writeFile(target, source)
  const run = promisify(execFile)(oxlint, ['--format=json', file], { cwd: folder })
  const { stdout } = await run.catch((error: { stdout: string }) => error)
  await rm(target)
  return stdout
}

describe('the linter keeps the direction of imports', () => {
  test.each([
    ['src/hrana/x.ts', "import { x } from 'node:buffer'", /no dependencies/],
    ['src/x.ts', "import { Hono } from 'hono'", /no dependencies/],
    ['src/x.ts', "import { x } from '../worker/app.ts'", /nothing but itself/],
    ['src/platform/x.ts', "import { x } from '../hrana/value.ts'", /never import each other/],
    ['src/hrana/x.ts', "import { x } from '../platform/call.ts'", /never import each other/],
    ['src/hrana/x.ts', "import { x } from '../database.ts'", /nothing imports upwards/],
    ['worker/x.ts', "import { x } from '../src/errors.ts'", /src\/index.ts only/],
    ['worker/routes/x.ts', "import { x } from '../../local/index.ts'", /its own files/],
    ['worker/x.ts', "import { x } from 'node:crypto'", /without Node compatibility/],
    ['local/x.ts', "import { x } from '../src/http.ts'", /cannot share the client's bugs/],
    ['local/x.ts', "import type { X } from '../src/platform/types.ts'", /cannot share the client's bugs/],
    ['local/x.ts', "import { x } from '../worker/app.ts'", /local\//],
    ['tools/x.ts', "import { x } from '../test/support/turso.ts'", /nobody imports test/],
  ])('%s must not say %s', async (file, statement, reason) => {
    expect(await lint(file, `${statement}\nexport const y = x ?? Hono\n`)).toMatch(reason)
  })

  test.each([
    ['src/x.ts', 'export const y = Buffer.from([])', /Buffer/],
    ['worker/x.ts', 'export const y = process.env', /process/],
  ])('%s must not use a global of Node: %s', async (file, source, reason) => {
    expect(await lint(file, source)).toMatch(reason)
  })

  test.each([
    ['worker/x.ts', "import { connect } from '../src/index.ts'\nexport const y = connect"],
    ['local/x.ts', "import type { WireValue } from '../src/hrana/wire.ts'\nexport type Y = WireValue"],
    ['tools/x.ts', "import { connect } from '../src/index.ts'\nexport const y = connect"],
  ])('%s may say %s', async (file, source) => {
    expect(await lint(file, source)).not.toMatch(/no-restricted/)
  })
})

test('the library has no dependencies, and every version is exact', async () => {
  const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >
  expect(manifest).not.toHaveProperty('dependencies')
  for (const version of Object.values(manifest['devDependencies'] as Record<string, string>))
    expect(version).toMatch(/^\d+\.\d+\.\d+$/)
})

describe.each(['src', 'worker', 'local', 'bench', 'tools'])('%s', (part) => {
  test('has no circle of folders that import each other', async () => {
    expect(circleIn(await folderImports(path.join(root, part)))).toBeNull()
  })
})

test('a circle of folders is found', () => {
  const imports = new Map([
    ['app.ts', new Set(['routes'])],
    ['routes', new Set(['session', 'http'])],
    ['session', new Set(['http'])],
    ['http', new Set(['routes'])],
  ])
  expect(circleIn(imports)).toEqual(['routes', 'session', 'http', 'routes'])
})

/** Which folder imports from which, types included; a file that is directly in the part counts as a folder of its own. */
async function folderImports(part: string): Promise<Map<string, Set<string>>> {
  const folderOf = (file: string): string => (file.includes(path.sep) ? path.dirname(file) : file)
  const imports = new Map<string, Set<string>>()
  for (const file of await readdir(part, { recursive: true })) {
    if (!file.endsWith('.ts') || file.endsWith('.d.ts')) continue
    const source = await readFile(path.join(part, file), 'utf8')
    for (const [, specifier] of source.matchAll(/from '(\.[^']*)'/g)) {
      const target = path.join(path.dirname(file), specifier!)
      const [from, to] = [folderOf(file), folderOf(target)]
      if (target.startsWith('..') || from === to) continue
      imports.set(from, (imports.get(from) ?? new Set()).add(to))
    }
  }
  expect(imports.size).toBeGreaterThan(1)
  return imports
}

function circleIn(imports: Map<string, Set<string>>): string[] | null {
  const done = new Set<string>()
  const visit = (folder: string, way: string[]): string[] | null => {
    if (way.includes(folder)) return [...way.slice(way.indexOf(folder)), folder]
    if (done.has(folder)) return null
    for (const next of imports.get(folder) ?? []) {
      const circle = visit(next, [...way, folder])
      if (circle) return circle
    }
    done.add(folder)
    return null
  }
  for (const folder of imports.keys()) {
    const circle = visit(folder, [])
    if (circle) return circle
  }
  return null
}
