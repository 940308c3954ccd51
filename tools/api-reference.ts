// Writes docs/api from the docstrings of the public modules. `--check` compares instead, and says what is out of date.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { generateReference } from './api/generate.ts'

const reference = path.join(import.meta.dirname, '../docs/api')

/** The files that would be different, or would not be there, if they were written now. */
async function outdatedFiles(): Promise<string[]> {
  const fresh = await mkdtemp(path.join(tmpdir(), 'turso-edge-api-'))
  try {
    await generateReference(fresh)
    const names = new Set([...(await filesIn(fresh)), ...(await filesIn(reference))])
    const outdated: string[] = []
    for (const name of [...names].toSorted()) {
      const [expected, found] = await Promise.all([fresh, reference].map((folder) => contentOf(folder, name)))
      if (expected !== found) outdated.push(name)
    }
    return outdated
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
}

function contentOf(folder: string, name: string): Promise<string | undefined> {
  return readFile(path.join(folder, name), 'utf8').catch(() => undefined)
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
try {
  if (values.check) {
    for (const name of await outdatedFiles()) {
      console.error(`docs/api/${name} is not what the docstrings say; npm run api writes it`)
      process.exitCode = 1
    }
  } else await generateReference(reference)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
