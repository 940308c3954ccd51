/**
 * One WebSocket as the protocol sees it: who may say what when, and in which order it is answered. The requests of one
 * stream are in order; streams do not wait for each other.
 */
import type { HranaError } from '../hrana-error.ts'
import { MAX_SOCKET_PENDING, MAX_SOCKET_PENDING_CHARACTERS, MAX_SOCKET_STREAMS } from '../limits.ts'
import { errorText, log, type LogFields } from '../log.ts'
import { createCursors } from './cursors.ts'
import { createLanes, type UpstreamStreams } from './lanes.ts'
import { parseMessage, type ClientMessage, type SocketRequest } from './message.ts'
import { ProtocolViolation } from './protocol.ts'
import {
  answerMessage,
  entriesMessage,
  errorMessage,
  HELLO_OK,
  helloError,
  okMessage,
  type ToldError,
} from './response.ts'
import type { Template } from './statement.ts'
import { fillIn, refuseSql, type StoredSqls } from './stored-sql.ts'

/**
 * Whether anything was sent on it, or it could not even be opened. One that was `turned_away` takes nothing until it is closed,
 * or another token is there.
 */
export type StreamStatus = 'fresh' | 'used' | 'refused' | 'turned_away'

/** What outlives this instance when the socket hibernates. */
export interface ConnectionMemory {
  /** Whether the database has accepted a token. */
  isGreeted: boolean
  /** Those that the client has opened and not closed. */
  streams: Map<number, StreamStatus>
  /** The streams of the cursors that have not been closed. */
  cursors: Map<number, number>
  texts: StoredSqls
}

export interface ConnectionPorts {
  /** 2 or 3. */
  version: number
  memory: ConnectionMemory
  streams: UpstreamStreams
  send: (message: string) => void
  close: (code: number, reason: string) => void
  /** Asks the database about a token, which is used from then on if it says yes. */
  authenticate: (jwt: string | null) => Promise<ToldError | null>
  /** A text was stored, or with `null` is forgotten. */
  keepSql: (sqlId: number, sql: string | null) => void
  /** Streams or cursors are others now, or whether anything waits for an answer. */
  changed: (isBusy: boolean) => void
  /** Asks for a {@link Connection.tick} by then. */
  wakeBy: (at: number) => void
  now: () => number
  /** What the log says beside what happened. */
  logged: LogFields
}

export interface Connection {
  receive: (message: string | ArrayBuffer) => void
  /** Sees to cursors that nobody reads. */
  tick: () => void
  /** Closes the socket, and lets go of everything. */
  shut: (code: number, reason: string) => void
  /** The client has closed it. */
  left: () => void
}

type Hello = Extract<ClientMessage, { type: 'hello' }>
type Request = Extract<ClientMessage, { type: 'request' }>
type RequestOf<Type extends SocketRequest['type']> = Extract<SocketRequest, { type: Type }>

