/** One cursor sent on one upstream stream. */
import { cursorRequest, readCursorHead } from '../hrana/cursor-body.ts'
import { CURSOR_PIECE_BYTES, STALLED_CURSOR_MS } from '../limits.ts'
import { streamUpstream } from '../hrana/upstream.ts'
import { askAutocommit } from './autocommit-question.ts'
import { createCursorLines, LINE_HEAD_BYTES, type CursorCount } from './cursor-lines.ts'
import {
  exchange,
  failedExchange,
  mayFollow,
  refusedExchange,
  type Exchange,
  type Exchanged,
} from './exchange.ts'
import { NOT_PREPARED, STREAM_LOST } from './refusals.ts'
import { NO_FACTS, NO_REQUESTS } from './requests.ts'
import type { Upstream } from './state.ts'

interface WatchedBody {
  /** For the client; a stream of bytes, which may cross RPC. */
  readable: ReadableStream<Uint8Array>
  /** Once one side has ended: whether all of it has been taken. Never rejects. */
  ended: Promise<boolean>
  /** What has passed so far. */
  count: () => CursorCount
  /** Whether a transaction is open behind it, `null` when that was not said. */
  isAutocommit: () => boolean | null
}

export interface OpenCursor extends WatchedBody {
  /** Where the stream waits meanwhile; `null` when the database keeps none. */
  upstream: Upstream | null
  url: string
}

/**
 * @param mayHaveTransaction whether one may be open behind it, which is asked then
 * @returns what came of it instead, if no cursor was opened; never throws for what the database does
 */
export async function openCursor(
  order: Exchange,
  mayHaveTransaction: boolean,
): Promise<OpenCursor | Exchanged> {
  let { upstream } = order
  if (upstream === null && Object.keys(order.stored).length > 0) {
    // A cursor cannot store the texts that it needs.
    const prepared = await exchange({ ...order, requests: NO_REQUESTS, facts: NO_FACTS })
    const { event } = prepared
    if (event.kind !== 'answered' || event.baton === null) return notPrepared(prepared)
    upstream = { baton: event.baton, url: event.url, moves: 0 }
  }
  const { databaseUrl, token, flight } = order
  const url = upstream?.url ?? databaseUrl
  const asking = mayHaveTransaction ? askAutocommit(order.requests) : null
  const body = cursorRequest(upstream?.baton ?? null, asking?.batch ?? order.requests)
  try {
    flight.over.throwIfAborted()
    const opened = await streamUpstream(
      { url, version: '3', endpoint: 'cursor', token, body, signal: flight.cut },
      async (answer) => await begin(order, upstream, answer, asking?.firstOwn ?? null),
    )
    // Of a stream that was opened for it nobody else knows.
    const own = order.upstream === null ? upstream : null
    return own !== null && 'event' in opened ? { ...opened, event: leaving(opened.event, own) } : opened
  } catch (error) {
    return failedExchange({ ...order, upstream }, error as Error)
  }
}

/** Nothing of the cursor was sent, so the client's stream is as it was: without one of the database's. */
function notPrepared(prepared: Exchanged): Exchanged {
  const { event } = prepared
  if (event.kind !== 'answered' && event.kind !== 'failed')
    return { ...prepared, event: { kind: 'turned_away' } }
  const { baton, url } = event
  return {
    ...prepared,
    event: { kind: 'turned_away', ...(baton === null ? {} : { left: { baton, url, moves: 0 } }) },
    reply: { kind: 'error', error: NOT_PREPARED },
  }
}

/** With the stream that was opened before. */
function leaving(event: Exchanged['event'], left: Upstream): Exchanged['event'] {
  if (event.kind === 'turned_away') return { ...event, left }
  return event.kind === 'refused' ? { kind: 'failed', baton: left.baton, url: left.url } : event
}

/**
 * @param upstream on which it was sent
 * @param firstOwn the step by which the gateway asks
 */
