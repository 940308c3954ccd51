/** Every route of the Worker, for its documentation. Whoever adds a route adds it here; a test compares both. */
import * as z from 'zod/mini'
import { purgeQuery, usageQuery } from '../directory/queries.ts'
import { signupRequest, tokenRequest, updateRequest } from '../http/schemas.ts'
import { health, signupAnswer, tenantAnswer, tenantHistory, tokenAnswer, usage, version } from './answers.ts'
import { directoryOperations } from './directory-operations.ts'
import { sessionOperations } from './session-operations.ts'
import { gatewayOperations } from './gateway-operations.ts'
import type { Answer, Operation, Parameter } from './operation.ts'

const id: Parameter = { description: 'Your own id of the tenant', schema: signupRequest.shape.id }

const idempotencyKey: Parameter = {
  description: 'Makes it safe to repeat the request: quoted or bare, 1 to 255 printable ASCII characters',
  schema: z.string(),
}

const prefer: Parameter = {
  description: '`wait=<seconds>` or `respond-async`: how long to wait for an answer (RFC 7240)',
  schema: z.string(),
}

const unfinished: Answer = {
  description: 'It is not done yet and goes on by itself',
  schema: tenantAnswer,
  headers: { location: 'Where to look again', 'retry-after': 'When, in seconds' },
}

export const operations: readonly Operation[] = [
  ...directoryOperations,
  ...sessionOperations,
  {
    method: 'post',
    path: '/v1/tenants',
    id: 'signUp',
    summary: 'Sign a tenant up: a database of its own, with the schema in it, and a token',
    auth: 'signup',
    headers: { 'idempotency-key': idempotencyKey, prefer },
    body: signupRequest,
    answers: {
      201: {
        description: 'The tenant is active',
        schema: signupAnswer,
        headers: {
          location: 'Where the tenant can be read',
          'idempotency-replayed': '`true` if the tenant was there before',
        },
      },
      202: unfinished,
    },
    problems: [
      'tenant_exists',
      'tenant_deleting',
      'tenant_suspended',
      'signup_in_progress',
      'signup_unfinished',
      'idempotency_key_reused',
      'upstream_refused',
      'upstream_unavailable',
      'overloaded',
    ],
  },
  {
    method: 'get',
    path: '/v1/tenants/:id',
    id: 'getTenant',
    summary: 'Read a tenant: its state, and what was done for it',
    auth: 'signup',
    parameters: { id },
    answers: { 200: { description: 'The tenant', schema: tenantHistory } },
    problems: ['not_found'],
  },
  {
    method: 'patch',
    path: '/v1/tenants/:id',
    id: 'updateTenant',
    summary: 'Change a tenant by JSON Merge Patch: its name, its metadata, whether it is suspended',
    auth: 'admin',
    parameters: { id },
    headers: { prefer },
    body: updateRequest,
    answers: {
      200: { description: 'It is done', schema: tenantAnswer },
      202: {
        description: 'It is stored; Turso is still to close or open the database, which goes on by itself',
        schema: tenantAnswer,
      },
    },
    problems: ['not_found', 'tenant_deleting'],
  },
  {
    method: 'delete',
    path: '/v1/tenants/:id',
    id: 'deleteTenant',
    summary: 'Delete a tenant: at once for everybody who asks, its database after a grace period',
    auth: 'admin',
    parameters: { id },
    query: {
      purge: {
        description: '`true`: without a grace period. Nothing can be restored',
        schema: purgeQuery.shape.purge,
      },
    },
    answers: { 202: { description: 'It will be deleted at `delete_at`', schema: tenantAnswer } },
    problems: ['not_found', 'tenant_deleting'],
  },
  {
    method: 'post',
    path: '/v1/tenants/:id/tokens',
    id: 'createToken',
    summary: "Mint a token of the tenant's database. It is stored nowhere",
    auth: 'signup',
    parameters: { id },
    body: tokenRequest,
    answers: { 201: { description: 'The token', schema: tokenAnswer } },
    problems: [
      'not_found',
      'tenant_deleting',
      'tenant_suspended',
      'tenant_not_ready',
      'upstream_refused',
      'upstream_unavailable',
    ],
  },
  {
    method: 'delete',
    path: '/v1/tenants/:id/tokens',
    id: 'invalidateTokens',
    summary: "End all tokens of the tenant's database, and with them what running sessions may do",
    auth: 'admin',
    parameters: { id },
    answers: {
      200: { description: 'No token that was given out before is good any more', schema: tenantAnswer },
    },
    problems: [
      'not_found',
      'tenant_deleting',
      'tenant_not_ready',
      'upstream_refused',
      'upstream_unavailable',
    ],
  },
  {
    method: 'get',
    path: '/v1/tenants/:id/usage',
    id: 'retrieveUsage',
    summary: 'What Turso counts of the database: rows read and written, bytes stored and synced',
    auth: 'admin',
    parameters: { id },
    query: {
      from: { description: 'Default: the beginning of the calendar month', schema: usageQuery.shape.from },
      to: { description: 'Default: now', schema: usageQuery.shape.to },
    },
    answers: { 200: { description: 'The counters', schema: usage } },
    problems: [
      'not_found',
      'tenant_deleting',
      'tenant_not_ready',
      'upstream_refused',
      'upstream_unavailable',
    ],
  },
  {
    method: 'post',
    path: '/v1/tenants/:id/restore',
    id: 'restoreTenant',
    summary: 'Take a deletion back, as long as the grace period lasts',
    auth: 'admin',
    parameters: { id },
    answers: { 200: { description: 'The tenant is as before', schema: tenantAnswer } },
    problems: ['not_found', 'tenant_deleting'],
  },
  {
    method: 'post',
    path: '/v1/tenants/:id/retry',
    id: 'retrySignup',
    summary: 'Take up a signup that waits, or begin one that failed anew',
    auth: 'signup',
    parameters: { id },
    headers: { prefer },
    answers: {
      200: { description: 'The tenant is active', schema: tenantAnswer },
      202: unfinished,
    },
    problems: ['not_found', 'tenant_deleting', 'signup_in_progress', 'upstream_refused'],
  },
  ...gatewayOperations,
  {
    method: 'get',
    path: '/health',
    id: 'health',
    summary: 'Whether the Worker runs and is configured',
    auth: null,
    answers: { 200: { description: 'It does and is', schema: health } },
  },
  {
    method: 'get',
    path: '/version',
    id: 'version',
    summary: 'Which Worker this is',
    auth: null,
    answers: { 200: { description: 'Its name and version', schema: version } },
  },
  {
    method: 'get',
    path: '/metrics',
    id: 'metrics',
    summary: 'Numbers over all tenants, and of the way to Turso, for Prometheus',
    auth: 'metrics',
    answers: { 200: { description: 'Gauges, as text', schema: null, contentType: 'text/plain' } },
  },
  {
    method: 'get',
    path: '/openapi.json',
    id: 'openapi',
    summary: 'This document',
    auth: null,
    answers: { 200: { description: 'OpenAPI 3.1', schema: z.looseObject({ openapi: z.string() }) } },
  },
  {
    method: 'get',
    path: '/docs',
    id: 'docs',
    summary: 'This document, to be read',
    auth: null,
    answers: {
      200: { description: 'A page that needs nothing else', schema: null, contentType: 'text/html' },
    },
  },
]
