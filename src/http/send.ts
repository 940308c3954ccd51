/** One HTTP request: authorise, time out, send again where that is safe, turn a bad answer into an error. Knows no SQL. */
import { isTursoError, NetworkError } from '../errors.ts'
import { globalFetch, type Fetch, type FetchResponse } from './fetch.ts'
import { masked, refusal } from './refusal.ts'
import { isPassing, wasNotActedOn, type Retrier } from './retry.ts'
import type { TokenSource } from './token.ts'
import { createWatch, type Watch } from './watch.ts'

export interface HttpRequest {
  method: string
  url: string
  token: TokenSource
  /** Beside those that are always sent. In lower case. */
  headers: Readonly<Record<string, string>>
  /** What errors must not say, beside the token. */
  secret?: string | undefined
  /** Sent as JSON; `undefined` sends no body and no content type. */
  body: unknown
  fetch: Fetch | undefined
  timeoutMs: number
  signal: AbortSignal | undefined
  retrier: Retrier
  /** Whether sending it twice does no more than sending it once. If not, it is only sent again if it had no effect. */
  isRepeatable: boolean
  onRetry?: (() => void) | undefined
}

/** A body that is read while it arrives. */
export interface TextBody {
  /**
   * The next piece; `undefined` at the end.
   *
   * @throws {NetworkError} {@link TimeoutError} or the reason of `signal`
   */
  read(): Promise<string | undefined>
  /** Ends the connection. To be called also after the last piece. */
  cancel(): void
}

/**
 * Sends a request and resolves with the text of a 2xx answer.
 *
 * @throws {HttpError} for any other status
 * @throws {NetworkError} {@link TimeoutError} or the reason of `signal` when there is no whole answer
 */
export async function send(request: HttpRequest): Promise<string> {
  const watch = createWatch(() => describe(request), request.timeoutMs, request.signal)
  try {
    return await watch.during(attempt(request, watch, (response) => response.text()))
  } finally {
    watch.release()
  }
}

/** The same, with the body yet to be read. `timeoutMs` then holds for each piece of it. */
export async function open(request: HttpRequest): Promise<TextBody> {
  const watch = createWatch(() => describe(request), request.timeoutMs, request.signal)
  const cancel = (): void => {
    watch.release()
    watch.abort()
  }
  try {
    const response = await watch.during(attempt(request, watch, withBody))
    const reader = response.body!.getReader()
    const decoder = new TextDecoder()
    return {
      async read() {
        const { value } = await watch.during(reader.read().catch((error: unknown) => fail(request, error)))
        return decoder.decode(value, { stream: value !== undefined }) || (value && '')
      },
      cancel() {
        cancel()
        // A stand-in for fetch may have ignored the signal.
        reader.cancel().catch(() => undefined)
      },
    }
  } catch (error) {
    cancel()
    throw error
  }
}

/** A stand-in for fetch may have no more than text(). */
async function withBody(response: FetchResponse): Promise<FetchResponse> {
  return response.body ? response : new Response((await response.text()) || ' ')
}

async function attempt<T>(
  request: HttpRequest,
  watch: Watch,
  read: (response: FetchResponse) => Promise<T>,
): Promise<T> {
  const { retrier, isRepeatable } = request
  const body = request.body === undefined ? {} : { body: JSON.stringify(request.body) }
  const first = request.token()
  // A token that is there costs no turn.
  let token = first instanceof Promise ? await first : first
  for (let count = 1, isRefreshed = false; ; count++) {
    try {
      const result = await exchange(request, body, token, watch.signal, read)
      retrier.onSuccess()
      return result
    } catch (error) {
      if (watch.signal.aborted || !isTursoError(error)) throw error
      if (error.code === 'unauthorized' && !isRefreshed) {
        const refused = token
        token = await request.token(refused)
        if (token === refused) throw error
        isRefreshed = true
      } else {
        const isSafe = wasNotActedOn(error) || (isRepeatable && isPassing(error))
        const delayMs = isSafe ? retrier.delayAfter(error, count) : undefined
        if (delayMs === undefined || delayMs >= watch.remainingMs()) throw error
        await watch.pause(delayMs)
      }
      request.onRetry?.()
    }
  }
}

async function exchange<T>(
  request: HttpRequest,
  body: { body?: string },
  token: string | undefined,
  signal: AbortSignal,
  read: (response: FetchResponse) => Promise<T>,
): Promise<T> {
  const { method, url, fetch = globalFetch, secret } = request
  const headers: Record<string, string> = { ...request.headers, accept: 'application/json' }
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`
  if (body.body !== undefined) headers['content-type'] = 'application/json'
  // After an abort nothing is sent, whatever a stand-in for fetch makes of its signal.
  signal.throwIfAborted()
  let response: FetchResponse
  let words: string
  try {
    response = await fetch(url, { method, headers, redirect: 'manual', signal, ...body })
    if (response.status >= 200 && response.status < 300) return await read(response)
    words = await response.text()
  } catch (error) {
    fail(request, error, token)
  }
  throw refusal(describe(request), response, words, token, secret)
}

function fail(request: HttpRequest, error: unknown, token?: string): never {
  const what = describe(request)
  // Some runtimes quote the address, whose query may be secret.
  const reason = masked(messageOf(error).replaceAll(request.url, what), [token, request.secret])
  throw new NetworkError(`${what} failed without an answer: ${reason}`, error)
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
