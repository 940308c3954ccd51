/** Reads the audit, the latest rows first, writes what no tenant's outbox does, and lets the oldest go. */
import { AUDIT_RETENTION_MS } from '../limits.ts'
import type { AuditQuery } from './queries.ts'
import { auditId, auditTime, timeOfAuditId, type Deed } from './audit.ts'
import { openCursor, sealCursor } from './cursor.ts'
import { readPage, type Argument, type Scan } from './page.ts'

export interface AuditRow {
  id: string
  at: string
  actor: string
  action: string
  tenant: string | null
  /** Of what is about a database that no tenant is known to have. */
  database: string | null
  outcome: string
  requestId: string | null
  session: string | null
  /** How often the same was done again; see {@link AuditEntry}. */
  repeats: number
}

type Row = Record<string, never> &
  Omit<AuditRow, 'at' | 'requestId' | 'session' | 'repeats'> & {
    request_id: string | null
    /** Of tables that are up to date, as is the next. */
    session?: string | null
    repeats?: number
  }

export async function listAudit(
  directory: D1Database,
  query: AuditQuery,
): Promise<{ audit: AuditRow[]; nextCursor: string | null }> {
  const { rows, last } = await readPage<Row>(directory, auditScan(query, openCursor('audit', query.cursor)))
  return {
    audit: rows.map(({ id, request_id: requestId, session = null, repeats = 0, ...row }) => ({
      id,
      at: new Date(timeOfAuditId(id)).toISOString(),
      ...row,
      requestId,
      session,
      repeats,
    })),
    nextCursor: sealCursor('audit', last),
  }
}

/** One filter has an index; those behind it are looked for in what that gives. */
export function auditScan(query: AuditQuery, last: Argument | null): Scan {
  const given = (['tenant', 'actor', 'action'] as const).flatMap((column) => {
    const value = query[column]
    return value === undefined ? [] : [[`${column} = ?`, value] as const]
  })
  const bounds: [string, Argument][] = []
  if (query.after !== undefined) bounds.push(['id >= ?', auditTime(Date.parse(query.after))])
  if (query.before !== undefined) bounds.push(['id < ?', auditTime(Date.parse(query.before))])
  if (last !== null) bounds.push(['id < ?', last])
  const indexed = [...given.slice(0, 1), ...bounds]
  const where = indexed.length === 0 ? '' : `where ${indexed.map(([condition]) => condition).join(' and ')}`
  return {
    sql: `select * from audit ${where} order by id desc`,
    args: indexed.map(([, argument]) => argument),
    key: 'id',
    order: 'desc',
    filters: given.slice(1),
    limit: query.limit,
  }
}

/** For what is about no tenant, or about one that has no object to bring it here. */
export async function addToAudit(
  directory: D1Database,
  { actor, action, outcome, requestId, session }: Deed,
  { tenant, database }: Pick<AuditRow, 'tenant' | 'database'>,
): Promise<void> {
  const id = auditId(Date.now(), 0, crypto.randomUUID().slice(0, 8))
  await directory
    .prepare(
      'insert into audit (id, actor, action, tenant, database, request_id, outcome, session) values (?, ?, ?, ?, ?, ?, ?, ?)',
    )
    .bind(id, actor, action, tenant, database, requestId, outcome, session ?? null)
    .run()
}

/** @returns how many rows are gone; at most `limit` */
export async function dropOldAudit(directory: D1Database, now: number, limit: number): Promise<number> {
  const { meta } = await directory
    .prepare('delete from audit where id in (select id from audit where id < ? order by id limit ?)')
    .bind(auditTime(now - AUDIT_RETENTION_MS), limit)
    .run()
  return meta.changes
}
