/** Names for what a request asks for. */

/** `METHOD /path`, by name. A name may stand for several, and a request may have several names. */
export const OPERATIONS: Readonly<Record<string, readonly string[]>> = {
  platform: ['* /v1/**', '* /v2/**', '* /v3/**'],
  sql: ['* /db/**'],
  pipeline: ['POST /db/*/v2/pipeline', 'POST /db/*/v3/pipeline'],
  cursor: ['POST /db/*/v3/cursor'],
  upload: ['POST /db/*/v1/upload', '* /db/*/v2/upload/**'],
  'databases.list': ['GET /v1/organizations/*/databases'],
  'databases.create': ['POST /v1/organizations/*/databases'],
  'databases.retrieve': ['GET /v1/organizations/*/databases/*'],
  'databases.delete': ['DELETE /v1/organizations/*/databases/*'],
  'databases.configuration': ['* /v1/organizations/*/databases/*/configuration'],
  'databases.createToken': ['POST /v1/organizations/*/databases/*/auth/tokens'],
  'databases.invalidateTokens': ['POST /v1/organizations/*/databases/*/auth/rotate'],
  'databases.usage': ['GET /v1/organizations/*/databases/*/usage'],
  'databases.stats': ['GET /v1/organizations/*/databases/*/stats'],
  'databases.instances': ['GET /v1/organizations/*/databases/*/instances'],
  'groups.list': ['GET /v1/organizations/*/groups'],
  'groups.create': ['POST /v1/organizations/*/groups'],
  'groups.retrieve': ['GET /v1/organizations/*/groups/*'],
  'groups.delete': ['DELETE /v1/organizations/*/groups/*'],
  'groups.createToken': ['POST /v1/organizations/*/groups/*/auth/tokens'],
  'groups.invalidateTokens': ['POST /v1/organizations/*/groups/*/auth/rotate'],
  'locations.list': ['GET /v1/locations'],
  'organizations.list': ['GET /v1/organizations', 'GET /v2/organizations'],
  'organizations.retrieve': ['GET /v1/organizations/*'],
  'members.list': ['GET /v1/organizations/*/members'],
  'invites.create': ['POST /v2/organizations/*/invites'],
  'apiTokens.create': ['POST /v1/auth/api-tokens/*', 'POST /v2/auth/api-tokens/*'],
  'auditLogs.list': ['GET /v1/organizations/*/audit-logs'],
}

/** Whether a text can be the `on` of a fault. */
export function isOperation(on: string): boolean {
  return Object.hasOwn(OPERATIONS, on) || /^(?:\*|[A-Z]+) \/\S*$/.test(on)
}

/** A test of a request, given as `METHOD /path`, for the `on` of a fault. */
export function matcherOf(on: string | undefined): (request: string) => boolean {
  if (on === undefined) return () => true
  const patterns = (OPERATIONS[on] ?? [on]).map(toRegExp)
  return (request) => patterns.some((pattern) => pattern.test(request))
}

function toRegExp(pattern: string): RegExp {
  const [method = '', path = ''] = pattern.split(' ')
  const source = path
    .split('/')
    .map((segment) =>
      segment === '**' ? '.*' : segment === '*' ? '[^/]+' : segment.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'),
    )
    .join('/')
  return new RegExp(`^${method === '*' ? '[A-Z]+' : method} ${source}$`)
}
