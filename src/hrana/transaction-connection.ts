/** What the levels of one transaction share: its stream, and what they say when that is lost. */
import { HttpError, StreamLostError } from '../errors.ts'
import { CLOSE_TIMEOUT_MS } from '../limits.ts'
import type { TransactionMode } from './batch.ts'
import { isDeadStream } from './dead-stream.ts'
import type { HranaStream } from './stream.ts'
import type { TargetCall } from './target.ts'
import type { WireStreamRequest, WireStreamResult } from './wire.ts'

export interface Connection {
  readonly stream: HranaStream
  readonly mode: TransactionMode
  /** The first failure that ended it, which every later call gets to know. */
  loss?: unknown
  depth: number
}

/**
 * @throws {StreamLostError} when the stream is lost, `unknown` if COMMIT may have run; what it failed with, when the server
 *   has accepted nothing yet; to who has aborted it, the reason of its signal
 */
export async function sendOn(
  connection: Connection,
  requests: readonly WireStreamRequest[],
  isCommit: boolean,
  call: TargetCall | undefined,
): Promise<WireStreamResult[]> {
  const { stream } = connection
  try {
    return await stream.send(requests, call)
  } catch (error) {
    // Taken back before it was sent.
    if (!stream.isLost()) throw error
    const isRefused =
      error instanceof HttpError &&
      (isDeadStream(error.status, error.serverMessage) || /this \w+ did not run/i.test(error.serverMessage))
    connection.loss ??= stream.isEstablished()
      ? lost(String(error), isCommit && !isRefused ? 'unknown' : 'rolled_back', error)
      : error
    throw call?.signal?.aborted && error === call.signal.reason ? error : connection.loss
  }
}

/** The server has ended the transaction: its stream is given back, or ends by its idle limit. */
export async function abandon(connection: Connection, loss: unknown): Promise<never> {
  if (!connection.loss) {
    connection.loss = loss
    await connection.stream.send([{ type: 'close' }], { timeoutMs: CLOSE_TIMEOUT_MS }).catch(() => undefined)
  }
  throw connection.loss
}

export function lost(reason: string, outcome: StreamLostError['outcome'], cause?: unknown): StreamLostError {
  const conclusion = outcome === 'unknown' ? 'whether it was committed is unknown' : 'it is rolled back'
  return new StreamLostError(`The transaction was lost, ${conclusion}: ${reason}`, outcome, { cause })
}
