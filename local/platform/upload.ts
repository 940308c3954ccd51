/** `POST /v1/upload` on the host of a database that waits for its file. */
import { closeSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import { openConnection } from '../engine/engine.ts'
import { HttpFailure } from '../errors.ts'
import { MAX_UPLOAD_BYTES } from '../limits.ts'
import type { Catalogue } from '../storage/catalogue.ts'
import type { DataFolder } from '../storage/data-folder.ts'
import type { DatabaseRecord } from '../storage/records.ts'
import type { Tokens } from '../tokens.ts'

export interface UploadOptions {
  readonly catalogue: Pick<Catalogue, 'databases'>
  readonly folder: DataFolder
  readonly tokens: Tokens
  /** Ends every connection to a database. */
  readonly closeDatabase: (databaseId: string) => void
}

/** Takes the file of a draft. Throws `HttpFailure`: 400 for a file that is not as it has to be. */
export type UploadHandler = (request: Request, record: DatabaseRecord, name: string) => Promise<Response>

export function createUploadHandler({
  catalogue,
  folder,
  tokens,
  closeDatabase,
}: UploadOptions): UploadHandler {
  /** One at a time: they share the file that they write to. */
  const uploading = new Set<string>()

  return async (request, { id }, name) => {
    if (tokens.authorize(request.headers.get('authorization'), id, name) !== 'rw') {
      throw new HttpFailure(403, 'the token does not allow to write')
    }
    if (request.headers.has('x-turso-encryption-key')) {
      throw new HttpFailure(400, 'encryption is not supported by the local Turso')
    }
    const requireDraft = () => {
      if (catalogue.databases.findById(id)?.isDraft) return
      throw new HttpFailure(400, 'the database was not created with the seed type "database_upload"')
    }
    requireDraft()
    if (uploading.has(id)) throw new HttpFailure(409, 'another upload to the database is in progress')
    uploading.add(id)
    const file = folder.uploadFile(id)
    try {
      const bytes = await receive(request, file)
      checkHeader(file, bytes)
      checkContent(file)
      // It may have been deleted meanwhile.
      requireDraft()
      closeDatabase(id)
      folder.removeLog(id)
      renameSync(file, folder.databaseFile(id))
      catalogue.databases.endDraft(id)
      return new Response(null)
    } finally {
      uploading.delete(id)
      for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
    }
  }
}

/** Writes the body to a file as it comes in, and returns its length. */
async function receive(request: Request, file: string): Promise<number> {
  const descriptor = openSync(file, 'w', 0o600)
  let bytes = 0
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength
      if (bytes > MAX_UPLOAD_BYTES)
        throw new HttpFailure(413, `the file has more than ${MAX_UPLOAD_BYTES} bytes`)
      writeSync(descriptor, chunk)
    }
    return bytes
  } finally {
    closeSync(descriptor)
  }
}

/** Reads the settings from the header of the file. Source: https://sqlite.org/fileformat2.html#the_database_header */
function checkHeader(file: string, bytes: number): void {
  const header = Buffer.alloc(HEADER_BYTES)
  const descriptor = openSync(file, 'r')
  try {
    readSync(descriptor, header, 0, HEADER_BYTES, 0)
  } finally {
    closeSync(descriptor)
  }
  const refuse = (reason: string) => new HttpFailure(400, `invalid database file: ${reason}`)
  if (bytes < HEADER_BYTES || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
    throw refuse('it is not an SQLite database')
  }
  if (header.readUInt16BE(16) !== PAGE_BYTES) throw refuse(`the page size must be ${PAGE_BYTES}`)
  if (header[18] !== WAL_VERSION || header[19] !== WAL_VERSION) throw refuse('the journal mode must be WAL')
  if (header[20] !== 0) throw refuse('there must be no reserved bytes')
  if (header.readUInt32BE(52) !== 0) throw refuse('auto_vacuum must be 0')
  if (header.readUInt32BE(56) !== UTF8) throw refuse('the encoding must be UTF-8')
  if (bytes % PAGE_BYTES !== 0) throw refuse('it ends within a page')
}

const HEADER_BYTES = 100
const PAGE_BYTES = 4096
const WAL_VERSION = 2
const UTF8 = 1

function checkContent(file: string): void {
  let answer: unknown
  try {
    const connection = openConnection(file)
    try {
      answer = connection.query('pragma quick_check')[0]?.[0]
    } finally {
      connection.close()
    }
  } catch (error) {
    answer = (error as Error).message
  }
  if (answer !== 'ok') throw new HttpFailure(400, 'invalid database file: it is damaged')
}
