/** The routes by which operators see sessions and end them, for the documentation of the API. */
import * as z from 'zod/mini'
import { DEFAULT_PAGE, MAX_PAGE } from '../limits.ts'
import { drainRequest } from '../http/schemas.ts'
import type { Operation } from './operation.ts'

const count = z.int().check(z.nonnegative())

const session = z.strictObject({
  id: z.string(),
  stream_id: z.nullable(z.string()),
  tenant: z.string(),
  kind: z.enum(['http', 'binding', 'websocket']),
  location_hint: z.nullable(z.string()),
  status: z.enum(['idle', 'in_transaction', 'in_flight', 'draining', 'parked']),
  in_transaction: z.boolean(),
  opened_at: z.iso.datetime(),
  age_ms: count,
  idle_ms: count,
  requests: count,
  rows: count,
  bytes: count,
})

export const sessionOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/v1/sessions',
    id: 'listSessions',
    summary: 'The sessions that hold a stream of a database, of one tenant or of all',
    auth: 'admin',
    query: {
      tenant: { description: 'Of this tenant only', schema: z.string() },
      cursor: { description: 'The `next_cursor` of the page before', schema: z.string() },
      limit: {
        description: `Sessions on the page, ${DEFAULT_PAGE} unless said otherwise`,
        schema: z.int().check(z.gte(1), z.lte(MAX_PAGE)),
      },
    },
    answers: {
      200: {
        description: 'A page; with a `next_cursor` there may be more, also behind an empty one',
        schema: z.strictObject({ sessions: z.array(session), next_cursor: z.nullable(z.string()) }),
      },
    },
    problems: ['overloaded', 'directory_unavailable'],
  },
  {
    method: 'post',
    path: '/v1/sessions/drain',
    id: 'drainSessions',
    summary: "Have a tenant's sessions end, and let none begin for a while",
    auth: 'admin',
    body: drainRequest,
    answers: {
      202: {
        description: 'How many sessions there were, and until when none begins',
        schema: z.strictObject({ tenant: z.string(), sessions: count, until: z.iso.datetime() }),
      },
    },
    problems: ['overloaded', 'directory_unavailable'],
  },
  {
    method: 'delete',
    path: '/v1/sessions/:id',
    id: 'killSession',
    summary: 'End a session now; its transaction is rolled back',
    auth: 'admin',
    parameters: { id: { description: 'Of the list', schema: z.string() } },
    answers: {
      200: {
        description: 'It has ended',
        schema: z.strictObject({ id: z.string(), tenant: z.string(), status: z.enum(['killed']) }),
      },
    },
    problems: ['not_found', 'directory_unavailable'],
  },
]
