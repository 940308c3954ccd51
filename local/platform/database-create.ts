/** `POST …/databases`: an empty database, a copy of another one, or one that waits for the upload of its file. */
import { HttpFailure } from '../errors.ts'
import type { DatabaseRecord, Group, OrganizationRecord } from '../storage/records.ts'
import { route, type Call, type Fields, type Route } from './call.ts'
import { optionalText } from './fields.ts'
import { checkLabel, checkName } from './names.ts'
import { planOf } from './plans.ts'
import { readSizeLimit } from './size-limit.ts'
import type { WireCreateDatabaseResponse } from './wire.ts'

export const databaseCreationRoutes: Route[] = [
  route('POST', '/v1/organizations/:organization/databases', 'db:create', (call) => {
    const group = call.catalogue.groups.find(call.organization.id, optionalText(call.body, 'group') ?? '')
    return toCreated(createDatabase(call, group))
  }),
]

/** Creates the database that a body describes. Throws `HttpFailure` for every reason not to. */
export function createDatabase(call: Call, group: Group | undefined): DatabaseRecord {
  const { body, organization, catalogue, caller } = call
  const { name } = body
  checkName(name)
  checkLabel(name, organization.slug)
  refuseUnsupported(body)
  const sizeLimit = readSizeLimit(call)
  if (!group) throw new HttpFailure(400, 'group not found')
  if (caller.groupId !== undefined && caller.groupId !== group.id) {
    throw new HttpFailure(403, 'the token is scoped to another group')
  }
  const seed = readSeed(call)
  refuseTaken(call, name)
  refuseOverQuota(call)
  const record = catalogue.databases.create({
    name,
    group,
    ...(seed.source && { source: seed.source }),
    isDraft: seed.isDraft,
    sizeLimit: sizeLimit ?? '',
    createdAtMs: call.now(),
  })
  call.audit('db-create', `database ${name} created`, { database: name, id: record.id, group: group.name })
  return record
}

export function toCreated({ id, hostname, name }: DatabaseRecord): WireCreateDatabaseResponse {
  return { database: { DbId: id, Hostname: hostname, Name: name } }
}

/** Throws `HttpFailure` when a live database has the name, or, as a trap, a lately deleted one. */
export function refuseTaken(
  { catalogue, organization, traps, now }: Pick<Call, 'catalogue' | 'organization' | 'traps' | 'now'>,
  name: string,
): void {
  if (catalogue.databases.find(organization.id, name)) {
    throw traps.duplicateCreate === 409
      ? new HttpFailure(409, `database with name ${name} already exists`)
      : new HttpFailure(400, 'database with same name already exists')
  }
  const { recreateRefusedMs = 0 } = traps
  if (recreateRefusedMs === 0) return
  const deletedAtMs = catalogue.databases.lastDeletedAtMs(organization.id, name)
  if (deletedAtMs !== undefined && now() < deletedAtMs + recreateRefusedMs) {
    throw new HttpFailure(422, `database name ${name} is not available`)
  }
}

/** Throws `HttpFailure` when the organization has all the databases that its plan, or a trap, allows. */
export function refuseOverQuota({
  catalogue,
  organization,
  traps,
  plan,
}: Pick<Call, 'catalogue' | 'traps' | 'plan'> & { organization: OrganizationRecord }): void {
  const { databases, status } = traps.databaseQuota ?? {
    databases: planOf(plan).quotas.databases,
    status: 402,
  }
  if (catalogue.databases.count(organization.id) < databases) return
  throw new HttpFailure(status, `maximum database count of ${databases} reached`)
}

function readSeed({ body, catalogue, organization, caller }: Call): {
  source: DatabaseRecord | undefined
  isDraft: boolean
} {
  const { seed } = body
  if (seed === undefined || seed === null) return { source: undefined, isDraft: false }
  if (typeof seed !== 'object') throw new HttpFailure(400, 'seed must be an object')
  const fields = seed as Fields
  const { type } = fields
  if (type === 'database_upload') return { source: undefined, isDraft: true }
  if (type !== 'database') {
    throw new HttpFailure(400, 'seed.type must be "database" or "database_upload", dumps are not supported')
  }
  if (fields['timestamp'] !== undefined && fields['timestamp'] !== null) {
    throw new HttpFailure(400, 'seed.timestamp is not supported by the local Turso: it keeps no history')
  }
  // The documentation says `name`, the CLI sends `value`.
  const name = optionalText(fields, 'name') ?? optionalText(fields, 'value') ?? ''
  const source = catalogue.databases.find(organization.id, name)
  const isForeign = caller.groupId !== undefined && source?.groupId !== caller.groupId
  if (!source || source.isDraft || isForeign) {
    throw new HttpFailure(400, `could not find database with name [${name}]: record not found`)
  }
  return { source, isDraft: false }
}

/** What the request asks for must not be ignored in silence. */
function refuseUnsupported(body: Fields): void {
  for (const field of ['is_schema', 'schema', 'remote_encryption', 'use_tursodb']) {
    if (body[field]) throw new HttpFailure(400, `${field} is not supported by the local Turso`)
  }
}
