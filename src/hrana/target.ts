/** Where and how a database's requests are sent, and who is told of them. */
import type { Fetch } from '../http/fetch.ts'
import type { Retrier } from '../http/retry.ts'
import type { HttpRequest } from '../http/send.ts'
import type { TokenSource } from '../http/token.ts'
import type { CallOptions } from '../http/watch.ts'

export interface Target {
  /** Ends with a slash. */
  readonly baseUrl: string
  /** Host name endings to which the server may send a stream. */
  readonly baseUrlSuffixes: readonly string[]
  readonly token: TokenSource
  readonly headers: Readonly<Record<string, string>>
  readonly secret: string | undefined
  readonly fetch: Fetch | undefined
  /** For calls that do not say. */
  readonly timeoutMs: number
  readonly retrier: Retrier
  readonly hooks: Hooks
  readonly waitUntil: ((work: Promise<unknown>) => void) | undefined
}

export interface Hooks {
  /** Before a request is sent. */
  onRequest?: ((request: RequestEvent) => void) | undefined
  /** After its answer, or when there is none. What a hook throws is ignored. */
  onResponse?: ((response: ResponseEvent) => void) | undefined
}

/** One request to the database. The same object is in its {@link ResponseEvent}. */
export interface RequestEvent {
  readonly url: string
  /** The SQL texts in it, in order; never their arguments. */
  readonly statements: readonly string[]
}

export interface ResponseEvent {
  readonly request: RequestEvent
  /** Milliseconds until the whole answer was there, retries included; of a stream of rows until its headers. */
  readonly durationMs: number
  /** How often the request was sent again. */
  readonly retries: number
  /** As the server counts them; 0 of a stream of rows. */
  readonly rowsRead: number
  readonly rowsWritten: number
  /** What the call failed with. A statement that was refused is no failure of the request. */
  readonly error: unknown
}

export interface TargetCall extends CallOptions {
  /** Whether repeating it does no harm. */
  isRepeatable?: boolean | undefined
}

/** The part of a request that is alike for all. */
export function requestTo(
  target: Target,
  method: string,
  path: string,
  call: TargetCall | undefined,
): HttpRequest {
  return {
    method,
    url: target.baseUrl + path,
    token: target.token,
    headers: target.headers,
    secret: target.secret,
    body: undefined,
    fetch: target.fetch,
    timeoutMs: call?.timeoutMs ?? target.timeoutMs,
    signal: call?.signal,
    retrier: target.retrier,
    isRepeatable: call?.isRepeatable === true,
  }
}

/**
 * Runs what sends a request, and tells the hooks.
 *
 * @param countRows of the answer: read and written
 */
export function observe<T>(
  hooks: Hooks,
  request: HttpRequest,
  listStatements: () => string[],
  run: (request: HttpRequest) => Promise<T>,
  countRows: (answer: T) => readonly [number, number],
): Promise<T> {
  const { onRequest, onResponse } = hooks
  return onRequest || onResponse ? observed() : run(request)

  async function observed(): Promise<T> {
    const event: RequestEvent = { url: request.url, statements: listStatements() }
    const startedAt = performance.now()
    let retries = 0
    const report = (error: unknown, [rowsRead, rowsWritten]: readonly [number, number]): void =>
      tell(onResponse, {
        request: event,
        durationMs: performance.now() - startedAt,
        retries,
        rowsRead,
        rowsWritten,
        error,
      })
    tell(onRequest, event)
    let answer: T
    try {
      answer = await run({ ...request, onRetry: () => (retries += 1) })
    } catch (error) {
      report(error, [0, 0])
      throw error
    }
    report(undefined, countRows(answer))
    return answer
  }
}

/** An observer must not turn what has succeeded into a failure, at once or later. */
export function tell<Event>(hook: ((event: Event) => unknown) | undefined, event: Event): void {
  void (async () => await hook?.(event))().catch(() => undefined)
}
