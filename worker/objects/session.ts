/**
 * Durable Object, one per session over HTTP or of a service binding: holds one stream for a client, who knows it by batons of ours.
 *
 * What is stored is the upstream's baton, never the token: each request brings the caller's own. So a stream that is left
 * behind after an eviction cannot be closed from here, and falls to the upstream's idle limit a second later.
 */
import { DurableObject } from 'cloudflare:workers'
import { locationOfHostname } from '../turso/database-url.ts'
import { NO_ROOM, type HranaError } from '../hrana/error.ts'
import {
  ABANDONED_CALL_MS,
  LARGE_ANSWER_MS,
  MAX_PIPELINE_BYTES,
  MAX_SESSION_WAITING,
  SESSION_PARKED_MS,
} from '../limits.ts'
import { readBody } from '../memory/body.ts'
import { deliver } from '../memory/delivery.ts'
import { NoRoomError, type Claim } from '../memory/room.ts'
import { answers, sessionRequests } from '../memory/rooms.ts'
import { createAdmission } from '../session/admission.ts'
import { createAlarm } from '../session/alarm.ts'
import { refuse, type Refused, type StreamAnswer, type StreamCall } from '../session/calls.ts'
import type { Destination } from '../session/exchange.ts'
import { STREAM_LIMITS } from '../session/limits.ts'
import type { HranaVersion } from '../session/requests.ts'
import { createStreamStore, type Holder } from '../session/store.ts'
import { createStreams, type Streams } from '../session/streams.ts'
import type { StreamView } from '../session/view.ts'

/** One pipeline or cursor of a client, already authenticated by its baton if it has one. */
export interface SessionCall extends Destination {
  /** By which it can be abandoned. */
  callId: string
  /** `null` opens the session. */
  sequence: number | null
  /** Of Hrana, as the client speaks it; `3` unless said otherwise. */
  version?: HranaVersion
  /** `requests` or `batch` as the client wrote it, in UTF-8; a large one comes when there is room for it. */
  requests: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>
  /** Of the requests. */
  bytes: number
  /** Whose session it is, what it is listed as, and where it was wished for. */
  tenantId?: string
  kind?: 'http' | 'binding'
  hint?: string | null
}

export type SessionCursorAnswer =
  /** The entries as upstream writes them; `sequence` for the next request, which waits for their end. */
  | {
      kind: 'cursor'
      body: ReadableStream<Uint8Array>
      sequence: number
      /** Where the stream was before it: see {@link SessionAnswer}. */
      location: string | null
    }
  | Exclude<SessionAnswer, { kind: 'results' }>

export type SessionAnswer =
  /** `results` as upstream wrote them, in UTF-8; `sequence` for the next request, `null` when the stream is closed. */
  | {
      kind: 'results'
      results: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>
      sequence: number | null
      /** Turso's code of where the stream is, if the database has sent it to a host that tells. */
      location: string | null
    }
  /** Upstream's own refusal. */
  | {
      kind: 'refused'
      status: number
      headers: Record<string, string>
      body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>
    }
  | { kind: 'error'; error: HranaError }

interface RunningCall {
  /** Cuts it off upstream. */
  cut: AbortController
  /** Until then; set when nobody waits for it any more. */
  timer: ReturnType<typeof setTimeout> | null
}

/** The only stream of the object. */
const STREAM = 'http'

