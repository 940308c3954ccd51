// Writes worker/openapi.json, which the Worker serves, from the schemas of its routes. A test finds out when it is old.

import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')

/** By a path that TypeScript does not follow: the Worker's files are checked under its own globals, not Node's. */
async function load<Module>(file: string): Promise<Module> {
  return (await import(path.join(root, 'worker/api', file))) as Module
}

const { operations } = await load<{ operations: unknown }>('operations.ts')
const { createDocument } = await load<{ createDocument: (operations: unknown, version: string) => unknown }>(
  'document.ts',
)
const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { version: string }
const document = createDocument(operations, version)
await writeFile(path.join(root, 'worker/openapi.json'), `${JSON.stringify(document, null, 2)}\n`)
