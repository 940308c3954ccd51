// Builds and packs the package as it would be published, in a copy: nothing in the repository is touched, and nothing
// that lies around in it can get into the package.

import { cp, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { runCommand } from '../process/run-command.ts'

const root = path.join(import.meta.dirname, '../..')

const NOT_COPIED = new Set(['.git', '.turso-edge', '.wrangler', 'dist', 'node_modules'])

const COMMAND_TIMEOUT_MS = 120_000

export async function pack(
  tarball: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const copy = await mkdtemp(path.join(tmpdir(), 'turso-edge-pack-'))
  try {
    for (const name of await readdir(root))
      if (!NOT_COPIED.has(name)) await cp(path.join(root, name), path.join(copy, name), { recursive: true })
    await symlink(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
    for (const command of [
      ['npm', '--silent', '--prefix', copy, 'run', 'build'],
      ['npm', '--silent', 'pack', '--ignore-scripts', '--pack-destination', copy, copy],
    ]) {
      const { succeeded, output } = await runCommand(command, { timeoutMs: COMMAND_TIMEOUT_MS, signal })
      if (!succeeded) throw new Error(output)
    }
    const made = (await readdir(copy)).filter((name) => name.endsWith('.tgz'))
    if (made[0] === undefined || made.length > 1) throw new Error(`npm packed ${made.length} tarballs`)
    await cp(path.join(copy, made[0]), tarball)
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}
