/** Waits for a database that was created but is not served yet. */
import { isTursoError, TimeoutError } from '../../src/index.ts'
import { MIN_ATTEMPT_MS, READY_BUDGET_MS, READY_FIRST_PAUSE_MS, READY_LONGEST_PAUSE_MS } from '../limits.ts'

/**
 * Repeats an action while the new database's host does not know it yet, which it says with the same 404 as for one that
 * never existed (libsql-client-ts#346).
 *
 * @param action is given the milliseconds that it may take
 * @throws {TimeoutError} when the budget is used up, and whatever else the action throws
 */
export async function whenServed<T>(action: (timeoutMs: number) => Promise<T>): Promise<T> {
  const deadline = Date.now() + READY_BUDGET_MS
  for (let pauseMs = READY_FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, READY_LONGEST_PAUSE_MS)) {
    try {
      return await action(Math.max(MIN_ATTEMPT_MS, deadline - Date.now()))
    } catch (error) {
      if (!isTursoError(error, 'not_found')) throw error
    }
    if (Date.now() + pauseMs >= deadline)
      throw new TimeoutError(`The new database was not served within ${READY_BUDGET_MS} ms`, READY_BUDGET_MS)
    await scheduler.wait(pauseMs)
  }
}
