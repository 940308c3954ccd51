/** What opens and closes its own stream, a pipeline or a cursor: the answer goes to the client as it comes. */
import { cursorRequest, headLine, readCursorHead, surround } from '../hrana/cursor-body.ts'
import { sliceMembers } from '../hrana/envelope.ts'
import {
  blockedError,
  hranaErrorResponse,
  NO_ANSWER,
  NO_ANSWER_YET,
  NO_ROOM_FOR_ANSWER,
  RESPONSE_TOO_LARGE,
  UPSTREAM_REDIRECTS,
  type HranaError,
} from '../hrana/error.ts'
import { errorText, log } from '../log.ts'
import { closeUpstream, mayFollow, type Destination } from '../session/exchange.ts'
import { passedOn, readAnswerBody, streamUpstream, type UpstreamPipeline } from '../hrana/upstream.ts'
import { LARGE_ANSWER_MS, SMALL_BODY_BYTES } from '../limits.ts'
import { BodyTooLargeError } from '../memory/body.ts'
import { bytesOf, textOf } from '../memory/bytes.ts'
import { deliver } from '../memory/delivery.ts'
import { NoRoomError, type Claim } from '../memory/room.ts'

/** How an answer begins that holds nothing which the client must not see: neither a baton nor an address to go to. */
const HARMLESS = '{"baton":null,"base_url":null,'

/**
 * Never throws for what the database does or fails to do.
 *
 * @param claim of the room for answers, for one that cannot just pass: given back when that has been taken
 */
export function passThrough(
  pipeline: Pick<UpstreamPipeline, 'version' | 'body'>,
  destination: Destination,
  claim: Claim,
): Promise<Response> {
  const { databaseUrl: url, token } = destination
  return orRefuse(destination, claim, () =>
    streamUpstream({ ...pipeline, url, token }, async (answer) => {
      const { ok, body, status } = answer
      if (!ok) return await refusal(answer, claim)
      if (body === null) throw new SyntaxError('an answer without a body')
      const own = await withoutEnvelope(answer, body, claim)
      return new Response(own, { status, headers: passedOn(answer.headers) })
    }),
  )
}

/**
 * A cursor that leaves nothing on its stream, which is closed behind it: the database would keep it open.
 *
 * @param claim as of {@link passThrough}
 * @param waitUntil keeps the Worker alive for that, when the client has gone
 */
export function passCursor(
  destination: Destination,
  batch: Uint8Array<ArrayBuffer>,
  claim: Claim,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<Response> {
  const { databaseUrl: url, token } = destination
  const body = cursorRequest(null, batch)
  return orRefuse(destination, claim, () =>
    streamUpstream({ url, version: '3', endpoint: 'cursor', token, body }, async (answer) =>
      answer.ok ? await passEntries(answer, destination, waitUntil) : await refusal(answer, claim),
    ),
  )
}

/** On its own, so that nothing of it keeps the batch for as long as the entries pass. */
async function passEntries(
  { status, headers, body }: Response,
  destination: Destination,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<Response> {
  if (body === null) throw new SyntaxError('a cursor without a body')
  const { baton, baseUrl, rest } = await readCursorHead(body)
  const { readable, ended } = surround([headLine(null), rest], body)
  if (baton !== null) {
    const isTrusted = baseUrl !== null && mayFollow(baseUrl, destination)
    const url = isTrusted ? baseUrl.replace(/\/?$/, '/') : destination.databaseUrl
    waitUntil(ended.then(() => closeUpstream({ baton, url, moves: 0 }, destination)))
  }
  return new Response(readable, { status, headers: passedOn(headers) })
}

/**
 * @param claim as of {@link passThrough}
 * @returns why the database does not take the token, or what else stands in the way; `null` if it does
 */
export function askForEntry(destination: Destination, claim: Claim): Promise<Response | null> {
  const { databaseUrl: url, token } = destination
  const send = async (answer: Response): Promise<Response | null> => {
    if (!answer.ok) return await refusal(answer, claim)
    await answer.body?.cancel()
    return null
  }
  return orRefuse(
    destination,
    claim,
    () => streamUpstream({ url, version: '3', token, body: QUESTION }, send),
    NO_ANSWER_YET,
  )
}

/** Does nothing, for those whom the database lets in. */
const QUESTION = '{"baton":null,"requests":[{"type":"close"}]}'

async function orRefuse<T>(
  { logged }: Destination,
  claim: Claim,
  send: () => Promise<T>,
  noAnswer: HranaError = NO_ANSWER,
): Promise<T | Response> {
  try {
    return await send()
  } catch (error) {
    claim.giveBack()
    if (error instanceof BodyTooLargeError) return hranaErrorResponse(RESPONSE_TOO_LARGE)
    if (error instanceof NoRoomError) return hranaErrorResponse(NO_ROOM_FOR_ANSWER)
    log('warn', 'gateway_upstream_failed', { ...logged, detail: errorText(error) })
    return hranaErrorResponse(noAnswer)
  }
}

async function refusal(answer: Response, claim: Claim): Promise<Response> {
  const { status, headers, body } = answer
  if (status >= 300 && status < 400) {
    await body?.cancel()
    return hranaErrorResponse(UPSTREAM_REDIRECTS)
  }
  if (status !== 500) return new Response(body, { status, headers: passedOn(headers) })
  const text = await readAnswerBody(answer, { claim })
  const error = blockedError(status, textOf(text.subarray(0, SMALL_BODY_BYTES)))
  if (error === null)
    return new Response(deliver(text, claim, LARGE_ANSWER_MS), { status, headers: passedOn(headers) })
  claim.giveBack()
  return hranaErrorResponse(error)
}

/**
 * The body with `baton` and `base_url` set to null. Usually they are, which its first bytes tell, and then it streams;
 * otherwise it is read whole and only its results are kept. (A server that writes them a second time further on is not
 * what this is for: it is the tenant's own.)
 */
async function withoutEnvelope(
  answer: Response,
  body: ReadableStream<Uint8Array>,
  claim: Claim,
): Promise<ReadableStream<Uint8Array> | Blob | Uint8Array<ArrayBuffer>> {
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
  if (start.startsWith(HARMLESS)) return done ? new Blob(head) : surround(head, body).readable
  const own = resultsOf(textOf(await readAnswerBody(answer, { claim, head })))
  return deliver(own, claim, LARGE_ANSWER_MS)
}

function resultsOf(text: string): Uint8Array<ArrayBuffer> {
  const { results } = sliceMembers(text, ['results'])
  if (results === undefined) throw new SyntaxError('an answer without results')
  return bytesOf(`${HARMLESS}"results":${results}}`)
}
