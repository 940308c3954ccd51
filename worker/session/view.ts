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

/** @param passing what has come so far of a cursor that has not ended */
export function viewOf(
  id: string,
  { state, usage: before }: StreamRecord,
  passing: Pick<StreamUsage, 'rows' | 'bytes'> = { rows: 0, bytes: 0 },
): StreamView {
  const usage = { ...before, rows: before.rows + passing.rows, bytes: before.bytes + passing.bytes }
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
