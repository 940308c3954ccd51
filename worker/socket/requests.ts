/** What the requests of a socket do: to the numbers that are in use, to its streams, and to its cursors. */
import { NO_ROOM, type HranaError } from '../hrana/error.ts'
import { MAX_SOCKET_STREAMS } from '../limits.ts'
import type { LogFields } from '../log.ts'
import type { StreamAnswer } from '../session/calls.ts'
import { createCursors } from './cursors.ts'
import { memoryOf, type Held } from './inbox.ts'
import { createLanes, type UpstreamStreams } from './lanes.ts'
import type { ConnectionMemory } from './memory.ts'
import type { OverloadingRequest, RequestMessage, SocketRequest } from './message.ts'
import { ProtocolViolation } from './protocol.ts'
import { answerMessage, entriesMessage, errorMessage, okMessage } from './response.ts'
import type { Template } from './statement.ts'
import { fillIn, refuseSql } from './stored-sql.ts'
import { STREAM_NOT_OPEN, TURNED_AWAY } from './upstream-streams.ts'

export interface RequestsPorts {
  memory: ConnectionMemory
  streams: UpstreamStreams
  /** To one of the requests. */
  answer: (text: string) => void
  /** There is another stream. */
  opened: () => void
  /** A text was stored, or with `null` is forgotten. */
  keepSql: (sqlId: number, sql: string | null) => void
  /** Is told what nobody expects. */
  failed: (error: unknown) => void
  /** Asks for a {@link Requests.tick} by then. */
  wakeBy: (at: number) => void
  now: () => number
  logged: LogFields
}

export interface Requests {
  /**
   * @param held of the message: released once it is done with
   * @throws {ProtocolViolation} when a number in use is taken, or more is open than can be held
   */
  handle: (message: RequestMessage, held: Held | null) => void
  /** Sees to cursors that nobody reads. */
  tick: () => void
  /** Lets go of everything. */
  end: () => void
}

type RequestOf<Type extends SocketRequest['type']> = Extract<SocketRequest, { type: Type }>

