/**
 * The SQL gateway: Hrana over HTTP for a tenant's database. What needs no stream goes straight through; what does is
 * held by a Session object, and the client sees only a baton of ours.
 *
 * The caller's database token is the authorisation, checked by the database itself.
 */
import { Hono, type Context } from 'hono'
import { openBaton, sealBaton } from '../baton.ts'
import { readConfiguration } from '../configuration.ts'
import type { AppEnvironment } from '../environment.ts'
import {
  hranaErrorResponse,
  UPSTREAM_REDIRECTS,
  UPSTREAM_UNAVAILABLE,
  type HranaError,
} from '../hrana-error.ts'
import { MAX_PIPELINE_BYTES } from '../limits.ts'
import { limitBody } from '../middleware/limit-body.ts'
import { methodNotAllowed } from '../middleware/method-not-allowed.ts'
import type { SessionAnswer } from '../objects/session.ts'
import { parsePipeline } from '../pipeline-request.ts'
import { parseTenantId } from '../schemas.ts'
import { streamUpstream, type UpstreamPipeline } from '../upstream.ts'

const PIPELINE = '/t/:tenant/:version{v2|v3}/pipeline'

export const gateway = new Hono<AppEnvironment>()
  .post(PIPELINE, limitBody(MAX_PIPELINE_BYTES), async (c) => {
    const tenantId = parseTenantId(c.req.param('tenant'))
    const version = c.req.param('version').slice(1)
    const token = /^Bearer +([\x21-\x7e]+) *$/i.exec(c.req.header('authorization') ?? '')?.[1]
    if (token === undefined) return hranaErrorResponse(NO_TOKEN)
    const { baton, requests, endsWithClose } = parsePipeline(await c.req.text())
    const { batonKey, baseUrlSuffixes } = readConfiguration(c.env)
    const binding = { tenantId, token }

    const ticket = baton === null ? null : await openBaton(baton, binding, batonKey)
    if (baton !== null && ticket === null) return hranaErrorResponse(BATON_INVALID)
    const databaseUrl: string | null = await c.env.TENANTS.getByName(tenantId).locate()
    if (databaseUrl === null) return hranaErrorResponse(NO_TENANT)
    if (ticket === null && endsWithClose) {
      const body = `{"baton":null,"requests":${requests}}`
      return await passThrough(c, { url: databaseUrl, version, token, body })
    }

    const id = ticket === null ? c.env.SESSIONS.newUniqueId() : c.env.SESSIONS.idFromString(ticket.sessionId)
    const answer: SessionAnswer = await c.env.SESSIONS.get(id).pipeline({
      sequence: ticket?.sequence ?? null,
      databaseUrl,
      baseUrlSuffixes,
      version,
      token,
      requests,
    })
    if (answer.kind === 'error') return hranaErrorResponse(answer.error)
    if (answer.kind === 'refused')
      return new Response(answer.body, {
        status: answer.status,
        headers: { 'content-type': answer.contentType },
      })
    const next =
      answer.sequence === null
        ? null
        : await sealBaton({ sessionId: id.toString(), sequence: answer.sequence }, binding, batonKey)
    return new Response(`{"baton":${JSON.stringify(next)},"base_url":null,"results":${answer.results}}`, {
      headers: { 'content-type': 'application/json' },
    })
  })
  .all(PIPELINE, methodNotAllowed('POST'))

/** A pipeline that opens and closes its own stream: the answer streams through as it comes. */
async function passThrough(c: Context<AppEnvironment>, pipeline: UpstreamPipeline): Promise<Response> {
  let answer: Response
  try {
    answer = await streamUpstream(pipeline)
  } catch (error) {
    console.warn({ event: 'gateway_upstream_failed', request_id: c.get('requestId'), detail: String(error) })
    return hranaErrorResponse(UPSTREAM_UNAVAILABLE, { 'retry-after': '1' })
  }
  if (answer.status < 300 || answer.status >= 400) return answer
  await answer.body?.cancel()
  return hranaErrorResponse(UPSTREAM_REDIRECTS)
}

const NO_TOKEN: HranaError = {
  status: 401,
  code: 'AUTH_HEADER_NOT_FOUND',
  message: 'The request has no "Authorization: Bearer <database token>" header',
}

const BATON_INVALID: HranaError = { status: 400, code: 'BATON_INVALID', message: 'Received an invalid baton' }

const NO_TENANT: HranaError = {
  status: 404,
  code: 'TENANT_NOT_FOUND',
  message: 'There is no such tenant, or its database is not ready yet',
}
