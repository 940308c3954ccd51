/** Whether a stream that is opened upstream has a place among those of its tenant, and what becomes of it without. */
import type { HranaError } from '../hrana-error.ts'
import type { Admission } from './admission.ts'
import { refuse, type Sending } from './calls.ts'
import type { Exchanged } from './exchange.ts'
import type { RequestFacts } from './requests.ts'
import type { Upstream } from './state.ts'

/** What the client is told if there is no place: by when that must be known, before its request is sent or before its end. */
export interface AskedPlace {
  early?: Promise<HranaError | null>
  late?: Promise<HranaError | null>
}

/**
 * Asks for a place before a stream is opened upstream. That takes time, so what can be undone, or leaves nothing for which
 * its stream must stay open, is sent meanwhile.
 *
 * @returns nothing to wait for when nobody need be asked
 */
export function askForPlace(
  admission: Admission,
  id: string,
  { upstream, isFirst }: Sending,
  facts: RequestFacts,
): AskedPlace {
  if (facts.isClosing) return {}
  if (upstream !== null) {
    admission.touch(id)
    return {}
  }
  const isDispensable = !facts.mayBegin && !facts.leavesState
  const refused = admission.admit(id, { isDispensable })
  return isDispensable || (isFirst && facts.isUndoable) ? { late: refused } : { early: refused }
}

/**
 * There is no place for the stream of this answer. A transaction that was begun is rolled back, with all that was in the
 * request; if none is open, since its BEGIN has failed or it has ended, what ran stays, and only the stream is closed.
 */
export function withoutPlace(
  exchanged: Exchanged,
  error: HranaError,
  close: (left: Upstream) => void,
): Exchanged {
  const { event } = exchanged
  if (event.kind !== 'answered') return exchanged
  const { baton, url, isAutocommit } = event
  if (isAutocommit === false) {
    const reply = refuse({ ...error, outcome: 'rolled_back' })
    return { ...exchanged, event: { kind: 'failed', baton, url }, reply }
  }
  if (baton !== null) close({ baton, url, moves: 0 })
  return { ...exchanged, event: { ...event, baton: null } }
}