export function createRequests(ports: RequestsPorts): Requests {
  const { memory, streams, answer, keepSql, failed, wakeBy, now, logged } = ports
  const cursors = createCursors({ streamIds: memory.cursors, now, wakeBy, failed, logged })
  const lanes = createLanes(streams, failed)
  /** Their close waits for what was sent before it. */
  const closing = new Set<number>()

  function handle({ request, requestId }: RequestMessage, held: Held | null): void {
    const confirm = (type: string): void => answer(okMessage(requestId, `{"type":"${type}"}`))
    const refuse = (error: HranaError): void => answer(errorMessage(requestId, error))
    const tell = (told: StreamAnswer): void => answer(answerMessage(requestId, told))
    if (request.type !== 'stream_request' && request.type !== 'open_cursor') held?.release()
    switch (request.type) {
      case 'refused':
        return refuse(request.error)
      case 'open_stream':
        return openStream(request) ? confirm('open_stream') : refuse(TOO_MANY_STREAMS)
      case 'close_stream':
        return closeStream(request, () => confirm('close_stream'))
      case 'overloading':
        return refuseInTurn(request, refuse)
      case 'stream_request': {
        const { streamId } = request
        const json = prepare(streamId, request.request, held)
        if (typeof json === 'string')
          return lanes.add(streamId, { type: 'request', json, held, answer: tell })
        return json.error === NO_ROOM ? refuseInTurn({ streamId }, refuse) : refuse(json.error)
      }
      case 'open_cursor':
        return openCursor(request, held, (told) => (told === null ? confirm('open_cursor') : tell(told)))
      case 'fetch_cursor':
        cursors
          .fetch(request.cursorId, request.maxCount)
          .then((told) => ('error' in told ? refuse(told.error) : answer(entriesMessage(requestId, told))))
          .catch(failed)
        return
      case 'close_cursor':
        cursors
          .close(request.cursorId)
          .then(() => confirm('close_cursor'))
          .catch(failed)
        return
      case 'store_sql': {
        const refusal = storeSql(request)
        return refusal === undefined ? confirm('store_sql') : refuse(refusal)
      }
      case 'close_sql':
        if (memory.texts.delete(request.sqlId)) keepSql(request.sqlId, null)
        return confirm('close_sql')
    }
  }

  /** A number in use cannot be taken again: what follows would run on somebody else's stream. */
  function openStream({ streamId }: RequestOf<'open_stream' | 'close_stream'>): boolean {
    if (memory.streams.has(streamId))
      throw new ProtocolViolation(1008, `Stream ${streamId} is in use: close_stream comes first`)
    // It need not be remembered: what names it finds no stream, and most of that comes in one go.
    if (memory.streams.size >= MAX_SOCKET_STREAMS) return false
    memory.streams.set(streamId, 'fresh')
    ports.opened()
    return true
  }

  function closeStream({ streamId }: RequestOf<'open_stream' | 'close_stream'>, confirm: () => void): void {
    if (!memory.streams.has(streamId)) return confirm()
    closing.add(streamId)
    cursors.closeOf(streamId).catch(failed)
    lanes.add(streamId, {
      type: 'close',
      answer: () => {
        memory.streams.delete(streamId)
        closing.delete(streamId)
        confirm()
      },
    })
  }

  /** What of a request goes upstream, or why nothing does, and nothing is held of it. */
  function prepare(streamId: number, template: Template, held: Held | null): string | { error: HranaError } {
    const refusal = refuseStream(streamId)
    const filled = refusal === null ? fillIn(template, memory.texts) : { error: refusal }
    // With the stored texts it may be longer than what came.
    const prepared =
      'json' in filled && held?.resize(memoryOf(filled.json)) === false ? { error: NO_ROOM } : filled
    if ('json' in prepared) return prepared.json
    held?.release()
    return prepared
  }

  function refuseStream(streamId: number): HranaError | null {
    const status = memory.streams.get(streamId)
    if (status === undefined && memory.streams.size >= MAX_SOCKET_STREAMS) return TOO_MANY_STREAMS
    if (status === undefined || closing.has(streamId)) return STREAM_NOT_OPEN
    return status === 'turned_away' ? TURNED_AWAY : null
  }

  /** Behind what was sent before it on its stream, whose state decides what becomes of what was sent behind it. */
  function refuseInTurn(
    { streamId, cursorId }: Omit<OverloadingRequest, 'type'>,
    refuse: (error: HranaError) => void,
  ): void {
    if (streamId === undefined) return refuse(NO_ROOM)
    if (cursorId !== undefined) cursors.add(cursorId, streamId).fail(NO_ROOM).catch(failed)
    const refusal = refuseStream(streamId)
    if (refusal !== null) return refuse(refusal)
    lanes.add(streamId, { type: 'refused', answer: () => refuse(NO_ROOM) })
  }

  function openCursor(
    { streamId, cursorId, batch }: RequestOf<'open_cursor'>,
    held: Held | null,
    told: (refusal: Exclude<StreamAnswer, { kind: 'results' }> | null) => void,
  ): void {
    const cursor = cursors.add(cursorId, streamId)
    const json = prepare(streamId, batch, held)
    if (typeof json === 'string')
      return lanes.add(streamId, { type: 'cursor', batch: json, cursor, held, answer: told })
    cursor.fail(json.error).catch(failed)
    const refuse = (error: HranaError): void => told({ kind: 'error', error })
    return json.error === NO_ROOM ? refuseInTurn({ streamId }, refuse) : refuse(json.error)
  }

  function storeSql({ sqlId, sql }: RequestOf<'store_sql'>): HranaError | undefined {
    if (memory.texts.has(sqlId))
      throw new ProtocolViolation(1008, `SQL text ${sqlId} is in use: close_sql comes first`)
    const refusal = refuseSql(memory.texts, sql)
    if (refusal !== undefined) return refusal
    memory.texts.set(sqlId, sql)
    keepSql(sqlId, sql)
    return undefined
  }

  return {
    handle,
    tick: cursors.tick,
    end() {
      lanes.clear()
      cursors.end()
      for (const streamId of memory.streams.keys()) streams.leave(streamId)
      memory.streams.clear()
    },
  }
}

const TOO_MANY_STREAMS: HranaError = {
  status: 429,
  code: 'TOO_MANY_STREAMS',
  message: `A connection has at most ${MAX_SOCKET_STREAMS} open streams: this one could not be opened`,
}
