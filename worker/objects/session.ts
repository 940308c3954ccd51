/**
 * Durable Object, one per session over HTTP or of a service binding: holds one stream for a client, who knows it by batons of ours.
 *
 * What is stored is the upstream's baton, never the token: each request brings the caller's own. So a stream that is left
 * behind after an eviction cannot be closed from here, and falls to the upstream's idle limit a second later.
 */
import { DurableObject } from 'cloudflare:workers'
import { locationOfHostname } from '../turso/database-url.ts'
import type { HranaError } from '../hrana/error.ts'
import { ABANDONED_CALL_MS, MAX_SESSION_WAITING, SESSION_PARKED_MS } from '../limits.ts'
import { createAdmission } from '../session/admission.ts'
import { createAlarm } from '../session/alarm.ts'
import type { StreamAnswer, StreamCall } from '../session/calls.ts'
import type { Destination } from '../session/exchange.ts'
import { STREAM_LIMITS } from '../session/limits.ts'
import type { HranaVersion } from '../session/requests.ts'
import { createStreamStore, type Holder } from '../session/store.ts'
import { createStreams, type Streams } from '../session/streams.ts'
import type { StreamView } from '../session/view.ts'

/** One pipeline or cursor of a client, already authenticated by its baton if it has one. */
export interface SessionCall extends Destination {
  /** By which it can be abandoned. */
  callId?: string
  /** `null` opens the session. */
  sequence: number | null
  /** Of Hrana, as the client speaks it; `3` unless said otherwise. */
  version?: HranaVersion
  /** `requests` or `batch` as the client wrote it, in UTF-8: as text it could double in size on the way. */
  requests: Uint8Array
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
      results: Uint8Array
      sequence: number | null
      /** Turso's code of where the stream is, if the database has sent it to a host that tells. */
      location: string | null
    }
  /** Upstream's own refusal. */
  | { kind: 'refused'; status: number; headers: Record<string, string>; body: Uint8Array }
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
    const answer = await this.#abandonable(call, (running) => this.#streams.pipeline(STREAM, running))
    if (answer.kind !== 'results') return toRefusal(answer)
    // Of a session that its client closes, nothing is left.
    if (answer.turn === null) await this.#forget()
    return {
      kind: 'results',
      results: new TextEncoder().encode(answer.results),
      sequence: answer.turn,
      location: this.#location,
    }
  }

  async cursor(call: SessionCall): Promise<SessionCursorAnswer> {
    this.#remember(call)
    const location = this.#location
    const answer = await this.#abandonable(call, (running) => this.#streams.cursor(STREAM, running))
    return answer.kind === 'cursor'
      ? { kind: 'cursor', body: answer.body, sequence: answer.turn, location }
      : toRefusal(answer)
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
    run: (running: StreamCall) => Promise<Answer>,
  ): Promise<Answer> {
    const { callId } = call
    const running = { ...toStreamCall(call), holder: this.#holder ?? undefined }
    if (callId === undefined) return await run(running)
    const underWay: RunningCall = { cut: new AbortController(), timer: null }
    this.#running.set(callId, underWay)
    try {
      const answer = await run({ ...running, abandoned: underWay.cut.signal })
      // The baton for what follows would reach nobody. Of a call that was refused, the stream is another's.
      if (underWay.timer !== null && typeof answer.turn === 'number') this.#streams.leave(STREAM)
      return answer
    } finally {
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

function toStreamCall({ sequence, requests, ...call }: SessionCall): StreamCall {
  return { ...call, turn: sequence ?? 'new', requests: new TextDecoder().decode(requests) }
}

function toRefusal(
  answer: Exclude<StreamAnswer, { kind: 'results' }>,
): Exclude<SessionAnswer, { kind: 'results' }> {
  return answer.kind === 'error' ? answer : { ...answer, body: new TextEncoder().encode(answer.body) }
}
