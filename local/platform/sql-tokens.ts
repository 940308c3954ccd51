/** `…/auth/tokens` and `…/auth/rotate`: the tokens that open databases. */
import { HttpFailure } from '../errors.ts'
import type { Claims, NamespaceScope, PermissionRule } from '../tokens.ts'
import { route, type Call, type Fields, type Route } from './call.ts'
import { parseExpiration } from './expiration.ts'
import { requireDatabase, requireGroup } from './lookup.ts'

const DATABASE = '/v1/organizations/:organization/databases/:database'
const GROUP = '/v1/organizations/:organization/groups/:group'

export const sqlTokenRoutes: Route[] = [
  route('POST', `${DATABASE}/auth/tokens`, 'db:mint-token', createDatabaseToken),
  route('POST', `${DATABASE}/auth/rotate`, 'db:rotate-creds', rotateDatabase),
  route('POST', `${GROUP}/auth/tokens`, 'group:mint-token', createGroupToken),
  route('POST', `${GROUP}/auth/rotate`, 'group:rotate-creds', rotateGroup),
]

export function createDatabaseToken(call: Call): { jwt: string } {
  const { id, name, rotationId, groupId } = requireDatabase(call)
  const jwt = mint(call, { id, rid: rotationId }, { scope: { ns: [id] }, groupId })
  call.audit('db-token-create', `token created for database ${name}`, { database: name, id })
  return { jwt }
}

export function createGroupToken(call: Call): { jwt: string } {
  const { id, name, rotationId } = requireGroup(call)
  const jwt = mint(call, { gid: id, rid: rotationId }, { scope: { tags: [id] }, groupId: id })
  call.audit('group-token-create', `token created for group ${name}`, { group: name, id })
  return { jwt }
}

/** On the older servers the databases of a group share a key, and it is changed for all of them. */
function rotateDatabase(call: Call): undefined {
  const { id, name, groupId } = requireDatabase(call)
  if (call.traps.generation === 'legacy') call.catalogue.groups.rotate(groupId)
  else call.catalogue.databases.rotate(id)
  call.audit('db-token-rotate', `tokens of database ${name} rotated`, { database: name, id })
}

function rotateGroup(call: Call): undefined {
  const { id, name } = requireGroup(call)
  call.catalogue.groups.rotate(id)
  call.audit('group-token-rotate', `tokens of group ${name} rotated`, { group: name, id })
}

/** What a token opens, and the group in which that is. */
interface Reach {
  readonly scope: NamespaceScope
  readonly groupId: string
}

function mint(call: Call, subject: Claims, { scope, groupId }: Reach): string {
  const { body, query, traps, tokens } = call
  if (traps.generation !== 'legacy' && ('permissions' in body || 'fine_grained_permissions' in body)) {
    throw new HttpFailure(400, 'Permissions are not supported for db-api controlled databases')
  }
  const authorization = query.get('authorization') ?? 'full-access'
  if (authorization !== 'full-access' && authorization !== 'read-only') {
    throw new HttpFailure(400, 'Invalid authorization')
  }
  const lifetimeSeconds = readExpiration(query.get('expiration') ?? 'never')
  const access = authorization === 'read-only' ? 'ro' : 'rw'
  const attachable = readAttachable(call, groupId)
  const perm = readRules(body['fine_grained_permissions'])
  const rights: Claims =
    attachable.length > 0 ? { p: { [access]: scope, roa: { ns: attachable } } } : { a: access }
  return tokens.mint({ ...rights, ...subject, ...(perm && { perm }) }, lifetimeSeconds)
}

/** The DbIds of the databases that a token may attach; they must be in the group of those that it opens. */
function readAttachable({ body, catalogue, organization }: Call, groupId: string): string[] {
  const permissions = (body['permissions'] ?? {}) as Fields
  const { databases = [] } = (permissions['read_attach'] ?? {}) as { databases?: unknown }
  if (!Array.isArray(databases) || databases.length > MAX_ATTACHED) {
    throw new HttpFailure(
      400,
      `permissions.read_attach.databases must be a list of at most ${MAX_ATTACHED} names`,
    )
  }
  return databases.map((name: unknown) => {
    const text = typeof name === 'string' ? name : ''
    const record = catalogue.databases.find(organization.id, text)
    if (!record) throw new HttpFailure(404, `could not find database with name [${text}]: record not found`)
    if (record.groupId !== groupId) {
      throw new HttpFailure(403, `database [${text}] is in another group, so it cannot be attached`)
    }
    return record.id
  })
}

const MAX_ATTACHED = 10

function readRules(value: unknown): PermissionRule[] | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) throw new HttpFailure(400, 'fine_grained_permissions must be a list')
  return value.map((rule: unknown) => {
    const { t = null, a } = (rule ?? {}) as { t?: unknown; a?: unknown }
    const isText = (item: unknown) => typeof item === 'string'
    if (t !== null && !(Array.isArray(t) && t.every(isText))) {
      throw new HttpFailure(400, 'fine_grained_permissions: t must be a list of tables, or null for all')
    }
    if (!Array.isArray(a) || !a.every((action) => ACTIONS.has(action))) {
      throw new HttpFailure(400, `fine_grained_permissions: a must be a list of ${[...ACTIONS].join(', ')}`)
    }
    return { t: t as string[] | null, a: a as string[] }
  })
}

/** Source: https://docs.turso.tech/sdk/authorization/fine-grained-permissions */
const ACTIONS: ReadonlySet<unknown> = new Set([
  'data_read',
  'data_add',
  'data_update',
  'data_delete',
  'schema_add',
  'schema_update',
  'schema_delete',
])

function readExpiration(expiration: string): number | undefined {
  try {
    return parseExpiration(expiration)
  } catch (error) {
    throw new HttpFailure(400, (error as Error).message)
  }
}
