// What was deployed is written down beside the migrations, so that the next build finds out when it was changed since.

import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { MigrationFile } from './read.ts'

/** In the format of `sha256sum`: a checksum, two spaces and a name on each line. */
export const SEAL = 'deployed.sha256'

/** Throws, naming the file, when a migration that was deployed is not what it was, or another one comes before it. */
export async function checkSeal(folder: string, files: readonly MigrationFile[]): Promise<void> {
  const sealed = await readSeal(folder)
  const names = new Map(files.map((file) => [path.basename(file.path), file]))
  for (const [name, checksum] of sealed) {
    const file = names.get(name)
    if (file === undefined)
      throw new Error(`${name}: was deployed, and is not there any more. Tenants have it: restore the file`)
    if (file.checksum !== checksum)
      throw new Error(
        `${file.path}: was changed after it was deployed. Tenants have it as it was: restore the file, and put the change into another one`,
      )
  }
  const latest = Math.max(0, ...[...sealed.keys()].map((name) => names.get(name)?.version ?? 0))
  const early = files.find((file) => file.version < latest && !sealed.has(path.basename(file.path)))
  if (early)
    throw new Error(
      `${early.path}: comes before a migration that was deployed. Tenants would never get it: give it the next number`,
    )
}

export async function writeSeal(folder: string, files: readonly MigrationFile[]): Promise<void> {
  const lines = files.map((file) => `${file.checksum}  ${path.basename(file.path)}\n`)
  await writeFile(path.join(folder, SEAL), lines.join(''))
}

async function readSeal(folder: string): Promise<Map<string, string>> {
  const text = await readFile(path.join(folder, SEAL), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  const lines = text.split(/\r?\n/).filter(Boolean)
  return new Map(
    lines.map((line) => {
      const match = /^([0-9a-f]{64}) [ *](\S+)$/.exec(line)
      if (!match) throw new Error(`${SEAL}: "${line.slice(0, 100)}" is not a checksum and a file name`)
      return [match[2]!, match[1]!]
    }),
  )
}
