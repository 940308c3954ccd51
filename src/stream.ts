/** A server-side connection in the hands of the user: the protocol's stream, with its baton in sight. */
import { readResult, statementResults } from './hrana/pipeline.ts'
import { restoreRows } from './hrana/result.ts'
import { createStream, readBaseUrl, type StreamPosition } from './hrana/stream.ts'
import type { Target } from './hrana/target.ts'
import type { WireStreamRequest, WireStreamResponse, WireStreamResult } from './hrana/wire.ts'
import { requireUsable, type CallOptions } from './http/watch.ts'
import { createQueries, createRunner, type Queries, type QueryDefaults } from './queries.ts'

/**
 * A stream. It is opened by the first call; one request is under way at a time, and what is called meanwhile goes out
 * together in the next. Nothing is kept from running outside a transaction that the server has ended: that is what
 * `transaction` is for.
 *
 * A request that fails as a whole loses the stream; every later call fails with the same error.
 */
export interface Stream extends Queries, StreamPosition {
  /** Sends requests as they are and resolves with their results in order, refusals among them. */
  send(requests: readonly WireStreamRequest[], options?: CallOptions): Promise<WireStreamResult[]>
  /** Whether no transaction is open on the server's side. */
  isAutocommit(options?: CallOptions): Promise<boolean>
  /** Ends the stream on the server, and an open transaction in it by a rollback. */
  close(options?: CallOptions): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** @throws {TypeError} for a position that is malformed or not trusted with the token */
export function createDatabaseStream(
  target: Target,
  defaults: QueryDefaults,
  position?: StreamPosition,
): Stream {
  const stream = createStream(target, position && readPosition(target, position))
  let isClosed = false

  async function send(
    requests: readonly WireStreamRequest[],
    call: CallOptions | undefined,
  ): Promise<WireStreamResult[]> {
    if (isClosed) throw new TypeError('The stream is closed')
    requireUsable(call)
    isClosed = requests.some(({ type }) => type === 'close')
    return await stream.send(requests, call)
  }

  async function request<Type extends WireStreamRequest['type']>(
    wire: Extract<WireStreamRequest, { type: Type }>,
    call: CallOptions | undefined,
  ): Promise<Extract<WireStreamResponse, { type: Type }>> {
    return readResult((await send([wire], call))[0], wire.type as Type)
  }

  async function close(call?: CallOptions): Promise<void> {
    if (!isClosed && stream.isInUse()) await send([{ type: 'close' }], call)
    isClosed = true
  }

  return {
    ...createQueries(createRunner(request, true), defaults),
    async send(requests, call) {
      const results = await send(requests, call)
      for (const result of results.flatMap(statementResults)) if (result) restoreRows(result)
      return results
    },
    isAutocommit: async (call) => (await request({ type: 'get_autocommit' }, call)).is_autocommit,
    close,
    get baton() {
      return stream.position().baton
    },
    get baseUrl() {
      return stream.position().baseUrl
    },
    [Symbol.asyncDispose]: () => close(),
  }
}

function readPosition(target: Target, { baton, baseUrl }: StreamPosition): StreamPosition {
  if (baton !== null && typeof baton !== 'string')
    throw new TypeError('"baton" must be a string or null, as the stream had it')
  try {
    if (baseUrl !== undefined) return { baton, baseUrl: readBaseUrl(baseUrl, target) }
  } catch {
    // In the words for a caller's mistake, below.
  }
  throw new TypeError('"baseUrl" is not an address that is trusted with the token')
}
