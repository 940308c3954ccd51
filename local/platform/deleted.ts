/** What was deleted in the last five days, and its restoration. Source: https://docs.turso.tech, Recover Deleted Databases */
import { HttpFailure } from '../errors.ts'
import { DELETED_PAGE_SIZE, MAX_PAGE_SIZE } from '../limits.ts'
import type { DatabaseRecord } from '../storage/records.ts'
import { route, type Call, type Route } from './call.ts'
import { refuseOverQuota, refuseTaken } from './database-create.ts'
import { optionalText, queryNumber } from './fields.ts'
import { toWireGroup } from './groups.ts'
import { toWireTime } from './lookup.ts'
import { checkLabel, checkName } from './names.ts'
import { readCursor, toWireCursor } from './paging.ts'
import { requirePaidPlan } from './plans.ts'
import type { WireDeletedDatabase, WireDeletedGroup, WireRestoreGroupResponse } from './wire.ts'

const ORGANIZATION = '/v3/organizations/:organizationId'

export const deletedRoutes: Route[] = [
  route('GET', `${ORGANIZATION}/deleted-groups`, 'organization', listDeletedGroups),
  route('POST', `${ORGANIZATION}/databases/:deletedDatabaseId/restore`, 'organization', restoreDatabase),
  route('POST', `${ORGANIZATION}/groups/:deletedGroupId/restore`, 'organization', restoreGroup),
]

function listDeletedGroups(call: Call): { groups: WireDeletedGroup[]; pagination: { next: string | null } } {
  requirePaidPlan(call, 'Listing deleted groups')
  const { catalogue, organization, query } = call
  const limit = queryNumber(query, 'limit', { min: 1, max: MAX_PAGE_SIZE, otherwise: DELETED_PAGE_SIZE })
  const page = catalogue.groups.listDeleted(organization.id, readCursor(query), limit)
  return {
    groups: page.rows.map(({ id, name, deletedAtMs = 0, cascadeDatabases }) => ({
      uuid: id,
      name,
      deleted_at: toWireTime(deletedAtMs),
      cascade_databases: cascadeDatabases,
    })),
    pagination: toWireCursor(page),
  }
}

function restoreDatabase(call: Call): { database: WireDeletedDatabase } {
  requireRecovery(call)
  const { catalogue, organization, params, body } = call
  const record = catalogue.databases.findDeleted(params['deletedDatabaseId'] ?? '')
  if (record?.organizationId !== organization.id) throw new HttpFailure(404, 'deleted database not found')
  const name = optionalText(body, 'name') ?? record.name
  if (record.groupDeletedAtMs !== undefined) {
    throw new HttpFailure(400, 'the group of the database is deleted, restore the group first')
  }
  restore(call, record, name)
  return { database: toWireDeletedDatabase(catalogue.databases.findById(record.id)!) }
}

/** A database that cannot be restored does not keep the others from it. */
function restoreGroup(call: Call): WireRestoreGroupResponse {
  requireRecovery(call)
  const { catalogue, organization, params } = call
  const group = catalogue.groups.findDeleted(params['deletedGroupId'] ?? '')
  if (group?.organizationId !== organization.id) throw new HttpFailure(404, 'deleted group not found')
  if (catalogue.groups.find(organization.id, group.name)) throw new HttpFailure(409, 'group already exists')
  const records = catalogue.databases.deletedWith(group)
  catalogue.groups.restore(group.id)
  call.audit('group-restore', `group ${group.name} restored`, { group: group.name, id: group.id })

  const databases: WireDeletedDatabase[] = []
  const failures: Record<string, string> = {}
  for (const record of records) {
    try {
      restore(call, record, record.name)
      databases.push(toWireDeletedDatabase(catalogue.databases.findById(record.id)!))
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error
      failures[record.id] = error.message
    }
  }
  return { group: toWireGroup(group), databases, failures }
}

/** With its data and its tokens, as it was. */
function restore(call: Call, record: DatabaseRecord, name: string): void {
  checkName(name)
  checkLabel(name, record.organizationSlug)
  refuseTaken({ ...call, traps: { ...call.traps, recreateRefusedMs: 0 } }, name)
  refuseOverQuota(call)
  call.catalogue.databases.restore(record.id, name)
  call.audit('db-restore', `database ${name} restored`, { database: name, id: record.id })
}

function requireRecovery(call: Call): void {
  requirePaidPlan(call, 'Restoring what was deleted')
  if (!call.organization.restoreEnabled) {
    throw new HttpFailure(400, 'recovery is disabled for the organization')
  }
}

export function toWireDeletedDatabase(record: DatabaseRecord): WireDeletedDatabase {
  return {
    Name: record.name,
    DbId: record.id,
    Hostname: record.hostname,
    group: record.group,
    group_id: record.groupId,
    organization_id: record.organizationId,
    regions: [record.location, ...record.replicas],
    primaryRegion: record.location,
    delete_protection: record.deleteProtection,
    deleted_at: record.deletedAtMs === undefined ? null : toWireTime(record.deletedAtMs),
    group_deleted_at: record.groupDeletedAtMs === undefined ? null : toWireTime(record.groupDeletedAtMs),
  }
}
