/** What opens and closes its own stream, a pipeline or a cursor: the answer goes to the client as it comes. */
import { headLine, prepend, readCursorHead } from '../hrana/cursor-body.ts'
import { sliceMembers } from '../hrana/envelope.ts'
import {
  blockedError,
  hranaErrorResponse,
  NO_ANSWER,
  RESPONSE_TOO_LARGE,
  UPSTREAM_REDIRECTS,
} from '../hrana/error.ts'
import { errorText, log, type LogFields } from '../log.ts'
import { closeUpstream, mayFollow, type Destination } from '../session/exchange.ts'
import {
  AnswerTooLargeError,
  passedOn,
  readBounded,
  streamUpstream,
  type UpstreamPipeline,
} from '../hrana/upstream.ts'

/** How an answer begins that holds nothing which the client must not see: neither a baton nor an address to go to. */
const HARMLESS = '{"baton":null,"base_url":null,'

/** Never throws for what the database does or fails to do. */
export function passThrough(
  pipeline: Omit<UpstreamPipeline, 'url' | 'token'>,
  destination: Destination,
): Promise<Response> {
  const { databaseUrl: url, token, logged } = destination
  return orRefuse(logged, () =>
    streamUpstream({ ...pipeline, url, token }, async (answer) => {
      const { ok, body, status } = answer
      if (!ok) return await refusal(answer)
      if (body === null) throw new SyntaxError('an answer without a body')
      return new Response(await withoutEnvelope(body), { status, headers: passedOn(answer.headers) })
    }),
  )
}

/**
 * A cursor that leaves nothing on its stream, which is closed behind it: the database would keep it open.
 *
 * @param waitUntil keeps the Worker alive for that, when the client has gone
 */
export function passCursor(
  destination: Destination,
  batch: string,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<Response> {
  const { databaseUrl: url, token, logged } = destination
  const body = `{"baton":null,"batch":${batch}}`
  return orRefuse(logged, () =>
    streamUpstream({ url, version: '3', endpoint: 'cursor', token, body }, async (answer) => {
      if (!answer.ok) return await refusal(answer)
      if (answer.body === null) throw new SyntaxError('a cursor without a body')
      const { baton, baseUrl, rest } = await readCursorHead(answer.body)
      const { readable, ended } = prepend([headLine(null), rest], answer.body)
      if (baton !== null) {
        const isTrusted = baseUrl !== null && mayFollow(baseUrl, destination)
        const upstream = { baton, url: isTrusted ? baseUrl.replace(/\/?$/, '/') : url, moves: 0 }
        waitUntil(ended.then(() => closeUpstream(upstream, destination)))
      }
      return new Response(readable, { status: answer.status, headers: passedOn(answer.headers) })
    }),
  )
}

async function orRefuse(logged: LogFields | undefined, send: () => Promise<Response>): Promise<Response> {
  try {
    return await send()
  } catch (error) {
    if (error instanceof AnswerTooLargeError) return hranaErrorResponse(RESPONSE_TOO_LARGE)
    log('warn', 'gateway_upstream_failed', { ...logged, detail: errorText(error) })
    return hranaErrorResponse(NO_ANSWER)
  }
}

async function refusal({ status, headers, body }: Response): Promise<Response> {
  if (status >= 300 && status < 400) {
    await body?.cancel()
    return hranaErrorResponse(UPSTREAM_REDIRECTS)
  }
  if (status !== 500) return new Response(body, { status, headers: passedOn(headers) })
  const text = await readBounded(body)
  const error = blockedError(status, text)
  return error === null
    ? new Response(text, { status, headers: passedOn(headers) })
    : hranaErrorResponse(error)
}

/**
 * The body with `baton` and `base_url` set to null. Usually they are, which its first bytes tell, and then it streams;
 * otherwise it is read whole and only its results are kept. (A server that writes them a second time further on is not
 * what this is for: it is the tenant's own.)
 */
async function withoutEnvelope(
  body: ReadableStream<Uint8Array>,
): Promise<ReadableStream<Uint8Array> | Blob | string> {
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
  // Most answers come in one piece, and what is whole costs the runtime less than a stream.
  const { value, done } = await reader.read()
  if (!done) head.push(value)
  reader.releaseLock()
  if (start.startsWith(HARMLESS)) return done ? new Blob(head) : prepend(head, body).readable
  const { results } = sliceMembers(await readBounded(body, head), ['results'])
  if (results === undefined) throw new SyntaxError('an answer without results')
  return `${HARMLESS}"results":${results}}`
}
