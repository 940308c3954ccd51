/**
 * Durable Object, one per session: holds the upstream baton of one stream, lets one request at a time use it, and
 * closes the stream when its client stays away.
 *
 * What is stored is the baton, never the token: each request brings the caller's own. So a stream that is left behind
 * after an eviction cannot be closed from here, and falls to the upstream's idle limit a second later.
 */
import { DurableObject } from 'cloudflare:workers'
import { isTrustedBaseUrl } from '../../src/index.ts'
import { sliceMembers } from '../envelope.ts'
import { UPSTREAM_REDIRECTS, UPSTREAM_UNAVAILABLE, type HranaError } from '../hrana-error.ts'
import { LOST_SESSION_MEMORY_MS, SESSION_IDLE_MS } from '../limits.ts'
import { sendUpstream, type UpstreamAnswer } from '../upstream.ts'

/** One pipeline of a client, already authenticated by its baton if it has one. */
export interface SessionCall {
  /** `null` opens the session. */
  sequence: number | null
  /** Where the tenant's database is; ends with a slash. */
  databaseUrl: string
  /** Host name endings that a `base_url` may have. */
  baseUrlSuffixes: string[]
  version: string
  token: string
  /** The pipeline's `requests`, as the client wrote them. */
  requests: string
}

export type SessionAnswer =
  /** `results` as upstream wrote them; `sequence` for the next request, `null` when the stream is closed. */
  | { kind: 'results'; results: string; sequence: number | null }
  /** Upstream's own refusal, which ended the stream. */
  | { kind: 'refused'; status: number; contentType: string; body: string }
  | { kind: 'error'; error: HranaError }

/** The persisted state of a Session object, under the key `session`. Nothing is stored before upstream said yes. */
type SessionState =
  | { kind: 'open'; baton: string; url: string; sequence: number; isInFlight: boolean }
  /** A request was interrupted, and with it the knowledge of what it did. */
  | { kind: 'lost' }

type OpenState = Extract<SessionState, { kind: 'open' }>

export class Session extends DurableObject<Env> {
  /** Whether this very instance has a request under way; a stored `isInFlight` alone is from an instance that died. */
  #isBusy = false
  /** Kept in memory only, to close the stream in an orderly way. */
  #token: string | null = null

