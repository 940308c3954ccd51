// Packs the package and checks the tarball. `node tools/check-package.ts FILE` leaves it in that file.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { checkTarball } from './package/check-tarball.ts'
import { pack } from './package/pack.ts'

const folder = await mkdtemp(path.join(tmpdir(), 'turso-edge-package-'))
try {
  const tarball = process.argv[2] ?? path.join(folder, 'turso-edge.tgz')
  await pack(tarball)
  const complaints = await checkTarball(tarball)
  for (const complaint of complaints) console.error(complaint)
  if (complaints.length > 0) process.exitCode = 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
