/** A stream as operators see it. Pure. */
import { isEnded, isParked, type StreamState } from './state.ts'
import type { StreamRecord, StreamUsage } from './store.ts'

export interface StreamView extends StreamUsage {
  id: string
  status: StreamState['kind'] | 'parked' | 'draining'
  isInTransaction: boolean
  openedAt: number | null
  /** Since when it is without a request; `null` while one is under way. */
  idleSince: number | null
}

export function viewOf(id: string, { state, usage }: StreamRecord): StreamView {
  if (isEnded(state))
    return {
      id,
      status: state.kind,
      isInTransaction: false,
      openedAt: null,
      idleSince: state.at,
      ...usage,
    }
  const { openedAt, drainBy } = state
  const resting = state.kind === 'in_flight' ? state.before : state
  return {
    id,
    status: drainBy !== null ? 'draining' : isParked(state) ? 'parked' : state.kind,
    isInTransaction: resting.kind === 'in_transaction',
    openedAt,
    idleSince: state.kind === 'in_flight' ? null : state.since,
    ...usage,
  }
}
