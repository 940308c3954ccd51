/** One pipeline sent on one upstream stream, and what its answer means: for the machine, and for the client. */
import { isDeadStream, isTrustedBaseUrl } from '../../src/index.ts'
import {
  blockedError,
  NO_ANSWER,
  NO_ROOM_FOR_ANSWER,
  RESPONSE_TOO_LARGE,
  UPSTREAM_REDIRECTS,
  type HranaError,
} from '../hrana/error.ts'
import { MAX_OPENING_ATTEMPTS, OPENING_RETRY_MS, SMALL_BODY_BYTES } from '../limits.ts'
import { errorText, log, type LogFields } from '../log.ts'
import { spanOf } from '../hrana/envelope.ts'
import { BodyTooLargeError } from '../memory/body.ts'
import { bytesOf, exactTextOf, textOf } from '../memory/bytes.ts'
import { NoRoomError, type Claim } from '../memory/room.ts'
import {
  passedOn,
  readAnswerBody,
  sendUpstream,
  streamUpstream,
  type UpstreamAnswer,
} from '../hrana/upstream.ts'
import { countRows, cutResults, readAnswer, successesOf } from './answer.ts'
import { NO_HISTORY, toldBy } from './history.ts'
import { STREAM_LOST } from './refusals.ts'
import type { RequestFacts } from './requests.ts'
import { composePipeline, storedAfter, type StoredSql } from './stored-sql.ts'
import type { StreamEvent, Upstream } from './state.ts'

/** Where a client's requests go, and by what right. */
export interface Destination {
  /** Where the tenant's database is; ends with a slash. */
  databaseUrl: string
  /** Host name endings that a `base_url` may have. */
  baseUrlSuffixes: readonly string[]
  /** The caller's own database token. */
  token: string
  /** Whether the database is known to take it. */
  isTokenAccepted?: boolean
  /** What the log says beside what happened: whose it is, and of which request. */
  logged?: LogFields | undefined
}

/** By which right a stream is used, and what the log says of it. */
export type StreamCaller = Pick<Destination, 'token' | 'logged'>

export interface Exchange extends Destination {
  /** `null` opens another. */
  upstream: Upstream | null
  /** The client's requests, a JSON array; or the batch of a cursor. */
  requests: Uint8Array<ArrayBuffer>
  /** Of the room for answers. */
  claim?: Claim | undefined
  facts: RequestFacts
  stored: StoredSql
  /** Whether it is the first of the client's stream. */
  isFirst: boolean
  flight: Flight
}

export interface Flight {
  /** Aborts when nothing more is to be sent, and nothing read that is for the client. */
  over: AbortSignal
  /** Aborts when no answer is waited for any more: one that comes before has the baton by which its stream is closed. */
  cut: AbortSignal
}

type Outcome = Extract<StreamEvent, { fence: number }>
type WithoutFence<Event> = Event extends unknown ? Omit<Event, 'now' | 'fence'> : never

export interface Exchanged {
  event: WithoutFence<Outcome>
  /** What the client is told, unless the machine knows better. */
  reply:
    | { kind: 'results'; results: Uint8Array<ArrayBuffer> }
    | { kind: 'refused'; status: number; headers: Record<string, string>; body: Uint8Array<ArrayBuffer> }
    | { kind: 'error'; error: HranaError }
  /** The texts that are stored now; `null` when they cannot be kept. Of `answered` only. */
  stored: StoredSql | null
  /** Of the results. */
  rows: number
  bytes: number
}

/** Never throws for what the database does or fails to do. */
export async function exchange(order: Exchange): Promise<Exchanged> {
  let answer: UpstreamAnswer
  try {
    answer = await send(order)
  } catch (error) {
    return failedExchange(order, error as Error)
  }
  const { status, body } = answer
  return status >= 200 && status < 300 ? settle(order, body) : refused(order, answer)
}

async function send(order: Exchange): Promise<UpstreamAnswer> {
  const { upstream, databaseUrl, token, facts, stored, flight, claim } = order
  const body = composePipeline(upstream?.baton ?? null, order.requests, {
    replay: upstream === null ? stored : {},
    asksAutocommit: asksAutocommit(facts),
  })
  for (let attempt = 1; ; attempt++) {
    flight.over.throwIfAborted()
    // What asks for the state of a transaction is of version 3, whichever the client speaks.
    const answer = await sendUpstream({
      url: upstream?.url ?? databaseUrl,
      version: facts.isBeyondVersion ? '2' : '3',
      token,
      body,
      claim,
      signal: flight.cut,
    })
    const mayTryAgain = answer.status === 429 && upstream === null && attempt < MAX_OPENING_ATTEMPTS
    // A database that says when to come back says so to the client.
    if (!mayTryAgain || answer.headers['retry-after'] !== undefined) return answer
    await scheduler.wait(OPENING_RETRY_MS * (0.5 + Math.random()), { signal: flight.over })
  }
}

const asksAutocommit = ({ isClosing, isBeyondVersion }: RequestFacts): boolean =>
  !isClosing && !isBeyondVersion

