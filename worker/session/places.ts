/**
 * Whether a stream that is opened upstream has a place among those of its tenant, and what becomes of it without. Only whom
 * the database has let in takes one: strangers would take them all.
 */
import { NO_ANSWER_YET, type HranaError } from '../hrana/error.ts'
import { bytesOf } from '../memory/bytes.ts'
import type { Admission } from './admission.ts'
import { refuse } from './calls.ts'
import { exchange, type Exchange, type Exchanged } from './exchange.ts'
import { NO_FACTS } from './requests.ts'
import type { Upstream } from './state.ts'

export interface Place {
  /**
   * To be waited for before the request is sent.
   *
   * @returns what came of it instead, if it must not be sent
   */
  before: () => Promise<Exchanged | null>
  /**
   * To be called once the database has let the request in.
   *
   * @returns what the client is told, if its stream has no place
   */
  afterwards: () => Promise<HranaError | null>
}

/**
 * Asks for a place for a stream that is opened upstream. That takes time, so what can be undone, or leaves nothing for which
 * its stream must stay open, is sent meanwhile; or before, as long as it is not known whether the token is one. What cannot be
 * undone waits for both answers.
 */
export function placeFor(admission: Admission | undefined, id: string, order: Exchange): Place {
  const { upstream, isFirst, isTokenAccepted, facts } = order
  if (upstream !== null) admission?.touch(id)
  if (admission === undefined || facts.isClosing || upstream !== null) return NONE_NEEDED
  const isKnown = isTokenAccepted === true || !isFirst
  const isDispensable = !facts.mayBegin && !facts.leavesState
  const canWait = isDispensable || (isFirst && facts.isUndoable)
  let asked: Promise<HranaError | null> | null = null
  const ask = (): Promise<HranaError | null> => (asked ??= admission.admit(id, { isDispensable }))
  return {
    async before() {
      if (isKnown && canWait) void ask()
      if (canWait) return null
      const question = isKnown ? null : await exchange({ ...order, ...QUESTION })
      if (question !== null && question.event.kind !== 'answered') return notAnswered(question)
      const error = await ask()
      return error === null ? null : { ...turnedAway(error), stored: order.stored }
    },
    afterwards: ask,
  }
}

const NONE_NEEDED: Place = { before: () => Promise.resolve(null), afterwards: () => Promise.resolve(null) }

/** Does nothing, but for those whom the database lets in. */
const QUESTION: Pick<Exchange, 'requests' | 'facts' | 'stored'> = {
  requests: bytesOf('[{"type":"close"}]'),
  facts: { ...NO_FACTS, isClosing: true },
  stored: {},
}

/** The client's own request was not sent, whatever became of the question. */
const notAnswered = (question: Exchanged): Exchanged =>
  question.event.kind === 'failed' ? { ...question, reply: refuse(NO_ANSWER_YET) } : question

/** As if it were the database that had no place. */
const turnedAway = (error: HranaError): Omit<Exchanged, 'stored'> => ({
  event: { kind: 'turned_away' },
  reply: refuse(error),
  rows: 0,
  bytes: 0,
})

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
