import { setTimeout as sleep } from 'node:timers/promises'
import type { Part } from './part.ts'

const READY_TIMEOUT_MS = 60_000
const POLL_MS = 50
const LINES_SHOWN = 30

/** Resolves once the part answers; throws with its last output when it ends first or takes too long. */
export async function waitUntilHealthy(part: Part): Promise<void> {
  let howItEnded: string | undefined
  void part.ended.then((how) => (howItEnded = how))
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (performance.now() < deadline) {
    if (howItEnded) throw new Error(describeEnd(part, howItEnded))
    if (await isHealthy(part.healthUrl)) return
    await sleep(POLL_MS)
  }
  const seconds = READY_TIMEOUT_MS / 1000
  throw new Error(
    `The ${part.name} did not come up at ${part.healthUrl} within ${seconds} s.${lastOutput(part)}`,
  )
}

/** For people: which part ended, how, and what it said last. */
export function describeEnd(part: Part, how: string): string {
  return `The ${part.name} ended unexpectedly (${how}).${lastOutput(part)}`
}

function lastOutput(part: Part): string {
  const lines = part.lastLines().slice(-LINES_SHOWN)
  return lines.length > 0 ? ` Its last output:\n\n${lines.join('\n')}` : ' It said nothing.'
}

/** Any answer will do but a server's error: the local Turso, like Turso's API, answers nothing without a token. */
async function isHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    await response.body?.cancel()
    return response.status < 500
  } catch {
    return false
  }
}
