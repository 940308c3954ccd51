/**
 * The SQL gateway: Hrana over HTTP for a tenant's database. What needs no stream goes straight through; what does is
 * held by a Session object, and the client sees only a baton of ours.
 *
 * The caller's database token is the authorisation, checked by the database itself.
 */
import { Hono, type Context } from 'hono'
import { version } from '../../package.json'
import { openBaton, sealBaton } from '../gateway/baton.ts'
import { readConfiguration } from '../configuration.ts'
import { headLine, surround } from '../hrana/cursor-body.ts'
import type { AppEnvironment } from '../environment.ts'
import { hranaErrorResponse, type HranaError } from '../hrana/error.ts'
import { SESSION_REQUEST_MS } from '../limits.ts'
import { bytesOf, textOf } from '../memory/bytes.ts'
import { deliver } from '../memory/delivery.ts'
import type { Claim } from '../memory/room.ts'
import { answers } from '../memory/rooms.ts'
import { allowAnyOrigin } from '../middleware/allow-any-origin.ts'
import { destinationOf, findDatabase } from '../middleware/find-database.ts'
import { holdBody } from '../middleware/hold-body.ts'
import { methodNotAllowed } from '../middleware/method-not-allowed.ts'
import type { Session, SessionAnswer, SessionCall, SessionCursorAnswer } from '../objects/session.ts'
import { passCursor, passThrough } from '../gateway/pass-through.ts'
import { parseCursor, parsePipeline } from '../hrana/pipeline-request.ts'
import { newId, placeNear } from '../session/location-hint.ts'
import { isSelfContained } from '../session/requests.ts'
import { timing } from './server-timing.ts'
import { learnLocation } from '../gateway/tenant-locations.ts'

// In a group of its own: the router anchors each end of the pattern, not each of the alternatives.
const PIPELINE = '/t/:tenant/:version{(?:v2|v3)}/pipeline'
const CURSOR = '/t/:tenant/v3/cursor'

export const gateway = new Hono<AppEnvironment>()
  // Not the address of sockets, which have no such rules.
  .use('/t/:tenant/:rest{.+}', allowAnyOrigin)
  .post(PIPELINE, findDatabase, holdBody, async (c) => {
    const body = c.get('body')
    const { baton, requests, endsWithClose } = parsePipeline(body)
    const startedAt = Date.now()
    if (baton === null && endsWithClose) {
      const version = c.req.param('version').slice(1)
      return timed(
        'upstream',
        startedAt,
        await passThrough({ version, body }, destinationOf(c), claimAnswer(c)),
      )
    }
    const session = await findSession(c, baton)
    if (session === null) return hranaErrorResponse(BATON_INVALID)
    const speaks = c.req.param('version') === 'v2' ? '2' : '3'
    const call = { ...callOf(c, session, requests), version: speaks } as const
    const answer = await whileThere<SessionAnswer>(c, session, call, () => session.stub.pipeline(call))
    if (answer.kind !== 'results') return refusal(answer)
    learn(c, answer)
    const next = answer.sequence === null ? null : await session.seal(answer.sequence)
    const head = `{"baton":${JSON.stringify(next)},"base_url":null,"results":`
    const { results } = answer
    const whole =
      results instanceof Uint8Array
        ? new Blob([head, results, '}'])
        : surround([bytesOf(head)], results, [bytesOf('}')]).readable
    return timed(
      'session',
      startedAt,
      new Response(whole, { headers: { 'content-type': 'application/json' } }),
    )
  })
  .all(PIPELINE, methodNotAllowed('POST'))
  .post(CURSOR, findDatabase, holdBody, async (c) => {
    const { baton, batch } = parseCursor(c.get('body'))
    const startedAt = Date.now()
    if (baton === null && isSelfContained(textOf(batch))) {
      const waitUntil = (work: Promise<unknown>): void => c.executionCtx.waitUntil(work)
      return timed(
        'upstream',
        startedAt,
        await passCursor(destinationOf(c), batch, claimAnswer(c), waitUntil),
      )
    }
    const session = await findSession(c, baton)
    if (session === null) return hranaErrorResponse(BATON_INVALID)
    const call = callOf(c, session, batch)
    const answer = await whileThere<SessionCursorAnswer>(c, session, call, () => session.stub.cursor(call))
    if (answer.kind !== 'cursor') return refusal(answer)
    learn(c, answer)
    const { readable } = surround([headLine(await session.seal(answer.sequence))], answer.body)
    return timed('session', startedAt, new Response(readable, { headers: { 'content-type': 'text/plain' } }))
  })
  .all(CURSOR, methodNotAllowed('POST'))
  // What clients ask before they begin. The answers are the gateway's own, and alike for all tenants.
  .get('/t/:tenant/:version{(?:v2|v3)}', (c) =>
    c.text(`turso-edge speaks Hrana over HTTP, version ${c.req.param('version').slice(1)}`),
  )
  .get('/t/:tenant/version', (c) => c.text(`turso-edge ${version}`))
  .get('/t/:tenant/health', (c) => c.body(null))

