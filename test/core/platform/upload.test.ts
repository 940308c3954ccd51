import { describe, expect, test } from 'vitest'
import { connect, uploadDatabase, type DatabaseFile, type UploadOptions } from '../../../src/index.ts'
import { localPlatform, uniqueName } from '../../support/turso.ts'
import { codeOf } from './answers.ts'

/** An empty database in WAL mode: its one page, by https://sqlite.org/fileformat2.html. */
function emptyDatabase(): Uint8Array<ArrayBuffer> {
  const page = new Uint8Array(4096)
  page.set(new TextEncoder().encode('SQLite format 3\0'))
  page.set([0x10, 0x00, 2, 2, 0, 64, 32, 32], 16)
  const view = new DataView(page.buffer)
  for (const [offset, value] of [
    [24, 1],
    [28, 1],
    [44, 4],
    [56, 1],
    [92, 1],
    [96, 3_045_001],
  ] as const)
    view.setUint32(offset, value)
  page.set([0x0d, 0, 0, 0, 0, 0x10, 0], 100)
  return page
}

const streamOf = (bytes: Uint8Array, partBytes: number): ReadableStream<Uint8Array> => {
  let offset = 0
  return new ReadableStream({
    pull(controller) {
      if (offset >= bytes.length) return controller.close()
      controller.enqueue(bytes.slice(offset, (offset += partBytes)))
    },
  })
}

const KINDS: [string, (bytes: Uint8Array<ArrayBuffer>) => DatabaseFile][] = [
  ['bytes', (bytes) => bytes],
  ['a buffer', (bytes) => bytes.buffer],
  ['a blob', (bytes) => new Blob([bytes])],
  ['what has a size and a stream', (bytes) => ({ size: bytes.length, stream: () => streamOf(bytes, 1_000) })],
  ['a stream', (bytes) => streamOf(bytes, 1_000)],
]

async function createDraft() {
  const turso = localPlatform()
  const name = uniqueName('draft')
  const location = 'aws-eu-west-1'
  const { hostname } = await turso.databases.create(name, { location, seed: { type: 'database_upload' } })
  return { url: `https://${hostname}`, authToken: await turso.databases.createToken(name) }
}

describe.each(KINDS)('%s', (_, make) => {
  test.each(['whole', 'chunks'] as const)('becomes a database: %s', async (protocol) => {
    const target = await createDraft()
    const file = emptyDatabase()
    await uploadDatabase(target, make(file), { protocol, sizeBytes: file.length })
    const { rows } = await connect(target).execute('select count(*) as tables from sqlite_schema')
    expect(rows).toEqual([{ tables: 0 }])
    // It awaits no other one.
    expect(await codeOf(uploadDatabase(target, make(file), { protocol, sizeBytes: file.length }))).toBe(
      'not_found',
    )
  })
})

test('a file that is no database is refused with the reason, and the database still awaits one', async () => {
  const target = await createDraft()
  const error = await uploadDatabase(target, new Uint8Array(4096)).catch((reason: unknown) => reason)
  expect(error).toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining('not an SQLite database'),
  })
  await uploadDatabase(target, emptyDatabase())
})

interface Piece {
  url: string
  method: string
  bytes: number[]
  headers: Record<string, string>
}

/** A server that wants chunks of 4 bytes, and fails as often as it is told. */
function chunkServer(failures: (Response | Error)[] = []) {
  const pieces: Piece[] = []
  const fetch: UploadOptions['fetch'] = async (url, { method, headers, body }) => {
    if (/chunk|v1/.test(url)) {
      const failure = failures.shift()
      if (failure instanceof Error) throw failure
      if (failure) return failure
    }
    const content = (body as unknown as BodyInit) ?? ''
    pieces.push({
      url,
      method,
      headers,
      bytes: [...new Uint8Array(await new Response(content).arrayBuffer())],
    })
    return Response.json(url.endsWith('start') ? { chunk_size: 4, upload_id: 'a/b' } : {})
  }
  return { pieces, fetch }
}

const target = { url: 'https://acme.example/db/acme/', authToken: 't' }

