/** What was done, by whom. */
import type { Connection } from '../engine/engine.ts'
import type { AuditLog } from './records.ts'

export interface AuditLogs {
  add(organizationId: string, log: AuditLog): void
  /** The latest first. */
  list(organizationId: string, offset: number, limit: number): AuditLog[]
  count(organizationId: string): number
}

export function createAuditLogs({ query }: Connection): AuditLogs {
  return {
    add(organizationId, { code, message, origin, author, createdAtMs, data }) {
      query(
        `insert into audit_logs (organization_id, code, message, origin, author, created_at_ms, data)
          values (?, ?, ?, ?, ?, ?, ?)`,
        [organizationId, code, message, origin, author, BigInt(createdAtMs), JSON.stringify(data)],
      )
    },
    list: (organizationId, offset, limit) =>
      query(
        `select code, message, origin, author, created_at_ms, data from audit_logs
          where organization_id = ? order by id desc limit ? offset ?`,
        [organizationId, BigInt(limit), BigInt(offset)],
      ).map(([code, message, origin, author, createdAtMs, data]) => ({
        code: code as string,
        message: message as string,
        origin: origin as string,
        author: author as string,
        createdAtMs: Number(createdAtMs),
        data: JSON.parse(data as string) as unknown,
      })),
    count: (organizationId) =>
      Number(query('select count(*) from audit_logs where organization_id = ?', [organizationId])[0]?.[0]),
  }
}
