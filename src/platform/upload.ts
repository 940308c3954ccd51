/** The file of a new database, sent to the database itself. */
import { ProtocolError } from '../errors.ts'
import { globalFetch, type Fetch } from '../http/fetch.ts'
import { parseBody } from '../http/json.ts'
import { createRetrier, type RetryOptions } from '../http/retry.ts'
import { send as sendText } from '../http/send.ts'
import { createTokenSource, type AuthToken, type TokenSource } from '../http/token.ts'
import { createWatch, type CallOptions, type Watch } from '../http/watch.ts'
import { isSegment, path } from '../path.ts'
import { parseHttpUrl } from '../url.ts'
import { requireNames } from './options.ts'
import type { EncryptionCipher } from './types.ts'

/** The content of a file; what has a size and a stream is a `Blob`, or anything that can be read from the start again. */
export type DatabaseFile =
  | ReadableStream<Uint8Array>
  | Uint8Array
  | ArrayBuffer
  | { readonly size: number; stream(): ReadableStream<Uint8Array> }

export interface UploadTarget {
  /** The base URL of the database: `https://` and the host name that `create` answered with. */
  url: string
  /** A token for SQL that may write. */
  authToken: AuthToken
}

export interface UploadOptions extends CallOptions {
  /**
   * `whole`: one request, as the API's reference has it. `chunks`: as the Turso CLI does it, each chunk retried by itself.
   * Default `whole`.
   */
  protocol?: 'whole' | 'chunks' | undefined
  /** Bytes of a stream that is sent in chunks: the server wants to know beforehand. */
  sizeBytes?: number | undefined
  /** Of a file that is encrypted: the key in base64. */
  encryptionKey?: string | undefined
  encryptionCipher?: EncryptionCipher | undefined
  /** Milliseconds for each request, and for each wait for a stream that is sent in chunks. Default 600,000. */
  timeoutMs?: number | undefined
  /** What is sent again: see {@link PlatformOptions}. */
  retry?: RetryOptions | false | undefined
  /** Stands in for the global `fetch`. Besides what it is always given, it gets a body that is no text. */
  fetch?: Fetch | undefined
}

/** A file may have a gigabyte. */
const UPLOAD_TIMEOUT_MS = 600_000

/**
 * Fills a database that was created with the seed `database_upload`: `POST {url}/v1/upload`, or in chunks
 * `PUT {url}/v2/upload/start`, `…/{id}/chunk/{n}` and `…/{id}/finalize`. The file must be in WAL mode with pages of 4,096
 * bytes, UTF-8 and without auto-vacuum.
 *
 * A stream is read once, in constant memory (one chunk, where the server wants chunks), and whole it goes out only once;
 * anything else is sent again after a failure that passes.
 *
 * It stands beside the client because a bundle without it is smaller by a tenth.
 *
 * @throws {HttpError} `invalid_request` for a file that is not as it must be, `not_found` when the database awaits no file
 * @throws {NetworkError} {@link TimeoutError}, {@link ProtocolError}, or the reason of `signal`
 * @throws {TypeError} for a malformed address, token, file, key, cipher or protocol, for a stream in chunks without `sizeBytes`, and
 * before the end of the upload for chunks that together are not as long as that
 * @see https://docs.turso.tech/api-reference/databases/upload
 * @example
 * const { hostname } = await turso.databases.create('acme', { seed: { type: 'database_upload' } })
 * const authToken = await turso.databases.createToken('acme', { expiration: '1h' })
 * await uploadDatabase({ url: `https://${hostname}`, authToken }, file)
 */
