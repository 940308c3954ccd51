/** What a Tenant object keeps: its record, what the directory must hear of it, and the one alarm that is for both. */
import type { Deed } from '../directory/audit.ts'
import { WATCHDOG_MS } from '../limits.ts'
import { log } from '../log.ts'
import { isOvertaken, wakeAt } from '../saga/run.ts'
import { readRecord, type StoredRecord } from '../record/stored.ts'
import { withHandOver, type TenantRecord } from '../record/tenant.ts'
import { createDelivery } from './delivery.ts'

export interface TenantStorage {
  read: () => TenantRecord | undefined
  /**
   * Nothing is awaited in between, so both are stored or neither; and the next call leaves only when they are.
   *
   * @returns `false` if the record is of a run that was overtaken: then nothing is stored
   */
  write: (record: TenantRecord, alarmAt: number | null, deed?: Deed, isFirst?: boolean) => Promise<boolean>
  /**
   * Whoever waits for this does not wait for the directory.
   *
   * @param alarmAt when the saga wants to be woken; default: as before
   */
  store: (record: TenantRecord | undefined, alarmAt?: number | null, deed?: Deed) => Promise<void>
  /** For the audit: what was done to the tenant, whatever has become of it meanwhile. */
  note: (tenant: string, deed: Deed) => Promise<void>
  /** Brings the directory what it is owed. */
  deliver: () => Promise<void>
  /** Owes the directory the tenant again, and waits until it has it. */
  publish: () => Promise<'published' | 'empty' | 'unavailable'>
  /** To be called first when the alarm has gone off: it is used up. */
  alarmCame: () => void
  /**
   * Wakes the object now, and owes the directory the tenant again.
   *
   * @returns `false` when there is nothing here
   */
  wake: () => Promise<boolean>
  /** Wakes the object again, whatever is due: it was looked at just now. */
  comeBack: () => Promise<void>
}

export function createTenantStorage(ctx: DurableObjectState, directory: D1Database): TenantStorage {
  const { kv } = ctx.storage
  const delivery = createDelivery(ctx.storage, directory, read)
  /** When the alarm goes off, if this instance has set it. */
  let setTo: number | null = null
  /** When the saga wants to be woken, if this instance knows. */
  let sagaAt: number | null | undefined

  function read(): TenantRecord | undefined {
    const stored = kv.get<StoredRecord>('tenant')
    return stored === undefined ? undefined : readRecord(stored)
  }

  function nextWake(): number | null {
    if (sagaAt !== undefined) return sagaAt
    const record = read()
    return record === undefined ? null : wakeAt(record, Date.now())
  }

  async function setAlarm(): Promise<void> {
    const at = delivery.alarmAt(nextWake())
    // A little early does no harm, and each change is a row written.
    if (at !== null && setTo !== null && setTo <= at && at - setTo < WATCHDOG_MS / 2) return
    setTo = at
    await (at === null ? ctx.storage.deleteAlarm() : ctx.storage.setAlarm(at))
  }

  async function store(
    record: TenantRecord | undefined,
    alarmAt = nextWake(),
    deed?: Deed,
    tenant?: string,
  ): Promise<void> {
    const draw = (): string => crypto.randomUUID().slice(0, 8)
    const former = read()
    for (const { actor, action, outcome, session, requestId: request_id } of delivery.note(
      former,
      record,
      { now: Date.now(), draw },
      deed,
      tenant,
    ))
      log('info', 'deed_counted', {
        tenant: tenant ?? (record ?? former)?.id,
        request_id,
        actor,
        action,
        outcome,
        session,
      })
    if (record === undefined) kv.delete('tenant')
    else kv.put('tenant', record)
    sagaAt = alarmAt
    ctx.waitUntil(deliver())
    await setAlarm()
  }

  async function deliver(): Promise<void> {
    const isDone = await delivery.deliver()
    if (isDone && read() === undefined) {
      setTo = null
      await ctx.storage.deleteAll()
    } else await setAlarm()
  }

  return {
    read,
    async write(record, alarmAt, deed, isFirst = false) {
      const stored = read()
      if (isOvertaken(stored, record, isFirst)) return false
      await store(withHandOver(record, stored), alarmAt, deed)
      return true
    },
    store,
    note: (tenant, deed) => store(read(), undefined, deed, tenant),
    deliver,
    async publish() {
      if (!delivery.renew(read(), Date.now())) return 'empty'
      // In case that nobody is there to see how the delivery ends.
      await setAlarm()
      const isForgotten = read() === undefined
      await deliver()
      if (delivery.isOwed()) return 'unavailable'
      return isForgotten ? 'empty' : 'published'
    },
    async wake() {
      if (!delivery.renew(read(), Date.now())) return false
      setTo = Date.now()
      await ctx.storage.setAlarm(setTo)
      return true
    },
    alarmCame: () => void (setTo = null),
    async comeBack() {
      setTo = Date.now() + WATCHDOG_MS
      // For a tenant that is gone only the directory has something to wait for. Not read: a later version may have stored it.
      if (kv.get('tenant') !== undefined) sagaAt = setTo
      await ctx.storage.setAlarm(setTo)
    },
  }
}
