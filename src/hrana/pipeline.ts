/** One pipeline: requests and a baton in, results and the next baton out. Stateless. */
import { ProtocolError } from '../errors.ts'
import { parseJson, send, type CallOptions, type Fetch } from '../http.ts'
import { toSqlError } from './batch.ts'
import type { WirePipelineResponse, WireStreamRequest, WireStreamResponse, WireStreamResult } from './wire.ts'

/** Where and how to send. */
export interface PipelineTarget {
  /** Ends with a slash. */
  baseUrl: string
  token: string | undefined
  fetch: Fetch | undefined
  /** For calls that do not say. */
  timeoutMs: number
}

/** @throws what {@link send} throws, and {@link ProtocolError} for an answer of another shape */
export async function sendPipeline(
  target: PipelineTarget,
  baton: string | null,
  requests: readonly WireStreamRequest[],
  call: CallOptions | undefined,
): Promise<WirePipelineResponse> {
  const text = await send({
    ...target,
    method: 'POST',
    url: `${target.baseUrl}v3/pipeline`,
    body: { baton, requests },
    timeoutMs: call?.timeoutMs ?? target.timeoutMs,
    signal: call?.signal,
  })
  const answer = parseJson(text, 'a pipeline') as Partial<WirePipelineResponse> | null
  const { baton: next = null, base_url = null, results } = answer ?? {}
  if (!Array.isArray(results) || results.length !== requests.length)
    throw new ProtocolError(
      `A pipeline of ${requests.length} requests was answered with another number of results`,
    )
  return { baton: next, base_url, results }
}

/**
 * Runs one request on a stream of its own and resolves with its response. `close` rides in the same pipeline, since
 * a stream left open holds a connection, and perhaps a write lock, on the server for ten seconds.
 *
 * @throws {SqlError} when the server refuses the request
 * @throws what {@link sendPipeline} throws
 */
export async function sendOnce<Type extends WireStreamRequest['type']>(
  target: PipelineTarget,
  request: Extract<WireStreamRequest, { type: Type }>,
  call: CallOptions | undefined,
): Promise<Extract<WireStreamResponse, { type: Type }>> {
  const { results } = await sendPipeline(target, null, [request, { type: 'close' }], call)
  return readResult(results[0], request.type) as Extract<WireStreamResponse, { type: Type }>
}

/**
 * @throws {SqlError} when the server refused the request
 * @throws {ProtocolError} for the response to another one
 */
export function readResult(
  result: WireStreamResult | undefined,
  type: WireStreamRequest['type'],
): WireStreamResponse {
  if (result?.type === 'error') throw toSqlError(result.error)
  if (result?.response?.type !== type)
    throw new ProtocolError(`A request of type ${type} was answered with another type`)
  return result.response
}
