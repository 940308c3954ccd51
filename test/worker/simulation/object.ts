/**
 * A Tenant object without Cloudflare: durable storage of one record and one alarm, and runs of the shipped saga that can
 * be dropped between any two of its commands, or live on when they should not.
 */
import { WATCHDOG_MS } from '../../../worker/limits.ts'
import { isOvertaken, runSaga, type Reply } from '../../../worker/saga/run.ts'
import type { Effect, EffectResult } from '../../../worker/saga/state.ts'
import type { TenantRecord } from '../../../worker/tenant-record.ts'

export interface ObjectWorld {
  /** What the object's clock shows. */
  clock: () => number
  random: () => number
  after: (ms: number, action: () => void) => void
  send: (
    effect: Effect,
    token: string | null,
    answer: (result: EffectResult, token: string | null) => void,
  ) => void
  /** Called after each change of storage. */
  stored: (object: SimulatedObject) => void
}

export interface SimulatedObject {
  id: string
  /** As it lies in storage, `null` when nothing does. */
  storage: string | null
  alarmAt: number | null
  read: () => TenantRecord | undefined
  put: (record: TenantRecord) => void
  isBusy: () => boolean
  /** Starts a run. `ended` is not called if it is evicted or overtaken. */
  run: (
    record: TenantRecord,
    sleepUntil: number,
    ended: (last: TenantRecord | null, token: string | null) => void,
  ) => void
  alarm: (budgetMs: number) => void
  /** @param livesOn whether the instance goes on beside the new one until it is noticed */
  evict: (livesOn: boolean) => void
}

export function createObject(id: string, world: ObjectWorld): SimulatedObject {
  let instance = 0
  let busy = 0
  const zombies = new Set<number>()

  /** What was parsed last: records are values that nobody changes. */
  let parsed: { storage: string | null; record: TenantRecord | undefined } = {
    storage: null,
    record: undefined,
  }

  const object: SimulatedObject = {
    id,
    storage: null,
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
    put(record) {
      object.storage = JSON.stringify(record)
      world.stored(object)
    },
    isBusy: () => busy > 0,
    run(record, sleepUntil, ended) {
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
            object.alarmAt = command.alarmAt
            object.put(command.state)
            // An eviction may come between this and what follows.
            later(0)
            return
          case 'forget':
            if (isOvertaken(object.read(), command.state)) {
              end()
              return
            }
            object.storage = null
            object.alarmAt = null
            world.stored(object)
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
      if (busy > 0) object.alarmAt = world.clock() + WATCHDOG_MS
      else if (record) object.run(record, world.clock() + budgetMs, () => {})
    },
    evict(livesOn) {
      if (livesOn && busy > 0) zombies.add(instance)
      instance += 1
      busy = 0
    },
  }
  return object
}
