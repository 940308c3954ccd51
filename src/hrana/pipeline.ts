/** Sends one pipeline that opens and closes its own stream. Stateless: no baton survives the call. */
import { ProtocolError } from '../errors.ts'
import { parseJson, send, type Fetch } from '../http.ts'
import { toSqlError } from './batch.ts'
import type { WirePipelineResponse, WireStreamRequest, WireStreamResponse } from './wire.ts'

/** Where and how to send. */
export interface PipelineTarget {
  /** Ends with a slash. */
  baseUrl: string
  token: string | undefined
  fetch: Fetch | undefined
  timeoutMs: number
  signal: AbortSignal | undefined
}

/**
 * Runs one request on a stream of its own and resolves with its response. `close` rides in the same pipeline, since
 * a stream left open holds a connection, and perhaps a write lock, on the server for ten seconds.
 *
 * @throws {SqlError} when the server refuses the request
 * @throws what {@link send} throws, and {@link ProtocolError} for an answer of another shape
 */
export async function sendOnce<Type extends WireStreamRequest['type']>(
  target: PipelineTarget,
  request: Extract<WireStreamRequest, { type: Type }>,
): Promise<Extract<WireStreamResponse, { type: Type }>> {
  const url = `${target.baseUrl}v3/pipeline`
  const requests = [request, { type: 'close' }]
  const text = await send({ ...target, method: 'POST', url, body: { baton: null, requests } })
  const results = (parseJson(text, 'a pipeline') as Partial<WirePipelineResponse> | null)?.results
  if (!Array.isArray(results) || results.length !== requests.length)
    throw new ProtocolError(
      `A pipeline of ${requests.length} requests was answered with another number of results`,
    )
  const result = results[0]!
  if (result?.type === 'error') throw toSqlError(result.error)
  if (result?.response?.type !== request.type)
    throw new ProtocolError(`A request of type ${request.type} was answered with another type`)
  return result.response as Extract<WireStreamResponse, { type: Type }>
}
