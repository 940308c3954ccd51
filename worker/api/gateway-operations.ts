/** The SQL gateway, for the documentation of the API. What is said in it is the Hrana specification's business. */
import * as z from 'zod/mini'
import type { Answer, Operation, Parameter } from './operation.ts'

const PIPELINE = '/t/:tenant/:version{(?:v2|v3)}/pipeline'
const CURSOR = '/t/:tenant/v3/cursor'

/** The body goes to the database as it is, which checks it. */
const body = z.looseObject({ baton: z.optional(z.nullable(z.string())) })

const timing = { 'server-timing': 'How long the database, or the session, took' }

const probe = (path: string, id: string, summary: string, answer: Partial<Answer> = {}): Operation => ({
  method: 'get',
  path,
  id,
  summary,
  auth: null,
  answers: { 200: { description: 'It does', schema: null, ...answer } },
})

const upgrade: Record<string, Parameter> = {
  'sec-websocket-protocol': { description: '`hrana3` or `hrana2`', schema: z.string() },
  authorization: {
    description: "`Bearer` and a token of the tenant's database; else it comes in the first message",
    schema: z.string(),
  },
}

const socket = (path: string, id: string): Operation => ({
  method: 'get',
  path,
  id,
  summary: "SQL on a tenant's database over a WebSocket, by Hrana",
  auth: null,
  headers: upgrade,
  answers: {
    101: {
      description:
        'The WebSocket. If the tenant is suspended or not there, `hello_error` says so, and it is closed',
      schema: null,
      contentType: null,
    },
  },
})

export const gatewayOperations: readonly Operation[] = [
  {
    method: 'post',
    path: PIPELINE,
    id: 'pipeline',
    summary: "SQL on a tenant's database, by Hrana over HTTP",
    auth: 'database',
    body,
    answers: { 200: { description: 'Results, by the Hrana specification', schema: null, headers: timing } },
  },
  {
    method: 'post',
    path: CURSOR,
    id: 'cursor',
    summary: 'The same for one batch, its rows while they come',
    auth: 'database',
    body,
    answers: { 200: { description: 'Lines of JSON', schema: null } },
  },
  probe('/t/:tenant/:version{(?:v2|v3)}', 'speaks', 'Whether the gateway speaks this version of Hrana'),
  probe('/t/:tenant/version', 'gatewayVersion', 'Which gateway this is', { contentType: 'text/plain' }),
  probe('/t/:tenant/health', 'gatewayHealth', 'Whether the gateway runs', { contentType: null }),
  socket('/t/:tenant', 'socket'),
  socket('/t/:tenant/', 'socketWithSlash'),
]
