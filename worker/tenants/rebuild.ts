/** Makes the directory again from the tenants' objects, a bounded part at a time. */
import { readPage } from '../directory/page.ts'
import { answerWithin } from '../deadline.ts'
import { openCursor, sealCursor } from '../directory/cursor.ts'
import { look } from '../directory/look.ts'
import { DIRECTORY_TIMEOUT_MS, MAX_TENANTS_WOKEN, OBJECT_CALL_MS } from '../limits.ts'
import { errorText } from '../log.ts'
import type { CheckRequest } from '../http/schemas.ts'
import { wakeAll } from '../sweeper/revive.ts'
import type { Call } from './operations.ts'

export interface Rebuilt {
  /** When it began, by the Worker's clock. */
  at: string
  /** Tenants that the directory has now as they are. */
  published: number
  /** Objects with nothing in them: of ids that were only looked up, or of tenants that are gone. */
  empty: number
  failed: { object: string; detail: string }[]
}

/** @param objects ids of Tenant objects, in hex */
export async function rebuild(env: Env, objects: readonly string[]): Promise<Rebuilt> {
  const result: Rebuilt = { at: new Date().toISOString(), published: 0, empty: 0, failed: [] }
  await Promise.all(
    objects.map(async (object) => {
      try {
        const tenant = env.TENANTS.get(env.TENANTS.idFromString(object))
        const outcome = await answerWithin(DIRECTORY_TIMEOUT_MS + OBJECT_CALL_MS, tenant.publish())
        if (outcome === 'unavailable') result.failed.push({ object, detail: 'D1 did not take it' })
        else result[outcome] += 1
      } catch (error) {
        result.failed.push({ object, detail: errorText(error) })
      }
    }),
  )
  return result
}

export interface Checked {
  /** Tenants that are there: their objects publish them again. */
  known: number
  /** Rows of tenants that are not. They are gone. */
  removed: number
  failed: number
  nextCursor: string | null
}

/** Asks the objects of tenants whose rows are older than a rebuild whether there is such a tenant. */
export async function check(call: Call, { published_before, cursor }: CheckRequest): Promise<Checked> {
  const after = openCursor('check', cursor) ?? ''
  const { rows, last } = await look(call, (directory) =>
    readPage<{ id: string; revision: number }>(directory, {
      sql: 'select id, revision, published_at from tenants where id > ? order by id',
      args: [after],
      key: 'id',
      order: 'asc',
      filters: [['published_at < ?', Date.parse(published_before)]],
      limit: MAX_TENANTS_WOKEN,
    }),
  )
  const { woken, unknown, failed } = await wakeAll(call.env, rows)
  return { known: woken, removed: unknown, failed, nextCursor: sealCursor('check', last) }
}
