/** Wakes the objects of tenants that should have changed by themselves and have not: an alarm may get lost. */
import { answerWithin } from '../deadline.ts'
import { publish } from '../directory/publish.ts'
import { MAX_TENANTS_WOKEN, OBJECT_CALL_MS, STUCK_AFTER_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'

interface Known {
  id: string
  revision: number
}

/** How many objects had a tenant, how many had none, and how many could not be asked. */
export interface Woken {
  woken: number
  unknown: number
  failed: number
}

/** A tenant that is at work on its own accord is not disturbed by this. */
export async function revive(env: Env, now: number): Promise<Woken> {
  const { results } = await env.DIRECTORY.prepare(
    'select id, revision from tenants where expected_by <= ? order by expected_by limit ?',
  )
    .bind(now, MAX_TENANTS_WOKEN)
    .all<{ id: string; revision: number }>()
  if (results.length === 0) return { woken: 0, unknown: 0, failed: 0 }
  // Put off first, so that those that fail each time are not all that is ever looked at.
  await env.DIRECTORY.prepare(
    `update tenants set expected_by = ? where id in (select value from json_each(?)) and expected_by <= ?`,
  )
    .bind(now + STUCK_AFTER_MS, JSON.stringify(results.map(({ id }) => id)), now)
    .run()
  return await wakeAll(env, results)
}

/** The object is the truth: the row of a tenant that it knows nothing of goes. One that does not answer keeps no other waiting. */
export async function wakeAll(env: Env, tenants: readonly Known[]): Promise<Woken> {
  const counts = { woken: 0, unknown: 0, failed: 0 }
  await Promise.all(
    tenants.map(async ({ id: tenant, revision }) => {
      try {
        const isKnown = await answerWithin<boolean>(OBJECT_CALL_MS, env.TENANTS.getByName(tenant).wake())
        if (!isKnown) await publish(env.DIRECTORY, { tenant, revision: revision + 1, row: null, audit: [] })
        counts[isKnown ? 'woken' : 'unknown'] += 1
      } catch (error) {
        counts.failed += 1
        log('warn', 'wake_failed', { tenant, detail: errorText(error) })
      }
    }),
  )
  return counts
}