export function createConnection(ports: ConnectionPorts): Connection {
  const { memory, streams } = ports
  const { now, wakeBy, logged } = ports
  const cursors = createCursors({ streamIds: memory.cursors, now, wakeBy, failed: fail, logged })
  const lanes = createLanes(streams, fail)
  let state: 'silent' | 'greeting' | 'open' | 'ended' = memory.isGreeted ? 'open' : 'silent'
  /** Came while the database was asked about a token. */
  let backlog: ClientMessage[] = []
  let pending = 0
  let pendingCharacters = 0

  const is = (expected: typeof state): boolean => state === expected

  function receive(raw: string | ArrayBuffer): void {
    if (is('ended')) return
    try {
      const message = parseMessage(raw, ports.version)
      pending += 1
      if (pending === 1) ports.changed(true)
      weigh(message, message.size)
      if (is('greeting')) backlog.push(message)
      else handle(message)
    } catch (error) {
      fail(error)
    }
  }

  /** There is no way to stop reading from a socket: whoever sends more than can be held is cut off. */
  function weigh(message: ClientMessage, size: number): void {
    pendingCharacters += size
    message.size = size
    if (pending > MAX_SOCKET_PENDING || pendingCharacters > MAX_SOCKET_PENDING_CHARACTERS)
      throw new ProtocolViolation(
        1008,
        `More than ${MAX_SOCKET_PENDING} requests or ${MAX_SOCKET_PENDING_CHARACTERS} characters wait for an answer`,
      )
  }

  function answer(message: ClientMessage, text: string): void {
    if (is('ended')) return
    ports.send(text)
    pending -= 1
    pendingCharacters -= message.size
    if (pending === 0) ports.changed(false)
  }

  function fail(error: unknown): void {
    if (error instanceof ProtocolViolation) {
      shut(error.closeCode, error.message)
    } else {
      log('error', 'socket_failed', { ...logged, detail: errorText(error) })
      shut(1011, 'Something went wrong here. What was under way may have taken effect')
    }
  }

  function handle(message: ClientMessage): void {
    if (message.type === 'hello') greet(message).catch(fail)
    else if (is('silent')) throw new ProtocolViolation(1008, 'The first message must be a hello')
    else handleRequest(message)
  }

  async function greet(hello: Hello): Promise<void> {
    state = 'greeting'
    const refusal = await ports.authenticate(hello.jwt)
    if (is('ended')) return
    if (refusal !== null) {
      answer(hello, helloError(refusal))
      shut(1008, 'The token was not accepted')
      return
    }
    memory.isGreeted = true
    state = 'open'
    answer(hello, HELLO_OK)
    const waiting = backlog
    backlog = []
    for (const message of waiting) {
      if (is('greeting')) backlog.push(message)
      else if (!is('ended')) handle(message)
    }
  }

  function handleRequest(message: Request): void {
    const { request, requestId } = message
    const confirm = (type: string): void => answer(message, okMessage(requestId, `{"type":"${type}"}`))
    const refuse = (error: HranaError): void => answer(message, errorMessage(requestId, error))
    switch (request.type) {
      case 'refused':
        return refuse(request.error)
      case 'open_stream':
        return openStream(request) ? confirm('open_stream') : refuse(TOO_MANY_STREAMS)
      case 'close_stream':
        return closeStream(request, () => confirm('close_stream'))
      case 'stream_request': {
        const json = prepare(message, request.streamId, request.request)
        if (typeof json !== 'string') return refuse(json.error)
        return lanes.add(request.streamId, {
          type: 'request',
          json,
          answer: (told) => answer(message, answerMessage(requestId, told)),
        })
      }
      case 'open_cursor':
        return openCursor(message, request, (told) =>
          told === null ? confirm('open_cursor') : answer(message, answerMessage(requestId, told)),
        )
      case 'fetch_cursor':
        cursors
          .fetch(request.cursorId, request.maxCount)
          .then((told) =>
            'error' in told ? refuse(told.error) : answer(message, entriesMessage(requestId, told)),
          )
          .catch(fail)
        return
      case 'close_cursor':
        cursors
          .close(request.cursorId)
          .then(() => confirm('close_cursor'))
          .catch(fail)
        return
      case 'store_sql': {
        const refusal = storeSql(request)
        return refusal === undefined ? confirm('store_sql') : refuse(refusal)
      }
      case 'close_sql':
        if (memory.texts.delete(request.sqlId)) ports.keepSql(request.sqlId, null)
        return confirm('close_sql')
    }
  }

  /** A number in use cannot be taken again: what follows would run on somebody else's stream. */
  function openStream({ streamId }: RequestOf<'open_stream' | 'close_stream'>): boolean {
    if (memory.streams.has(streamId))
      throw new ProtocolViolation(1008, `Stream ${streamId} is in use: close_stream comes first`)
    if (memory.streams.size >= 2 * MAX_SOCKET_STREAMS)
      throw new ProtocolViolation(1008, 'Too many streams are open')
    const isOpen = memory.streams.size < MAX_SOCKET_STREAMS
    memory.streams.set(streamId, isOpen ? 'fresh' : 'refused')
    ports.changed(true)
    return isOpen
  }

  function closeStream({ streamId }: RequestOf<'open_stream' | 'close_stream'>, confirm: () => void): void {
    if (!memory.streams.has(streamId)) return confirm()
    cursors.closeOf(streamId).catch(fail)
    lanes.add(streamId, {
      type: 'close',
      answer: () => {
        memory.streams.delete(streamId)
        confirm()
      },
    })
  }

  /** What of a request goes upstream, or why nothing does. */
  function prepare(message: Request, streamId: number, template: Template): string | { error: HranaError } {
    const status = memory.streams.get(streamId)
    if (status === undefined) return { error: STREAM_NOT_OPEN }
    if (status === 'refused') return { error: TOO_MANY_STREAMS }
    if (status === 'turned_away') return { error: TURNED_AWAY }
    const filled = fillIn(template, memory.texts)
    if ('error' in filled) return filled
    pendingCharacters -= message.size
    weigh(message, Math.max(message.size, filled.json.length))
    return filled.json
  }

  function openCursor(
    message: Request,
    { streamId, cursorId, batch }: RequestOf<'open_cursor'>,
    told: (refusal: Parameters<typeof answerMessage>[1] | null) => void,
  ): void {
    const cursor = cursors.add(cursorId, streamId)
    const json = prepare(message, streamId, batch)
    if (typeof json !== 'string') {
      cursor.fail(json.error).catch(fail)
      return told({ kind: 'error', error: json.error })
    }
    lanes.add(streamId, { type: 'cursor', batch: json, cursor, answer: told })
  }

  function storeSql({ sqlId, sql }: RequestOf<'store_sql'>): HranaError | undefined {
    if (memory.texts.has(sqlId))
      throw new ProtocolViolation(1008, `SQL text ${sqlId} is in use: close_sql comes first`)
    const refusal = refuseSql(memory.texts, sql)
    if (refusal !== undefined) return refusal
    memory.texts.set(sqlId, sql)
    ports.keepSql(sqlId, sql)
    return undefined
  }

  function shut(code: number, reason: string): void {
    if (is('ended')) return
    left()
    ports.close(code, reason)
  }

  function left(): void {
    state = 'ended'
    backlog = []
    lanes.clear()
    cursors.end()
    for (const streamId of memory.streams.keys()) streams.leave(streamId)
  }

  return {
    receive,
    tick: cursors.tick,
    shut,
    left,
  }
}

const STREAM_NOT_OPEN: HranaError = {
  status: 400,
  code: 'STREAM_NOT_OPEN',
  message: 'There is no such stream: it was never opened, or has been closed',
}

export const TURNED_AWAY: HranaError = {
  status: 400,
  code: 'STREAM_NOT_OPEN',
  message:
    'A request before this one on its stream was turned away, so that this one did not run: close the stream and open another',
}

const TOO_MANY_STREAMS: HranaError = {
  status: 429,
  code: 'TOO_MANY_STREAMS',
  message: `A connection has at most ${MAX_SOCKET_STREAMS} open streams: this one could not be opened`,
}
