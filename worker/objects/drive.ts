/** Carries out one run of the saga with real storage, the real Turso and the real clock. */
import type { Deed } from '../directory/audit.ts'
import type { Performer } from '../saga/perform.ts'
import { isOvertaken, runSaga, type Command, type Reply } from '../saga/run.ts'
import type { TenantRecord } from '../record/tenant.ts'
import { report } from './report.ts'
import type { TenantStorage } from './tenant-storage.ts'

/**
 * @param deed what it is done for: kept with the first write
 * @returns the last record, also of whoever has overtaken this run; `null` when it was forgotten
 */
export async function drive(
  storage: TenantStorage,
  start: TenantRecord,
  performer: Performer,
  sleepUntil: number,
  deed?: Deed,
): Promise<TenantRecord | null> {
  const commands = runSaga(start, Date.now(), sleepUntil)
  let next = commands.next()
  while (next.done !== true) {
    const reply = await carryOut(storage, next.value, performer, deed)
    if (reply === null) return storage.read() ?? null
    next = commands.next({ now: Date.now(), random: Math.random(), ...reply })
  }
  if (next.value !== null) report(next.value, deed?.requestId)
  return next.value
}

/** @returns `null` when the run has been overtaken */
async function carryOut(
  storage: TenantStorage,
  command: Command<TenantRecord>,
  performer: Performer,
  deed?: Deed,
): Promise<Pick<Reply, 'result'> | null> {
  switch (command.kind) {
    case 'write': {
      const { state, alarmAt, isFirst } = command
      return (await storage.write(state, alarmAt, isFirst ? deed : undefined, isFirst)) ? {} : null
    }
    case 'forget':
      if (isOvertaken(storage.read(), command.state)) return null
      await storage.store(undefined, null)
      return {}
    case 'sleep':
      await scheduler.wait(command.ms)
      return {}
    case 'perform':
      return { result: await performer.perform(command.effect) }
  }
}
