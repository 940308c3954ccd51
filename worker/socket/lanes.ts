/** What is to be done on each stream of a socket, in order. A stream that has nothing to do costs nothing. */
import { MAX_SKIPPED_CURSOR_BYTES, SKIPPED_CURSOR_MS } from '../limits.ts'
import type { Claim } from '../memory/room.ts'
import { answers } from '../memory/rooms.ts'
import type { CursorAnswer, StreamAnswer } from '../session/calls.ts'
import { mayTakeWriteLock } from '../session/requests.ts'
import { CURSOR_NOT_OPEN, type SocketCursor } from './cursor.ts'
import { readEntries, type EntryReader } from './cursor-entries.ts'
import type { Held } from './inbox.ts'

/** The streams upstream. What is sent on one is answered before the next is sent on it. */
export interface UpstreamStreams {
  /**
   * @param requests of a pipeline: a JSON array
   * @param claim has a place with a large answer
   */
  send: (streamId: number, requests: string, claim: Claim) => Promise<StreamAnswer>
  openCursor: (streamId: number, batch: string, claim: Claim) => Promise<CursorAnswer>
  /** What was to be sent on it is not: if nothing is open on it, it takes nothing more. */
  turnAway: (streamId: number) => void
  /** What is open on it is rolled back. */
  leave: (streamId: number) => void
}

export type Job =
  /** `json` is one request of a pipeline, and `held` its place; whoever sends it keeps it. */
  | { type: 'request'; json: string; held: Held | null; answer: (answer: StreamAnswer) => void }
  /** Takes until the cursor is over. `refusal` is `null` once it is open. */
  | {
      type: 'cursor'
      batch: string
      cursor: SocketCursor
      held: Held | null
      answer: (refusal: Exclude<StreamAnswer, { kind: 'results' }> | null) => void
    }
  | { type: 'refused' | 'close'; answer: () => void }

type JobOf<Type extends Job['type']> = Extract<Job, { type: Type }>

export interface Lanes {
  add: (streamId: number, job: Job) => void
  /** Forgets what has not begun, and holds nothing of it. */
  clear: () => void
}

/** @param failed is told what nobody expects */
export function createLanes(streams: UpstreamStreams, failed: (error: unknown) => void): Lanes {
  const lanes = new Map<number, Job[]>()

  async function work(streamId: number, jobs: Job[]): Promise<void> {
    // The messages that came with this one are heard first: often the stream is closed behind its only request.
    await scheduler.wait(0)
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const claim = answers.claim()
      try {
        await perform(streamId, job, jobs, claim)
      } finally {
        claim.giveBack()
        release(job)
      }
    }
    lanes.delete(streamId)
  }

  /** @param jobs those behind it */
  async function perform(streamId: number, job: Job, jobs: readonly Job[], claim: Claim): Promise<void> {
    switch (job.type) {
      case 'request': {
        job.answer(await send(streamId, job, jobs, claim))
        break
      }
      case 'cursor': {
        const mayWrite = mayTakeWriteLock(job.batch)
        const answer = await openCursor(streamId, job, claim)
        claim.giveBack()
        if (answer.kind === 'cursor') {
          job.answer(null)
          const rest = await job.cursor.opened(readEntries(answer.body, answers.claim()), answer.cutOff)
          if (rest !== null) await dispose(rest, mayWrite, jobs)
        } else {
          await job.cursor.fail(answer.kind === 'error' ? answer.error : CURSOR_NOT_OPEN)
          job.answer(answer)
        }
        break
      }
      case 'refused':
        streams.turnAway(streamId)
        job.answer()
        break
      case 'close':
        streams.leave(streamId)
        job.answer()
    }
  }

  // Whoever waits for what these return keeps nothing of the text, which may be long.
  function send(
    streamId: number,
    job: JobOf<'request'>,
    [next]: readonly Job[],
    claim: Claim,
  ): Promise<StreamAnswer> {
    const { json } = job
    job.json = ''
    // Most streams are for one request; closed with it, they need no second one.
    return streams.send(streamId, next?.type === 'close' ? `[${json},{"type":"close"}]` : `[${json}]`, claim)
  }

  function openCursor(streamId: number, job: JobOf<'cursor'>, claim: Claim): Promise<CursorAnswer> {
    const { batch } = job
    job.batch = ''
    return streams.openCursor(streamId, batch, claim)
  }

  /**
   * Of a batch that only reads, the rest is read for nothing, so that its stream goes on. Whoever hangs up ends the stream,
   * and a transaction with it; but nothing is written for a client that does not wait for it.
   */
  async function dispose(rest: EntryReader, mayWrite: boolean, jobs: readonly Job[]): Promise<void> {
    await scheduler.wait(0)
    const goesOn = jobs[0]?.type !== 'close' && !mayWrite
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

  const release = (job: Job): void => {
    if ('held' in job) job.held?.release()
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
      for (const jobs of lanes.values()) for (const job of jobs.splice(0)) release(job)
    },
  }
}