  async pipeline(call: SessionCall): Promise<SessionAnswer> {
    if (this.#isBusy) return refuse(BATON_REUSED)
    const state = this.#read()
    if (call.sequence !== null) {
      if (state === undefined) return refuse(STREAM_EXPIRED)
      if (state.kind === 'lost') return refuse(STREAM_LOST)
      if (state.isInFlight) {
        await this.#lose()
        return refuse(STREAM_LOST)
      }
      if (state.sequence !== call.sequence) return refuse(BATON_REUSED)
    }
    this.#isBusy = true
    try {
      return await this.#send(call, state?.kind === 'open' ? state : undefined)
    } finally {
      this.#isBusy = false
    }
  }

  /** Closes a stream whose client stayed away; the upstream rolls back what was open on it. */
  override async alarm(): Promise<void> {
    if (this.#isBusy) return await this.ctx.storage.setAlarm(Date.now() + SESSION_IDLE_MS)
    const state = this.#read()
    if (state?.kind === 'open' && state.isInFlight) return await this.#lose()
    // Forgotten before it is closed, so that a request that arrives meanwhile cannot use the baton too.
    await this.ctx.storage.deleteAll()
    if (state?.kind === 'open' && this.#token !== null) await this.#close(state.url, state.baton, this.#token)
  }

  /** As well as it can be done; if it fails, the upstream's idle limit does the same. */
  async #close(url: string, baton: string, token: string): Promise<void> {
    const body = JSON.stringify({ baton, requests: [{ type: 'close' }] })
    try {
      await sendUpstream({ url, version: '3', token, body })
    } catch (error) {
      console.warn({ event: 'session_close_failed', detail: String(error) })
    }
  }

  async #send(call: SessionCall, open: OpenState | undefined): Promise<SessionAnswer> {
    // Written before the request leaves: whoever wakes up to this must not use the baton again.
    if (open) this.#write({ ...open, isInFlight: true })
    const url = open?.url ?? call.databaseUrl
    let answer: UpstreamAnswer
    try {
      const body = `{"baton":${JSON.stringify(open?.baton ?? null)},"requests":${call.requests}}`
      answer = await sendUpstream({ url, version: call.version, token: call.token, body })
    } catch (error) {
      console.warn({ event: 'session_upstream_failed', detail: String(error) })
      if (!open) return refuse(UPSTREAM_UNAVAILABLE)
      await this.#lose()
      return refuse(STREAM_LOST)
    }
    const { status, contentType, text } = answer
    if (status >= 200 && status < 300) return await this.#settle(call, open, text, url)
    // Upstream drops the stream with any refusal, and the results of what it had run before are lost with it.
    if (open) await this.#lose()
    return status < 400 ? refuse(UPSTREAM_REDIRECTS) : { kind: 'refused', status, contentType, body: text }
  }

  /** Keeps the next baton, or forgets a stream that is closed. */
  async #settle(
    call: SessionCall,
    open: OpenState | undefined,
    text: string,
    url: string,
  ): Promise<SessionAnswer> {
    const answer = readAnswer(text)
    if (answer === undefined) {
      if (open) await this.#lose()
      return refuse(STREAM_LOST)
    }
    if (answer.baton === null) {
      await this.ctx.storage.deleteAll()
      return { kind: 'results', results: answer.results, sequence: null }
    }
    if (!this.#mayFollow(answer.baseUrl, call)) {
      if (open) await this.#lose()
      await this.#close(url, answer.baton, call.token)
      return refuse(STREAM_LOST)
    }
    const nextUrl = answer.baseUrl === null ? url : answer.baseUrl.replace(/\/?$/, '/')
    const sequence = (open?.sequence ?? 0) + 1
    this.#token = call.token
    this.#write({ kind: 'open', baton: answer.baton, url: nextUrl, sequence, isInFlight: false })
    await this.ctx.storage.setAlarm(Date.now() + SESSION_IDLE_MS)
    return { kind: 'results', results: answer.results, sequence }
  }

  #mayFollow(baseUrl: string | null, call: SessionCall): boolean {
    if (baseUrl === null || isTrustedBaseUrl(baseUrl, call.databaseUrl, call.baseUrlSuffixes)) return true
    console.error({ event: 'base_url_rejected', host: URL.canParse(baseUrl) ? new URL(baseUrl).host : null })
    return false
  }

  /** What the last request did is not known, and the baton is used up: the session can only be given up. */
  async #lose(): Promise<void> {
    this.#write({ kind: 'lost' })
    await this.ctx.storage.setAlarm(Date.now() + LOST_SESSION_MEMORY_MS)
  }

  #read(): SessionState | undefined {
    return this.ctx.storage.kv.get<SessionState>('session')
  }

  #write(state: SessionState): void {
    this.ctx.storage.kv.put('session', state)
  }
}

/** @returns `undefined` when it is not a pipeline's answer, as when it was cut off */
function readAnswer(
  text: string,
): { baton: string | null; baseUrl: string | null; results: string } | undefined {
  try {
    const members = sliceMembers(text)
    const baton: unknown = JSON.parse(members.get('baton') ?? 'null')
    const baseUrl: unknown = JSON.parse(members.get('base_url') ?? 'null')
    const results = members.get('results')
    if (results === undefined || !isTextOrNull(baton) || !isTextOrNull(baseUrl)) return undefined
    return { baton, baseUrl, results }
  } catch {
    return undefined
  }
}

const isTextOrNull = (value: unknown): value is string | null => value === null || typeof value === 'string'

const refuse = (error: HranaError): SessionAnswer => ({ kind: 'error', error })

const BATON_REUSED: HranaError = {
  status: 400,
  code: 'BATON_REUSED',
  message: 'Received a baton that has already been used',
}

const STREAM_EXPIRED: HranaError = {
  status: 400,
  code: 'STREAM_EXPIRED',
  message:
    'The stream is closed: its client stayed away too long, or closed it. An open transaction was rolled back.',
  outcome: 'rolled_back',
}

const STREAM_LOST: HranaError = {
  status: 400,
  code: 'STREAM_LOST',
  message: 'The stream was lost in the middle of a request. Whether that request took effect is unknown.',
  outcome: 'unknown',
}
