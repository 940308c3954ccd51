/** The data folder: who uses it, and where its files are. */
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { openConnection, primaryCodeOf } from '../engine/engine.ts'
import { DataFolderError } from '../errors.ts'

export interface DataFolder {
  readonly path: string
  /** Whether it goes with this process. Then nothing has to reach the disk. */
  readonly isTemporary: boolean
  readonly catalogueFile: string
  /** The file of a database, by DbId. */
  databaseFile(databaseId: string): string
  /** A file next to it that is nobody's yet, for an upload. Removed with the database, and after a crash. */
  uploadFile(databaseId: string): string
  /** Makes the file of an empty database. */
  createDatabase(databaseId: string): void
  /**
   * Copies the file of a database as it is at this moment, open transactions left out. All connections are in this
   * process and nothing of them runs meanwhile, so the file and its log belong together.
   */
  copyDatabase(fromId: string, toId: string): void
  /** How many bytes the files of a database have. */
  storageBytes(databaseId: string): number
  /** Removes what a database has next to its file. Its connections must be closed. */
  removeLog(databaseId: string): void
  /** Removes the files of a database, if there are any. */
  removeDatabase(databaseId: string): void
  /** Removes the files of all databases but these: what a crash left between a file and its row. */
  removeOtherDatabases(databaseIds: ReadonlySet<string>): void
  /** Lets another process use it. A temporary folder is removed. */
  close(): void
}

/**
 * Opens a data folder, and makes it when it does not exist; `undefined` makes a temporary one.
 * Throws `DataFolderError` when another process uses it or when it holds something else.
 */
export function openDataFolder(folder: string | undefined): DataFolder {
  const isTemporary = folder === undefined
  const path = isTemporary ? mkdtempSync(join(tmpdir(), 'local-turso-')) : resolve(folder)
  const catalogueFile = join(path, 'catalogue.db')
  const databases = join(path, 'databases')
  prepare(path, catalogueFile)
  const unlock = lock(path)
  // It holds the signing key.
  if (!existsSync(catalogueFile)) closeSync(openSync(catalogueFile, 'wx', 0o600))
  mkdirSync(databases, { recursive: true, mode: 0o700 })

  const databaseFile = (databaseId: string) => join(databases, `${databaseId}.db`)
  const removeDatabase = (databaseId: string) => {
    for (const suffix of ['', '-wal', '-shm', ...UPLOAD_SUFFIXES]) {
      rmSync(databaseFile(databaseId) + suffix, { force: true })
    }
  }

  return {
    path,
    isTemporary,
    catalogueFile,
    databaseFile,
    uploadFile: (databaseId) => databaseFile(databaseId) + UPLOAD_SUFFIXES[0],
    createDatabase(databaseId) {
      const connection = openConnection(databaseFile(databaseId))
      try {
        connection.run(`${isTemporary ? 'pragma synchronous = off; ' : ''}pragma journal_mode = wal`)
      } finally {
        connection.close()
      }
    },
    copyDatabase(fromId, toId) {
      for (const suffix of ['', '-wal']) {
        const file = databaseFile(fromId) + suffix
        if (existsSync(file)) copyFileSync(file, databaseFile(toId) + suffix, constants.COPYFILE_FICLONE)
      }
    },
    storageBytes: (databaseId) =>
      ['', '-wal'].reduce(
        (bytes, suffix) =>
          bytes + (statSync(databaseFile(databaseId) + suffix, { throwIfNoEntry: false })?.size ?? 0),
        0,
      ),
    removeLog(databaseId) {
      for (const suffix of ['-wal', '-shm']) rmSync(databaseFile(databaseId) + suffix, { force: true })
    },
    removeDatabase,
    removeOtherDatabases(databaseIds) {
      for (const file of readdirSync(databases)) {
        const databaseId = /^([0-9a-f-]{36})\.db(?:-upload)?(?:-wal|-shm)?$/.exec(file)?.[1]
        if (databaseId !== undefined && !databaseIds.has(databaseId)) removeDatabase(databaseId)
      }
    },
    close() {
      unlock()
      if (isTemporary) rmSync(path, { recursive: true, force: true })
    },
  }
}

const UPLOAD_SUFFIXES = ['-upload', '-upload-wal', '-upload-shm'] as const

function prepare(path: string, catalogueFile: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const isForeign =
      !existsSync(catalogueFile) && readdirSync(path).some((file) => !LOCK_FILES.includes(file))
    if (!isForeign) return
  } catch (error) {
    throw new DataFolderError(`cannot use ${path} as data folder: ${(error as Error).message}`)
  }
  throw new DataFolderError(
    `${path} is not a data folder of the local Turso: it has files, but no catalogue.db. Choose another folder`,
  )
}

const LOCK_FILES = ['lock.db', 'lock.db-journal']

/** SQLite's file lock goes with the process, however it ends. */
function lock(path: string): () => void {
  let connection: ReturnType<typeof openConnection> | undefined
  try {
    connection = openConnection(join(path, 'lock.db'))
    connection.run('pragma locking_mode = exclusive; begin exclusive')
    return connection.close
  } catch (error) {
    connection?.close()
    if (primaryCodeOf(error) === 5) throw new DataFolderError(`another local Turso is using ${path}`)
    throw new DataFolderError(`cannot lock ${join(path, 'lock.db')}: ${(error as Error).message}`)
  }
}
