// Writes the tables of docs/platform.md from the endpoints of the client. `--check` compares instead.

import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { withTables } from './platform/tables.ts'

const file = path.join(import.meta.dirname, '../docs/platform.md')
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const found = await readFile(file, 'utf8')
const expected = withTables(found)
if (!values.check) await writeFile(file, expected)
else if (found !== expected) {
  console.error('docs/platform.md is not what the endpoints say; node tools/platform-table.ts writes it')
  process.exitCode = 1
}
