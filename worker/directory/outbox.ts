/**
 * What a Tenant object owes the directory, kept beside its record and written together with it: the number of the latest
 * change, how far the directory has followed, and the rows of the audit that it does not have yet. No I/O but storage.
 */
import { MAX_AUDIT_ROWS_AT_ONCE, MAX_OWED_AUDIT_ROWS } from '../limits.ts'
import { delayAfter, DIRECTORY_RETRY } from '../saga/policy.ts'
import type { TenantRecord } from '../record/tenant.ts'
import { auditId, deedOf, type AuditEntry, type Deed } from './audit.ts'
import { expectedBy, isNews, rowOf, type DirectoryRow } from './row.ts'

/** Under the key `outbox`. */
export interface OutboxState {
  tenant: string
  /** Counts the changes of the directory's row. */
  revision: number
  /** How many rows of the audit there have been. */
  deeds: number
  /** How often in a row delivery has failed. */
  attempts: number
  /** When the alarm tries, if nobody does before; `null`: nothing is owed. */
  retryAt: number | null
}

/** The synchronous storage of an object, as far as it is needed. */
export interface OutboxStorage {
  get<T>(key: string): T | undefined
  put<T>(key: string, value: T): void
  delete(key: string): unknown
  list<T>(options: { prefix: string; limit: number }): Iterable<[string, T]>
}

/** One delivery. Harmless to repeat, to lose, and to come late. */
export interface Publication {
  tenant: string
  revision: number
  /** `null`: the tenant is forgotten. */
  row: (DirectoryRow & { expectedBy: number | null }) | null
  audit: AuditEntry[]
}

/** What the directory has after a delivery. */
export interface Receipt {
  /** Whether it is what was delivered. */
  isCurrent: boolean
  /** The highest number that it has of this tenant. */
  revision: number
}

export interface Outbox {
  /**
   * To be called in the same breath in which the record is written. `deed`: what somebody has asked for, perhaps of a
   * `tenant` that is gone by now.
   *
   * @returns deeds that are counted in the row of another one
   */
  note: (
    before: TenantRecord | undefined,
    after: TenantRecord | undefined,
    at: Moment,
    deed?: Deed,
    tenant?: string,
  ) => Deed[]
  /**
   * Sends the row again, whatever the directory has.
   *
   * @returns `false` when there is nothing to tell it
   */
  renew: (record: TenantRecord | undefined, now: number) => boolean
  /** What is to be sent now, `null` when nothing is owed. */
  next: (record: TenantRecord | undefined, now: number) => Publication | null
  delivered: (publication: Publication, receipt: Receipt, now: number) => void
  failed: (now: number, random: number) => void
  isOwed: () => boolean
  /**
   * When the object's alarm must go off.
   *
   * @param sagaAt when the saga wants to be woken
   */
  alarmAt: (sagaAt: number | null) => number | null
}

interface Moment {
  now: number
  /** See {@link auditId}. */
  draw: () => string
}

const AUDIT = 'audit:'

/** @param maxRows of the audit that wait; beyond that what is done again, by the same, is counted in its latest row */
export function createOutbox(storage: OutboxStorage, maxRows = MAX_OWED_AUDIT_ROWS): Outbox {
  const read = (): OutboxState | undefined => storage.get<OutboxState>('outbox')
  const write = (state: OutboxState): void => storage.put('outbox', state)
  const owed = (limit: number): [string, AuditEntry][] => [
    ...storage.list<AuditEntry>({ prefix: AUDIT, limit }),
  ]
  const start = (tenant: string): OutboxState =>
    read() ?? { tenant, revision: 0, deeds: 0, attempts: 0, retryAt: null }
  /** Where a deed is counted for which there is no place, unless it is one of its own. */
  const latestLike = (deed: Deed): AuditEntry | undefined => {
    // The kinds of deeds are few, so there are never many more rows than may be.
    const rows = owed(2 * maxRows).map(([, entry]) => entry)
    if (rows.length < maxRows) return undefined
    return rows.findLast(
      ({ actor, action, outcome }) =>
        actor === deed.actor && action === deed.action && outcome === deed.outcome,
    )
  }
  const firstTry = (now: number): number => now + DIRECTORY_RETRY.firstDelayMs

  return {
    note(before, after, { now, draw }, deed, tenant = (after ?? before)?.id) {
      if (tenant === undefined) return []
      const deeds = [deed, deedOf(before, after)].filter((each) => each !== undefined && each !== null)
      const hasNews = isNews(before, after)
      if (!hasNews && deeds.length === 0) return []
      const counted: Deed[] = []
      const state = start(tenant)
      for (const [index, each] of deeds.entries()) {
        // Only while the directory is down: it is not looked at on the way of what goes well.
        const like = state.attempts === 0 ? undefined : latestLike(each)
        if (like !== undefined) {
          storage.put<AuditEntry>(AUDIT + like.id, { ...like, repeats: (like.repeats ?? 0) + 1 })
          counted.push(each)
          continue
        }
        const { actor, requestId, action, outcome, session } = each
        const id = auditId(now, state.deeds + index, draw())
        storage.put<AuditEntry>(AUDIT + id, { id, actor, requestId, tenant, action, outcome, session })
      }
      write({
        ...state,
        revision: state.revision + (hasNews ? 1 : 0),
        deeds: state.deeds + deeds.length,
        retryAt: state.retryAt ?? firstTry(now),
      })
      return counted
    },
    renew(record, now) {
      const state = record === undefined ? read() : start(record.id)
      if (state === undefined) return false
      write({ ...state, revision: state.revision + 1, retryAt: state.retryAt ?? firstTry(now) })
      return true
    },
    next(record, now) {
      const state = read()
      if (state === undefined || state.retryAt === null) return null
      // Put off before it is known how it ends, or the alarm would go off over and over until then.
      if (state.retryAt <= now) write({ ...state, retryAt: firstTry(now) })
      const { tenant, revision } = state
      const row = record === undefined ? null : { ...rowOf(record), expectedBy: expectedBy(record, now) }
      return { tenant, revision, row, audit: owed(MAX_AUDIT_ROWS_AT_ONCE).map(([, entry]) => entry) }
    },
    delivered({ revision, audit }, receipt, now) {
      const state = read()
      if (state === undefined) return
      // What has been counted in a row since it was sent is still to be sent.
      for (const { id, repeats } of audit)
        if (storage.get<AuditEntry>(AUDIT + id)?.repeats === repeats) storage.delete(AUDIT + id)
      const isLatest = revision === state.revision
      // Of a former life that this object knows nothing of any more: its numbers must be left behind.
      const isOutnumbered = isLatest && !receipt.isCurrent
      const isDone = isLatest && receipt.isCurrent && owed(1).length === 0
      write({
        ...state,
        revision: isOutnumbered ? Math.max(revision, receipt.revision) + 1 : state.revision,
        attempts: 0,
        retryAt: isDone ? null : firstTry(now),
      })
    },
    failed(now, random) {
      const state = read()
      if (state === undefined) return
      const attempts = state.attempts + 1
      write({ ...state, attempts, retryAt: now + delayAfter(DIRECTORY_RETRY, attempts, random, null) })
    },
    isOwed: () => (read()?.retryAt ?? null) !== null,
    alarmAt(sagaAt) {
      const dueAt = read()?.retryAt ?? null
      return sagaAt === null || dueAt === null ? (sagaAt ?? dueAt) : Math.min(sagaAt, dueAt)
    },
  }
}
