/** `POST /v2/pipeline` and `/v3/pipeline`: a list of requests on one stream. */
import type { WirePipelineResponse, WireStreamResponse, WireStreamResult } from '../../src/hrana/wire.ts'
import { notSupported } from './conditions.ts'
import { ProtocolFailure, SqlFailure, streamClosed } from '../errors.ts'
import {
  describe,
  execute,
  executeBatch,
  executeSequence,
  toWireError,
  type ExecutionContext,
} from './execution.ts'
import { MAX_STORED_SQL, MAX_STORED_SQL_BYTES } from '../limits.ts'
import type { StreamRequest } from './requests.ts'
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
  const { stream, signal } = context
  try {
    const results: WireStreamResult[] = []
    for (const request of requests) {
      results.push(await runRequest(streams, context, request))
      // Nobody will ever use the next baton.
      if (signal.aborted) throw new ProtocolFailure('The request was aborted')
      if (stream.connection.isBroken) streams.close(stream)
    }
    return { baton: streams.release(stream), base_url: null, results }
  } catch (error) {
    streams.close(stream)
    throw error
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
    return { type: 'error', error: toWireError(error) }
  }
}

async function respond(
  streams: Streams,
  context: ExecutionContext,
  request: StreamRequest,
): Promise<WireStreamResponse> {
  const { stream, version } = context
  const { type } = request
  if (stream.isClosed && type !== 'close' && type !== 'store_sql' && type !== 'close_sql') {
    throw streamClosed()
  }
  switch (type) {
    case 'close':
      streams.close(stream)
      return { type }
    case 'execute':
      return { type, result: await execute(context, request.statement) }
    case 'batch':
      return { type, result: await executeBatch(context, request.steps) }
    case 'sequence':
      await executeSequence(context, request)
      return { type }
    case 'describe':
      return { type, result: describe(context, request) }
    case 'store_sql':
      storeSql(stream.storedSql, request.sqlId, request.sql)
      return { type }
    case 'close_sql':
      stream.storedSql.delete(request.sqlId)
      return { type }
    case 'get_autocommit':
      if (version < 3) throw notSupported('The `get_autocommit` request')
      return { type, is_autocommit: !stream.connection.inTransaction }
  }
}

function storeSql(stored: Map<number, string>, id: number, sql: string): void {
  if (stored.has(id)) throw new ProtocolFailure(`SQL text ${id} already exists`)
  if (stored.size >= MAX_STORED_SQL) {
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
