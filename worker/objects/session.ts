/**
 * Durable Object, one per session: holds the upstream baton of one stream, lets one request at a time use it, and
 * closes the stream when its client stays away.
 *
 * What is stored is the baton, never the token: each request brings the caller's own. So a stream that is left behind
 * after an eviction cannot be closed from here, and falls to the upstream's idle limit a second later.
 */
import { DurableObject } from 'cloudflare:workers'
import { isDeadStream, isTrustedBaseUrl } from '../../src/index.ts'
import { readShortString, sliceMembers } from '../envelope.ts'
import { NO_ANSWER, RESPONSE_TOO_LARGE, UPSTREAM_REDIRECTS, type HranaError } from '../hrana-error.ts'
import { ENDED_SESSION_MEMORY_MS, MAX_BATON_CHARACTERS, SESSION_IDLE_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'
import { AnswerTooLargeError, sendUpstream, type UpstreamAnswer } from '../upstream.ts'

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
  /** The pipeline's `requests`, as the client wrote them, in UTF-8: as text they could double in size on the way. */
  requests: Uint8Array
}

export type SessionAnswer =
  /** `results` as upstream wrote them, in UTF-8; `sequence` for the next request, `null` when the stream is closed. */
  | { kind: 'results'; results: Uint8Array; sequence: number | null }
  /** Upstream's own refusal, which ended the session. */
  | { kind: 'refused'; status: number; headers: Record<string, string>; body: Uint8Array }
  | { kind: 'error'; error: HranaError }

/** The persisted state of a Session object, under the key `session`. Nothing is stored before upstream said yes. */
type SessionState =
  | { kind: 'open'; baton: string; url: string; sequence: number; isInFlight: boolean }
  /** Closed by us, or by upstream, before the request of this number: nothing of an open transaction remains. */
  | { kind: 'expired'; sequence: number }
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
      if (state?.kind === 'open' && state.isInFlight) return await this.#lose(STREAM_LOST)
      if (state?.kind === 'expired' && state.sequence === call.sequence) return refuse(STREAM_EXPIRED)
      // Closed by its client, ended long ago, or lost: what the last request did is for its own answer to say.
      if (state?.kind !== 'open') return refuse(STREAM_LOST)
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
    if (state?.kind !== 'open') return await this.ctx.storage.deleteAll()
    if (state.isInFlight) {
      await this.#lose(STREAM_LOST)
      return
    }
    // Written before it is closed, so that a request that arrives meanwhile cannot use the baton too.
    await this.#end({ kind: 'expired', sequence: state.sequence })
    if (this.#token !== null) await this.#close(state.url, state.baton, this.#token)
  }

  async #send(call: SessionCall, open: OpenState | undefined): Promise<SessionAnswer> {
    // Written before the request leaves: whoever wakes up to this must not use the baton again.
    if (open) this.#write({ ...open, isInFlight: true })
    const url = open?.url ?? call.databaseUrl
    const requests = new TextDecoder().decode(call.requests)
    let answer: UpstreamAnswer
    try {
      const body = `{"baton":${JSON.stringify(open?.baton ?? null)},"requests":${requests}}`
      answer = await sendUpstream({ url, version: call.version, token: call.token, body })
    } catch (error) {
      log('warn', 'session_upstream_failed', { detail: errorText(error) })
      const isTooLarge = error instanceof AnswerTooLargeError
      return open
        ? await this.#lose(isTooLarge ? RESPONSE_TOO_LARGE : STREAM_LOST)
        : refuse(isTooLarge ? RESPONSE_TOO_LARGE : NO_ANSWER)
    }
    const { status, headers, text } = answer
    if (status >= 200 && status < 300) return await this.#settle(call, open, text, url)
    if (open && isDeadStream(status, text)) {
      await this.#end({ kind: 'expired', sequence: open.sequence })
      return refuse(STREAM_EXPIRED)
    }
    if (open) {
      // sqld drops the stream with most refusals but not with all, and an open one may hold the write lock.
      this.ctx.waitUntil(this.#close(url, open.baton, call.token))
      await this.#lose(STREAM_LOST)
    }
    return status < 400
      ? refuse(UPSTREAM_REDIRECTS)
      : { kind: 'refused', status, headers, body: new TextEncoder().encode(text) }
  }

  /** Keeps the next baton, or forgets a stream that is closed. */
  async #settle(
    call: SessionCall,
    open: OpenState | undefined,
    text: string,
    url: string,
  ): Promise<SessionAnswer> {
    const answer = readAnswer(text)
    if (answer === undefined) return open ? await this.#lose(STREAM_LOST) : refuse(NO_ANSWER)
    const results = new TextEncoder().encode(answer.results)
    if (answer.baton === null) {
      await this.ctx.storage.deleteAll()
      return { kind: 'results', results, sequence: null }
    }
    if (!this.#mayFollow(answer.baseUrl, call)) {
      this.ctx.waitUntil(this.#close(url, answer.baton, call.token))
      return open ? await this.#lose(STREAM_LOST) : refuse(STREAM_LOST)
    }
    const nextUrl = answer.baseUrl === null ? url : answer.baseUrl.replace(/\/?$/, '/')
    const sequence = (open?.sequence ?? 0) + 1
    this.#token = call.token
    this.#write({ kind: 'open', baton: answer.baton, url: nextUrl, sequence, isInFlight: false })
    await this.ctx.storage.setAlarm(Date.now() + SESSION_IDLE_MS)
    return { kind: 'results', results, sequence }
  }

  #mayFollow(baseUrl: string | null, call: SessionCall): boolean {
    if (baseUrl === null || isTrustedBaseUrl(baseUrl, call.databaseUrl, call.baseUrlSuffixes)) return true
    log('error', 'base_url_rejected', { host: URL.canParse(baseUrl) ? new URL(baseUrl).host : null })
    return false
  }

  /** As well as it can be done; if it fails, the upstream's idle limit does the same. */
  async #close(url: string, baton: string, token: string): Promise<void> {
    const body = JSON.stringify({ baton, requests: [{ type: 'close' }] })
    try {
      await sendUpstream({ url, version: '3', token, body })
    } catch (error) {
      log('warn', 'session_close_failed', { detail: errorText(error) })
    }
  }

  /** What the last request did is not known, and the baton is used up: the session can only be given up. */
  async #lose(error: HranaError): Promise<SessionAnswer> {
    await this.#end({ kind: 'lost' })
    return refuse(error)
  }

  /** Remembers for a while what became of the session. */
  async #end(state: SessionState): Promise<void> {
    this.#write(state)
    await this.ctx.storage.setAlarm(Date.now() + ENDED_SESSION_MEMORY_MS)
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
    const { baton, base_url, results } = sliceMembers(text, ['baton', 'base_url', 'results'])
    const next = readShortString(baton, MAX_BATON_CHARACTERS)
    const baseUrl = readShortString(base_url, MAX_BATON_CHARACTERS)
    if (results === undefined || next === undefined || baseUrl === undefined) return undefined
    return { baton: next, baseUrl, results }
  } catch {
    return undefined
  }
}

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
    'The stream has expired, and this request did not run. A transaction that was open on it is rolled back.',
  outcome: 'rolled_back',
}

const STREAM_LOST: HranaError = {
  status: 400,
  code: 'STREAM_LOST',
  message: 'The stream is gone. Whether what was last sent on it took effect is unknown.',
  outcome: 'unknown',
}