test.each([1, 3, 4, 5, 100])(
  'a stream in parts of %d bytes goes out in chunks of the asked size',
  async (partBytes) => {
    const { pieces, fetch } = chunkServer()
    const bytes = Uint8Array.from({ length: 10 }, (_, index) => index)
    await uploadDatabase(target, streamOf(bytes, partBytes), { protocol: 'chunks', sizeBytes: 10, fetch })
    expect(pieces.map(({ url }) => url.slice('https://acme.example/db/acme/v2/upload/'.length))).toEqual([
      'start',
      'a%2Fb/chunk/0',
      'a%2Fb/chunk/1',
      'a%2Fb/chunk/2',
      'a%2Fb/finalize',
    ])
    expect(new TextDecoder().decode(Uint8Array.from(pieces[0]!.bytes))).toBe('{"db_size_bytes":10}')
    expect(pieces.slice(1, 4).map(({ bytes: sent }) => sent)).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ])
    expect(pieces[1]!.headers['content-type']).toBe('application/octet-stream')
  },
)

test('a chunk is sent again after a failure that passes, and so is a whole file, but not a stream', async () => {
  const retry = { minDelayMs: 0 }
  const trouble = () => [new Response('', { status: 503 }), new TypeError('cut')]
  const file = new Uint8Array(6)
  const chunked = chunkServer(trouble())
  await uploadDatabase(target, file, { protocol: 'chunks', fetch: chunked.fetch, retry })
  expect(chunked.pieces).toHaveLength(4)
  const whole = chunkServer(trouble())
  await uploadDatabase(target, file, { fetch: whole.fetch, retry })
  expect(whole.pieces).toMatchObject([{ method: 'POST', url: 'https://acme.example/db/acme/v1/upload' }])
  const stream = chunkServer([new Response('', { status: 429 })])
  const upload = uploadDatabase(target, streamOf(file, 2), { fetch: stream.fetch, retry })
  expect(await codeOf(upload)).toBe('rate_limited')
})

test('an encrypted file goes with its key and cipher in the headers', async () => {
  const { pieces, fetch } = chunkServer()
  const encryption = { encryptionKey: 'AAAA', encryptionCipher: 'aes256gcm' } as const
  await uploadDatabase(target, new Uint8Array(6), { protocol: 'chunks', fetch, ...encryption })
  for (const { headers } of pieces)
    expect(headers).toMatchObject({
      authorization: 'Bearer t',
      'x-turso-encryption-key': 'AAAA',
      'x-turso-encryption-cipher': 'aes256gcm',
    })
})

test('what is wrong before anything is sent', async () => {
  const { pieces, fetch } = chunkServer()
  const stream = streamOf(new Uint8Array(1), 1)
  await expect(uploadDatabase(target, stream, { protocol: 'chunks', fetch })).rejects.toThrow(
    /"sizeBytes" is missing/,
  )
  await expect(uploadDatabase({ ...target, url: 'x' }, stream, { fetch })).rejects.toThrow(/"url" must be/)
  const bytes = new Uint8Array(1)
  for (const encryptionKey of ['canary\r\nx: y', 'canary=a', 'canary\u20ac'])
    await expect(uploadDatabase(target, bytes, { fetch, encryptionKey })).rejects.toThrow(
      /^"encryptionKey" must be a key in base64$/,
    )
  await expect(uploadDatabase({ ...target, authToken: 'a b' }, bytes, { fetch })).rejects.toThrow(
    /^The token is empty/,
  )
  expect(pieces).toEqual([])
})

test.each([undefined, null, 'file.db', {}, [1, 2], 7, new Map()])('no file: %j', async (file) => {
  const { pieces, fetch } = chunkServer()
  for (const protocol of ['whole', 'chunks'] as const) {
    const upload = uploadDatabase(target, file as unknown as Uint8Array, { protocol, fetch, sizeBytes: 1 })
    await expect(upload).rejects.toThrow(/^"file" must be bytes, a stream, or what has a size and a stream/)
  }
  expect(pieces).toEqual([])
})

test('what has a size and a stream is read anew when it is sent again', async () => {
  const { pieces, fetch } = chunkServer([new Response('', { status: 503 })])
  const bytes = Uint8Array.from([1, 2, 3, 4, 5])
  const file = { size: 5, stream: () => streamOf(bytes, 2) }
  await uploadDatabase(target, file, { fetch, retry: { minDelayMs: 0 } })
  expect(pieces.map(({ bytes: sent }) => sent)).toEqual([[1, 2, 3, 4, 5]])
})

