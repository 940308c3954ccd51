/** What the API takes, as schemas: the source of its validation and its types. */
import * as z from 'zod/mini'
import { permissions } from '../../src/index.ts'
import { MAX_DRAIN_SECONDS, MAX_JSON_DEPTH, MAX_REBUILT } from '../limits.ts'
import { invalidRequest, type FieldError } from './problem.ts'
import { TENANT_ID } from '../tenant-name.ts'
import { tokenOptions, type TokenOptions } from '../turso/token-options.ts'

export const tenantId = z
  .string('must be a string')
  .check(
    z.regex(
      TENANT_ID,
      'must be 1 to 128 of the characters A-Z a-z 0-9 . _ @ : - and begin with a letter or a digit',
    ),
  )

export const slug = (what: string) =>
  z
    .string('must be a string')
    .check(z.regex(/^[a-z0-9][a-z0-9-]{0,63}$/, `must be ${what}: lower-case letters, digits and dashes`))

const text = (maxLength: number) =>
  z
    .string('must be a string')
    .check(
      z.minLength(1, 'must not be empty'),
      z.maxLength(maxLength, `must have at most ${maxLength} characters`),
    )

const displayName = text(200)

const metadata = z.record(z.string(), z.unknown(), 'must be an object')

/** A century: far from where a time has more digits than ours, and Turso's own durations overflow. */
const MAX_EXPIRATION_MINUTES = 5_200 * 10_080
const MINUTES: Readonly<Record<string, number>> = { w: 10_080, d: 1_440, h: 60, m: 1 }

function minutesOf(expiration: string): number {
  const parts = [...expiration.matchAll(/(\d+)([wdhm])/g)]
  return parts.reduce((sum, [, amount, unit = '']) => sum + Number(amount) * (MINUTES[unit] ?? 0), 0)
}

const tokenShape = {
  expiration: z.optional(
    z.string('must be a string').check(
      z.regex(
        /^(never|(?=.*[1-9])(\d{1,6}[wdhm]){1,4})$/,
        'must be "never", or numbers with the units w, d, h and m such as 2w1d30m',
      ),
      z.refine(
        (text) => minutesOf(text) <= MAX_EXPIRATION_MINUTES,
        'must be "never", or at most 5200w, in the units w, d, h and m',
      ),
    ),
  ),
  authorization: z.optional(z.enum(['full-access', 'read-only'], 'must be "full-access" or "read-only"')),
}

export const signupRequest = z.strictObject({
  id: tenantId,
  name: z.optional(displayName),
  group: z.optional(slug('a group name')),
  location: z.optional(slug('a location code such as aws-eu-west-1')),
  template: z.optional(slug('a template')),
  metadata: z.optional(metadata),
  token: z.optional(z.strictObject(tokenShape)),
})

export type SignupRequest = z.infer<typeof signupRequest>

export const tokenRequest = z.strictObject({
  ...tokenShape,
  permissions: z.optional(
    z.record(
      z.string(),
      z.array(z.string('must be a list of actions'), 'must be a list of actions'),
      'must be an object of tables and what may be done to them',
    ),
  ),
})

export type TokenRequest = z.infer<typeof tokenRequest>

/**
 * @param body JSON, or nothing
 * @throws {Problem} `invalid_request` that names every refused field
 */
export function parseToken(body: string): TokenOptions {
  const { permissions: tables, ...request } = parse(tokenRequest, body === '' ? {} : parseJson(body))
  const options = tokenOptions(request)
  if (tables === undefined) return options
  try {
    const fineGrainedPermissions = permissions(tables as Parameters<typeof permissions>[0])
    return { ...options, fineGrainedPermissions }
  } catch (error) {
    throw invalidRequest([{ field: 'permissions', detail: (error as TypeError).message }])
  }
}

/** A JSON Merge Patch (RFC 7396) of what an operator may change. */
export const updateRequest = z.strictObject({
  name: z.optional(z.nullable(displayName)),
  metadata: z.optional(z.nullable(metadata)),
  suspended: z.optional(z.boolean('must be true or false')),
  reason: z.optional(z.nullable(text(500))),
})

export type UpdateRequest = z.infer<typeof updateRequest>

