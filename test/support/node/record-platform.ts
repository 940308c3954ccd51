// Run by hand, writes test/core/platform/golden.json: what the platform client sends to the local Turso, and what it makes of
// the answers. To be read before it is committed: a change in it is a change of the client.

import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createLocalTurso } from '../../../local/index.ts'
import { runScenario } from '../../core/platform/scenario.ts'

const turso = createLocalTurso()
try {
  const exchanges = await runScenario((input, init) => turso.fetch(new Request(input, init)))
  const lines = exchanges.map((exchange) => JSON.stringify(exchange))
  const file = path.join(import.meta.dirname, '../../core/platform/golden.json')
  await writeFile(file, `[\n${lines.join(',\n')}\n]\n`)
  console.log(`${exchanges.length} exchanges`)
} finally {
  await turso.close()
}
