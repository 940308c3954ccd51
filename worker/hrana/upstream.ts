/** Sends a pipeline or a cursor to a tenant's database. The only place where a caller's database token goes out. */
import { MAX_ANSWER_BYTES, PIPELINE_TIMEOUT_MS } from '../limits.ts'
import { contentLength, readBody, type ReadingOptions } from '../memory/body.ts'
import type { Claim } from '../memory/room.ts'

export interface UpstreamPipeline {
  /** Of the database or of a trusted `base_url`; ends with a slash. */
  url: string
  /** `2` or `3`, as the client spoke it. */
  version: string
  endpoint?: 'pipeline' | 'cursor'
  token: string
  body: string | Uint8Array<ArrayBuffer>
  /** Of the room for answers, for one that is large. It stays taken. */
  claim?: Claim | undefined
  /** Ends the wait for the answer before its time. */
  signal?: AbortSignal
}

export interface UpstreamAnswer {
  status: number
  /** Those that mean something to the client: see {@link passedOn}. */
  headers: Record<string, string>
  body: Uint8Array<ArrayBuffer>
}

/**
 * Resolves with the whole answer; the timeout covers its body too.
 *
 * @throws {BodyTooLargeError} {@link NoRoomError} and what `fetch` throws
 */
export function sendUpstream(pipeline: UpstreamPipeline): Promise<UpstreamAnswer> {
  return withTimeout(pipeline.signal, async (signal) => {
    const answer = await post(pipeline, signal)
    const { status, headers } = answer
    const body = await readAnswerBody(answer, { claim: pipeline.claim, signal })
    return { status, headers: passedOn(headers), body }
  })
}

/**
 * Lets `begin` have the answer when it begins, and resolves with what that makes of it. The timeout ends with it: the
 * rest of the body may take as long as it takes.
 */
export function streamUpstream<T>(
  pipeline: UpstreamPipeline,
  begin: (answer: Response) => Promise<T>,
): Promise<T> {
  return withTimeout(pipeline.signal, async (signal) => await begin(await post(pipeline, signal)))
}

/** The headers of a database's answer that its client should see. */
export function passedOn(headers: Headers): Record<string, string> {
  const passed: Record<string, string> = { 'content-type': headers.get('content-type') ?? 'application/json' }
  for (const name of ['retry-after', 'www-authenticate']) {
    const value = headers.get(name)
    if (value !== null) passed[name] = value
  }
  return passed
}

/**
 * @param head what has been read of the body before
 * @throws {BodyTooLargeError} and {@link NoRoomError}
 */
export function readAnswerBody(
  { headers, body }: Response,
  options: Pick<ReadingOptions, 'claim' | 'signal' | 'head'>,
): Promise<Uint8Array<ArrayBuffer>> {
  // Of one that was packed it is the size of the package.
  const announced = headers.has('content-encoding') ? null : contentLength(headers)
  return readBody(body, { maxBytes: MAX_ANSWER_BYTES, announced, ...options })
}

/** Never follows a redirect, which would carry the token elsewhere. */
function post(
  { url, version, endpoint = 'pipeline', token, body }: UpstreamPipeline,
  signal: AbortSignal,
): Promise<Response> {
  return fetch(`${url}v${version}/${endpoint}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body,
    redirect: 'manual',
    signal,
  })
}

/** Not `AbortSignal.timeout`: its timer would keep a Durable Object in memory, and billed, long after the answer. */
async function withTimeout<T>(
  caller: AbortSignal | undefined,
  action: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  caller?.throwIfAborted()
  const controller = new AbortController()
  const abort = (): void => controller.abort(caller?.reason)
  caller?.addEventListener('abort', abort)
  const timer = setTimeout(
    () => controller.abort(new Error(`no answer within ${PIPELINE_TIMEOUT_MS} ms`)),
    PIPELINE_TIMEOUT_MS,
  )
  try {
    return await action(controller.signal)
  } finally {
    clearTimeout(timer)
    caller?.removeEventListener('abort', abort)
  }
}
