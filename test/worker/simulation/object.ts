/**
 * A Tenant object without Cloudflare: durable storage of a record, of what the directory is owed and of one alarm, and
 * runs of the shipped saga that can be dropped between any two of its commands, or live on when they should not.
 */
import type { Deed } from '../../../worker/directory/audit.ts'
import {
  createOutbox,
  type OutboxStorage,
  type Publication,
  type Receipt,
} from '../../../worker/directory/outbox.ts'
import { WATCHDOG_MS } from '../../../worker/limits.ts'
import { isOvertaken, runSaga, wakeAt, type Reply } from '../../../worker/saga/run.ts'
import type { Effect, EffectResult } from '../../../worker/saga/state.ts'
import { withHandOver, type TenantRecord } from '../../../worker/record/tenant.ts'

/** Fewer than are shipped, so that there are too many now and then. */
const MAX_OWED_AUDIT_ROWS = 1

export interface ObjectWorld {
  /** What the object's clock shows. */
  clock: () => number
  random: () => number
  after: (ms: number, action: () => void) => void
  send: (
    effect: Effect,
    token: string | null,
    answer: (result: EffectResult, token: string | null, status: number) => void,
  ) => void
  /** @param settle with `null` when no answer came */
  publish: (publication: Publication, settle: (receipt: Receipt | null) => void) => void
  /** Called after each change of the record. */
  stored: (object: SimulatedObject) => void
  /** Called when the object believes that the directory has all. */
  settled: (object: SimulatedObject) => void
}

export interface SimulatedObject {
  id: string
  /** As it lies in storage, `null` when nothing does. */
  storage: string | null
  /** What lies beside it: the shipped outbox. */
  beside: Map<string, unknown>
  alarmAt: number | null
  read: () => TenantRecord | undefined
  /** @param alarmAt default: when the saga, at rest, wants to be woken */
  store: (record: TenantRecord | undefined, deed?: Deed, alarmAt?: number | null) => void
  isBusy: () => boolean
  /** Starts a run. `ended` is not called if it is evicted or overtaken. */
  run: (
    record: TenantRecord,
    sleepUntil: number,
    ended: (last: TenantRecord | null, token: string | null) => void,
    deed?: Deed,
  ) => void
  alarm: (budgetMs: number) => void
  /** As the cron does. `false`: there is nothing here. */
  wake: () => boolean
  /** An alarm that will never come. Not while the directory is behind: the cron looks only where that says. */
  loseAlarm: () => void
  /** @param livesOn whether the instance goes on beside the new one until it is noticed */
  evict: (livesOn: boolean) => void
}

