/**
 * A stream as the gateway holds it for a client: data, stored as it is. The client's stream outlives the upstream's, which
 * exists only while something depends on it.
 */

import { NO_HISTORY, type HistoryKind } from './history.ts'

/** Where a stream lives at the database. */
export interface Upstream {
  baton: string
  /** Ends with a slash. */
  url: string
  /** How often the database has sent this stream elsewhere. */
  moves: number
}

interface Open {
  /** Counts the changes. The outcome of an effect counts only while the number that it was begun under is the stored one. */
  fence: number
  /** The number that the next request of the client bears. */
  turn: number
  openedAt: number
  /** Whether it has settings or temporary tables, which another upstream stream would not have. */
  isPinned: boolean
  /** Whether rows may have been changed on its upstream stream, or on the one before: then that can be asked for. */
  hasWritten: boolean
  /** What an earlier upstream stream has taken with it, and the one of now would tell wrongly. */
  lost: readonly HistoryKind[]
  /** By when it must have let go of the database, since an operator wants that. */
  drainBy: number | null
}

/** Without a transaction. Without an upstream too, it costs the database nothing, and gets another one on demand. */
export interface IdleStream extends Open {
  kind: 'idle'
  upstream: Upstream | null
  /** When the last answer came. */
  since: number
}

export interface StreamInTransaction extends Open {
  kind: 'in_transaction'
  upstream: Upstream
  since: number
  /** When the request was sent that left it open. */
  begunAt: number
}

/** A request is on its way. Whoever wakes up to this must not send anything on that baton. */
export interface StreamInFlight extends Open {
  kind: 'in_flight'
  before: IdleStream | StreamInTransaction
  startedAt: number
  /** Whether it is a question of our own, which takes no turn of the client's. */
  isProbe: boolean
}

/**
 * Which limit a stream met: ours on idle or on total time, the database's own, or an operator's; `history`: it was asked for
 * what only a stream of the database knew that is closed.
 */
export type StreamLimit = 'idle' | 'total' | 'upstream' | 'drained' | 'history'

/** What became of a stream, remembered for a while to tell its client. */
export interface EndedStream {
  kind: 'lost' | 'expired' | 'killed'
  fence: number
  /** The request of this number did not run, unless `isDoubtful`. */
  turn: number
  /** A request was under way when it ended, and what it did is not known. */
  isDoubtful: boolean
  /** Of `expired`, or of a drain that ended it. */
  limit: StreamLimit | null
  at: number
}

export type OpenStream = IdleStream | StreamInTransaction | StreamInFlight
export type StreamState = OpenStream | EndedStream

/** Times in milliseconds; an event has its own clock. */
export interface StreamLimits {
  /** Without a request and without a transaction: then the upstream stream is closed, and the client's stays. */
  idleMs: number
  /** A stream without an upstream is forgotten after this long; `null`: not as long as its connection lasts. */
  parkedMs: number | null
  transactionIdleMs: number
  transactionTotalMs: number
  /** A request that has taken this long has nobody left who waits for its answer. */
  inFlightMs: number
  /** For how long the end of a stream is remembered. */
  memoryMs: number
  /** How often one upstream stream may be sent elsewhere. */
  maxMoves: number
}

export type StreamEvent = { now: number } & (
  | {
      /** A pipeline or cursor wants to be sent. */
      kind: 'asked'
      /** The client's number; `null` where it has none, and requests are in order by other means. */
      turn: number | null
      /** What it asks of statements before, such as `last_insert_rowid()`. */
      asks: readonly HistoryKind[]
      isProbe: boolean
    }
  | {
      kind: 'answered'
      fence: number
      /** `null`: the database keeps no stream. */
      baton: string | null
      /** For the next request. */
      url: string
      /** As the database says; `null` when it did not. */
      isAutocommit: boolean | null
      /** The client's own `close` was among the requests. */
      isClosed: boolean
      /** The requests may have left something that another stream would not have. */
      leavesState: boolean
      /** They may have changed rows. */
      mayWrite: boolean
      /** What is certain to have been decided by them, so that what was lost of the time before matters no more. */
      tells: readonly HistoryKind[]
    }
  /**
   * Refused with certainty that nothing ran: `dead` since its stream had ended before, `turned_away` at the door; `left` is
   * what was opened for it. But whatever is between us and the database may have sent it twice, and the stream have gone with
   * the first: after a COMMIT that is no certainty.
   */
  | { kind: 'dead'; fence: number; asks: readonly HistoryKind[]; mayCommit: boolean }
  | { kind: 'turned_away'; fence: number; left?: Upstream }
  /** Refused in any other way: something may have run, and the stream may live on. */
  | { kind: 'refused'; fence: number }
  /** No answer, or none that can be used; `baton` if one is known that nobody must use. */
  | { kind: 'failed'; fence: number; baton: string | null; url: string }
  /** An instance has found a request under way that it has not sent. */
  | { kind: 'orphaned' }
  /** Time has passed. */
  | { kind: 'tick' }
  /** The client has gone, or its connection has. */
  | { kind: 'left' }
  | { kind: 'kill' }
  | { kind: 'drain'; by: number }
)

/** What is to be done, after the state is stored. */
export type StreamEffect =
  | { kind: 'send'; upstream: Upstream | null }
  /** Ends an upstream stream, as well as that can be done. */
  | { kind: 'close'; upstream: Upstream }

/** Why a request is not sent. */
export type StreamRefusal =
  /** A request is under way, or the number has been used. */
  | { kind: 'reused' }
  /** The request did not run. `isDoubtful`: but one before it may have. */
  | { kind: 'lost' | 'expired' | 'killed'; limit: StreamLimit | null; isDoubtful: boolean }

export interface Step {
  /** `null`: nothing is remembered of the stream. */
  state: StreamState | null
  effect: StreamEffect | null
  refusal: StreamRefusal | null
}

/** A stream that has not been used. */
export function newStream(now: number): IdleStream {
  return {
    kind: 'idle',
    fence: 0,
    turn: 0,
    openedAt: now,
    isPinned: false,
    hasWritten: false,
    lost: NO_HISTORY,
    drainBy: null,
    upstream: null,
    since: now,
  }
}

export const isEnded = (state: StreamState): state is EndedStream =>
  state.kind === 'lost' || state.kind === 'expired' || state.kind === 'killed'

/** Whether it has no upstream stream. */
export const isParked = (state: StreamState): state is IdleStream & { upstream: null } =>
  state.kind === 'idle' && state.upstream === null

/** When a stream next wants a tick; `null`: never. */
export function deadlineOf(state: StreamState, limits: StreamLimits): number | null {
  if (isEnded(state)) return state.at + limits.memoryMs
  switch (state.kind) {
    case 'idle': {
      if (state.upstream !== null) return Math.min(state.since + limits.idleMs, state.drainBy ?? Infinity)
      return limits.parkedMs === null ? null : state.since + limits.parkedMs
    }
    case 'in_transaction':
      return Math.min(
        state.since + limits.transactionIdleMs,
        state.begunAt + limits.transactionTotalMs,
        state.drainBy ?? Infinity,
      )
    case 'in_flight':
      return Math.min(state.startedAt + limits.inFlightMs, state.drainBy ?? Infinity)
  }
}
