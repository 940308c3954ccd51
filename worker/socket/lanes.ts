/** What is to be done on each stream of a socket, in order. A stream that has nothing to do costs nothing. */
import { MAX_SKIPPED_CURSOR_BYTES, SKIPPED_CURSOR_MS } from '../limits.ts'
import type { CursorAnswer, StreamAnswer } from '../session/calls.ts'
import { mayTakeWriteLock } from '../session/requests.ts'
import { CURSOR_NOT_OPEN, type SocketCursor } from './cursor.ts'
import { readEntries, type EntryReader } from './cursor-entries.ts'

/** The streams upstream. What is sent on one is answered before the next is sent on it. */
export interface UpstreamStreams {
  /** @param requests of a pipeline: a JSON array */
  send: (streamId: number, requests: string) => Promise<StreamAnswer>
  openCursor: (streamId: number, batch: string) => Promise<CursorAnswer>
  /** What is open on it is rolled back. */
  leave: (streamId: number) => void
}

export type Job =
  /** `json` is one request of a pipeline. */
  | { type: 'request'; json: string; answer: (answer: StreamAnswer) => void }
  /** Takes until the cursor is over. `refusal` is `null` once it is open. */
  | {
      type: 'cursor'
      batch: string
      cursor: SocketCursor
      answer: (refusal: Exclude<StreamAnswer, { kind: 'results' }> | null) => void
    }
  | { type: 'close'; answer: () => void }

export interface Lanes {
  add: (streamId: number, job: Job) => void
  /** Forgets what has not begun. */
  clear: () => void
}

/** @param failed is told what nobody expects */
export function createLanes(streams: UpstreamStreams, failed: (error: unknown) => void): Lanes {
  const lanes = new Map<number, Job[]>()

  async function work(streamId: number, jobs: Job[]): Promise<void> {
    // The messages that came with this one are heard first: often the stream is closed behind its only request.
    await scheduler.wait(0)
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      switch (job.type) {
        case 'request': {
          const [next] = jobs
          // Most streams are for one request; closed with it, they need no second one.
          const isLast = next?.type === 'close'
          const answer = await streams.send(
            streamId,
            isLast ? `[${job.json},{"type":"close"}]` : `[${job.json}]`,
          )
          job.answer(answer)
          break
        }
        case 'cursor': {
          const answer = await streams.openCursor(streamId, job.batch)
          if (answer.kind === 'cursor') {
            job.answer(null)
            const rest = await job.cursor.opened(readEntries(answer.body), answer.cutOff)
            if (rest !== null) await dispose(rest, job.batch, jobs)
          } else {
            await job.cursor.fail(answer.kind === 'error' ? answer.error : CURSOR_NOT_OPEN)
            job.answer(answer)
          }
          break
        }
        case 'close':
          streams.leave(streamId)
          job.answer()
      }
    }
    lanes.delete(streamId)
  }

  /**
   * Of a batch that only reads, the rest is read for nothing, so that its stream goes on. Whoever hangs up ends the stream,
   * and a transaction with it; but nothing is written for a client that does not wait for it.
   */
  async function dispose(rest: EntryReader, batch: string, jobs: readonly Job[]): Promise<void> {
    await scheduler.wait(0)
    const goesOn = jobs[0]?.type !== 'close' && !mayTakeWriteLock(batch)
    const cancel = (): Promise<void> => rest.cancel().catch(() => undefined)
    const timer = setTimeout(() => void cancel(), SKIPPED_CURSOR_MS)
    try {
      if (!goesOn || !(await rest.skip(MAX_SKIPPED_CURSOR_BYTES))) await cancel()
    } catch {
      // It was cut off, as the next request is told.
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    add(streamId, job) {
      const jobs = lanes.get(streamId)
      if (jobs !== undefined) {
        jobs.push(job)
        return
      }
      const begun = [job]
      lanes.set(streamId, begun)
      work(streamId, begun).catch(failed)
    },
    clear() {
      for (const jobs of lanes.values()) jobs.length = 0
    },
  }
}
