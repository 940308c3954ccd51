/** Brings what a Tenant object owes the directory there, one delivery at a time, beside whatever the object does. */
import { createOutbox, type Outbox } from '../directory/outbox.ts'
import { publish } from '../directory/publish.ts'
import { errorText, log } from '../log.ts'
import type { TenantRecord } from '../record/tenant.ts'

export interface Delivery extends Outbox {
  /**
   * Delivers until nothing is owed, or until D1 fails. Never throws.
   *
   * @returns whether the directory has all
   */
  deliver: () => Promise<boolean>
}

export function createDelivery(
  storage: DurableObjectStorage,
  directory: D1Database,
  read: () => TenantRecord | undefined,
): Delivery {
  const outbox = createOutbox(storage.kv)
  let underWay: Promise<boolean> | null = null

  async function deliver(): Promise<boolean> {
    for (;;) {
      const publication = outbox.next(read(), Date.now())
      if (publication === null) return true
      try {
        outbox.delivered(publication, await publish(directory, publication), Date.now())
      } catch (error) {
        const { tenant, revision } = publication
        log('warn', 'directory_unavailable', { tenant, revision, detail: errorText(error) })
        outbox.failed(Date.now(), Math.random())
        return false
      }
    }
  }

  return {
    ...outbox,
    async deliver() {
      for (;;) {
        underWay ??= deliver().finally(() => {
          underWay = null
        })
        const isDone = await underWay
        // Something may have been noted after the last look of a delivery that somebody else has begun.
        if (!isDone || !outbox.isOwed()) return isDone
      }
    },
  }
}
