/** One pipeline: requests and a baton in, results and the next baton out. Stateless. */
import { ProtocolError } from '../errors.ts'
import { parseBody } from '../http/json.ts'
import { send } from '../http/send.ts'
import { parseAnswer } from './answer.ts'
import { toSqlError } from './batch.ts'
import { observe, requestTo, type Target, type TargetCall } from './target.ts'
import type {
  WirePipelineResponse,
  WireStatementResult,
  WireStreamRequest,
  WireStreamResponse,
  WireStreamResult,
} from './wire.ts'

/** @throws what {@link send} throws, and {@link ProtocolError} for an answer of another shape */
export async function sendPipeline(
  target: Target,
  baton: string | null,
  requests: readonly WireStreamRequest[],
  call: TargetCall | undefined,
): Promise<WirePipelineResponse> {
  return await observe(
    target.hooks,
    { ...requestTo(target, 'POST', 'v3/pipeline', call), body: { baton, requests } },
    () => requests.flatMap(sqlOf),
    async (request) => {
      const text = await send(request)
      const answer = parseBody(text, 'a pipeline', parseAnswer) as Partial<WirePipelineResponse> | null
      const { baton: next = null, base_url = null, results } = answer ?? {}
      if (!Array.isArray(results) || results.length !== requests.length)
        throw new ProtocolError(
          `A pipeline of ${requests.length} requests was answered with another number of results`,
        )
      if (next !== null && typeof next !== 'string') throw new ProtocolError('A baton that is no text')
      return { baton: next, base_url, results }
    },
    ({ results }) => {
      const counted = results.flatMap(statementResults)
      const total = (count: 'rows_read' | 'rows_written'): number =>
        counted.reduce((sum, result) => sum + (result?.[count] ?? 0), 0)
      return [total('rows_read'), total('rows_written')]
    },
  )
}

function sqlOf(request: WireStreamRequest): string[] {
  if (request.type === 'execute') return [request.stmt.sql ?? '']
  if (request.type === 'batch') return request.batch.steps.map(({ stmt }) => stmt.sql ?? '')
  return 'sql' in request ? [request.sql ?? ''] : []
}

/** Of one request, which are several for a batch. */
export function statementResults(result: WireStreamResult): (WireStatementResult | null)[] {
  if (result?.type !== 'ok') return []
  const { response } = result
  if (response?.type === 'execute') return [response.result]
  return response?.type === 'batch' ? (response.result?.step_results ?? []) : []
}

/**
 * Runs one request on a stream of its own and resolves with its response. `close` rides in the same pipeline, since
 * a stream left open holds a connection, and perhaps a write lock, on the server for ten seconds.
 *
 * @throws {SqlError} when the server refuses the request
 * @throws what {@link sendPipeline} throws
 */
export async function sendOnce<Type extends WireStreamRequest['type']>(
  target: Target,
  request: Extract<WireStreamRequest, { type: Type }>,
  call: TargetCall | undefined,
): Promise<Extract<WireStreamResponse, { type: Type }>> {
  const { results } = await sendPipeline(target, null, [request, { type: 'close' }], call)
  return readResult(results[0], request.type)
}

/**
 * @throws {SqlError} when the server refused the request
 * @throws {ProtocolError} for the response to another one
 */
export function readResult<Type extends WireStreamRequest['type']>(
  result: WireStreamResult | undefined,
  type: Type,
): Extract<WireStreamResponse, { type: Type }> {
  if (result?.type === 'error') throw toSqlError(result.error)
  if (result?.type !== 'ok' || result.response?.type !== type)
    throw new ProtocolError(`A request of type ${type} was answered with another type`)
  return result.response as Extract<WireStreamResponse, { type: Type }>
}
