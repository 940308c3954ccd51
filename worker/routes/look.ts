/** What needs the directory, and nothing that does not. */
import type { Context } from 'hono'
import { withTables } from '../directory/schema.ts'
import type { AppEnvironment } from '../environment.ts'
import { DEFAULT_RETRY_AFTER_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'
import { Problem, retryAfter } from '../http/problem.ts'

/** @throws {Problem} `directory_unavailable`: nothing but what looks into the directory needs it */
export async function look<T>(
  c: Context<AppEnvironment>,
  action: (directory: D1Database) => Promise<T>,
): Promise<T> {
  try {
    return await withTables(c.env.DIRECTORY, () => action(c.env.DIRECTORY))
  } catch (error) {
    if (error instanceof Problem) throw error
    log('error', 'directory_unavailable', { request_id: c.get('requestId'), detail: errorText(error) })
    throw new Problem('directory_unavailable', 'The directory cannot be read; tenants are not affected', {
      headers: retryAfter(DEFAULT_RETRY_AFTER_MS),
    })
  }
}
