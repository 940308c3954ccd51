/** What a client sends over a WebSocket: Hrana 2 and 3, in JSON. Pure. */
import { readShortString, sliceMembers } from '../hrana/envelope.ts'
import type { HranaError } from '../hrana/error.ts'
import {
  MAX_HELLO_CHARACTERS,
  MAX_SOCKET_JSON_DEPTH,
  MAX_SOCKET_MESSAGE_CHARACTERS,
  MAX_TOKEN_CHARACTERS,
} from '../limits.ts'
import { ProtocolViolation } from './protocol.ts'
import { checkJson } from './json.ts'
import { createJsonReader, MalformedRequestError } from './json-reader.ts'
import {
  readBatch,
  readInt32,
  readSql,
  readStatement,
  readText,
  readUint32,
  type Template,
} from './statement.ts'

export interface HelloMessage {
  type: 'hello'
  jwt: string | null
}

export interface RequestMessage {
  type: 'request'
  requestId: number
  request: SocketRequest | { type: 'refused'; error: HranaError } | OverloadingRequest
}

/** One that there was no room for: all that is kept of it are the numbers that it names. */
export interface OverloadingRequest {
  type: 'overloading'
  streamId: number | undefined
  /** Of a cursor that it would have opened. */
  cursorId?: number | undefined
}

export type ClientMessage = HelloMessage | RequestMessage

export type SocketRequest =
  | { type: 'open_stream' | 'close_stream'; streamId: number }
  /** `stream_request` is what goes into a pipeline. */
  | { type: 'stream_request'; streamId: number; request: Template }
  | { type: 'open_cursor'; streamId: number; cursorId: number; batch: Template }
  | { type: 'fetch_cursor'; cursorId: number; maxCount: number }
  | { type: 'close_cursor'; cursorId: number }
  /** `sql` as JSON, with its quotes. */
  | { type: 'store_sql'; sqlId: number; sql: string }
  | { type: 'close_sql'; sqlId: number }

/** The longest name of a type that the protocol has, with every character escaped, is well within this. */
const MAX_TYPE_CHARACTERS = 100

/**
 * @param version 2 or 3
 * @throws {ProtocolViolation} when the socket has to be closed, since nothing else can be answered. A request that is wrong
 *   in itself is refused alone.
 */
export function parseMessage(message: string | ArrayBuffer, version: number): ClientMessage {
  const members = sliceChecked(readShort(message))
  switch (readType(members.type)) {
    case 'hello': {
      const jwt = readShortString(members.jwt, MAX_TOKEN_CHARACTERS)
      if (jwt === undefined)
        throw new ProtocolViolation(
          1007,
          `"jwt" must be a string of at most ${MAX_TOKEN_CHARACTERS} characters`,
        )
      return { type: 'hello', jwt }
    }
    case 'request': {
      const requestId = readRequestId(members.request_id)
      const request = readRequest(members.request, version)
      return { type: 'request', requestId, request }
    }
    default:
      throw new ProtocolViolation(1007, 'The type of a message is not known')
  }
}

/**
 * Of a message that there is no room for what its client has to be told. Nothing else of it is looked at.
 *
 * @throws {ProtocolViolation} when that cannot be answered
 */
export function parseOverloading(message: string | ArrayBuffer): RequestMessage {
  const members = sliceUnchecked(readShort(message), ['type', 'request_id', 'request'])
  if (readType(members?.type) !== 'request') throw new ProtocolViolation(1013, NO_ROOM_FOR_MESSAGE)
  const requestId = readRequestId(members?.request_id)
  const { type, stream_id, cursor_id } =
    sliceUnchecked(members?.request ?? '', ['type', 'stream_id', 'cursor_id']) ?? {}
  const streamId = readIfInt32(stream_id)
  const cursorId = readType(type) === 'open_cursor' ? readIfInt32(cursor_id) : undefined
  return { type: 'request', requestId, request: { type: 'overloading', streamId, cursorId } }
}

export const NO_ROOM_FOR_MESSAGE =
  'Too much is on its way at once. What this connection has sent last did not run'

function sliceUnchecked<Name extends string>(
  json: string,
  names: readonly Name[],
): Partial<Record<Name, string>> | undefined {
  try {
    return sliceMembers(json, names)
  } catch {
    return undefined
  }
}

function readIfInt32(json: string | undefined): number | undefined {
  try {
    return readInt32(json, '')
  } catch {
    return undefined
  }
}

/**
 * The first message, which must be a hello. Of any other a stranger could have much read.
 *
 * @throws {ProtocolViolation}
 */
