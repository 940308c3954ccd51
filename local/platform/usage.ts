/** What databases and organizations have used: rows by hour, and the bytes of the files as they are now. */
import { HttpFailure } from '../errors.ts'
import type { DatabaseRecord } from '../storage/records.ts'
import { route, type Call, type Route } from './call.ts'
import { instancesOf } from './databases.ts'
import { requireDatabase } from './lookup.ts'
import type {
  WireDatabaseUsage,
  WireOrganizationUsage,
  WireStatsResponse,
  WireUsageResponse,
} from './wire.ts'

const ORGANIZATION = '/v1/organizations/:organization'

export const usageRoutes: Route[] = [
  route('GET', `${ORGANIZATION}/databases/:database/usage`, 'read', retrieveDatabaseUsage),
  route('GET', `${ORGANIZATION}/databases/:database/stats`, 'read', retrieveStats),
  // A route of the CLI: the same as a bare array. The beginning that is asked for is not heeded.
  route('GET', `${ORGANIZATION}/databases/:database/usage/queries`, 'read', (call) => topQueriesOf(call)),
  route('GET', `${ORGANIZATION}/usage`, 'organization', retrieveOrganizationUsage),
]

function retrieveDatabaseUsage(call: Call): WireUsageResponse {
  const database = usageOf(call, requireDatabase(call))
  return {
    database,
    instances: Object.fromEntries(database.instances.map(({ uuid, usage }) => [uuid, usage])),
    total: database.total,
  }
}

function retrieveStats(call: Call): WireStatsResponse {
  const queries = topQueriesOf(call)
  return { top_queries: queries.length === 0 ? null : queries }
}

function topQueriesOf(call: Call): NonNullable<WireStatsResponse['top_queries']> {
  return call.catalogue.usage.topQueries(requireDatabase(call).id).map(({ sql, rowsRead, rowsWritten }) => ({
    query: sql,
    rows_read: rowsRead,
    rows_written: rowsWritten,
  }))
}

function retrieveOrganizationUsage(call: Call): { organization: WireOrganizationUsage } {
  const { catalogue, organization } = call
  const groups = catalogue.groups.list(organization.id)
  const databases = groups
    .flatMap(({ id }) => catalogue.databases.inGroup(id))
    .map((record) => usageOf(call, record))
  const sum = (counter: keyof WireDatabaseUsage['total']) =>
    databases.reduce((total, database) => total + database.total[counter], 0)
  return {
    organization: {
      uuid: organization.id,
      usage: {
        rows_read: sum('rows_read'),
        rows_written: sum('rows_written'),
        storage_bytes: sum('storage_bytes'),
        bytes_synced: 0,
        databases: databases.length,
        locations: new Set(groups.flatMap(({ location, replicas }) => [location, ...replicas])).size,
        groups: groups.length,
      },
      databases,
    },
  }
}

/** Everything is the primary's: nothing is replicated. */
function usageOf({ catalogue, folder, query, now }: Call, record: DatabaseRecord): WireDatabaseUsage {
  const today = new Date(now())
  const fromMs = readTime(query, 'from', Date.UTC(today.getUTCFullYear(), today.getUTCMonth()))
  const toMs = readTime(query, 'to', now())
  const { rowsRead, rowsWritten } = catalogue.usage.between(record.id, fromMs, toMs)
  const total = {
    rows_read: rowsRead,
    rows_written: rowsWritten,
    storage_bytes: folder.storageBytes(record.id),
    bytes_synced: 0,
  }
  const none = { rows_read: 0, rows_written: 0, storage_bytes: 0, bytes_synced: 0 }
  const instances = instancesOf(record).map(({ uuid, type }) => ({
    uuid,
    usage: type === 'primary' ? total : none,
  }))
  return { uuid: record.id, instances, usage: total, total }
}

/** A time of RFC 3339 with its offset. The refusal is in the words of Go's `time.Parse`. */
function readTime(query: URLSearchParams, name: 'from' | 'to', otherwise: number): number {
  const text = query.get(name)
  if (text === null || text === '') return otherwise
  const [, time, offset] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? []
  const ms = offset === undefined ? Number.NaN : Date.parse(text)
  if (!Number.isNaN(ms)) return ms
  const [element, rest] =
    time === undefined ? ['2006', text] : offset === undefined ? ['Z07:00', ''] : ['02', text]
  throw new HttpFailure(
    400,
    `invalid ${name} parameter: parsing time "${text}" as "2006-01-02T15:04:05Z07:00": cannot parse "${rest}" as "${element}"`,
  )
}
