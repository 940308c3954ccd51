/** What the requests of a socket do: to the numbers that are in use, to its streams, and to its cursors. */
import type { HranaError } from '../hrana/error.ts'
import { MAX_SOCKET_STREAMS } from '../limits.ts'
import type { LogFields } from '../log.ts'
import { createCursors } from './cursors.ts'
import { createLanes, type UpstreamStreams } from './lanes.ts'
import type { ConnectionMemory } from './memory.ts'
import type { RequestMessage, SocketRequest } from './message.ts'
import { ProtocolViolation } from './protocol.ts'
import { answerMessage, entriesMessage, errorMessage, okMessage } from './response.ts'
import type { Template } from './statement.ts'
import { fillIn, refuseSql } from './stored-sql.ts'
import { STREAM_NOT_OPEN, TURNED_AWAY } from './upstream-streams.ts'

export interface RequestsPorts {
  memory: ConnectionMemory
  streams: UpstreamStreams
  answer: (message: RequestMessage, text: string) => void
  /** What goes upstream may be longer than what came. */
  reweigh: (message: RequestMessage, size: number) => void
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
  /** @throws {ProtocolViolation} when a number in use is taken, or more is open than can be held */
  handle: (message: RequestMessage) => void
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

  function handle(message: RequestMessage): void {
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

  /** What of a request goes upstream, or why nothing does. */
  function prepare(
    message: RequestMessage,
    streamId: number,
    template: Template,
  ): string | { error: HranaError } {
    const status = memory.streams.get(streamId)
    if (status === undefined && memory.streams.size >= MAX_SOCKET_STREAMS) return { error: TOO_MANY_STREAMS }
    if (status === undefined || closing.has(streamId)) return { error: STREAM_NOT_OPEN }
    if (status === 'turned_away') return { error: TURNED_AWAY }
    const filled = fillIn(template, memory.texts)
    if ('error' in filled) return filled
    ports.reweigh(message, Math.max(message.size, filled.json.length))
    return filled.json
  }

  function openCursor(
    message: RequestMessage,
    { streamId, cursorId, batch }: RequestOf<'open_cursor'>,
    told: (refusal: Parameters<typeof answerMessage>[1] | null) => void,
  ): void {
    const cursor = cursors.add(cursorId, streamId)
    const json = prepare(message, streamId, batch)
    if (typeof json !== 'string') {
      cursor.fail(json.error).catch(failed)
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