export function parseHello(message: string | ArrayBuffer, version: number): HelloMessage {
  const isShort = typeof message !== 'string' || message.length <= MAX_HELLO_CHARACTERS
  const first = isShort ? parseMessage(message, version) : null
  if (first?.type !== 'hello') throw new ProtocolViolation(1008, 'The first message must be a hello')
  return first
}

function readShort(message: string | ArrayBuffer): string {
  if (typeof message !== 'string')
    throw new ProtocolViolation(1003, 'Messages must be text: the encoding is JSON')
  if (message.length > MAX_SOCKET_MESSAGE_CHARACTERS)
    throw new ProtocolViolation(1009, `A message has more than ${MAX_SOCKET_MESSAGE_CHARACTERS} characters`)
  return message
}

function sliceChecked(message: string): Partial<Record<'type' | 'jwt' | 'request_id' | 'request', string>> {
  try {
    checkJson(message, MAX_SOCKET_JSON_DEPTH)
    return sliceMembers(message, ['type', 'jwt', 'request_id', 'request'])
  } catch (error) {
    throw new ProtocolViolation(1007, `A message is not JSON as expected: ${(error as Error).message}`)
  }
}

function readRequestId(json: string | undefined): number {
  try {
    return readInt32(json, 'request_id')
  } catch (error) {
    throw new ProtocolViolation(1007, (error as Error).message)
  }
}

/** `undefined` for anything but a short string. */
const readType = (json: string | undefined): string | undefined =>
  readShortString(json, MAX_TYPE_CHARACTERS) ?? undefined

function readRequest(
  json: string | undefined,
  version: number,
): SocketRequest | { type: 'refused'; error: HranaError } {
  try {
    return parseRequest(json, version)
  } catch (error) {
    if (!(error instanceof MalformedRequestError)) throw error
    return { type: 'refused', error: { status: 400, code: 'INVALID_REQUEST', message: error.message } }
  }
}

function parseRequest(json: string | undefined, version: number): SocketRequest {
  if (json?.startsWith('{') !== true) throw new MalformedRequestError('"request" must be an object')
  const members = slice(json)
  const type = readType(members.type)
  const streamId = (): number => readInt32(members.stream_id, 'stream_id')
  const cursorId = (): number => readInt32(members.cursor_id, 'cursor_id')
  const onStream = (request: Template): SocketRequest => ({
    type: 'stream_request',
    streamId: streamId(),
    request,
  })
  switch (type) {
    case 'open_stream':
    case 'close_stream':
      return { type, streamId: streamId() }
    case 'execute':
      return onStream([
        '{"type":"execute","stmt":',
        ...readStatement(createJsonReader(members.stmt, 'stmt')),
        '}',
      ])
    case 'batch':
      return onStream([
        '{"type":"batch","batch":',
        ...readBatch(createJsonReader(members.batch, 'batch'), version),
        '}',
      ])
    case 'sequence':
    case 'describe':
      return onStream([`{"type":"${type}","sql":`, readSql(members.sql, members.sql_id, 'request'), '}'])
    case 'store_sql':
      return { type, sqlId: readInt32(members.sql_id, 'sql_id'), sql: readText(members.sql, 'sql') }
    case 'close_sql':
      return { type, sqlId: readInt32(members.sql_id, 'sql_id') }
  }
  if (!IN_HRANA_3.has(type)) throw new MalformedRequestError('The type of the request is not known')
  if (version < 3) throw new MalformedRequestError(`"${type}" is only in hrana3`)
  switch (type as 'get_autocommit' | 'open_cursor' | 'fetch_cursor' | 'close_cursor') {
    case 'get_autocommit':
      return onStream(['{"type":"get_autocommit"}'])
    case 'open_cursor': {
      const batch = readBatch(createJsonReader(members.batch, 'batch'), version)
      return { type: 'open_cursor', streamId: streamId(), cursorId: cursorId(), batch }
    }
    case 'fetch_cursor':
      return {
        type: 'fetch_cursor',
        cursorId: cursorId(),
        maxCount: readUint32(members.max_count, 'max_count'),
      }
    case 'close_cursor':
      return { type: 'close_cursor', cursorId: cursorId() }
  }
}

const IN_HRANA_3 = new Set<string | undefined>([
  'get_autocommit',
  'open_cursor',
  'fetch_cursor',
  'close_cursor',
])

const MEMBERS = ['type', 'stream_id', 'stmt', 'batch', 'sql', 'sql_id', 'cursor_id', 'max_count'] as const

function slice(json: string): Partial<Record<(typeof MEMBERS)[number], string>> {
  try {
    return sliceMembers(json, MEMBERS)
  } catch {
    throw new MalformedRequestError('"request" has a member twice')
  }
}
