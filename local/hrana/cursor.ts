/** `POST /v3/cursor`: a batch whose results are streamed, as lines of JSON. Source: libsql-server/src/hrana/cursor.rs */
import { setImmediate } from 'node:timers/promises'
import type { Behaviour } from '../behaviour.ts'
import { toWireError, type ExecutionContext } from './context.ts'
import { bodyReset } from '../connection-reset.ts'
import { encodeValue, jsonNumber } from '../engine/values.ts'
import { SqlFailure } from '../errors.ts'
import { CURSOR_CHUNK_BYTES } from '../limits.ts'
import { checkRights, type Step } from './program.ts'
import { runProgram, type ProgramEvent } from './run-program.ts'
import { ensureConnected } from './stream.ts'
import type { Streams } from './streams.ts'

/**
 * Releases the stream and answers with its baton and then the entries, which are made as fast as they are read. The
 * cursor has the stream's turn until its end; whoever cancels it closes the stream.
 */
export function streamCursor(
  streams: Streams,
  context: ExecutionContext,
  steps: Step[],
): ReadableStream<Uint8Array> {
  const { stream } = context
  const aborter = new AbortController()
  const signal = AbortSignal.any([context.signal, aborter.signal])
  const cut = () => aborter.abort()
  streams.attend(stream, cut, false)
  const baton = streams.release(stream)
  const lines = cursorLines({ ...context, signal }, steps, { baton, base_url: null })
  const nextChunk = chunksOf(lines)

  const cancel = async () => {
    signal.removeEventListener('abort', fail)
    // The statement ends here; what made the lines hears of it when it goes on.
    streams.close(stream)
    cut()
    await lines.return(undefined)
  }
  let fail = () => {}

  return new ReadableStream<Uint8Array>({
    start(controller) {
      fail = () => {
        // Whoever aborts is told so, as fetch does; everybody else sees a connection that is gone.
        controller.error(context.signal.aborted ? context.signal.reason : bodyReset())
        void cancel()
      }
      signal.addEventListener('abort', fail)
    },
    async pull(controller) {
      try {
        streams.attend(stream, cut, true)
        const chunk = await nextChunk()
        if (chunk !== undefined) {
          // It may have been cut off meanwhile.
          if (!signal.aborted) streams.attend(stream, cut, false)
          controller.enqueue(Buffer.from(chunk))
          return
        }
        signal.removeEventListener('abort', fail)
        streams.leave(stream, cut)
        if (stream.isConnected && stream.connection.isBroken) streams.close(stream)
        controller.close()
      } catch (error) {
        if (signal.aborted) return
        signal.removeEventListener('abort', fail)
        streams.leave(stream, cut)
        throw error
      }
    },
    cancel,
  })
}

/**
 * What gives some lines, and then a pause in which everybody else is served; `undefined` at the end. Lines before a failure
 * are not lost.
 */
function chunksOf(lines: AsyncGenerator<string, void>): () => Promise<string | undefined> {
  let failure: unknown
  return async () => {
    if (failure !== undefined) throw failure
    let chunk = ''
    try {
      while (chunk.length < CURSOR_CHUNK_BYTES) {
        const { value, done } = await lines.next()
        if (done) break
        chunk += value
      }
    } catch (error) {
      if (chunk === '') throw error
      failure = error
    }
    await setImmediate()
    return chunk || undefined
  }
}

async function* cursorLines(
  context: ExecutionContext,
  steps: Step[],
  header: { baton: string | null; base_url: null },
): AsyncGenerator<string, void> {
  const { stream, signal, behaviour } = context
  yield line(header)
  if (!(await stream.turn.acquire(signal))) return
  try {
    ensureConnected(stream)
    checkRights(context, steps)
    for await (const event of runProgram(context, steps)) yield linesOf(event, behaviour)
    if (behaviour.cursorTerminator === 'replication_index') {
      const index = behaviour.sendsReplicationIndex ? stream.database.version : null
      yield line({ type: 'replication_index', replication_index: index })
    }
  } catch (error) {
    // Nobody can read a status any more.
    if (behaviour.cutsCursors) throw bodyReset()
    const failure = new SqlFailure('INTERNAL_ERROR', (error as Error).message)
    yield line({ type: 'error', error: toWireError(failure, behaviour) })
  } finally {
    stream.turn.release()
  }
}

function linesOf(event: ProgramEvent, behaviour: Behaviour): string {
  switch (event.type) {
    case 'begin':
      return line({
        type: 'step_begin',
        step: event.step,
        cols: event.columns.map(({ name, decltype }) => ({ name, decltype })),
      })
    case 'rows':
      return event.rows.map((row) => line({ type: 'row', row: row.map(encodeValue) })).join('')
    case 'end':
      return line({
        type: 'step_end',
        affected_row_count: event.changes.affectedRowCount,
        last_insert_rowid: encodeRowid(event.changes.lastInsertRowid, behaviour),
      })
    case 'failed':
      return line({ type: 'step_error', step: event.step, error: toWireError(event.failure, behaviour) })
    case 'skipped':
      return ''
  }
}

function encodeRowid(rowid: bigint | null, { cursorRowid }: Behaviour): unknown {
  if (rowid === null) return null
  // A rowid may have more digits than a number of JavaScript.
  return cursorRowid === 'number' ? jsonNumber(`${rowid}`) : `${rowid}`
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}
