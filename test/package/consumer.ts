/** A project of somebody else, with the packed package installed in it. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { pack } from '../../tools/package/pack.ts'
import { TARBALL_VARIABLE } from '../../tools/suite/tarball.ts'

export const root = path.join(import.meta.dirname, '../..')
export const run = promisify(execFile)

export interface Consumer {
  readonly folder: string
  /** Makes a package of the repository visible to the project, as if it were installed. */
  readonly provide: (name: string) => Promise<void>
  /** Runs a module in Node and gives what it has printed. */
  readonly runModule: (source: string, name?: string) => Promise<string>
  readonly remove: () => Promise<void>
}

export async function createConsumer(): Promise<Consumer> {
  const outer = await mkdtemp(path.join(tmpdir(), 'turso-edge-consumer-'))
  const folder = path.join(outer, 'project')
  await mkdir(folder)
  await writeFile(path.join(folder, 'package.json'), '{ "type": "module", "private": true }')
  // `npm test` has packed it already.
  let tarball = process.env[TARBALL_VARIABLE]
  if (tarball === undefined) await pack((tarball = path.join(outer, 'turso-edge.tgz')))
  await run('npm', ['install', tarball, '--no-audit', '--no-fund', '--ignore-scripts', '--offline'], {
    cwd: folder,
  })
  return {
    folder,
    async provide(name) {
      const target = path.join(folder, 'node_modules', name)
      await mkdir(path.dirname(target), { recursive: true })
      await symlink(path.join(root, 'node_modules', name), target)
    },
    async runModule(source, name = 'consumer.js') {
      const file = path.join(folder, name)
      await writeFile(file, source)
      return (await run(process.execPath, [file])).stdout.trim()
    },
    remove: () => rm(outer, { recursive: true, force: true }),
  }
}

/** Copies files of the repository into the project. */
export async function copyInto(consumer: Consumer, from: string): Promise<void> {
  await cp(path.join(root, from), consumer.folder, { recursive: true })
}
