// Holds the library and the Worker to their sizes: a reader of package.json's promise of smallness should find it kept.

import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { readPublicPackage, type PublicPackage } from './package/public-modules.ts'
import { runCommand } from './process/run-command.ts'
import { offlineWrangler } from './wrangler-environment.ts'

/** In bytes, minified and gzipped, without the packages that a user brings along. */
const LIMITS: Readonly<Record<string, number>> = {
  "import { connect, sql } from 'turso-edge'": 14_400,
  "import { createPlatform } from 'turso-edge'": 9_700,
  "import { createDatabasesClient } from 'turso-edge'": 8_100,
  "import { createGroupsClient } from 'turso-edge'": 6_900,
  "import { createLocationsClient } from 'turso-edge'": 6_000,
  "import { createOrganizationsClient } from 'turso-edge'": 6_000,
  "import { createMembersClient } from 'turso-edge'": 6_000,
  "import { createInvitesClient } from 'turso-edge'": 5_900,
  "import { createApiTokensClient } from 'turso-edge'": 6_200,
  "import { createAuditLogsClient } from 'turso-edge'": 5_900,
  "import { createJwksClient } from 'turso-edge'": 6_500,
  "import { createUserClient } from 'turso-edge'": 5_900,
  "import { createDatabasesByIdClient } from 'turso-edge'": 6_800,
  "import { createGroupsByIdClient } from 'turso-edge'": 6_600,
  "import * from 'turso-edge'": 24_500,
  "import * from 'turso-edge/libsql'": 16_800,
  "import * from 'turso-edge/drizzle'": 17_300,
  Worker: 111_000,
}

const root = path.join(import.meta.dirname, '..')

/** Every import that has a limit, and every public module whether it has one or not. */
async function measureLibrary(): Promise<Map<string, number>> {
  const library = await readPublicPackage()
  const imports = new Set(Object.keys(LIMITS).filter((name) => name.startsWith('import ')))
  // Nobody sends the local Turso over a network.
  for (const { specifier, needsNode } of library.modules)
    if (!needsNode) imports.add(`import * from '${specifier}'`)
  const sizes = [...imports].map(async (statement) => [statement, await measure(statement, library)] as const)
  return new Map(await Promise.all(sizes))
}

async function measure(statement: string, { modules, peers }: PublicPackage): Promise<number> {
  const [, what, specifier] = /^import (.+) from '(.+)'$/.exec(statement) ?? []
  const source = modules.find((module) => module.specifier === specifier)?.source
  if (what === undefined || source === undefined) throw new Error(`no public module for "${statement}"`)
  const { outputFiles } = await build({
    stdin: { contents: `export ${what} from './${source}'`, resolveDir: root },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: [...peers],
    logLevel: 'silent',
    write: false,
  })
  return gzipSync(outputFiles[0]?.contents ?? '').byteLength
}

async function measureWorker(): Promise<Map<string, number>> {
  const folder = await mkdtemp(path.join(tmpdir(), 'turso-edge-worker-'))
  try {
    const command = ['wrangler', 'deploy', '--dry-run', '--minify', '--outdir', folder]
    const { succeeded, output } = await runCommand(command, {
      env: offlineWrangler,
      timeoutMs: 120_000,
      signal: new AbortController().signal,
    })
    if (!succeeded) throw new Error(output)
    const modules = (await readdir(folder)).filter((name) => /\.(js|mjs|wasm)$/.test(name))
    if (modules.length === 0) throw new Error(`wrangler wrote no module\n${output}`)
    const contents = await Promise.all(modules.map((name) => readFile(path.join(folder, name))))
    return new Map([['Worker', gzipSync(Buffer.concat(contents)).byteLength]])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function judge(size: number, limit: number | undefined): string | undefined {
  if (limit === undefined) return 'has no limit in tools/check-size.ts'
  return size > limit ? 'too large' : undefined
}

const measures = { library: measureLibrary, worker: measureWorker }

for (const part of ['library', 'worker'] as const) {
  if (process.argv.length > 2 && !process.argv.includes(part)) continue
  try {
    for (const [name, size] of await measures[part]()) {
      const limit = LIMITS[name]
      const problem = judge(size, limit)
      console.log(
        `${name.padEnd(52)} ${String(size).padStart(6)} B of ${String(limit ?? '?').padStart(6)} B${problem ? `: ${problem}` : ''}`,
      )
      if (problem) process.exitCode = 1
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