export async function uploadDatabase(
  { url, authToken }: UploadTarget,
  file: DatabaseFile,
  options: UploadOptions = {},
): Promise<void> {
  requireNames(
    'The options',
    options,
    'protocol sizeBytes encryptionKey encryptionCipher timeoutMs retry fetch signal',
  )
  const { sizeBytes, signal, encryptionKey, encryptionCipher, retry } = options
  const { protocol = 'whole', timeoutMs = UPLOAD_TIMEOUT_MS, fetch = globalFetch } = options
  const knownSize = sizeOf(file)
  const size = sizeBytes ?? knownSize
  if (!/^(whole|chunks)$/.test(protocol)) throw new TypeError('"protocol" must be "whole" or "chunks"')
  if (protocol === 'chunks' && size === undefined)
    throw new TypeError('"sizeBytes" is missing: how long the stream is')
  if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0))
    throw new TypeError(`"sizeBytes" must be a whole number from 0; got ${size}`)
  if (!/^\w*$/.test(encryptionCipher ?? '')) throw new TypeError('"encryptionCipher" must be the name of one')
  // Checked here because fetch would quote the header in its own error.
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(encryptionKey ?? ''))
    throw new TypeError('"encryptionKey" must be a key in base64')
  const baseUrl = parseHttpUrl(url, 'url').href.replace(/\/+$/, '')
  const token = createTokenSource(authToken)
  // A stream that was begun cannot be sent again, not with another token either.
  const tokenOnce: TokenSource = (refused) => refused ?? token()
  const retrier = createRetrier(retry)
  const headers: Record<string, string> = {}
  if (encryptionKey) headers['x-turso-encryption-key'] = encryptionKey
  if (encryptionCipher) headers['x-turso-encryption-cipher'] = encryptionCipher

  /** `content` goes out as it is, which JSON bodies do not. */
  const send = (method: string, place: string, content?: DatabaseFile, body?: unknown): Promise<string> =>
    sendText({
      method,
      url: baseUrl + place,
      token: content instanceof ReadableStream ? tokenOnce : token,
      headers,
      secret: encryptionKey,
      body,
      fetch: content === undefined ? fetch : withBody(fetch, content),
      timeoutMs,
      signal,
      retrier: content instanceof ReadableStream ? createRetrier(false) : retrier,
      isRepeatable: content !== undefined,
    })

  if (protocol !== 'chunks') {
    await send('POST', '/v1/upload', file)
    return
  }
  const answer = parseBody(
    await send('PUT', '/v2/upload/start', undefined, { db_size_bytes: size }),
    'the start of the upload',
  ) as { chunk_size?: unknown; upload_id?: unknown } | null
  const { chunk_size: chunkBytes, upload_id: id } = answer ?? {}
  if (!(Number.isSafeInteger(chunkBytes) && (chunkBytes as number) > 0 && isSegment(id)))
    throw new ProtocolError('The upload began without a size of its chunks and an id')
  let index = 0
  const watch = createWatch(() => 'The stream of the file', timeoutMs, signal)
  try {
    for await (const chunk of chunksOf(streamOf(file), chunkBytes as number, size!, watch))
      await send('PUT', path`/v2/upload/${id}/chunk/${`${index++}`}`, chunk)
  } finally {
    watch.release()
  }
  await send('PUT', path`/v2/upload/${id}/finalize`)
}

/**
 * @returns `undefined` of a stream
 * @throws {TypeError} for what fetch would send as a text about it
 */
function sizeOf(file: DatabaseFile): number | undefined {
  if (file instanceof ReadableStream) return undefined
  const { byteLength, size, stream } = (file ?? {}) as {
    byteLength?: number
    size?: number
    stream?: unknown
  }
  if (byteLength === undefined && !(size !== undefined && typeof stream === 'function'))
    throw new TypeError('"file" must be bytes, a stream, or what has a size and a stream')
  return byteLength ?? size
}

/** A fetch that sends this body. Node wants to be told that a stream is one. */
function withBody(fetch: Fetch, body: DatabaseFile): Fetch {
  return (url, init) =>
    fetch(url, {
      ...init,
      headers: { ...init.headers, 'content-type': 'application/octet-stream' },
      // Of what is like a Blob fetch would send the name of its type.
      ...({
        body: 'stream' in body && !(body instanceof Blob) ? body.stream() : body,
        duplex: 'half',
      } as object),
    })
}

function streamOf(file: DatabaseFile): ReadableStream<Uint8Array> {
  if (file instanceof ReadableStream) return file
  return 'stream' in file ? file.stream() : new Blob([file as ArrayBuffer]).stream()
}

/**
 * The same bytes in pieces of one size, the last one shorter. Holds one piece.
 *
 * @throws {TypeError} when there are more or fewer of them than `size`, and what `watch` ends with
 */
async function* chunksOf(
  stream: ReadableStream<Uint8Array>,
  wantedBytes: number,
  size: number,
  watch: Watch,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader()
  // The server's number is not to be trusted with the memory of a whole isolate.
  const chunkBytes = Math.max(1, Math.min(wantedBytes, size))
  const next = (): ReturnType<typeof reader.read> => watch.during(reader.read())
  let chunk = new Uint8Array(chunkBytes)
  let filled = 0
  let total = 0
  try {
    for (let part = await next(); !part.done; part = await next()) {
      total += part.value.length
      if (total > size) throw new TypeError(`The stream has more bytes than "sizeBytes" says: ${size}`)
      for (let rest = part.value; rest.length > 0;) {
        const taken = rest.subarray(0, chunkBytes - filled)
        chunk.set(taken, filled)
        filled += taken.length
        rest = rest.subarray(taken.length)
        if (filled < chunkBytes) continue
        yield chunk
        chunk = new Uint8Array(chunkBytes)
        filled = 0
      }
    }
    if (total < size)
      throw new TypeError(`The stream ended after ${total} bytes, and "sizeBytes" says ${size}`)
    if (filled > 0) yield chunk.slice(0, filled)
  } finally {
    // Nobody waits for it: it may never end.
    reader.cancel().catch(() => undefined)
  }
}