async function begin(
  order: Exchange,
  upstream: Upstream | null,
  answer: Response,
  firstOwn: number | null,
): Promise<OpenCursor | Exchanged> {
  const url = upstream?.url ?? order.databaseUrl
  const { body, ok } = answer
  if (!ok) return await refusedExchange(order, answer)
  if (body === null) throw new SyntaxError('a cursor without a body')
  const { baton, baseUrl, rest } = await readCursorHead(body)
  // Its stream may have been ended meanwhile, as its caller is told.
  if (order.flight.over.aborted || !mayFollow(baseUrl, order)) {
    await body.cancel()
    return failedExchange(order, STREAM_LOST, { baton, url })
  }
  const next = baseUrl === null ? url : baseUrl.replace(/\/?$/, '/')
  const moves = (upstream?.moves ?? 0) + (next === url ? 0 : 1)
  return {
    upstream: baton === null ? null : { baton, url: next, moves },
    url: next,
    ...passOn(rest, body, firstOwn, order.flight.over),
  }
}

/** What the end of a cursor means: whether a transaction is open is asked again, if that was not told. */
export async function settleCursor(
  order: Exchange,
  cursor: OpenCursor,
  { isWhole, mayHaveTransaction }: { isWhole: boolean; mayHaveTransaction: boolean },
): Promise<Exchanged['event']> {
  const { upstream, url } = cursor
  const baton = upstream?.baton ?? null
  if (!isWhole || order.flight.over.aborted) return { kind: 'failed', baton, url }
  const { leavesState, mayWrite } = order.facts
  const left = { leavesState, mayWrite, tells: cursor.count().tells }
  const isAutocommit = mayHaveTransaction ? cursor.isAutocommit() : true
  if (isAutocommit !== null) return { kind: 'answered', baton, url, isAutocommit, isClosed: false, ...left }
  if (upstream === null) return { kind: 'failed', baton: null, url }
  const { event } = await exchange({ ...order, upstream, requests: NO_REQUESTS, facts: NO_FACTS })
  order.claim?.giveBack()
  if (event.kind === 'answered') return { ...event, ...left }
  if (event.kind === 'failed') return event
  // It has run to its end, so nothing of it may be sent again.
  return { kind: 'failed', baton: event.kind === 'dead' ? null : baton, url }
}

/**
 * Passes a body on as fast as its reader takes it and no faster, counted and not kept. Who goes away ends the other side;
 * so does the signal, and that nothing moves for a while, whoever it is that waits.
 */
function passOn(
  first: Uint8Array,
  body: ReadableStream<Uint8Array>,
  firstOwn: number | null,
  signal: AbortSignal,
): WatchedBody {
  const { readable, writable } = new IdentityTransformStream()
  // Into the same memory each time: garbage of the size of the answer would be as bad as keeping it.
  const reader = body.getReader({ mode: 'byob' })
  const writer = writable.getWriter()
  const lines = createCursorLines(firstOwn)
  let pieces = 0

  function cut(reason: Error): void {
    reader.cancel(reason).catch(() => undefined)
    writer.abort(reason).catch(() => undefined)
  }
  const write = async (passed: readonly Uint8Array[]): Promise<void> => {
    for (const bytes of passed) await writer.write(bytes)
  }
  const abort = (): void => cut(new Error('the cursor was cut off'))

  async function pump(): Promise<boolean> {
    let seen = -1
    const watch = setInterval(() => {
      if (pieces === seen) cut(new Error('the cursor stands still'))
      seen = pieces
    }, STALLED_CURSOR_MS)
    signal.addEventListener('abort', abort)
    try {
      let { passed, rest } = lines.take(first)
      await write(passed)
      let room = new Uint8Array(LINE_HEAD_BYTES + CURSOR_PIECE_BYTES)
      for (;;) {
        rest = rest.slice()
        room.set(rest)
        const { value, done } = await reader.read(room.subarray(rest.length))
        signal.throwIfAborted()
        if (done) break
        room = new Uint8Array(value.buffer)
        ;({ passed, rest } = lines.take(room.subarray(0, rest.length + value.length)))
        await write(passed)
        pieces += 1
      }
      await write(lines.end(rest))
      await writer.close()
      return true
    } catch (error) {
      cut(error instanceof Error ? error : new Error(String(error)))
      return false
    } finally {
      clearInterval(watch)
      signal.removeEventListener('abort', abort)
    }
  }
  return { readable, ended: pump(), count: lines.count, isAutocommit: lines.isAutocommit }
}
