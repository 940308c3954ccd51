/** Who did what to which tenant: the rows of the audit, and what becomes one. Pure. */
import { isReady } from '../saga/access.ts'
import type { TenantRecord } from '../record/tenant.ts'

/** On whose behalf something is done. */
export interface Caller {
  /** `key:` and the name of an API key, `binding:` and that of an entrypoint, or {@link WORKER}. */
  actor: string
  /** Of the request that asked for it; `null` for what the Worker does by itself. */
  requestId: string | null
}

/** What nobody asks for at the moment: alarms and crons. */
export const WORKER: Caller = { actor: 'worker', requestId: null }

/** One row. Names, ids and fixed words only: nothing in it can be a secret. */
export interface AuditEntry extends Caller {
  /** Sorts by time; the same however often the row is sent. */
  id: string
  tenant: string
  action: AuditAction
  outcome: string
  /** Which session it was done to; `undefined`: it was none. */
  session?: string | undefined
  /** How often the same was done again, by the same, while D1 was down and so many rows were waiting; default 0. */
  repeats?: number
}

export type AuditAction =
  /** A signup was begun, or taken up again. */
  | 'signup'
  | 'retry'
  /** A signup has ended. */
  | 'provision'
  /** A token was given out. */
  | 'token'
  /** All tokens of the database were ended; of `begun` without another row nobody knows. */
  | 'invalidate_tokens'
  /** Name or metadata. */
  | 'update'
  | 'suspend'
  | 'resume'
  | 'delete'
  /** Without a grace period. */
  | 'purge'
  | 'restore'
  /** Its sessions were to end, and none to begin for a while. */
  | 'drain_sessions'
  /** One of its sessions was ended. */
  | 'kill_session'
  /** Nothing of the tenant is left. */
  | 'forget'
  /** About a database that may be left: its tenant deletes it now, or an operator does; it is somebody else's. */
  | 'delete_orphan'
  | 'ignore_orphan'
  /** Rows of tenants were to be made again, or looked after. */
  | 'rebuild_directory'
  | 'check_directory'

/** What is noted besides time and place. */
export type Deed = Caller & Pick<AuditEntry, 'action' | 'outcome' | 'session'>

const TIME_DIGITS = 9

/**
 * @param count of the tenant's rows before this one, to keep those of the same millisecond in order
 * @param random a few characters that no other row of the same millisecond has
 */
export function auditId(now: number, count: number, random: string): string {
  return `${auditTime(now)}-${(count % 1296).toString(36).padStart(2, '0')}${random}`
}

/** What the ids of all rows from this time on are not less than. */
export function auditTime(ms: number): string {
  return Math.max(0, ms).toString(36).padStart(TIME_DIGITS, '0')
}

export function timeOfAuditId(id: string): number {
  return Number.parseInt(id.slice(0, TIME_DIGITS), 36)
}

/** What the saga has done by itself between two states, if it is worth a row. */
export function deedOf(before: TenantRecord | undefined, after: TenantRecord | undefined): Deed | null {
  if (after === undefined)
    return before === undefined ? null : { ...WORKER, action: 'forget', outcome: 'done' }
  const hasEnded = before?.status === 'provisioning' && before.databaseName === after.databaseName
  if (!hasEnded || !(isReady(after) || after.status === 'failed')) return null
  return { ...WORKER, action: 'provision', outcome: after.status }
}
