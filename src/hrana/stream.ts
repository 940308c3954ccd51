/** One stream: a server-side connection that is named by a baton and lives over several pipelines. */
import { isTursoError, ProtocolError } from '../errors.ts'
import { isPassing } from '../http/retry.ts'
import { CLOSE_TIMEOUT_MS } from '../limits.ts'
import { sendPipeline } from './pipeline.ts'
import { tell, type Target, type TargetCall } from './target.ts'
import { isTrustedBaseUrl } from './url.ts'
import type { WireStreamRequest, WireStreamResult } from './wire.ts'

export interface HranaStream {
  /**
   * Resolves with the results of these requests, in order. One pipeline is in flight at a time; what is sent meanwhile
   * goes out together in the next one. With `close` among them, nothing may be sent after it.
   *
   * Any failure but an in-band one loses the stream: whatever is sent on it fails with the first such error, and what may
   * be left of it on the server is given back in the background. What is aborted while it waits for its turn is taken
   * back, and loses nothing.
   */
  send: (requests: readonly WireStreamRequest[], call?: TargetCall) => Promise<WireStreamResult[]>
  /** Whether the server has accepted anything on this stream. */
  isEstablished: () => boolean
  isLost: () => boolean
  /** Whether there may be something on the server to be closed. */
  isInUse: () => boolean
  position: () => StreamPosition
}

/** Where a stream goes on. */
export interface StreamPosition {
  /** `null` before the first request, after `close`, and from servers that keep no stream without state. */
  readonly baton: string | null
  /** Where the next request goes; `null` for the database's own address. */
  readonly baseUrl: string | null
}

interface Entry {
  requests: readonly WireStreamRequest[]
  call: TargetCall | undefined
  resolve: (results: WireStreamResult[]) => void
  reject: (error: unknown) => void
}

/** Opens on the first pipeline; until then nothing is sent. */
export function createStream(
  target: Target,
  position: StreamPosition = { baton: null, baseUrl: null },
): HranaStream {
  let { baton, baseUrl } = position
  let isEstablished = baton !== null
  let isInFlight = false
  let loss: { error: unknown } | undefined
  let queue: Entry[] = []

  async function post(entries: readonly Entry[]): Promise<WireStreamResult[]> {
    const answer = await sendPipeline(
      movedTo(target, baseUrl),
      baton,
      entries.flatMap(({ requests }) => requests),
      combine(entries, target.timeoutMs),
    )
    const next = readBaseUrl(answer.base_url, target)
    isEstablished = true
    baton = answer.baton
    baseUrl = next ?? baseUrl
    return answer.results
  }

  async function flush(): Promise<void> {
    // Whatever is sent in the same turn goes out together.
    await Promise.resolve()
    while (!isInFlight && queue.length > 0) {
      const entries = queue
      queue = []
      isInFlight = true
      try {
        const results = await post(entries)
        let taken = 0
        for (const { requests, resolve } of entries) resolve(results.slice(taken, (taken += requests.length)))
      } catch (error) {
        loss = { error }
        for (const { reject } of [...entries, ...queue]) reject(error)
        queue = []
        if (mayBeOpen(error)) tell(target.waitUntil, giveBack(target, baton, baseUrl))
        baton = null
      }
      isInFlight = false
    }
  }

  return {
    send: (requests, call) =>
      new Promise((resolve, reject) => {
        if (loss) return reject(loss.error)
        const signal = call?.signal
        if (signal?.aborted) return reject(signal.reason)
        const entry = { requests, call, resolve, reject }
        queue.push(entry)
        const takeBack = (): void => {
          const waiting = queue.filter((other) => other !== entry)
          if (waiting.length < queue.length) reject(signal!.reason)
          queue = waiting
        }
        signal?.addEventListener('abort', takeBack, { once: true })
        const stopListening = (): void => signal?.removeEventListener('abort', takeBack)
        entry.resolve = (results) => (stopListening(), resolve(results))
        entry.reject = (error) => (stopListening(), reject(error))
        void flush()
      }),
    isEstablished: () => isEstablished,
    isLost: () => loss !== undefined,
    isInUse: () => baton !== null || isInFlight || queue.length > 0,
    position: () => ({ baton, baseUrl }),
  }
}

/** Whether a stream may outlive a request that failed so: the server, as far as one has answered, has not ended it. */
const mayBeOpen = (error: unknown): boolean =>
  !isTursoError(error) || error.code === 'timeout' || isPassing(error)

/**
 * Ends a stream on the server, where it otherwise stays, perhaps with the write lock, until its idle limit. Never throws:
 * why nobody wants it any more matters more. A baton that has been used already is refused, and ends nothing.
 *
 * @param baton the last one that is known; none for nothing to be done
 * @param baseUrl as the server sent it
 */
export async function giveBack(
  target: Target,
  baton: string | null | undefined,
  baseUrl: string | null | undefined,
  timeoutMs: number = target.timeoutMs,
): Promise<void> {
  if (baton == null) return
  try {
    const call = { timeoutMs: Math.min(timeoutMs, CLOSE_TIMEOUT_MS) }
    await sendPipeline(movedTo(target, readBaseUrl(baseUrl, target)), baton, [{ type: 'close' }], call)
  } catch {
    // See above.
  }
}

const movedTo = (target: Target, baseUrl: string | null): Target =>
  baseUrl === null ? target : { ...target, baseUrl }

/** One call for several: the longest wait, and all signals. */
function combine(entries: readonly Entry[], timeoutMs: number): TargetCall {
  const signals = entries.flatMap(({ call }) => call?.signal ?? [])
  return {
    timeoutMs: entries.reduce((longest, { call }) => Math.max(longest, call?.timeoutMs ?? timeoutMs), 0),
    signal: signals.length > 1 ? AbortSignal.any(signals) : signals[0],
  }
}

/**
 * What a server's `base_url` makes of the address.
 *
 * @throws {ProtocolError} when it is not trusted with the token
 */
export function readBaseUrl(baseUrl: string | null | undefined, target: Target): string | null {
  if (baseUrl == null) return null
  if (!isTrustedBaseUrl(baseUrl, target.baseUrl, target.baseUrlSuffixes))
    throw new ProtocolError('The stream is to go to an address that is not trusted with the token')
  return baseUrl.replace(/\/?$/, '/')
}
