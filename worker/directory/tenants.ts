/** Lists, searches and counts the tenants that the directory knows. */
import type { TenantQuery } from './queries.ts'
import { openCursor, sealCursor } from './cursor.ts'
import { readPage, type Argument, type Scan } from './page.ts'
import type { DirectoryRow } from './row.ts'
import { MARK } from './schema.ts'

/** A tenant as a list shows it. */
export type TenantSummary = Omit<DirectoryRow, 'orphans'>

const COLUMNS = `t.seq, t.id, t.name, t.status, t.group_name, t.location, t.database, t.schema_version, t.created_at`

type Row = Record<string, never> & {
  seq: number
  id: string
  name: string | null
  status: DirectoryRow['status']
  group_name: string
  location: string
  database: string
  schema_version: number
  created_at: string
}

/** Without `q` in the order of the ids, with it in the order in which the directory has come to know the tenants. */
export async function listTenants(
  directory: D1Database,
  query: TenantQuery,
): Promise<{ tenants: TenantSummary[]; nextCursor: string | null }> {
  const list = query.q === undefined ? 'tenants' : 'search'
  const after = openCursor(list, query.cursor)
  const scan = query.q === undefined ? byId(query, after) : bySearch(query, query.q, after)
  const { rows, last } = await readPage<Row>(directory, scan)
  return {
    tenants: rows.map((row) => ({
      id: row.id,
      name: row.name,
      status: row.status,
      group: row.group_name,
      location: row.location,
      database: row.database,
      schemaVersion: row.schema_version,
      createdAt: row.created_at,
    })),
    nextCursor: sealCursor(list, last),
  }
}

/** Each combination of filters has an index of its own. */
export function byId({ status, group, limit }: TenantQuery, after: Argument | null): Scan {
  const conditions: [string, Argument | null | undefined][] = [
    ['t.status = ?', status],
    ['t.group_name = ?', group],
    ['t.id > ?', after],
  ]
  const given = conditions.filter(
    (each): each is [string, Argument] => each[1] !== undefined && each[1] !== null,
  )
  const where = given.length === 0 ? '' : `where ${given.map(([condition]) => condition).join(' and ')}`
  return {
    sql: `select ${COLUMNS} from tenants t ${where} order by t.id`,
    args: given.map(([, argument]) => argument),
    key: 'id',
    order: 'asc',
    filters: [],
    limit,
  }
}

export function bySearch({ status, group, limit }: TenantQuery, q: string, after: Argument | null): Scan {
  const filters: Scan['filters'][number][] = []
  if (status !== undefined) filters.push(['status = ?', status])
  if (group !== undefined) filters.push(['group_name = ?', group])
  return {
    // Cast, since D1 binds each number as a float, and FTS5 goes only to a rowid that is an integer without reading on the way.
    sql: `select ${COLUMNS} from tenant_search s join tenants t on t.seq = s.rowid
      where s.text match ? and s.rowid > cast(? as integer) order by s.rowid`,
    args: [phrase(q), after ?? 0],
    key: 'seq',
    order: 'asc',
    filters,
    limit,
  }
}

/** Three characters are one trigram. Fewer are looked for at the beginnings, where two marks make up for them. */
function phrase(q: string): string {
  const missing = Math.max(0, 3 - Array.from(q).length)
  return `"${MARK.repeat(missing)}${q.replaceAll('"', '""')}"`
}

export async function countTenants(directory: D1Database): Promise<Record<string, number>> {
  const { results } = await directory
    .prepare('select status, tenants from tenant_counts where tenants > 0 order by status')
    .all<{ status: string; tenants: number }>()
  return Object.fromEntries(results.map(({ status, tenants }) => [status, tenants]))
}
