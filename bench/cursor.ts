/** A very long result: row by row where a client can, and what it takes where all of it is collected. */
import type { Entrant } from './entrants.ts'
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
/**
 * A young generation of a MiB. With the usual 16 a process grows by what V8 has had no reason to collect yet, the same for
 * all, and what a client holds would be lost in it.
 */
const FLAGS = { execArgv: ['--max-semi-space-size=1'] }

export async function measureCursor(entrants: readonly Entrant[]): Promise<CursorResult[]> {
  const results: CursorResult[] = []
  for (const { name, modulePath, open } of entrants) {
    if (!modulePath || !open) continue
    const canStream =
      'stream' in open({ url: 'https://nowhere.example', authToken: 'token', fetch: globalThis.fetch })
    results.push(
      await measure(name, {
        modulePath,
        ...(canStream ? { way: 'stream', rows: STREAMED_ROWS } : { way: 'query', rows: COLLECTED_ROWS }),
      }),
    )
  }
  return results
}

async function measure(name: string, request: StreamRequest): Promise<CursorResult> {
  const { way, rows } = request
  try {
    return { name, way, rows, outcome: await askChild<StreamAnswer>('streamer.ts', request, FLAGS) }
  } catch (error) {
    return { name, way, rows, outcome: { failure: error instanceof Error ? error.message : String(error) } }
  }
}
