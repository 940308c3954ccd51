// Holds the library and the Worker to their sizes: a reader of package.json's promise of smallness should find it kept.

import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { runCommand } from './process/run-command.ts'
import { offlineWrangler } from './wrangler-environment.ts'

/** In bytes, minified and gzipped. */
const LIMITS = {
  core: 8_250,
  worker: 40 * 1024,
}

const root = path.join(import.meta.dirname, '..')

async function measureCore(): Promise<number> {
  const { outputFiles } = await build({
    entryPoints: [path.join(root, 'src/index.ts')],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  })
  return gzipSync(outputFiles[0]?.contents ?? '').byteLength
}

async function measureWorker(): Promise<number> {
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
    return gzipSync(Buffer.concat(contents)).byteLength
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const measures = { core: measureCore, worker: measureWorker }

for (const part of ['core', 'worker'] as const) {
  if (process.argv.length > 2 && !process.argv.includes(part)) continue
  try {
    const size = await measures[part]()
    const isSmall = size <= LIMITS[part]
    console.log(`${part}: ${size} B of ${LIMITS[part]} B${isSmall ? '' : ': too large'}`)
    if (!isSmall) process.exitCode = 1
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
