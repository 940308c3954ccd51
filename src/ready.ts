/** Until a new database answers. */
import { isTursoError, TimeoutError } from './errors.ts'
import { sendOnce } from './hrana/pipeline.ts'
import type { Target } from './hrana/target.ts'
import { createWatch, type CallOptions } from './http/watch.ts'
import { FIRST_READY_DELAY_MS, MAX_READY_DELAY_MS } from './limits.ts'

export interface ReadyOptions extends CallOptions {
  /** Milliseconds to wait for at most. Default 30,000. */
  timeoutMs?: number | undefined
}

/** What a database that is on its way answers; after a failure of another kind waiting is in vain. */
const PASSING = new Set<unknown>(['not_found', 'unavailable', 'rate_limited', 'network', 'timeout'])

export async function waitUntilReady(target: Target, options: ReadyOptions | undefined): Promise<void> {
  const timeoutMs = options?.timeoutMs ?? target.timeoutMs
  const watch = createWatch(() => target.baseUrl, timeoutMs, options?.signal)
  let last: unknown

  async function poll(): Promise<void> {
    for (let delayMs = FIRST_READY_DELAY_MS; ; delayMs = Math.min(2 * delayMs, MAX_READY_DELAY_MS)) {
      try {
        const stmt = { sql: 'SELECT 1', want_rows: false }
        await sendOnce(target, { type: 'execute', stmt }, { timeoutMs, signal: watch.signal })
        return
      } catch (error) {
        if (watch.signal.aborted || !isTursoError(error) || !PASSING.has(error.code)) throw error
        last = error
        const askedFor = 'retryAfterMs' in error ? (error.retryAfterMs ?? 0) : 0
        await watch.pause(Math.max(delayMs, askedFor))
      }
    }
  }

  try {
    await watch.during(poll())
  } catch (error) {
    if (!isTursoError(error, 'timeout') || !last) throw error
    const words = last instanceof Error ? `; at last ${last.message}` : ''
    throw new TimeoutError(`The database was not ready within ${timeoutMs} ms${words}`, timeoutMs, last)
  } finally {
    watch.release()
  }
}
