/** A very long result: row by row where a client can, and what it takes where all of it is collected. */
import type { Entrant } from './entrants.ts'
import { TURSO_EDGE } from './clients/catalogue.ts'
import { askChild } from './node/child.ts'
import type { StreamAnswer, StreamRequest } from './node/streamer.ts'

export interface CursorResult {
  name: string
  way: StreamRequest['way']
  rows: number
  outcome: StreamAnswer | { failure: string }
}

export const STREAMED_ROWS = 1_000_000
const COLLECTED_ROWS = 100_000

export async function measureCursor(entrants: readonly Entrant[]): Promise<CursorResult[]> {
  const results: CursorResult[] = []
  for (const { name, modulePath, open } of entrants) {
    if (!modulePath || !open) continue
    const canStream =
      'stream' in open({ url: 'https://nowhere.example', authToken: 'token', fetch: globalThis.fetch })
    if (canStream) results.push(await measure(name, { modulePath, way: 'stream', rows: STREAMED_ROWS }))
    if (name !== TURSO_EDGE || !canStream)
      results.push(await measure(name, { modulePath, way: 'query', rows: COLLECTED_ROWS }))
  }
  return results
}

async function measure(name: string, request: StreamRequest): Promise<CursorResult> {
  const { way, rows } = request
  try {
    return { name, way, rows, outcome: await askChild<StreamAnswer>('streamer.ts', request) }
  } catch (error) {
    return { name, way, rows, outcome: { failure: error instanceof Error ? error.message : String(error) } }
  }
}
