/** What a path names, in version 1 by name and in version 3 by id. Everything throws `HttpFailure` 404. */
import { HttpFailure } from '../errors.ts'
import type { DatabaseRecord, Group } from '../storage/records.ts'
import type { Call } from './call.ts'

type Where = Pick<Call, 'catalogue' | 'organization' | 'params'>

export function findDatabase({ catalogue, organization, params }: Where): DatabaseRecord | undefined {
  const { database: name, databaseId: id } = params
  if (name !== undefined) return catalogue.databases.find(organization.id, name)
  const record = id === undefined ? undefined : catalogue.databases.findById(id)
  return record?.organizationId === organization.id ? record : undefined
}

export function findGroup({ catalogue, organization, params }: Where): Group | undefined {
  const { group: name, groupId: id } = params
  if (name !== undefined) return catalogue.groups.find(organization.id, name)
  const group = id === undefined ? undefined : catalogue.groups.findById(id)
  return group?.organizationId === organization.id ? group : undefined
}

export function requireDatabase(where: Where): DatabaseRecord {
  const record = findDatabase(where)
  if (record) return record
  const { database, databaseId } = where.params
  throw new HttpFailure(
    404,
    database === undefined
      ? `could not find database with id [${databaseId}]: record not found`
      : `could not find database with name [${database}]: record not found`,
  )
}

export function requireGroup(where: Where): Group {
  const group = findGroup(where)
  if (!group) throw new HttpFailure(404, 'group not found')
  return group
}

/** RFC 3339, as all times of the API are. */
export function toWireTime(ms: number): string {
  return new Date(ms).toISOString()
}