export class Session extends DurableObject<Env> {
  readonly #alarm = createAlarm(this.ctx)
  readonly #store = createStreamStore(this.ctx.storage.kv)
  readonly #streams: Streams = createStreams({
    store: this.#store,
    limits: { ...STREAM_LIMITS, parkedMs: SESSION_PARKED_MS, maxWaiting: MAX_SESSION_WAITING },
    waitUntil: (work) => this.ctx.waitUntil(work),
    wakeBy: this.#alarm.wakeBy,
    admission: createAdmission(this.env, this.ctx, () => this.#holder),
  })
  /** As the first request says, and after an eviction as it is stored: for a stream that the database has accepted. */
  #holder: Holder | null = this.#store.read(STREAM)?.holder ?? null

  readonly #running = new Map<string, RunningCall>()

  async pipeline(call: SessionCall): Promise<SessionAnswer> {
    this.#remember(call)
    const claim = answers.claim()
    const answer = await this.#abandonable(call, claim, (running) => this.#streams.pipeline(STREAM, running))
    if (answer.kind !== 'results') return toRefusal(answer, claim)
    // Of a session that its client closes, nothing is left.
    if (answer.turn === null) await this.#forget()
    return {
      kind: 'results',
      results: deliver(answer.results, claim, LARGE_ANSWER_MS),
      sequence: answer.turn,
      location: this.#location,
    }
  }

  async cursor(call: SessionCall): Promise<SessionCursorAnswer> {
    this.#remember(call)
    const location = this.#location
    const claim = answers.claim()
    const answer = await this.#abandonable(call, claim, (running) => this.#streams.cursor(STREAM, running))
    if (answer.kind !== 'cursor') return toRefusal(answer, claim)
    claim.giveBack()
    return { kind: 'cursor', body: answer.body, sequence: answer.turn, location }
  }

  /**
   * Whoever waits for this call is gone: what is open is rolled back as soon as the database has answered, for only then
   * is there a baton to do it with. An answer that takes long is not waited for.
   */
  abandon(callId: string): void {
    const running = this.#running.get(callId)
    if (running !== undefined) running.timer ??= setTimeout(() => running.cut.abort(), ABANDONED_CALL_MS)
  }

  get #location(): string | null {
    const url = this.#streams.urlOf(STREAM)
    return url === null ? null : locationOfHostname(new URL(url).hostname)
  }

  describe(): StreamView[] {
    return this.#streams.list()
  }

  tenant(): string | null {
    return this.#streams.isOpen(STREAM) ? (this.#holder?.tenantId ?? null) : null
  }

  kill(): boolean {
    return this.#streams.kill(STREAM)
  }

  /** Lets a transaction end until then, and has the session let go of the database. */
  drain(by: number): void {
    this.#streams.drain(STREAM, by)
  }

  async #abandonable<Answer extends { kind: string; turn?: number | null }>(
    call: SessionCall,
    claim: Claim,
    run: (running: StreamCall) => Promise<Answer>,
  ): Promise<Answer | Refused> {
    const { callId } = call
    const underWay: RunningCall = { cut: new AbortController(), timer: null }
    this.#running.set(callId, underWay)
    const room = sessionRequests.claim()
    try {
      const abandoned = underWay.cut.signal
      const requests = await takeRequests(call, room, abandoned)
      if (requests === null) return refuse(NO_ROOM)
      const answer = await run({
        ...call,
        turn: call.sequence ?? 'new',
        requests,
        claim,
        abandoned,
        holder: this.#holder ?? undefined,
      })
      // The baton for what follows would reach nobody. Of a call that was refused, the stream is another's.
      if (underWay.timer !== null && typeof answer.turn === 'number') this.#streams.leave(STREAM)
      return answer
    } catch (error) {
      claim.giveBack()
      throw error
    } finally {
      room.giveBack()
      this.#running.delete(callId)
      if (underWay.timer !== null) clearTimeout(underWay.timer)
    }
  }

  #remember({ tenantId, kind = 'http', hint = null }: SessionCall): void {
    if (tenantId !== undefined) this.#holder ??= { tenantId, kind, hint }
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang()
    this.#streams.tick()
    if (this.#streams.list().length === 0) await this.#forget()
  }

  async #forget(): Promise<void> {
    this.#alarm.rang()
    await this.ctx.storage.deleteAll()
  }
}

/** @returns `null` when there is no room for them, or nobody waits for it any more */
async function takeRequests(
  { requests, bytes }: SessionCall,
  claim: Claim,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (requests instanceof Uint8Array) return requests
  try {
    return await readBody(requests, { maxBytes: MAX_PIPELINE_BYTES, announced: bytes, claim, signal })
  } catch (error) {
    if (error instanceof NoRoomError || signal.aborted) return null
    throw error
  }
}

function toRefusal(
  answer: Exclude<StreamAnswer, { kind: 'results' }>,
  claim: Claim,
): Exclude<SessionAnswer, { kind: 'results' }> {
  if (answer.kind === 'refused') return { ...answer, body: deliver(answer.body, claim, LARGE_ANSWER_MS) }
  claim.giveBack()
  return answer
}
