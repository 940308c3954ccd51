/** Databases: list, retrieve, delete, instances. */
import { createHash } from 'node:crypto'
import { HttpFailure } from '../errors.ts'
import { MAX_PAGE_SIZE } from '../limits.ts'
import type { DatabaseRecord } from '../storage/records.ts'
import { route, type Call, type Route } from './call.ts'
import { queryNumber } from './fields.ts'
import { requireDatabase, toWireTime } from './lookup.ts'
import { readCursor, toWireCursor } from './paging.ts'
import type { WireDatabase, WireDatabaseV3, WireInstance } from './wire.ts'

const DATABASES = '/v1/organizations/:organization/databases'

export const databaseRoutes: Route[] = [
  route('GET', DATABASES, 'read', listDatabases),
  route('GET', `${DATABASES}/:database`, 'read', (call) => ({
    database: toWireDatabase(requireDatabase(call)),
  })),
  route('DELETE', `${DATABASES}/:database`, 'db:delete', deleteDatabase),
  route('GET', `${DATABASES}/:database/instances`, 'read', (call) => ({
    instances: instancesOf(requireDatabase(call)),
  })),
  route('GET', `${DATABASES}/:database/instances/:instance`, 'read', retrieveInstance),
  // Two routes of the CLI. No database ever sleeps here.
  route('POST', `${DATABASES}/:database/wakeup`, 'db:configure', (call) => void requireDatabase(call)),
  route('POST', `${DATABASES}/:database/transfer`, 'organization', refuseTransfer),
]

function listDatabases({ catalogue, organization, caller, query, traps }: Call) {
  const groupName = query.get('group')
  const groupId = groupName === null ? undefined : catalogue.groups.find(organization.id, groupName)?.id
  // No database has a schema database, and no group means no databases.
  const isEmpty = query.has('schema') || query.get('type') === 'schema' || (groupName !== null && !groupId)
  if (isEmpty) return { databases: [], pagination: { next: null } }
  const { listCutAt } = traps
  const page = catalogue.databases.list({
    organizationId: organization.id,
    groupId: caller.groupId ?? groupId,
    parentId: query.get('parent') ?? undefined,
    after: readCursor(query),
    limit: listCutAt ?? queryNumber(query, 'limit', { min: 1, max: MAX_PAGE_SIZE, otherwise: MAX_PAGE_SIZE }),
  })
  // A group-scoped token sees its own group alone.
  const rows =
    groupId !== undefined && caller.groupId !== undefined && groupId !== caller.groupId ? [] : page.rows
  const databases = rows.map(toWireDatabase)
  return listCutAt === undefined ? { databases, pagination: toWireCursor(page) } : { databases }
}

/** Ends the database's connections and marks it as deleted. It answers with the name alone. */
export function deleteDatabase(call: Call): { database: string } {
  const record = requireDatabase(call)
  if (record.deleteProtection) {
    throw new HttpFailure(400, `database [${record.name}] has delete protection enabled`)
  }
  call.closeDatabase(record.id)
  call.catalogue.databases.delete(record.id, call.now())
  call.audit('db-delete', `database ${record.name} deleted`, { database: record.name, id: record.id })
  return { database: record.name }
}

function refuseTransfer(call: Call): never {
  requireDatabase(call)
  throw new HttpFailure(400, 'the transfer of one database is not supported by the local Turso')
}

function retrieveInstance(call: Call) {
  const { instance: name } = call.params
  const instance = instancesOf(requireDatabase(call)).find((candidate) => candidate.name === name)
  if (!instance) throw new HttpFailure(404, `could not find instance ${name}`)
  return { instance }
}

/** One for each location of its group. Their ids follow from the database's, so they need no storage. */
export function instancesOf({ id, location, replicas, hostname }: DatabaseRecord): WireInstance[] {
  return [location, ...replicas].map((region, index) => ({
    uuid: derivedUuid(`${id}/${region}`),
    name: region,
    type: index === 0 ? 'primary' : 'replica',
    region,
    hostname,
  }))
}

function derivedUuid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `5${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}

export function toWireDatabase(record: DatabaseRecord): WireDatabase {
  const { parent } = record
  return {
    Name: record.name,
    DbId: record.id,
    Hostname: record.hostname,
    hostname: record.hostname,
    group: record.group,
    primaryRegion: record.location,
    regions: [record.location, ...record.replicas],
    type: 'logical',
    database_type: 'libsql',
    version: 'local',
    block_reads: record.blockReads,
    block_writes: record.blockWrites,
    delete_protection: record.deleteProtection,
    allow_attach: record.allowAttach,
    sleeping: false,
    archived: false,
    is_schema: false,
    schema: '',
    parent: parent ? { ...parent, branched_at: toWireTime(record.createdAtMs) } : null,
  }
}

export function toWireDatabaseV3(record: DatabaseRecord): WireDatabaseV3 {
  return {
    ...toWireDatabase(record),
    group_id: record.groupId,
    organization_id: record.organizationId,
    allow_rules_config: {
      allowed_ips: [...record.allowedIps],
      allowed_aws_vpc_ids: [...record.allowedAwsVpcIds],
    },
  }
}
