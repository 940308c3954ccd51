/**
 * The upload of a database that was created to wait for its file, on the host of the database: in one piece by
 * `POST /v1/upload`, or as the CLI does it, in chunks below `/v2/upload`.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { HttpFailure } from '../errors.ts'
import { MAX_PLATFORM_BODY_BYTES, MAX_UPLOAD_BYTES, UPLOAD_CHUNK_BYTES } from '../limits.ts'
import { json, readBody, readBytes } from '../responses.ts'
import type { Catalogue } from '../storage/catalogue.ts'
import type { DataFolder } from '../storage/data-folder.ts'
import type { DatabaseRecord } from '../storage/records.ts'
import type { Tokens } from '../tokens.ts'
import { checkUploadedFile } from './uploaded-file.ts'

export interface UploadOptions {
  readonly catalogue: Pick<Catalogue, 'databases'>
  readonly folder: DataFolder
  readonly tokens: Tokens
  /** Ends every connection to a database. */
  readonly closeDatabase: (databaseId: string) => void
}

export interface UploadTarget {
  readonly record: DatabaseRecord
  /** As the request names the database, for error messages. */
  readonly name: string
  readonly path: string
}

/**
 * Answers a request to a draft, `undefined` for what is no upload. Rejects with `HttpFailure`: 400 for a file that is
 * not as it has to be, 401 and 403 for the token.
 */
export type UploadHandler = (request: Request, target: UploadTarget) => Promise<Response> | undefined

/** An upload in chunks. It does not survive a restart. */
interface Upload {
  readonly id: string
  readonly bytes: number
  readonly received: Set<number>
}

export function createUploadHandler(options: UploadOptions): UploadHandler {
  const { catalogue, folder, closeDatabase } = options
  /** The chunked upload of a database; a new one replaces it. */
  const uploads = new Map<string, Upload>()
  /** Databases whose file is being written in one piece. */
  const writing = new Set<string>()

  /** It may have been deleted, or filled by another upload, while the body came in. */
  const requireDraft = (id: string) => {
    if (!catalogue.databases.findById(id)?.isDraft)
      throw new HttpFailure(404, 'the database awaits no upload')
  }

  /** Makes the received file the database, or throws and forgets it. */
  const activate = (id: string): Response => {
    const file = folder.uploadFile(id)
    try {
      checkUploadedFile(file)
      requireDraft(id)
      closeDatabase(id)
      folder.removeLog(id)
      renameSync(file, folder.databaseFile(id))
      catalogue.databases.endDraft(id)
      return new Response(null)
    } finally {
      uploads.delete(id)
      for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
    }
  }

  const uploadWhole = async (request: Request, id: string): Promise<Response> => {
    if (writing.has(id)) throw new HttpFailure(409, 'another upload to the database is in progress')
    writing.add(id)
    uploads.delete(id)
    try {
      await receive(request, folder.uploadFile(id), MAX_UPLOAD_BYTES)
      requireDraft(id)
      return activate(id)
    } finally {
      writing.delete(id)
    }
  }

  const begin = async (request: Request, id: string): Promise<Response> => {
    const bytes = await readSize(request)
    if (writing.has(id)) throw new HttpFailure(409, 'another upload to the database is in progress')
    requireDraft(id)
    closeSync(openSync(folder.uploadFile(id), 'w', 0o600))
    const upload = { id: randomUUID(), bytes, received: new Set<number>() }
    uploads.set(id, upload)
    return json({ chunk_size: UPLOAD_CHUNK_BYTES, upload_id: upload.id })
  }

  const requireUpload = (id: string, uploadId: string): Upload => {
    const upload = uploads.get(id)
    if (upload?.id !== uploadId) throw new HttpFailure(404, 'upload not found')
    return upload
  }

  const uploadChunk = async (request: Request, id: string, uploadId: string, index: number) => {
    const { bytes, received } = requireUpload(id, uploadId)
    const offset = index * UPLOAD_CHUNK_BYTES
    const maxBytes = Math.min(UPLOAD_CHUNK_BYTES, bytes - offset)
    if (maxBytes <= 0) throw new HttpFailure(400, 'the chunk is beyond the end of the file')
    const chunk = await readBytes(request, maxBytes)
    if (chunk.length !== maxBytes) throw new HttpFailure(400, `the chunk must have ${maxBytes} bytes`)
    // While it came in, the upload may have been finished or replaced. From here on nothing comes between.
    requireDraft(id)
    requireUpload(id, uploadId)
    writeAt(folder.uploadFile(id), chunk, offset)
    received.add(index)
    return new Response(null)
  }

  const finish = (id: string, uploadId: string): Response => {
    const { bytes, received } = requireUpload(id, uploadId)
    const missing = Math.ceil(bytes / UPLOAD_CHUNK_BYTES) - received.size
    if (missing > 0) throw new HttpFailure(400, `${missing} chunks are missing`)
    return activate(id)
  }

  const find = (
    request: Request,
    id: string,
    path: string,
  ): (() => Promise<Response> | Response) | undefined => {
    if (request.method === 'POST') return path === '/v1/upload' ? () => uploadWhole(request, id) : undefined
    if (request.method !== 'PUT') return undefined
    if (path === '/v2/upload/start') return () => begin(request, id)
    const [, uploadId, chunk] = /^\/v2\/upload\/([^/]+)\/(?:chunk\/([0-9]{1,6})|finalize)$/.exec(path) ?? []
    if (uploadId === undefined) return undefined
    return chunk === undefined
      ? () => finish(id, uploadId)
      : () => uploadChunk(request, id, uploadId, Number(chunk))
  }

  return (request, { record: { id }, name, path }) => {
    const answer = find(request, id, path)
    if (!answer) return undefined
    const authorizeAndAnswer = async () => {
      checkRights(options.tokens, request, id, name)
      return answer()
    }
    return authorizeAndAnswer()
  }
}

function checkRights(tokens: Tokens, { headers }: Request, id: string, name: string): void {
  if (tokens.authorize(headers.get('authorization'), id, name) !== 'rw') {
    throw new HttpFailure(403, 'the token does not allow to write')
  }
  if (headers.has('x-turso-encryption-key')) {
    throw new HttpFailure(400, 'encryption is not supported by the local Turso')
  }
}

/** Makes a file of the body as it comes in. Throws `HttpFailure` 413 for too much of it. */
async function receive(request: Request, file: string, maxBytes: number): Promise<void> {
  const descriptor = openSync(file, 'w', 0o600)
  let bytes = 0
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength
      if (bytes > maxBytes) throw new HttpFailure(413, `the request body has more than ${maxBytes} bytes`)
      writeSync(descriptor, chunk)
    }
  } finally {
    closeSync(descriptor)
  }
}

function writeAt(file: string, bytes: Uint8Array, offset: number): void {
  const descriptor = openSync(file, 'r+')
  try {
    writeSync(descriptor, bytes, 0, bytes.byteLength, offset)
  } finally {
    closeSync(descriptor)
  }
}

async function readSize(request: Request): Promise<number> {
  let bytes: unknown
  try {
    bytes = (
      JSON.parse(await readBody(request, MAX_PLATFORM_BODY_BYTES)) as { db_size_bytes?: unknown } | null
    )?.db_size_bytes
  } catch (error) {
    if (error instanceof HttpFailure) throw error
  }
  if (!Number.isInteger(bytes) || (bytes as number) < 1 || (bytes as number) > MAX_UPLOAD_BYTES) {
    throw new HttpFailure(400, `db_size_bytes must be a number from 1 to ${MAX_UPLOAD_BYTES}`)
  }
  return bytes as number
}
