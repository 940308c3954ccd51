/** One stream: a server-side connection that is named by a baton and lives over several pipelines. */
import { ProtocolError } from '../errors.ts'
import type { CallOptions } from '../http.ts'
import { sendPipeline, type PipelineTarget } from './pipeline.ts'
import { isTrustedBaseUrl } from './url.ts'
import type { WireStreamRequest, WireStreamResult } from './wire.ts'

export interface HranaStream {
  /**
   * Resolves with the results of these requests, in order. One pipeline is in flight at a time; what is sent meanwhile
   * goes out together in the next one. With `close` among them, nothing may be sent after it.
   *
   * Any failure but an in-band one loses the stream: whatever is sent on it fails with the first such error.
   */
  send: (requests: readonly WireStreamRequest[], call?: CallOptions) => Promise<WireStreamResult[]>
  /** Whether the server has accepted anything on this stream. */
  isEstablished: () => boolean
}

interface Entry {
  requests: readonly WireStreamRequest[]
  call: CallOptions | undefined
  resolve: (results: WireStreamResult[]) => void
  reject: (error: unknown) => void
}

/**
 * Opens on the first pipeline; until then nothing is sent.
 *
 * @param baseUrlSuffixes host name endings to which the server may send the stream
 */
export function createStream(target: PipelineTarget, baseUrlSuffixes: readonly string[]): HranaStream {
  let { baseUrl } = target
  let baton: string | null = null
  let isEstablished = false
  let isInFlight = false
  let loss: { error: unknown } | undefined
  let queue: Entry[] = []

  async function post(entries: readonly Entry[]): Promise<WireStreamResult[]> {
    const signals = entries.flatMap(({ call }) => call?.signal ?? [])
    const answer = await sendPipeline(
      { ...target, baseUrl },
      baton,
      entries.flatMap(({ requests }) => requests),
      {
        timeoutMs: Math.max(...entries.map(({ call }) => call?.timeoutMs ?? target.timeoutMs)),
        signal: signals.length > 0 ? AbortSignal.any(signals) : undefined,
      },
    )
    const next = answer.base_url
    if (next !== null && !isTrustedBaseUrl(next, target.baseUrl, baseUrlSuffixes))
      throw new ProtocolError('The server sent the stream to an address that is not trusted')
    isEstablished = true
    baton = answer.baton
    if (next !== null) baseUrl = next.replace(/\/?$/, '/')
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
      }
      isInFlight = false
    }
  }

  return {
    send: (requests, call) =>
      new Promise((resolve, reject) => {
        if (loss) return reject(loss.error)
        queue.push({ requests, call, resolve, reject })
        void flush()
      }),
    isEstablished: () => isEstablished,
  }
}
