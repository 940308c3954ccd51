/** Databases and groups by their ids, as version 3 of the API addresses them. Source: turso-cli, *_v3.go */
import { MAX_PAGE_SIZE, DELETED_PAGE_SIZE } from '../limits.ts'
import { route, type Call, type Route } from './call.ts'
import { createDatabase } from './database-create.ts'
import { deleteDatabase, toWireDatabaseV3 } from './databases.ts'
import { toWireDeletedDatabase } from './deleted.ts'
import { optionalText, queryNumber } from './fields.ts'
import { toWireGroup, visibleGroups } from './groups.ts'
import { findGroup, requireDatabase, requireGroup } from './lookup.ts'
import { readCursor, toWireCursor } from './paging.ts'
import { requirePaidPlan } from './plans.ts'
import { createDatabaseToken, createGroupToken } from './sql-tokens.ts'

const DATABASES = '/v3/organizations/:organizationId/databases'
const GROUPS = '/v3/organizations/:organizationId/groups'

export const version3Routes: Route[] = [
  route('GET', DATABASES, 'read', listDatabases),
  route('POST', DATABASES, 'db:create', (call) => {
    const groupId = optionalText(call.body, 'group_id') ?? ''
    const record = createDatabase(call, findGroup({ ...call, params: { groupId } }))
    return { database: toWireDatabaseV3(record) }
  }),
  route('GET', `${DATABASES}/:databaseId`, 'read', (call) => ({
    database: toWireDatabaseV3(requireDatabase(call)),
  })),
  route('DELETE', `${DATABASES}/:databaseId`, 'db:delete', deleteDatabase),
  route('POST', `${DATABASES}/:databaseId/auth/tokens`, 'db:mint-token', createDatabaseToken),
  route('GET', GROUPS, 'read', (call) => ({ groups: visibleGroups(call).map(toWireGroup) })),
  route('GET', `${GROUPS}/:groupId`, 'read', (call) => ({ group: toWireGroup(requireGroup(call)) })),
  route('POST', `${GROUPS}/:groupId/auth/tokens`, 'group:mint-token', createGroupToken),
]

function listDatabases(call: Call) {
  const { catalogue, organization, caller, query } = call
  const isDeleted = query.get('deleted') === 'true'
  if (isDeleted) requirePaidPlan(call, 'Listing deleted databases')
  const page = catalogue.databases.list({
    organizationId: organization.id,
    groupId: caller.groupId ?? query.get('group_id') ?? undefined,
    parentId: query.get('parent_db_id') ?? undefined,
    search: query.get('search') ?? undefined,
    isDeleted,
    after: readCursor(query),
    limit: queryNumber(query, 'limit', { min: 1, max: MAX_PAGE_SIZE, otherwise: DELETED_PAGE_SIZE }),
  })
  return {
    databases: isDeleted ? page.rows.map(toWireDeletedDatabase) : page.rows.map(toWireDatabaseV3),
    pagination: toWireCursor(page),
  }
}
