/** The routes that look into the directory, for the documentation of the API. */
import * as z from 'zod/mini'
import { STATUSES } from '../directory/row.ts'
import { DEFAULT_PAGE, MAX_PAGE } from '../limits.ts'
import { auditQuery, orphanQuery, removalQuery, tenantQuery } from '../directory/queries.ts'
import { checkRequest, rebuildRequest } from '../http/schemas.ts'
import type { Operation, Parameter } from './operation.ts'

const time = z.iso.datetime()
const count = z.int().check(z.nonnegative())

const tenantSummary = z.strictObject({
  id: z.string(),
  name: z.nullable(z.string()),
  status: z.enum(STATUSES),
  group: z.string(),
  location: z.string(),
  database: z.string(),
  schema_version: count,
  created_at: time,
})

const auditRow = z.strictObject({
  id: z.string(),
  at: time,
  actor: z.string(),
  action: z.string(),
  tenant: z.nullable(z.string()),
  database: z.nullable(z.string()),
  outcome: z.string(),
  request_id: z.nullable(z.string()),
  session: z.nullable(z.string()),
  repeats: count,
})

const orphanRow = z.strictObject({
  database: z.string(),
  tenant: z.nullable(z.string()),
  found_by: z.enum(['tenant', 'sweeper']),
  since: time,
  attempts: count,
  next_attempt_at: z.nullable(time),
  ignored_at: z.nullable(time),
})

const databaseName: Parameter = { description: 'Name of the database', schema: z.string() }

const next_cursor = z.nullable(z.string())

const paging: Record<string, Parameter> = {
  cursor: { description: 'The `next_cursor` of the page before', schema: z.string() },
  limit: {
    description: `Rows on the page, ${DEFAULT_PAGE} unless said otherwise`,
    schema: z.int().check(z.gte(1), z.lte(MAX_PAGE)),
  },
}

const instant = (description: string): Parameter => ({ description, schema: z.string() })

export const directoryOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/v1/tenants',
    id: 'listTenants',
    summary: 'List and search tenants. May be some seconds behind',
    auth: 'admin',
    query: {
      status: { description: 'Only those of this status', schema: tenantQuery.shape.status },
      group: { description: 'Only those of this group', schema: tenantQuery.shape.group },
      q: {
        description:
          'Part of the id, the name or the name of the database, in any case; shorter than three characters: its beginning',
        schema: tenantQuery.shape.q,
      },
      ...paging,
    },
    answers: {
      200: {
        description: 'A page; with filters it may be short without being the last',
        schema: z.strictObject({ tenants: z.array(tenantSummary), next_cursor }),
      },
    },
    problems: ['directory_unavailable'],
  },
  {
    method: 'get',
    path: '/v1/stats',
    id: 'stats',
    summary: 'How many tenants and orphans there are, and how far the search for orphans is',
    auth: 'admin',
    answers: {
      200: {
        description: 'Counts',
        schema: z.strictObject({
          tenants: z.strictObject({ total: count, by_status: z.record(z.string(), count) }),
          orphans: z.strictObject({ of_tenants: count, found: count, ignored: count }),
          sweeper: z.strictObject({
            walk_started_at: z.nullable(time),
            walk_completed_at: z.nullable(time),
          }),
        }),
      },
    },
    problems: ['directory_unavailable'],
  },
  {
    method: 'get',
    path: '/v1/audit',
    id: 'audit',
    summary: 'Who did what to which tenant, the latest first',
    auth: 'admin',
    query: {
      tenant: { description: 'Only of this tenant', schema: auditQuery.shape.tenant },
      actor: { description: 'Only by this one: `key:<name>`, `worker`', schema: auditQuery.shape.actor },
      action: { description: 'Only of this kind', schema: auditQuery.shape.action },
      before: instant('Only before this time'),
      after: instant('Only from this time on'),
      ...paging,
    },
    answers: {
      200: {
        description: 'A page; with two filters or more it may be short without being the last',
        schema: z.strictObject({ audit: z.array(auditRow), next_cursor }),
      },
    },
    problems: ['directory_unavailable'],
  },
  {
    method: 'get',
    path: '/v1/orphans',
    id: 'listOrphans',
    summary:
      'Databases that may be left: those that tenants delete, and those that no tenant is known to have',
    auth: 'admin',
    query: {
      ignored: { description: '`true`: those that are ignored instead', schema: orphanQuery.shape.ignored },
      ...paging,
    },
    answers: {
      200: { description: 'A page', schema: z.strictObject({ orphans: z.array(orphanRow), next_cursor }) },
    },
    problems: ['directory_unavailable'],
  },
  {
    method: 'delete',
    path: '/v1/orphans/:database',
    id: 'deleteOrphan',
    summary: 'Delete such a database now',
    auth: 'admin',
    parameters: { database: databaseName },
    query: {
      owner: {
        description: 'The tenant that it is marked as the database of, if this Worker does not have it',
        schema: removalQuery.shape.owner,
      },
      unmarked: {
        description: '`true`: also if it has tables, and no mark at all',
        schema: removalQuery.shape.unmarked,
      },
      copy_of: {
        description: 'What it is a copy of, if it has no mark but that of its original',
        schema: removalQuery.shape.copy_of,
      },
    },
    answers: {
      200: {
        description: '`hurried`: its tenant has been told to delete it at once',
        schema: z.strictObject({
          database: z.string(),
          outcome: z.enum(['hurried', 'deleted', 'gone']),
        }),
      },
    },
    problems: [
      'not_found',
      'database_in_use',
      'orphan_has_owner',
      'orphan_is_copy',
      'orphan_unmarked',
      'directory_unavailable',
      'upstream_unavailable',
      'upstream_refused',
    ],
  },
  {
    method: 'post',
    path: '/v1/orphans/:database/ignore',
    id: 'ignoreOrphan',
    summary: "It is somebody else's: show it no more",
    auth: 'admin',
    parameters: { database: databaseName },
    answers: { 200: { description: 'It is ignored', schema: z.strictObject({ orphan: orphanRow }) } },
    problems: ['not_found', 'database_in_use', 'directory_unavailable'],
  },
  {
    method: 'post',
    path: '/v1/directory/rebuild',
    id: 'rebuildDirectory',
    summary:
      'Have some Tenant objects tell the directory again what they are: `npm run directory` does so with all',
    auth: 'admin',
    body: rebuildRequest,
    answers: {
      200: {
        description: 'How it went',
        schema: z.strictObject({
          at: time,
          published: count,
          empty: count,
          failed: z.array(z.strictObject({ object: z.string(), detail: z.string() })),
        }),
      },
    },
    problems: ['directory_unavailable'],
  },
  {
    method: 'post',
    path: '/v1/directory/check',
    id: 'checkDirectory',
    summary:
      'Ask the objects of tenants with old rows whether there is such a tenant, and drop the rows of those without',
    auth: 'admin',
    body: checkRequest,
    answers: {
      200: {
        description: 'A part of them; go on with `next_cursor`',
        schema: z.strictObject({ known: count, removed: count, failed: count, next_cursor }),
      },
    },
    problems: ['directory_unavailable'],
  },
]
