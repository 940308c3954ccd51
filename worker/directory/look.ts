/** What a request needs the directory for, and nothing that it does not. */
import { DEFAULT_RETRY_AFTER_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'
import { Problem, retryAfter } from '../http/problem.ts'
import type { Caller } from './audit.ts'
import { withTables } from './schema.ts'

/** @throws {Problem} `directory_unavailable`: nothing but what looks into the directory needs it */
export async function look<T>(
  { env, caller }: { env: Env; caller: Caller },
  action: (directory: D1Database) => Promise<T>,
): Promise<T> {
  try {
    return await withTables(env.DIRECTORY, () => action(env.DIRECTORY))
  } catch (error) {
    if (error instanceof Problem) throw error
    log('error', 'directory_unavailable', { request_id: caller.requestId, detail: errorText(error) })
    throw new Problem('directory_unavailable', 'The directory cannot be read; tenants are not affected', {
      headers: retryAfter(DEFAULT_RETRY_AFTER_MS),
    })
  }
}