export function createObject(id: string, world: ObjectWorld): SimulatedObject {
  let instance = 0
  let busy = 0
  const zombies = new Set<number>()
  /** When the saga wants to be woken, as far as the instance knows. */
  let sagaAt: number | null | undefined
  let drawn = 0
  const beside = new Map<string, unknown>()
  const outbox = createOutbox(storageOf(beside), MAX_OWED_AUDIT_ROWS)
  const delivering = new Set<number>()

  const setAlarm = (at: number | null): void => {
    object.alarmAt = outbox.alarmAt(at)
  }
  const nextWake = (): number | null => {
    const record = object.read()
    return sagaAt === undefined ? (record === undefined ? null : wakeAt(record, world.clock())) : sagaAt
  }
  const deliver = (own: number): void => {
    const publication = outbox.next(object.read(), world.clock())
    // Cloudflare holds the next alarm back until the handler of this one, which waits for the delivery, has ended.
    if (delivering.has(own)) return
    if (publication === null) {
      if (object.storage === null) {
        beside.clear()
        object.alarmAt = null
      } else setAlarm(nextWake())
      return
    }
    delivering.add(own)
    world.publish(publication, (receipt) => {
      // An instance that lives on delivers too, and writes down that it has.
      if (own !== instance && !zombies.has(own)) return
      delivering.delete(own)
      if (receipt !== null) {
        outbox.delivered(publication, receipt, world.clock())
        if (!outbox.isOwed()) world.settled(object)
        deliver(own)
        return
      }
      outbox.failed(world.clock(), world.random())
      setAlarm(nextWake())
    })
  }

  /** What was parsed last: records are values that nobody changes. */
  let parsed: { storage: string | null; record: TenantRecord | undefined } = {
    storage: null,
    record: undefined,
  }

  const object: SimulatedObject = {
    id,
    storage: null,
    beside,
    alarmAt: null,
    read() {
      const { storage } = object
      if (parsed.storage !== storage)
        parsed = {
          storage,
          record: storage === null ? undefined : (JSON.parse(storage) as TenantRecord),
        }
      return parsed.record
    },
    store(record, deed, alarmAt) {
      const now = world.clock()
      outbox.note(object.read(), record, { now, draw: () => `${id}-${(drawn += 1)}` }, deed)
      object.storage = record === undefined ? null : JSON.stringify(record)
      sagaAt = alarmAt === undefined ? (record === undefined ? null : wakeAt(record, now)) : alarmAt
      setAlarm(sagaAt)
      world.stored(object)
      const own = instance
      world.after(0, () => {
        if (own === instance) deliver(own)
      })
    },
    isBusy: () => busy > 0,
    run(record, sleepUntil, ended, deed) {
      const own = instance
      const commands = runSaga(record, world.clock(), sleepUntil)
      let token: string | null = null
      busy += 1
      const isAlive = (): boolean => own === instance || zombies.has(own)
      const end = (): void => {
        if (own === instance) busy -= 1
        zombies.delete(own)
      }
      const proceed = (result?: EffectResult): void => {
        const reply: Reply = { now: world.clock(), random: world.random() }
        go(commands.next(result === undefined ? reply : { ...reply, result }))
      }
      const go = (next: ReturnType<typeof commands.next>): void => {
        if (next.done === true) {
          end()
          ended(next.value, token)
          return
        }
        const command = next.value
        const later = (ms: number): void =>
          world.after(ms, () => {
            if (isAlive()) proceed()
          })
        switch (command.kind) {
          case 'write':
            if (isOvertaken(object.read(), command.state, command.isFirst)) {
              end()
              return
            }
            object.store(
              withHandOver(command.state, object.read()),
              command.isFirst ? deed : undefined,
              command.alarmAt,
            )
            // An eviction may come between this and what follows.
            later(0)
            return
          case 'forget':
            if (isOvertaken(object.read(), command.state)) {
              end()
              return
            }
            object.store(undefined, undefined, null)
            later(0)
            return
          case 'sleep':
            later(command.ms)
            return
          case 'perform':
            world.send(command.effect, token, (result, minted) => {
              if (!isAlive()) return
              token = minted ?? token
              proceed(result)
            })
        }
      }
      go(commands.next())
    },
    alarm(budgetMs) {
      object.alarmAt = null
      const record = object.read()
      const own = instance
      if (busy > 0) {
        object.alarmAt = world.clock() + WATCHDOG_MS
        if (record) sagaAt = object.alarmAt
      } else if (record) object.run(record, world.clock() + budgetMs, () => deliver(own))
      else {
        object.alarmAt = world.clock() + WATCHDOG_MS
        deliver(own)
      }
    },
    wake() {
      if (!outbox.renew(object.read(), world.clock())) return false
      object.alarmAt = world.clock()
      return true
    },
    loseAlarm() {
      if (!outbox.isOwed()) object.alarmAt = null
    },
    evict(livesOn) {
      if (livesOn && busy > 0) zombies.add(instance)
      instance += 1
      busy = 0
      sagaAt = undefined
    },
  }
  return object
}

function storageOf(map: Map<string, unknown>): OutboxStorage {
  return {
    get: <T>(key: string) => map.get(key) as T | undefined,
    put: (key, value) => void map.set(key, value),
    delete: (key) => map.delete(key),
    list: <T>({ prefix, limit }: { prefix: string; limit: number }) =>
      [...map].filter(([key]) => key.startsWith(prefix)).slice(0, limit) as [string, T][],
  }
}
