/** Sends a pipeline or a cursor to a tenant's database. The only place where a caller's database token goes out. */
import { MAX_ANSWER_BYTES, PIPELINE_TIMEOUT_MS } from '../limits.ts'

export interface UpstreamPipeline {
  /** Of the database or of a trusted `base_url`; ends with a slash. */
  url: string
  /** `2` or `3`, as the client spoke it. */
  version: string
  endpoint?: 'pipeline' | 'cursor'
  token: string
  body: string
  /** Ends the wait for the answer before its time. */
  signal?: AbortSignal
}

export interface UpstreamAnswer {
  status: number
  /** Those that mean something to the client: see {@link passedOn}. */
  headers: Record<string, string>
  text: string
}

/** The answer is larger than what a session can hold. Its connection has been cut. */
export class AnswerTooLargeError extends Error {
  override readonly name = 'AnswerTooLargeError'
}

/**
 * Resolves with the whole answer; the timeout covers its body too.
 *
 * @throws {AnswerTooLargeError} and what `fetch` throws
 */
export function sendUpstream(pipeline: UpstreamPipeline): Promise<UpstreamAnswer> {
  return withTimeout(pipeline.signal, async (signal) => {
    const { status, headers, body } = await post(pipeline, signal)
    return { status, headers: passedOn(headers), text: await readBounded(body) }
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
 * @throws {AnswerTooLargeError} having read no more than the limit
 */
export async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  head: readonly Uint8Array[] = [],
): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  const add = (chunk: Uint8Array): void => {
    bytes += chunk.byteLength
    if (bytes > MAX_ANSWER_BYTES) throw new AnswerTooLargeError(`more than ${MAX_ANSWER_BYTES} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  head.forEach(add)
  for await (const chunk of body ?? []) add(chunk)
  return text + decoder.decode()
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
