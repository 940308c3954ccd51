/** The objects that hold streams, by their id alone: sessions over HTTP and sockets. */
import { answerWithin } from '../deadline.ts'
import { OBJECT_CALL_MS } from '../limits.ts'
import type { StreamView } from './view.ts'

/** What operators can do with either. Each call throws when there is no answer in time. */
export interface OperatedObject {
  /** Its streams; none of an object that is over. */
  describe: () => Promise<StreamView[]>
  /** Whose it is; `null` if there is nothing to end. */
  tenant: () => Promise<string | null>
  /** @returns `false` if there is nothing to end */
  kill: () => Promise<boolean>
  drain: (by: number) => Promise<void>
}

/** @returns `null` for what is no id of theirs */
export function objectOf(env: Env, id: string): OperatedObject | null {
  if (!/^[0-9a-f]{64}$/.test(id)) return null
  for (const namespace of [env.SESSIONS, env.SOCKETS] as DurableObjectNamespace[]) {
    try {
      const object = namespace.get(namespace.idFromString(id)) as unknown as OperatedObject
      return {
        describe: () => answerWithin(OBJECT_CALL_MS, object.describe()),
        tenant: () => answerWithin(OBJECT_CALL_MS, object.tenant()),
        kill: () => answerWithin(OBJECT_CALL_MS, object.kill()),
        drain: (by) => answerWithin(OBJECT_CALL_MS, object.drain(by)),
      }
    } catch {
      // Of another kind.
    }
  }
  return null
}
