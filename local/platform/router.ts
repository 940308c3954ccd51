/**
 * The Platform API: finds the route of a request, checks its token, and answers.
 * Source: https://docs.turso.tech/api-reference, and for the texts the answers of the real service.
 */
import { HttpFailure } from '../errors.ts'
import { MAX_PLATFORM_BODY_BYTES, RECOVERY_WINDOW_MS } from '../limits.ts'
import { json, readBody } from '../responses.ts'
import type { OrganizationRecord } from '../storage/records.ts'
import type { Call, Fields, PlatformContext, Route } from './call.ts'
import { authenticate, type Caller } from './callers.ts'
import { findDatabase, findGroup } from './lookup.ts'
import { createRateLimit } from './rate-limit.ts'
import { routes } from './routes.ts'

/** Answers a request for `/v1/…`. Throws `HttpFailure` when it refuses. */
export type PlatformHandler = (request: Request, url: URL) => Promise<Response>

export function createPlatform(context: PlatformContext): PlatformHandler {
  const { catalogue, now, user } = context
  const rateLimit = createRateLimit(context.traps.rateLimit, now)
  const recoveryWindowMs = context.plan === 'starter' ? 0 : RECOVERY_WINDOW_MS

  const callOf = (caller: Caller, params: Call['params'], query: URLSearchParams, body: Fields): Call => {
    const organization = organizationOf(context, params)
    return {
      ...context,
      caller,
      organization,
      params,
      query,
      body,
      audit: (code, message, data = {}) =>
        catalogue.auditLogs.add(organization.id, {
          code,
          message,
          origin: 'api',
          author: user.username,
          createdAtMs: now(),
          data,
        }),
    }
  }

  return async (request, url) => {
    const { route, params } = findRoute(
      request.method,
      url.hostname === REGION_HOST ? ['region'] : segmentsOf(url),
    )
    const caller =
      route.scope === 'public' ? ANYBODY : authenticate(request.headers.get('authorization'), context)
    const tooMany = rateLimit()
    if (tooMany) return tooMany
    const isWriting = route.method !== 'GET'
    const body = isWriting ? await readJson(request) : {}
    if (url.search.includes('%00')) throw new HttpFailure(400, 'the query has a NUL in it')
    // From here on nothing waits, so what was checked stays true.
    const work = () => {
      const call = callOf(caller, params, url.searchParams, body)
      checkScope(call, route)
      return route.handler(call)
    }
    catalogue.purge(now() - recoveryWindowMs)
    const answer = isWriting ? catalogue.transaction(work) : work()
    // On the free plan nothing can be restored, so nothing stays.
    if (isWriting && recoveryWindowMs === 0) catalogue.purge(now())
    return answer === undefined ? new Response(null) : json(answer)
  }
}

/** Where the real service tells the closest location, whatever the path. */
const REGION_HOST = 'region.turso.io'

const ANYBODY: Caller = { organizationId: undefined, groupId: undefined, scopes: [] }

const COMPILED = routes.map((route) => ({ route, pattern: route.path.slice(1).split('/') }))

function findRoute(method: string, segments: string[]): { route: Route; params: Record<string, string> } {
  for (const { route, pattern } of COMPILED) {
    if (route.method !== method || pattern.length !== segments.length) continue
    const isMatch = pattern.every((part, index) => part.startsWith(':') || part === segments[index])
    if (!isMatch) continue
    const named = pattern.flatMap((part, index) =>
      part.startsWith(':') ? [[part.slice(1), segments[index]!] as const] : [],
    )
    return { route, params: Object.fromEntries(named) }
  }
  throw new HttpFailure(404, 'route not found')
}

function organizationOf({ catalogue }: PlatformContext, params: Call['params']): OrganizationRecord {
  const { organization: slug, organizationId: id } = params
  const { organizations } = catalogue
  if (slug === undefined && id === undefined) return organizations.primary()
  const organization = slug === undefined ? organizations.findById(id ?? '') : organizations.find(slug)
  if (!organization) throw new HttpFailure(404, 'organization not found')
  return organization
}

/** Throws `HttpFailure` 403 when the token is for another organization or group, or has not the scope of the route. */
function checkScope(call: Call, { scope }: Route): void {
  const { caller, organization, params } = call
  const hasOrganization = 'organization' in params || 'organizationId' in params
  if (hasOrganization && caller.organizationId !== undefined && caller.organizationId !== organization.id) {
    throw new HttpFailure(403, 'the token is scoped to another organization')
  }
  if (caller.groupId === undefined || scope === 'any' || scope === 'public') return
  if (scope === 'organization') throw new HttpFailure(403, 'not allowed with a group-scoped token')
  if (!caller.scopes.includes(scope)) throw new HttpFailure(403, `the token does not have the scope ${scope}`)
  const groupIds = [findDatabase(call)?.groupId, findGroup(call)?.id]
  if (groupIds.some((id) => id !== undefined && id !== caller.groupId)) {
    throw new HttpFailure(403, 'the token is scoped to another group')
  }
}

function segmentsOf(url: URL): string[] {
  try {
    const segments = url.pathname.slice(1).split('/').map(decodeURIComponent)
    if (!segments.some((segment) => segment.includes('\0'))) return segments
  } catch {
    // Neither is it a path.
  }
  throw new HttpFailure(400, 'the path is not valid percent-encoding')
}

/** The body as an object. No body is an empty object. */
async function readJson(request: Request): Promise<Fields> {
  const body = await readBody(request, MAX_PLATFORM_BODY_BYTES)
  if (body.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw new HttpFailure(400, 'the request body is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HttpFailure(400, 'the request body is not a JSON object')
  }
  return value as Fields
}
