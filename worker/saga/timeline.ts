/** What is remembered of the calls that the saga made. Pure. */
import { MAX_DETAIL_CHARACTERS, MAX_TIMELINE_ENTRIES } from '../limits.ts'
import { isAccess } from './access.ts'
import type { Effect, SagaState, TimelineEntry } from './state.ts'

interface Call {
  effect: Effect['kind']
  now: number
  outcome: TimelineEntry['outcome']
  detail: string | null
  requestId: string | null
}

/** The first and the latest entries: how it began, and how it stands. */
export function remember(
  state: SagaState,
  { effect, now, outcome, detail, requestId }: Call,
): TimelineEntry[] {
  const startedAt = state.inFlight?.startedAt ?? now
  const entry: TimelineEntry = {
    step: effect,
    attempt: attemptsAt(state, effect),
    at: new Date(startedAt).toISOString(),
    duration_ms: Math.max(0, now - startedAt),
    outcome,
    detail: detail === null ? null : shorten(detail),
    request_id: requestId === null ? null : shorten(requestId),
  }
  const all = [...state.timeline, entry]
  if (all.length > MAX_TIMELINE_ENTRIES) all.splice(MAX_TIMELINE_ENTRIES / 2, 1)
  return all
}

function attemptsAt({ attempts, access, orphans }: SagaState, effect: Effect['kind']): number {
  if (effect === 'delete_database') return orphans[0]?.attempts ?? 1
  return isAccess(effect) ? access.attempts : attempts
}

export function shorten(text: string): string {
  return text.length > MAX_DETAIL_CHARACTERS ? `${text.slice(0, MAX_DETAIL_CHARACTERS - 1)}…` : text
}
