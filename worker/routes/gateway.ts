/**
 * The SQL gateway: Hrana over HTTP for a tenant's database. What needs no stream goes straight through; what does is
 * held by a Session object, and the client sees only a baton of ours.
 *
 * The caller's database token is the authorisation, checked by the database itself.
 */
import { Hono } from 'hono'
import { openBaton, sealBaton } from '../baton.ts'
import { readConfiguration } from '../configuration.ts'
import type { AppEnvironment } from '../environment.ts'
import { hranaErrorResponse, type HranaError } from '../hrana-error.ts'
import { MAX_PIPELINE_BYTES } from '../limits.ts'
import { findDatabase } from '../middleware/find-database.ts'
import { limitBody } from '../middleware/limit-body.ts'
import { methodNotAllowed } from '../middleware/method-not-allowed.ts'
import type { SessionAnswer } from '../objects/session.ts'
import { passThrough } from '../pass-through.ts'
import { parsePipeline } from '../pipeline-request.ts'
import { timing } from '../server-timing.ts'

const PIPELINE = '/t/:tenant/:version{v2|v3}/pipeline'

export const gateway = new Hono<AppEnvironment>()
  .post(PIPELINE, findDatabase, limitBody(MAX_PIPELINE_BYTES), async (c) => {
    const { tenantId, token, databaseUrl } = c.get('upstream')
    const version = c.req.param('version').slice(1)
    const { baton, requests, endsWithClose } = parsePipeline(await c.req.text())
    const { batonKey, baseUrlSuffixes } = readConfiguration(c.env)
    const binding = { tenantId, token }
    const startedAt = Date.now()
    if (baton === null && endsWithClose) {
      const body = `{"baton":null,"requests":${requests}}`
      return timed('upstream', startedAt, await passThrough({ url: databaseUrl, version, token, body }))
    }

    const ticket = baton === null ? null : await openBaton(baton, binding, batonKey)
    if (baton !== null && ticket === null) return hranaErrorResponse(BATON_INVALID)
    const id = ticket === null ? c.env.SESSIONS.newUniqueId() : c.env.SESSIONS.idFromString(ticket.sessionId)
    const answer: SessionAnswer = await c.env.SESSIONS.get(id).pipeline({
      sequence: ticket?.sequence ?? null,
      databaseUrl,
      baseUrlSuffixes,
      token,
      logged: { tenant: tenantId, request_id: c.get('requestId') },
      requests: new TextEncoder().encode(requests),
    })
    if (answer.kind === 'error') return hranaErrorResponse(answer.error)
    if (answer.kind === 'refused')
      return new Response(answer.body, { status: answer.status, headers: answer.headers })
    const next =
      answer.sequence === null
        ? null
        : await sealBaton({ sessionId: id.toString(), sequence: answer.sequence }, binding, batonKey)
    const body = new Blob([
      `{"baton":${JSON.stringify(next)},"base_url":null,"results":`,
      answer.results,
      '}',
    ])
    return timed(
      'session',
      startedAt,
      new Response(body, { headers: { 'content-type': 'application/json' } }),
    )
  })
  .all(PIPELINE, methodNotAllowed('POST'))

/** `upstream`: until the database's answer begins; `session`: until all of it has come through the Session object. */
function timed(what: 'upstream' | 'session', startedAt: number, response: Response): Response {
  response.headers.set('server-timing', timing(what, Date.now() - startedAt))
  return response
}

const BATON_INVALID: HranaError = { status: 400, code: 'BATON_INVALID', message: 'Received an invalid baton' }
