/** The life of one stream: which state an event leads to, and what is to be done then. Pure. */
import { ALL_HISTORY, NO_HISTORY, type HistoryKind } from './history.ts'
import { deadlineOf, isEnded, isParked } from './state.ts'
import type {
  EndedStream,
  IdleStream,
  Step,
  StreamEvent,
  StreamInFlight,
  StreamInTransaction,
  StreamLimit,
  StreamLimits,
  StreamRefusal,
  StreamState,
  Upstream,
} from './state.ts'

type EventOf<Kind extends StreamEvent['kind']> = Extract<StreamEvent, { kind: Kind }>
type RestingStream = IdleStream | StreamInTransaction

/** The step that an event leads to; a state that is given back as it was need not be stored. */
export function advance(state: StreamState, event: StreamEvent, limits: StreamLimits): Step {
  switch (event.kind) {
    case 'asked':
      return ask(state, event)
    case 'tick':
      return tick(state, event.now, limits)
    case 'orphaned':
      return state.kind === 'in_flight' ? rest(end(state, 'lost', event.now)) : rest(state)
    case 'left':
      return leave(state)
    case 'kill':
      return kill(state, event.now)
    case 'drain':
      return drain(state, event, limits)
    default:
      // What has ended meanwhile, or gone on without the sender, is not changed by what comes late.
      if (state.kind !== 'in_flight' || state.fence !== event.fence) return rest(state)
      return settle(state, event, limits)
  }
}

function ask(state: StreamState, { now, turn, asks, isProbe }: EventOf<'asked'>): Step {
  if (state.kind === 'in_flight') return refuse(state, { kind: 'reused' })
  if (isEnded(state)) return refuse(state, endOf(state, turn))
  if (turn !== null && turn !== state.turn) return refuse(state, { kind: 'reused' })
  // Another upstream stream would give an answer, and a wrong one.
  const lost = lostOn(state.upstream, state)
  if (asks.some((kind) => lost.includes(kind))) {
    const ended = end(state, 'expired', now, 'history')
    return { ...refuse(ended, endOf(ended, turn)), effect: closing(state.upstream) }
  }
  return send(state, { now, isProbe })
}

/** What this upstream stream cannot tell: without one, nothing of what was written before. */
const lostOn = (
  upstream: Upstream | null,
  { hasWritten, lost }: Pick<RestingStream, 'hasWritten' | 'lost'>,
): readonly HistoryKind[] => (upstream === null && hasWritten ? ALL_HISTORY : lost)

function send(before: RestingStream, { now, isProbe }: { now: number; isProbe: boolean }): Step {
  const { turn, openedAt, isPinned, drainBy, upstream } = before
  const state: StreamInFlight = {
    kind: 'in_flight',
    fence: before.fence + 1,
    turn,
    openedAt,
    isPinned,
    hasWritten: before.hasWritten && upstream !== null,
    lost: lostOn(upstream, before),
    drainBy,
    before,
    startedAt: now,
    isProbe,
  }
  return { state, effect: { kind: 'send', upstream }, refusal: null }
}

type Outcome = EventOf<'answered' | 'dead' | 'turned_away' | 'refused' | 'failed'>

function settle(state: StreamInFlight, event: Outcome, limits: StreamLimits): Step {
  const { before } = state
  switch (event.kind) {
    case 'answered':
      return answered(state, event, limits)
    case 'dead': {
      const isLost = event.asks.length > 0 && before.hasWritten
      if (before.kind === 'in_transaction' || before.isPinned || isLost || isParked(before)) {
        const ended =
          before.kind === 'in_transaction' && event.mayCommit
            ? end(before, 'lost', event.now)
            : end(before, 'expired', event.now, 'upstream')
        return refuse({ ...ended, fence: state.fence + 1 }, endOf(ended, null))
      }
      // Nothing has run, and nothing was lost with the stream: the same again on another one.
      const { isProbe, startedAt, drainBy, fence } = state
      return send({ ...before, upstream: null, drainBy, fence }, { now: startedAt, isProbe })
    }
    case 'turned_away':
    case 'refused':
      // sqld drops the stream with most refusals but not with all, and an open one may hold the write lock.
      if (!isParked(before) || event.kind === 'refused')
        return { ...rest(end(state, 'lost', event.now)), effect: closing(before.upstream) }
      return {
        ...rest({ ...before, since: event.now, drainBy: state.drainBy, fence: state.fence + 1 }),
        effect: closing(event.left ?? null),
      }
    case 'failed': {
      const upstream = event.baton === null ? null : { baton: event.baton, url: event.url, moves: 0 }
      return { ...rest(end(state, 'lost', event.now)), effect: closing(upstream) }
    }
  }
}

