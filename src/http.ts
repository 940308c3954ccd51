/** One HTTP request: authorise, time out, read the whole answer, turn a bad one into an error. Knows no SQL. */
import { HttpError, NetworkError, ProtocolError, TimeoutError, type TursoErrorCode } from './errors.ts'
import { MAX_QUOTED_CHARACTERS, MAX_RETRY_AFTER_MS } from './limits.ts'

/** The part of `fetch` that is used, so that anything shaped like it can stand in. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>

export interface FetchInit {
  method: string
  headers: Record<string, string>
  body?: string
  /** Always `manual`: a redirect is never followed, since it would carry the token to another place. */
  redirect: 'manual'
  signal: AbortSignal
}

export interface FetchResponse {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  text(): Promise<string>
}

export interface CallOptions {
  /** Aborts the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Milliseconds for the whole call, connection to last byte of the body. Default 30,000. */
  timeoutMs?: number | undefined
}

export interface HttpRequest {
  method: string
  url: string
  token: string | undefined
  /** Sent as JSON; `undefined` sends no body and no content type. */
  body: unknown
  fetch: Fetch | undefined
  timeoutMs: number
  signal: AbortSignal | undefined
}

/**
 * Sends a request and resolves with the text of a 2xx answer.
 *
 * @throws {HttpError} for any other status
 * @throws {NetworkError} {@link TimeoutError} or the reason of `signal` when there is no whole answer
 */
export async function send(request: HttpRequest): Promise<string> {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (request.token !== undefined) {
    // Checked here because fetch would quote the whole header in its own error.
    if (!/^[\x21-\x7e]+$/.test(request.token))
      throw new TypeError('The token is empty or has characters that a header cannot carry')
    headers['authorization'] = `Bearer ${request.token}`
  }
  if (request.body !== undefined) headers['content-type'] = 'application/json'
  const response = await within(request, async (signal) => {
    const fetch = request.fetch ?? globalFetch
    const answer = await fetch(request.url, {
      method: request.method,
      headers,
      redirect: 'manual',
      signal,
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    })
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  })
  if (response.status >= 200 && response.status < 300) return response.text
  throw refusal(request, response)
}

/** Read at each call: at module scope a Worker must not touch it, and tests may replace it. */
const globalFetch: Fetch = (url, init) => globalThis.fetch(url, init)

/** Runs one attempt under the timeout and the caller's signal, both of which must also cut a slow body short. */
async function within<T>(request: HttpRequest, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal, timeoutMs } = request
  if (!(timeoutMs > 0)) throw new RangeError(`"timeoutMs" must be a positive number; got ${timeoutMs}`)
  signal?.throwIfAborted()
  const controller = new AbortController()
  let timedOut = false
  // A stand-in for fetch may ignore its signal; the call ends all the same.
  const interrupted = new Promise<never>((_, reject) =>
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason)),
  )
  const onAbort = (): void => controller.abort(signal?.reason)
  const timer = setTimeout(
    () => {
      timedOut = true
      controller.abort()
    },
    Math.min(timeoutMs, 2 ** 31 - 1),
  )
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([attempt(controller.signal), interrupted])
  } catch (error) {
    if (timedOut)
      throw new TimeoutError(`${describe(request)} did not answer within ${timeoutMs} ms`, timeoutMs)
    signal?.throwIfAborted()
    throw new NetworkError(`${describe(request)} failed without an answer: ${messageOf(error)}`, error)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

interface Answer {
  status: number
  headers: { get(name: string): string | null }
  text: string
}

function refusal(request: HttpRequest, { status, headers, text }: Answer): HttpError {
  // Masked before it is cut, or a token across the cut would stay in part.
  const words = quote(withoutSecret(text, request.token))
  const explanation = status >= 300 && status < 400 ? 'a redirect, which is never followed' : words
  return new HttpError(
    codeFor(status, words),
    `${describe(request)} answered ${status}${explanation === '' ? '' : `: ${explanation}`}`,
    {
      status,
      serverMessage: words,
      requestId: headers.get('x-request-id') ?? headers.get('cf-ray'),
      retryAfterMs: retryAfter(headers.get('retry-after')),
    },
  )
}

/**
 * "Already exists" has been 409 and 400 (turso-docs#409), and "not supported" is a 400 with those words, so the
 * server's text decides where the status does not.
 */
function codeFor(status: number, words: string): TursoErrorCode {
  if (status === 409 || (status === 400 && /already exists/i.test(words))) return 'already_exists'
  if (status === 401) return 'unauthorized'
  if (status === 402) return 'plan_limit'
  if (status === 403) return 'forbidden'
  if (status === 404) return 'not_found'
  if (status === 429) return 'rate_limited'
  // A database that its owner or its quota has blocked says so with a 500.
  if (status === 500 && /\bblocked\b/i.test(words)) return 'forbidden'
  if (status === 408 || status >= 500) return 'unavailable'
  if (status < 400) return 'protocol'
  return /not supported/i.test(words) ? 'unsupported' : 'invalid_request'
}

/** Turso says `{"error": …}`, sqld also `{"message": …}` or plain text, a proxy in between an HTML page. */
function quote(text: string): string {
  let words = text.trim()
  try {
    const body = JSON.parse(words) as { error?: unknown; message?: unknown } | null
    const said = body?.error ?? body?.message
    if (said !== undefined) words = typeof said === 'string' ? said : JSON.stringify(said)
  } catch {
    if (words.startsWith('<')) words = words.replaceAll(/<(style|script)[\s\S]*?<\/\1>|<[^>]*>/gi, ' ')
    words = words.replaceAll(/\s+/g, ' ').trim()
  }
  return words.length > MAX_QUOTED_CHARACTERS ? `${words.slice(0, MAX_QUOTED_CHARACTERS - 1)}…` : words
}

/** A server may echo what it was sent. */
function withoutSecret(words: string, token: string | undefined): string {
  return token ? words.replaceAll(token, '[token]') : words
}

/** Seconds or an HTTP date (RFC 9110, section 10.2.3). */
function retryAfter(header: string | null): number | null {
  if (header === null || header.trim() === '') return null
  const seconds = Number(header)
  const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000
  return Number.isNaN(ms) ? null : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS)
}

/** Method and address without query and credentials, which may be secret. */
function describe({ method, url }: HttpRequest): string {
  const { origin, pathname } = new URL(url)
  return `${method} ${origin}${pathname}`
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Node says "fetch failed" and hides the reason in the cause.
  const cause = error.cause instanceof Error ? ` (${error.cause.message || error.cause.name})` : ''
  return error.message + cause
}

/**
 * The reason a parser gives is dropped, since it quotes the body.
 *
 * @throws {ProtocolError} when the text is not JSON, as when a body was cut off
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ProtocolError(`The answer of ${what} is not JSON, or was cut off (${text.length} characters)`)
  }
}
