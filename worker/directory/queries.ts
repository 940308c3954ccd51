/** What the lists of the API take in their query, as schemas: the source of their validation and their types. */
import * as z from 'zod/mini'
import { STATUSES } from './row.ts'
import { DEFAULT_PAGE, MAX_PAGE } from '../limits.ts'
import { invalidRequest } from '../http/problem.ts'
import { parse, slug, tenantId } from '../http/schemas.ts'

const limit = z._default(
  z.pipe(
    z.string().check(z.regex(/^[1-9]\d{0,3}$/, `must be a whole number from 1 to ${MAX_PAGE}`)),
    z.pipe(
      z.transform(Number),
      z.number().check(z.maximum(MAX_PAGE, `must be a whole number from 1 to ${MAX_PAGE}`)),
    ),
  ),
  DEFAULT_PAGE,
)

const cursor = z.optional(z.string().check(z.maxLength(1_000, 'must be the next_cursor of this very list')))

/** A word of ours: names of keys, actions. */
const word = (what: string) =>
  z.optional(z.string().check(z.regex(/^[A-Za-z0-9:_-]{1,64}$/, `must be ${what}`)))

const time = z.optional(
  z
    .string()
    .check(
      z.refine(
        (text) => /^\d{4}-\d\d-\d\d(T|$)/.test(text) && !Number.isNaN(Date.parse(text)),
        'must be a time such as 2026-11-28T12:00:00Z',
      ),
    ),
)

export const tenantQuery = z.strictObject({
  status: z.optional(z.enum(STATUSES, `must be one of ${STATUSES.join(', ')}`)),
  group: z.optional(slug('a group name')),
  q: z.optional(
    z.string().check(z.regex(/^[^\p{Cc}]{1,128}$/u, 'must be 1 to 128 characters and no control characters')),
  ),
  cursor,
  limit,
})
export type TenantQuery = z.infer<typeof tenantQuery>

export const auditQuery = z.strictObject({
  tenant: z.optional(tenantId),
  actor: word('an actor such as key:my-backend'),
  action: word('an action such as signup'),
  before: time,
  after: time,
  cursor,
  limit,
})
export type AuditQuery = z.infer<typeof auditQuery>

export const purgeQuery = z.strictObject({
  purge: z.optional(z.enum(['true', 'false'], 'must be true or false')),
})

export const sessionQuery = z.strictObject({ tenant: z.optional(tenantId), cursor, limit })
export type SessionQuery = z.infer<typeof sessionQuery>

/** With an offset, since Turso asks for one. */
const instant = z.optional(
  z.iso.datetime({ offset: true, error: 'must be a time such as 2026-11-01T00:00:00Z' }),
)

export const usageQuery = z.strictObject({ from: instant, to: instant }).check(
  z.refine(({ from, to }) => from === undefined || to === undefined || Date.parse(from) < Date.parse(to), {
    path: ['from'],
    error: 'must be before "to"',
  }),
)
export type UsageQuery = z.infer<typeof usageQuery>

/** The names that Turso allows. */
const database = z.string().check(z.regex(/^[a-z0-9-]{1,64}$/, 'must be the name of a database'))

export const orphanQuery = z.strictObject({
  ignored: z.optional(z.enum(['true', 'false'], 'must be true or false')),
  cursor,
  limit,
})
export type OrphanQuery = z.infer<typeof orphanQuery>

export const removalQuery = z.strictObject({
  owner: z.optional(tenantId),
  unmarked: z.optional(z.enum(['true', 'false'], 'must be true or false')),
  copy_of: z.optional(database),
})
export type RemovalQuery = z.infer<typeof removalQuery>

/** @throws {Problem} `invalid_request` naming `database` */
export function parseDatabaseName(name: string): string {
  return parse(z.strictObject({ database }), { database: name }).database
}

/** @throws {Problem} `invalid_request` that names every parameter that is refused, unknown, or there twice */
export function parseQuery<Schema extends z.ZodMiniType>(schema: Schema, url: string): z.infer<Schema> {
  const { searchParams } = new URL(url)
  const names = [...searchParams.keys()]
  const doubled = new Set(names.filter((name, index) => names.indexOf(name) !== index))
  if (doubled.size > 0)
    throw invalidRequest(
      [...doubled].map((field) => ({ field: field.slice(0, 100), detail: 'is there twice' })),
    )
  return parse(schema, Object.fromEntries(searchParams))
}
