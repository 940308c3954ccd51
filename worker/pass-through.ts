/** A pipeline that opens and closes its own stream: the answer goes to the client as it comes. */
import { sliceMembers } from './envelope.ts'
import { hranaErrorResponse, NO_ANSWER, RESPONSE_TOO_LARGE, UPSTREAM_REDIRECTS } from './hrana-error.ts'
import { errorText, log } from './log.ts'
import {
  AnswerTooLargeError,
  passedOn,
  readBounded,
  streamUpstream,
  type UpstreamPipeline,
} from './upstream.ts'

/** How an answer begins that holds nothing which the client must not see: neither a baton nor an address to go to. */
const HARMLESS = '{"baton":null,"base_url":null,'

/** Never throws for what the database does or fails to do. */
export async function passThrough(pipeline: UpstreamPipeline): Promise<Response> {
  try {
    return await streamUpstream(pipeline, begin)
  } catch (error) {
    if (error instanceof AnswerTooLargeError) return hranaErrorResponse(RESPONSE_TOO_LARGE)
    log('warn', 'gateway_upstream_failed', { detail: errorText(error) })
    return hranaErrorResponse(NO_ANSWER)
  }
}

async function begin(answer: Response): Promise<Response> {
  const { status, ok, body } = answer
  if (status >= 300 && status < 400) {
    await body?.cancel()
    return hranaErrorResponse(UPSTREAM_REDIRECTS)
  }
  const headers = passedOn(answer.headers)
  return new Response(ok && body !== null ? await withoutEnvelope(body) : body, { status, headers })
}

/**
 * The body with `baton` and `base_url` set to null. Usually they are, which its first bytes tell, and then it streams;
 * otherwise it is read whole and only its results are kept. (A server that writes them a second time further on is not
 * what this is for: it is the tenant's own.)
 */
async function withoutEnvelope(
  body: ReadableStream<Uint8Array>,
): Promise<ReadableStream<Uint8Array> | string> {
  const reader = body.getReader()
  const head: Uint8Array[] = []
  const decoder = new TextDecoder()
  let start = ''
  while (start.length < HARMLESS.length) {
    const { value, done } = await reader.read()
    if (done) break
    head.push(value)
    start += decoder.decode(value, { stream: true })
  }
  reader.releaseLock()
  if (start.startsWith(HARMLESS)) return prepend(head, body)
  const { results } = sliceMembers(await readBounded(body, head), ['results'])
  if (results === undefined) throw new SyntaxError('an answer without results')
  return `${HARMLESS}"results":${results}}`
}

function prepend(head: Uint8Array[], rest: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const pump = async (): Promise<void> => {
    const writer = writable.getWriter()
    for (const chunk of head) await writer.write(chunk)
    writer.releaseLock()
    await rest.pipeTo(writable)
  }
  // An upstream that is cut off, or a client that goes away, ends both sides; there is nobody else to tell.
  pump().catch(() => rest.cancel().catch(() => undefined))
  return readable
}