function answered(state: StreamInFlight, event: EventOf<'answered'>, limits: StreamLimits): Step {
  const { before, startedAt, isProbe } = state
  const { now, baton, url, isAutocommit } = event
  const moves =
    (before.upstream?.moves ?? 0) + (before.upstream !== null && before.upstream.url !== url ? 1 : 0)
  const upstream: Upstream | null = baton === null ? null : { baton, url, moves }
  if (event.isClosed) return { state: null, effect: closing(upstream), refusal: null }
  if (moves > limits.maxMoves) return { ...rest(end(state, 'lost', now)), effect: closing(upstream) }
  const common = {
    fence: state.fence + 1,
    turn: state.turn + (isProbe ? 0 : 1),
    openedAt: state.openedAt,
    // A database that keeps no stream says that there is nothing to keep.
    isPinned: baton !== null && (state.isPinned || event.leavesState),
    hasWritten: state.hasWritten || event.mayWrite,
    lost: state.lost.length === 0 ? NO_HISTORY : state.lost.filter((kind) => !event.tells.includes(kind)),
    drainBy: state.drainBy,
    since: now,
  }
  if (upstream === null && isAutocommit !== true) return rest(end(state, 'lost', now))
  if (upstream === null || isAutocommit === true) {
    const idle: IdleStream = { ...common, kind: 'idle', upstream }
    return idle.drainBy === null || idle.isPinned ? rest(idle) : park(idle, now)
  }
  // What the database does not say is taken for the worse.
  const begunAt = before.kind === 'in_transaction' ? before.begunAt : startedAt
  return rest({ ...common, kind: 'in_transaction', upstream, begunAt })
}

function tick(state: StreamState, now: number, limits: StreamLimits): Step {
  const deadline = deadlineOf(state, limits)
  if (deadline === null || now < deadline) return rest(state)
  if (state.kind === 'in_flight') {
    const isDrained = state.drainBy !== null && now >= state.drainBy
    return rest(isDrained ? end(state, 'killed', now, 'drained') : end(state, 'lost', now))
  }
  if (isEnded(state) || isParked(state)) return { state: null, effect: null, refusal: null }
  if (state.kind === 'idle' && !state.isPinned) return park(state, now)
  if (state.drainBy !== null && now >= state.drainBy) return give(state, 'killed', now, 'drained')
  const isTotal = state.kind === 'in_transaction' && now >= state.begunAt + limits.transactionTotalMs
  return give(state, 'expired', now, isTotal ? 'total' : 'idle')
}

/** Gives the upstream stream back; the client's goes on. */
function park(state: IdleStream, now: number): Step {
  const parked: IdleStream = {
    ...state,
    fence: state.fence + 1,
    isPinned: false,
    drainBy: null,
    upstream: null,
    since: now,
  }
  return { state: parked, effect: closing(state.upstream), refusal: null }
}

/** Ends a stream that nobody is using right now. */
function give(
  state: RestingStream,
  kind: 'killed' | 'expired',
  now: number,
  limit: StreamLimit | null,
): Step {
  return { state: end(state, kind, now, limit), effect: closing(state.upstream), refusal: null }
}

function leave(state: StreamState): Step {
  // The baton of a request under way is used up; who has sent it hangs up.
  const upstream = state.kind === 'idle' || state.kind === 'in_transaction' ? state.upstream : null
  return { state: null, effect: closing(upstream), refusal: null }
}

function kill(state: StreamState, now: number): Step {
  if (isEnded(state)) return rest(state)
  return state.kind === 'in_flight' ? rest(end(state, 'killed', now)) : give(state, 'killed', now, null)
}

function drain(state: StreamState, { now, by }: EventOf<'drain'>, limits: StreamLimits): Step {
  if (isEnded(state) || isParked(state)) return rest(state)
  const drained = { ...state, drainBy: Math.min(by, state.drainBy ?? Infinity) }
  // A request under way keeps its number, which its answer is told by.
  if (drained.kind === 'in_flight') return now < drained.drainBy ? rest(drained) : tick(drained, now, limits)
  if (drained.kind === 'idle' && !drained.isPinned) return park(drained, now)
  return tick({ ...drained, fence: state.fence + 1 }, now, limits)
}

function end(
  state: RestingStream | StreamInFlight,
  kind: EndedStream['kind'],
  at: number,
  limit: StreamLimit | null = null,
): EndedStream {
  const isDoubtful = state.kind === 'in_flight' || kind === 'lost'
  return { kind, fence: state.fence + 1, turn: state.turn, isDoubtful, limit, at }
}

/** What the request of a number is told by a stream that has ended. */
function endOf({ kind, turn: last, isDoubtful, limit }: EndedStream, turn: number | null): StreamRefusal {
  // Of an earlier number than the last, only its own answer has told what it did.
  if (turn !== null && turn < last) return { kind: 'lost', limit: null, isDoubtful: true }
  // A later one was given by a cursor that had not ended.
  return { kind, limit, isDoubtful: isDoubtful || (turn !== null && turn > last) }
}

const closing = (upstream: Upstream | null): Step['effect'] =>
  upstream === null ? null : { kind: 'close', upstream }

const rest = (state: StreamState): Step => ({ state, effect: null, refusal: null })
const refuse = (state: StreamState, refusal: StreamRefusal): Step => ({ state, effect: null, refusal })