/** The runtime runs nothing more of a request whose client has hung up, while it takes its answer too. */
const claimAnswer = (c: Context<AppEnvironment>): Claim => answers.claim(c.req.raw.signal)

interface FoundSession {
  stub: DurableObjectStub<Session>
  /** Where a session that begins is wished for. */
  hint: string | null
  /** Of the client's baton; `null` begins a session. */
  sequence: number | null
  /** The baton for another request. */
  seal: (sequence: number) => Promise<string>
}

/** @returns `null` for a baton that is none of this tenant and token: before an object wakes */
async function findSession(c: Context<AppEnvironment>, baton: string | null): Promise<FoundSession | null> {
  const { batonKeys, jurisdiction } = readConfiguration(c.env)
  const binding = c.get('upstream')
  const ticket = baton === null ? null : await openBaton(baton, binding, batonKeys)
  if (baton !== null && ticket === null) return null
  const { SESSIONS } = c.env
  const isNew = ticket === null
  const id = isNew ? newId(SESSIONS, jurisdiction) : SESSIONS.idFromString(ticket.sessionId)
  const near = isNew && jurisdiction === null ? binding.location : null
  const { stub, hint } = placeNear(near, (options) => SESSIONS.get(id, options))
  return {
    stub,
    hint,
    sequence: ticket?.sequence ?? null,
    seal: (sequence) => sealBaton({ sessionId: id.toString(), sequence }, binding, batonKeys[0]),
  }
}

function callOf(
  c: Context<AppEnvironment>,
  { sequence, hint }: FoundSession,
  requests: Uint8Array<ArrayBuffer>,
): SessionCall {
  const { tenantId } = c.get('upstream')
  const destination = destinationOf(c)
  const callId = crypto.randomUUID()
  const kind = c.get('sessionKind') ?? 'http'
  return {
    ...destination,
    tenantId,
    kind,
    hint,
    sequence,
    callId,
    requests: deliver(requests, c.get('bodyClaim'), SESSION_REQUEST_MS),
    bytes: requests.byteLength,
  }
}

/** Runs a call of a session; if the client hangs up before the answer is there, the session is told at once. */
async function whileThere<Answer>(
  { req, executionCtx }: Context<AppEnvironment>,
  { stub }: FoundSession,
  { callId }: SessionCall,
  run: () => Promise<Answer>,
): Promise<Answer> {
  const { signal } = req.raw
  const running = run()
  const abandon = (): void => executionCtx.waitUntil(stub.abandon(callId))
  // Perhaps it has hung up before, while its tenant was looked up.
  if (signal.aborted) abandon()
  signal.addEventListener('abort', abandon)
  // Without it, the runtime would stop everything with the request, the call included.
  executionCtx.waitUntil(running.catch(() => undefined))
  try {
    return await running
  } finally {
    signal.removeEventListener('abort', abandon)
  }
}

function learn(c: Context<AppEnvironment>, { location }: { location: string | null }): void {
  if (location !== null) learnLocation(c.env, c.get('upstream').tenantId, location)
}

function refusal(answer: Extract<SessionAnswer, { kind: 'error' | 'refused' }>): Response {
  if (answer.kind === 'error') return hranaErrorResponse(answer.error)
  return new Response(answer.body, { status: answer.status, headers: answer.headers })
}

/** `upstream`: until the database's answer begins; `session`: until all of it has come through the Session object. */
function timed(what: 'upstream' | 'session', startedAt: number, response: Response): Response {
  response.headers.set('server-timing', timing(what, Date.now() - startedAt))
  return response
}

const BATON_INVALID: HranaError = { status: 400, code: 'BATON_INVALID', message: 'Received an invalid baton' }