/** @throws {Problem} `invalid_request` that names every refused field */
export function parseUpdate(body: string): UpdateRequest {
  const request = parse(updateRequest, parseJson(body))
  if (request.reason !== undefined && request.suspended !== true)
    throw invalidRequest([{ field: 'reason', detail: 'is for "suspended": true' }])
  return request
}

/** @throws {Problem} `invalid_request` that names every refused field */
export function parseSignup(body: string): SignupRequest {
  return parse(signupRequest, parseJson(body))
}

export const rebuildRequest = z.strictObject({
  objects: z
    .array(
      z
        .string('must be a string')
        .check(z.regex(/^[0-9a-f]{64}$/, 'must be the id of an object, 64 hex digits')),
      'must be a list',
    )
    .check(
      z.minLength(1, 'must not be empty'),
      z.maxLength(MAX_REBUILT, `must have at most ${MAX_REBUILT} ids`),
    ),
})

export const checkRequest = z.strictObject({
  published_before: z.iso.datetime('must be a time such as 2026-11-28T12:00:00Z'),
  cursor: z.optional(z.string('must be a string')),
})
export type CheckRequest = z.infer<typeof checkRequest>

/** @throws {Problem} `invalid_request` that names every refused field */
export function parseRebuild(body: string): string[] {
  return parse(rebuildRequest, parseJson(body)).objects
}

/** @throws {Problem} `invalid_request` that names every refused field */
export function parseCheck(body: string): CheckRequest {
  return parse(checkRequest, parseJson(body))
}

const seconds = z.optional(
  z
    .int(`must be a whole number from 0 to ${MAX_DRAIN_SECONDS}`)
    .check(
      z.gte(0, 'must not be negative'),
      z.lte(MAX_DRAIN_SECONDS, `must be at most ${MAX_DRAIN_SECONDS}`),
    ),
)

export const drainRequest = z.strictObject({
  tenant: tenantId,
  within_seconds: seconds,
  for_seconds: seconds,
})

/** @throws {Problem} `invalid_request` that names every refused field */
export function parseDrain(body: string): z.infer<typeof drainRequest> {
  return parse(drainRequest, parseJson(body))
}

/** @throws {Problem} `invalid_request` naming `id` */
export function parseTenantId(id: string): string {
  const result = tenantId.safeParse(id)
  if (!result.success) throw invalidRequest([{ field: 'id', detail: result.error.issues[0]!.message }])
  return result.data
}

function parseJson(body: string): unknown {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    throw invalidRequest([{ field: '', detail: 'The body is not valid JSON' }])
  }
  const fault = findUnfit(json, MAX_JSON_DEPTH)
  if (fault !== undefined) throw invalidRequest([{ field: '', detail: `The body ${fault}` }])
  return json
}

/** What could not be kept everywhere and given back as it is, or would overflow the stack of code that walks it. */
function findUnfit(value: unknown, levels: number): string | undefined {
  if (
    typeof value === 'number' &&
    (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
  )
    return 'has a number that would be rounded; send it as a string'
  if (typeof value === 'string' && !value.isWellFormed()) return 'has half of a character, a lone surrogate'
  if (typeof value !== 'object' || value === null) return undefined
  if (levels === 0) return `is nested more than ${MAX_JSON_DEPTH} levels deep`
  if (Object.hasOwn(value, '__proto__')) return 'has a member called "__proto__"'
  for (const [name, member] of Object.entries(value)) {
    const fault = findUnfit(name, 1) ?? findUnfit(member, levels - 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** @throws {Problem} `invalid_request` that names every refused field */
export function parse<Schema extends z.ZodMiniType>(schema: Schema, value: unknown): z.infer<Schema> {
  const result = z.safeParse(schema, value)
  if (result.success) return result.data
  throw invalidRequest(result.error.issues.flatMap((issue) => toFieldErrors(issue, value)))
}

function toFieldErrors(issue: z.core.$ZodIssue, value: unknown): FieldError[] {
  const field = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      field: shorten(field === '' ? key : `${field}.${key}`),
      detail: 'is not known',
    }))
  if (field === '') return [{ field, detail: 'The body must be a JSON object' }]
  const isMissing =
    issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)?.[key], value) === undefined
  return [{ field: shorten(field), detail: isMissing ? 'is missing' : issue.message }]
}

/** An unknown name may be as long as the whole request. */
function shorten(field: string): string {
  return field.length > 100 ? `${field.slice(0, 99)}…` : field
}
