/** Wakes the objects of tenants that should have changed by themselves and have not: an alarm may get lost. */
import { publish } from '../directory/publish.ts'
import { MAX_TENANTS_WOKEN, STUCK_AFTER_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'

/** A tenant that is at work on its own accord is not disturbed by this. */
export async function revive(
  env: Env,
  now: number,
): Promise<{ woken: number; unknown: number; failed: number }> {
  const { results } = await env.DIRECTORY.prepare(
    'select id, revision from tenants where expected_by <= ? order by expected_by limit ?',
  )
    .bind(now, MAX_TENANTS_WOKEN)
    .all<{ id: string; revision: number }>()
  const counts = { woken: 0, unknown: 0, failed: 0 }
  if (results.length === 0) return counts
  // Put off first, so that those that fail each time are not all that is ever looked at.
  await env.DIRECTORY.prepare(
    `update tenants set expected_by = ? where id in (select value from json_each(?)) and expected_by <= ?`,
  )
    .bind(now + STUCK_AFTER_MS, JSON.stringify(results.map(({ id }) => id)), now)
    .run()
  for (const { id: tenant, revision } of results)
    try {
      const isKnown: boolean = await env.TENANTS.getByName(tenant).wake()
      if (!isKnown)
        // The object is the truth: there is no such tenant.
        await publish(env.DIRECTORY, { tenant, revision: revision + 1, row: null, audit: [] })
      counts[isKnown ? 'woken' : 'unknown'] += 1
    } catch (error) {
      counts.failed += 1
      log('warn', 'wake_failed', { tenant, detail: errorText(error) })
    }
  return counts
}
