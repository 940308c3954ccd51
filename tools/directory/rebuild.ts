// Has the Worker make its directory again, fifty objects at a time.

import { setTimeout as sleep } from 'node:timers/promises'

export interface RebuildTarget {
  url: string
  /** An API key with the scope admin. */
  key: string
  /** Told of each step that is done. */
  onProgress?: (line: string) => void
  /** Before a request that was turned away is sent again, unless the answer says it; default: a second. */
  pauseMs?: number
}

export interface RebuildResult {
  published: number
  empty: number
  failed: { object: string; detail: string }[]
  /** Rows of tenants that are not there. */
  removed: number
}

/** As many as the Worker takes. */
const BATCH = 50
const ATTEMPTS = 5

/** Each object is told on its own, so that it does no harm to stop in the middle and begin again. */
export async function rebuildDirectory(
  ids: AsyncIterable<string> | Iterable<string>,
  target: RebuildTarget,
): Promise<RebuildResult> {
  const { onProgress = () => {} } = target
  const result: RebuildResult = { published: 0, empty: 0, failed: [], removed: 0 }
  let beganAt: string | undefined
  const send = async (objects: string[]): Promise<void> => {
    const answer = await post<{ at: string } & Omit<RebuildResult, 'removed'>>('rebuild', { objects }, target)
    beganAt ??= answer.at
    result.published += answer.published
    result.empty += answer.empty
    result.failed.push(...answer.failed)
    onProgress(`${result.published} published, ${result.empty} empty, ${result.failed.length} failed`)
  }
  let batch: string[] = []
  for await (const id of ids) {
    batch.push(id)
    if (batch.length === BATCH) {
      await send(batch)
      batch = []
    }
  }
  if (batch.length > 0) await send(batch)
  if (beganAt === undefined) return result
  // What was not published since has no object among those that were named: each is asked by its tenant's id.
  for (let cursor: string | null | undefined; cursor !== null;) {
    const body: Record<string, string> = { published_before: beganAt, ...(cursor ? { cursor } : {}) }
    const answer = await post<{ removed: number; next_cursor: string | null }>('check', body, target)
    result.removed += answer.removed
    cursor = answer.next_cursor
  }
  return result
}

async function post<Answer>(what: string, body: unknown, target: RebuildTarget): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(new URL(`/v1/directory/${what}`, target.url), {
      method: 'POST',
      headers: { authorization: `Bearer ${target.key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (response.ok) return (await response.json()) as Answer
    const text = await response.text()
    const isPassing = response.status === 429 || response.status === 503
    if (!isPassing || attempt === ATTEMPTS)
      throw new Error(`The Worker answered ${response.status}: ${text.slice(0, 300)}`)
    const asked = Number(response.headers.get('retry-after') ?? Number.NaN) * 1000
    await sleep(Number.isNaN(asked) ? (target.pauseMs ?? 1_000) : asked)
  }
}
