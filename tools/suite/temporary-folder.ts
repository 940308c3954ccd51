import { access, constants, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Where Linux has files in memory. */
const MEMORY = '/dev/shm'
/** A run takes a fifth of it at most. */
const ROOM_BYTES = 2 ** 31

/**
 * A folder for whatever a run makes, which has hundreds of databases synced to a disk if there is one: in memory where
 * that can be, unless `TMPDIR` says where.
 */
export async function makeTemporaryFolder(): Promise<string> {
  const inMemory = process.env['TMPDIR'] === undefined && (await makeIn(MEMORY).catch(() => undefined))
  return inMemory || (await mkdtemp(path.join(tmpdir(), PREFIX)))
}

const PREFIX = 'turso-edge-test-'

/** Rejects where there is too little room, or programs may not be executed. */
async function makeIn(parent: string): Promise<string> {
  const { bavail, bsize } = await statfs(parent)
  if (bavail * bsize < ROOM_BYTES) throw new Error(`${parent} is too small`)
  const folder = await mkdtemp(path.join(parent, PREFIX))
  try {
    const program = path.join(folder, 'program')
    await writeFile(program, '', { mode: 0o700 })
    await access(program, constants.X_OK)
    await rm(program)
    return folder
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}