test('a stream that has gone out is not sent again with another token', async () => {
  const tokens = ['first', 'second']
  let sent = 0
  const fetch: UploadOptions['fetch'] = async () => {
    sent++
    return Response.json({ error: 'expired' }, { status: 401 })
  }
  const authToken = () => tokens.shift()!
  const upload = uploadDatabase({ ...target, authToken }, streamOf(new Uint8Array(3), 1), { fetch })
  expect(await codeOf(upload)).toBe('unauthorized')
  expect(sent).toBe(1)
})

describe('a stream that goes out in chunks', () => {
  const stalled = () => new ReadableStream<Uint8Array>({})
  const options = { protocol: 'chunks', sizeBytes: 8 } as const

  test('and stalls is ended by the timeout and by the signal', async () => {
    const { fetch } = chunkServer()
    expect(await codeOf(uploadDatabase(target, stalled(), { ...options, fetch, timeoutMs: 20 }))).toBe(
      'timeout',
    )
    const controller = new AbortController()
    const upload = codeOf(uploadDatabase(target, stalled(), { ...options, fetch, signal: controller.signal }))
    const reason = new Error('the user left')
    controller.abort(reason)
    expect(await upload).toBe(reason)
  })

  test('and cannot be cancelled holds up no error', async () => {
    const { fetch } = chunkServer([new Response('', { status: 400 })])
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(4)),
      cancel: () => new Promise(() => {}),
    })
    expect(await codeOf(uploadDatabase(target, stream, { ...options, fetch }))).toBe('invalid_request')
  })

  test.each([
    [6, 8, /ended after 6 bytes/],
    [9, 8, /more bytes/],
    [9, 4, /more bytes/],
  ])('and has %d bytes instead of %d is not finalized', async (length, sizeBytes, message) => {
    const { pieces, fetch } = chunkServer()
    const stream = streamOf(new Uint8Array(length), 2)
    await expect(uploadDatabase(target, stream, { ...options, sizeBytes, fetch })).rejects.toThrow(message)
    expect(pieces.some(({ url }) => url.endsWith('finalize'))).toBe(false)
  })

  test.each([0, -1, 1.5, 2 ** 53, '4', null])('is not cut into chunks of %j', async (chunkSize) => {
    const fetch: UploadOptions['fetch'] = async () => Response.json({ chunk_size: chunkSize, upload_id: 'u' })
    expect(await codeOf(uploadDatabase(target, new Uint8Array(3), { protocol: 'chunks', fetch }))).toBe(
      'protocol',
    )
  })

  test.each(['..', '.', '', 5, null, '\ud800'])('is not sent by the id %j', async (id) => {
    const fetch: UploadOptions['fetch'] = async () => Response.json({ chunk_size: 2, upload_id: id })
    expect(await codeOf(uploadDatabase(target, new Uint8Array(3), { protocol: 'chunks', fetch }))).toBe(
      'protocol',
    )
  })

  test('takes no more memory than it has bytes, whatever the server wants', async () => {
    const sizes: number[] = []
    const fetch: UploadOptions['fetch'] = async (url, { body }) => {
      if (url.includes('/chunk/')) sizes.push((body as unknown as Uint8Array).length)
      return Response.json({ chunk_size: 1e15, upload_id: 'u' })
    }
    await uploadDatabase(target, new Uint8Array(3), { protocol: 'chunks', fetch })
    expect(sizes).toEqual([3])
  })
})

test.each([{ protocol: 'chunk' }, { sizeBytes: 1.5 }, { sizeBytes: -1 }, { encryptionCipher: 'x\r\ny: z' }])(
  'is refused before anything is sent: %j',
  async (options) => {
    const { pieces, fetch } = chunkServer()
    const upload = uploadDatabase(target, new Uint8Array(3), { fetch, ...options } as UploadOptions)
    await expect(upload).rejects.toBeInstanceOf(TypeError)
    expect(pieces).toEqual([])
  },
)