function settle(order: Exchange, body: Uint8Array<ArrayBuffer>): Exchanged {
  const { upstream, facts } = order
  const url = upstream?.url ?? order.databaseUrl
  const text = exactTextOf(body)
  const answer = text === null ? undefined : readAnswer(text)
  if (text === null || answer === undefined)
    return failedExchange(order, new SyntaxError('an answer that is none'))
  const { baton, baseUrl } = answer
  if (!mayFollow(baseUrl, order)) return failedExchange(order, STREAM_LOST, { baton, url })
  const first = upstream === null ? Object.keys(order.stored).length : 0
  const own = cutResults(text, answer.results, { first, hasLast: asksAutocommit(facts) })
  if (own === undefined) return failedExchange(order, STREAM_LOST, { baton, url })
  const { results, span, isAutocommit } = own
  const told = span === null ? bytesOf(`${results}]`) : closed(spanOf(body, text, span))
  let stored: StoredSql | null = order.stored
  if (facts.storing.length > 0) {
    const successes = successesOf(`${results}]`)
    stored = storedAfter(stored, facts.storing, (index) => successes[index] === true)
  }
  return {
    event: {
      kind: 'answered',
      baton,
      url: baseUrl === null ? url : baseUrl.replace(/\/?$/, '/'),
      isAutocommit,
      isClosed: facts.isClosing,
      leavesState: facts.leavesState || stored === null,
      mayWrite: facts.mayWrite,
      tells: facts.mayWrite ? toldBy(results) : NO_HISTORY,
    },
    reply: { kind: 'results', results: told },
    stored,
    rows: countRows(results),
    bytes: told.length,
  }
}

/** With a bracket behind it, in place of what is there: the rest of the answer is not needed any more. */
function closed(part: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(part.buffer, part.byteOffset, part.byteLength + 1)
  whole[part.byteLength] = CLOSING_BRACKET
  return whole
}

const CLOSING_BRACKET = 93

function refused(order: Exchange, { status, headers, body }: UpstreamAnswer): Exchanged {
  const { upstream, facts, stored } = order
  const text = textOf(body.subarray(0, SMALL_BODY_BYTES))
  // We send none twice, so somebody else has: the first may have run.
  if (upstream !== null && status === 400 && /baton that has already been used/i.test(text))
    return failedExchange(order, STREAM_LOST)
  const { asks, mayCommit } = facts
  const isTurnedAway = upstream === null && (status === 429 || status === 401)
  const event: Exchanged['event'] =
    upstream !== null && isDeadStream(status, text)
      ? { kind: 'dead', asks, mayCommit }
      : isTurnedAway
        ? { kind: 'turned_away' }
        : { kind: 'refused' }
  const error = status < 400 ? UPSTREAM_REDIRECTS : blockedError(status, text)
  return {
    event,
    reply: error === null ? { kind: 'refused', status, headers, body } : { kind: 'error', error },
    stored,
    rows: 0,
    bytes: 0,
  }
}

/** @param response whose body has not been read */
export async function refusedExchange(order: Exchange, response: Response): Promise<Exchanged> {
  const { status, headers } = response
  const body = await readAnswerBody(response, { claim: order.claim })
  return refused(order, { status, headers: passedOn(headers), body })
}

/**
 * @param cause an error of the exchange, or what the client is to be told
 * @param left a stream that must not be used any more: as it was, if the request may not have reached it, for else it would
 *   keep the write lock until the database gives it up. If it has, that baton is good for nothing.
 */
export function failedExchange(
  { upstream, stored, databaseUrl, isFirst, logged }: Exchange,
  cause: Error | HranaError,
  left: { baton: string | null; url: string } = upstream ?? { baton: null, url: databaseUrl },
): Exchanged {
  let error = isFirst ? NO_ANSWER : STREAM_LOST
  if (cause instanceof BodyTooLargeError) error = RESPONSE_TOO_LARGE
  if (cause instanceof NoRoomError) error = NO_ROOM_FOR_ANSWER
  if (cause instanceof Error) log('warn', 'session_upstream_failed', { ...logged, detail: errorText(cause) })
  else error = cause
  const { baton, url } = left
  return { event: { kind: 'failed', baton, url }, reply: { kind: 'error', error }, stored, rows: 0, bytes: 0 }
}

/** Whether the next request, token and all, may go where the database says. */
export function mayFollow(
  baseUrl: string | null,
  { databaseUrl, baseUrlSuffixes, logged }: Destination,
): boolean {
  if (baseUrl === null || isTrustedBaseUrl(baseUrl, databaseUrl, baseUrlSuffixes)) return true
  log('error', 'base_url_rejected', { ...logged, host: URL.canParse(baseUrl) ? new URL(baseUrl).host : null })
  return false
}

/** Ends an upstream stream as well as it can be done; if that fails, the database's idle limit does the same. */
export async function closeUpstream(
  { baton, url }: Upstream,
  { token, logged }: StreamCaller,
): Promise<void> {
  const body = JSON.stringify({ baton, requests: [{ type: 'close' }] })
  try {
    await streamUpstream({ url, version: '3', token, body }, async (answer) => {
      await answer.body?.cancel()
      if (answer.status >= 500) throw new Error(`the database answered with ${answer.status}`)
    })
  } catch (error) {
    log('warn', 'session_close_failed', { ...logged, detail: errorText(error) })
  }
}
