/** What the API answers, as schemas: the source of its documentation, and what the tests hold each answer to. */
import * as z from 'zod/mini'

const time = z.iso.datetime()
const count = z.int().check(z.nonnegative())
const step = z.enum(['create_database', 'find_database', 'create_token', 'migrate'])

export const tenant = z.strictObject({
  id: z.string(),
  name: z.nullable(z.string()),
  status: z.enum(['provisioning', 'active', 'suspended', 'failed', 'deleting']),
  step: z.optional(step),
  attempts: z.optional(count),
  delete_at: z.optional(time),
  suspension: z.optional(
    z.strictObject({ since: time, reason: z.nullable(z.string()), is_database_blocked: z.boolean() }),
  ),
  failure: z.optional(z.strictObject({ step, detail: z.string() })),
  location: z.string(),
  group: z.string(),
  template: z.optional(z.string()),
  schema_version: count,
  created_at: time,
  metadata: z.record(z.string(), z.unknown()),
})

export const database = z.strictObject({
  name: z.string(),
  hostname: z.string(),
  url: z.string(),
  http_url: z.url(),
  gateway_url: z.url(),
})

export const token = z.strictObject({
  jwt: z.string(),
  authorization: z.enum(['full-access', 'read-only']),
  expires_at: z.nullable(time),
})

export const usage = z.strictObject({
  usage: z.strictObject({
    rows_read: count,
    rows_written: count,
    storage_bytes: count,
    bytes_synced: count,
  }),
  from: z.nullable(z.string()),
  to: z.nullable(z.string()),
})

export const tokenAnswer = z.strictObject({ token })

export const timelineEntry = z.strictObject({
  step: z.enum([...step.options, 'delete_database', 'block_database', 'unblock_database']),
  attempt: count,
  at: time,
  duration_ms: count,
  outcome: z.enum(['done', 'retried', 'refused', 'interrupted']),
  detail: z.nullable(z.string()),
  request_id: z.nullable(z.string()),
})

export const orphan = z.strictObject({ database: z.string(), since: time, attempts: count })

export const tenantAnswer = z.strictObject({ tenant, database: z.optional(database) })

export const signupAnswer = z.strictObject({ tenant, database, token })

export const tenantHistory = z.strictObject({
  tenant,
  database: z.optional(database),
  timeline: z.array(timelineEntry),
  orphans: z.array(orphan),
})

export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  request_id: z.string(),
  errors: z.optional(z.array(z.strictObject({ field: z.string(), detail: z.string() }))),
  step: z.optional(z.string()),
  outcome: z.optional(z.literal('unknown')),
  owner: z.optional(z.string()),
  'violated-policies': z.optional(z.array(z.string())),
  tenant: z.optional(tenant),
  database: z.optional(database),
})

export const hranaError = z.object({
  message: z.string(),
  code: z.optional(z.nullable(z.string())),
  outcome: z.optional(z.enum(['rolled_back', 'unknown'])),
})

export const health = z.strictObject({ status: z.literal('ok') })

export const version = z.strictObject({ name: z.literal('turso-edge'), version: z.string() })

/** Those with a name of their own in the document. */
export const named: Readonly<Record<string, z.ZodMiniType>> = {
  Tenant: tenant,
  Database: database,
  Token: token,
  TimelineEntry: timelineEntry,
  Orphan: orphan,
  TenantAnswer: tenantAnswer,
  SignupAnswer: signupAnswer,
  TenantHistory: tenantHistory,
  Problem: problem,
  HranaError: hranaError,
}
