/**
 * What the cron does: a bounded part of everything that nobody else would ever come back to. Each part fails for itself,
 * and goes on with the next run where it was.
 */
import { answerWithin } from '../deadline.ts'
import { dropOldAudit } from '../directory/audit-log.ts'
import { migrateDirectory } from '../directory/schema.ts'
import { FORGOTTEN_MEMORY_MS, MAX_ROWS_SWEPT, SWEEP_PART_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'
import { revive } from './revive.ts'
import { findStrays } from './strays.ts'

/** Never throws: Cloudflare does not repeat a cron, and the next one does all that is left. */
export async function sweep(env: Env, now: number): Promise<void> {
  const { DIRECTORY } = env
  const parts: [string, () => Promise<object | void>][] = [
    ['tables', () => migrateDirectory(DIRECTORY)],
    ['stuck', () => revive(env, now)],
    ['strays', () => findStrays(env, now)],
    ['audit', async () => ({ dropped: await dropOldAudit(DIRECTORY, now, MAX_ROWS_SWEPT) })],
    ['forgotten', async () => ({ dropped: await dropForgotten(DIRECTORY, now) })],
  ]
  for (const [part, action] of parts)
    try {
      const counts: Record<string, number> = {
        ...(await answerWithin<object | void>(SWEEP_PART_MS, action())),
      }
      if (Object.values(counts).some(Boolean)) log('info', 'swept', { part, ...counts })
    } catch (error) {
      log('error', 'sweep_failed', { part, detail: errorText(error) })
    }
}

/** No delivery is as late as this. */
async function dropForgotten(directory: D1Database, now: number): Promise<number> {
  const { meta } = await directory
    .prepare('delete from forgotten where id in (select id from forgotten where at < ? order by at limit ?)')
    .bind(now - FORGOTTEN_MEMORY_MS, MAX_ROWS_SWEPT)
    .run()
  return meta.changes
}
