// What `npm start` keeps on disk:
//   development.json   marks the folder as ours, and holds the key that signs batons
//   running.pid        the process that uses the folder now
//   turso/  worker/    the two halves of the state, which only make sense together
//   turso.log  worker.log

import { randomBytes } from 'node:crypto'
import { access, mkdir, readFile, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import * as z from 'zod/mini'

const MARKER = 'development.json'
const LOCK = 'running.pid'
const HALVES = ['turso', 'worker'] as const
const OURS = [MARKER, `${MARKER}.new`, LOCK, ...HALVES, 'turso.log', 'worker.log']

const Marker = z.object({
  madeBy: z.literal('turso-edge npm start'),
  /** Whether both halves were once up, and so have something in them. */
  wasReady: z.boolean(),
  batonKey: z.string(),
})
type Marker = z.infer<typeof Marker>

export interface DataFolder {
  readonly path: string
  readonly batonKey: string
  /** To be called once both halves are up. */
  readonly markReady: () => Promise<void>
  /** Lets another `npm start` use the folder. */
  readonly release: () => Promise<void>
}

/**
 * Opens or makes the folder and claims it for this process. Throws when it is somebody else's, in use, or incomplete.
 * With `fresh`, what an earlier start made in it is deleted first, and nothing else.
 */
export async function openDataFolder(folder: string, { fresh }: { fresh: boolean }): Promise<DataFolder> {
  await requireOurs(folder, fresh)
  await requireUnused(folder)
  if (fresh) await deleteOurs(folder)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const marker = (await readMarker(folder)) ?? (await makeMarker(folder))
  if (marker.wasReady) await requireBothHalves(folder)
  await Promise.all(HALVES.map((half) => mkdir(path.join(folder, half), { recursive: true })))
  await writeFile(path.join(folder, LOCK), String(process.pid))
  return {
    path: folder,
    batonKey: marker.batonKey,
    markReady: () => writeMarker(folder, { ...marker, wasReady: true }),
    release: () => rm(path.join(folder, LOCK), { force: true }),
  }
}

async function requireOurs(folder: string, fresh: boolean): Promise<void> {
  const isEmpty = (await listFolder(folder)).length === 0
  if (isEmpty || (await readMarker(folder))) return
  const consequence = fresh ? 'Nothing was deleted.' : 'Nothing was changed.'
  throw new Error(
    `${folder} has no ${MARKER} and so was not made by npm start. ${consequence} Name another folder with --data.`,
  )
}

async function requireUnused(folder: string): Promise<void> {
  const pid = Number(await readFile(path.join(folder, LOCK), 'utf8').catch(() => ''))
  if (pid > 0 && pid !== process.pid && (await isStartCommand(pid))) {
    throw new Error(
      `${folder} is in use by another npm start (process ${pid}). Stop that one or use another --data.`,
    )
  }
}

/** Whether the process lives and, where the system tells, is a start command: numbers of dead ones are used again. */
async function isStartCommand(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined)
  return commandLine === undefined || commandLine.includes('start.ts')
}

async function requireBothHalves(folder: string): Promise<void> {
  const contents = await Promise.all(HALVES.map((half) => listFolder(path.join(folder, half))))
  const missing = HALVES.filter((_, index) => contents[index]?.length === 0)
  if (missing.length === 0) return
  const paths = missing.map((half) => path.join(folder, half)).join(' and ')
  throw new Error(
    `The state in ${folder} is incomplete: ${paths} ${missing.length > 1 ? 'are' : 'is'} missing. ` +
      'The tenants of the Worker and the databases of the local Turso belong together. ' +
      'Put it back, or start over with: npm start -- --fresh',
  )
}

async function deleteOurs(folder: string): Promise<void> {
  await Promise.all(OURS.map((name) => rm(path.join(folder, name), { recursive: true, force: true })))
  // Stays if there is anything of somebody else's in it.
  await rmdir(folder).catch(() => undefined)
}

async function readMarker(folder: string): Promise<Marker | undefined> {
  const text = await readFile(path.join(folder, MARKER), 'utf8').catch(() => undefined)
  try {
    return text === undefined ? undefined : Marker.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

async function makeMarker(folder: string): Promise<Marker> {
  const marker = {
    madeBy: 'turso-edge npm start',
    wasReady: false,
    batonKey: randomBytes(32).toString('hex'),
  } as const
  await writeMarker(folder, marker)
  return marker
}

async function writeMarker(folder: string, marker: Marker): Promise<void> {
  const file = path.join(folder, MARKER)
  await writeFile(`${file}.new`, `${JSON.stringify(marker, null, 2)}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** Its names; none if it does not exist. */
async function listFolder(folder: string): Promise<string[]> {
  const exists = await access(folder).then(
    () => true,
    () => false,
  )
  return exists ? await readdir(folder) : []
}
