/** `POST /v2/pipeline` and `/v3/pipeline`: a list of requests on one stream. */
import { setImmediate } from 'node:timers/promises'
import type { WirePipelineResponse, WireStreamResponse, WireStreamResult } from '../../src/hrana/wire.ts'
import type { Behaviour } from '../behaviour.ts'
import { notSupported } from './conditions.ts'
import { toWireError, type ExecutionContext } from './context.ts'
import { ProtocolFailure, SqlFailure, streamClosed } from '../errors.ts'
import { MAX_STORED_SQL, MAX_STORED_SQL_BYTES } from '../limits.ts'
import type { StreamRequest } from './requests.ts'
import { describe, execute, executeBatch, executeSequence } from './results.ts'
import { STEPS_BETWEEN_PAUSES } from './run-program.ts'
import { isStateless, takeTurn } from './stream.ts'
import type { Streams } from './streams.ts'

/**
 * Runs the requests in order and releases the stream. In-band failures do not stop the pipeline; anything else loses
 * it as a whole and closes the stream: `ProtocolFailure`, `HttpFailure`.
 */
export async function runPipeline(
  streams: Streams,
  context: ExecutionContext,
  requests: StreamRequest[],
): Promise<WirePipelineResponse> {
  const { stream, signal, behaviour } = context
  try {
    const results: WireStreamResult[] = []
    for (const [index, request] of requests.entries()) {
      if (index > 0 && index % STEPS_BETWEEN_PAUSES === 0) await setImmediate()
      results.push(await runRequest(streams, context, request))
      // Nobody will ever use the next baton.
      if (signal.aborted) throw new ProtocolFailure('The request was aborted')
      if (stream.connection.isBroken) streams.close(stream)
    }
    const isOver =
      requests.length === 0
        ? behaviour.emptyPipeline === 'closes'
        : behaviour.closesStatelessStreams && stream.cursors.size === 0 && isStateless(stream)
    if (isOver) streams.retire(stream)
    return { baton: streams.release(stream), base_url: null, results }
  } catch (error) {
    streams.retire(stream)
    throw error
  }
}

/** Throws `ProtocolFailure` for a pipeline that is refused before anything of it runs. */
export function checkPipeline(requests: StreamRequest[], { requestAfterClose }: Behaviour): void {
  const close = requests.findIndex(({ type }) => type === 'close')
  if (requestAfterClose === 'refuses_pipeline' && close !== -1 && close < requests.length - 1) {
    throw new ProtocolFailure('`close` must be the last request of a pipeline')
  }
}

async function runRequest(
  streams: Streams,
  context: ExecutionContext,
  request: StreamRequest,
): Promise<WireStreamResult> {
  try {
    return { type: 'ok', response: await respond(streams, context, request) }
  } catch (error) {
    return { type: 'error', error: toWireError(error, context.behaviour) }
  }
}

async function respond(
  streams: Streams,
  context: ExecutionContext,
  request: StreamRequest,
): Promise<WireStreamResponse> {
  const { stream, version, signal, behaviour } = context
  if (stream.isClosed) checkAfterClose(request, behaviour)
  switch (request.type) {
    case 'close':
      streams.retire(stream)
      return { type: 'close' }
    case 'store_sql':
      storeSql(stream.storedSql, request.sqlId, request.sql, behaviour)
      return { type: 'store_sql' }
    case 'close_sql':
      stream.storedSql.delete(request.sqlId)
      return { type: 'close_sql' }
    case 'get_autocommit':
      if (version < 3) throw notSupported('The `get_autocommit` request')
  }
  return takeTurn(stream, signal, () => use(context, request))
}

type UsingRequest = Exclude<StreamRequest, { type: 'close' | 'store_sql' | 'close_sql' }>

/** What needs the connection of the stream. */
async function use(context: ExecutionContext, request: UsingRequest): Promise<WireStreamResponse> {
  const { type } = request
  switch (type) {
    case 'execute':
      return { type, result: await execute(context, request.statement) }
    case 'batch':
      return { type, result: await executeBatch(context, request.steps) }
    case 'sequence':
      await executeSequence(context, request)
      return { type }
    case 'describe':
      return { type, result: describe(context, request) }
    case 'get_autocommit':
      return { type, is_autocommit: !context.stream.connection.inTransaction }
  }
}

/** Of a stream that is closed, sqld still takes what needs no connection. */
function checkAfterClose({ type }: StreamRequest, { requestAfterClose }: Behaviour): void {
  if (requestAfterClose === 'fails') {
    throw new SqlFailure('STREAM_NOT_OPEN', 'The stream was closed by an earlier request')
  }
  if (type !== 'close' && type !== 'store_sql' && type !== 'close_sql') throw streamClosed()
}

function storeSql(stored: Map<number, string>, id: number, sql: string, { storeOnUsedId }: Behaviour): void {
  const isUsed = stored.has(id)
  if (isUsed && storeOnUsedId === 'refused') throw new ProtocolFailure(`SQL text ${id} already exists`)
  if (!isUsed && stored.size >= MAX_STORED_SQL) {
    throw new SqlFailure(
      'SQL_STORE_TOO_MANY',
      `The server already stores ${stored.size} SQL texts, it cannot store more`,
    )
  }
  const bytes = Buffer.byteLength(sql)
  if (bytes > MAX_STORED_SQL_BYTES) {
    throw new SqlFailure(
      'SQL_STORE_TOO_LARGE',
      `The statement is too large to be stored: ${bytes} B/${MAX_STORED_SQL_BYTES / 1000}.0 KB`,
    )
  }
  stored.set(id, sql)
}
