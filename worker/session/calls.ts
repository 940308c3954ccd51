/** What is asked of a stream, and what it answers. Pure. */
import type { HranaError } from '../hrana/error.ts'
import type { Claim } from '../memory/room.ts'
import type { Destination, Exchange, Exchanged } from './exchange.ts'
import { STREAM_LOST } from './refusals.ts'
import { isEnded, isParked, type StreamInFlight, type StreamState } from './state.ts'
import type { HranaVersion } from './requests.ts'
import type { Holder, StreamRecord } from './store.ts'

export interface StreamCall extends Destination {
  /** The number of the request on its stream; `new` begins one, `ordered` trusts the caller to be in order. */
  turn: number | 'new' | 'ordered'
  /** Of Hrana, as the client speaks it; `3` unless said otherwise. */
  version?: HranaVersion
  /** As the client wrote it, in UTF-8: the requests of a pipeline, a JSON array; or the batch of a cursor. */
  requests: Uint8Array<ArrayBuffer>
  /** Of the room for answers, for one that is large: whoever gets the answer gives the place back. */
  claim?: Claim | undefined
  /** Kept with a stream that begins, if nothing else tells. */
  holder?: Holder | undefined
  /** Aborts when its answer is of no use any more, and the stream with it. */
  abandoned?: AbortSignal
}

export type StreamAnswer =
  /** As the database wrote them, in UTF-8; `turn` for the next request, `null` when the stream is closed. */
  | { kind: 'results'; results: Uint8Array<ArrayBuffer>; turn: number | null }
  /** The database's own refusal, which ended the stream unless nothing was open upstream. */
  | { kind: 'refused'; status: number; headers: Record<string, string>; body: Uint8Array<ArrayBuffer> }
  | { kind: 'error'; error: HranaError }

/** The entries come as fast as they are taken; the next request waits for their end. */
export type CursorAnswer =
  | {
      kind: 'cursor'
      body: ReadableStream<Uint8Array>
      turn: number
      /** Once it has ended: why, if its stream was ended by somebody else, as the next request is told. Never rejects. */
      cutOff: Promise<HranaError | null>
    }
  | Exclude<StreamAnswer, { kind: 'results' }>

export type Refused = Extract<StreamAnswer, { kind: 'error' }>
export type Sending = Omit<Exchange, 'facts' | 'flight'>

export const refuse = (error: HranaError): Refused => ({ kind: 'error', error })

/** A pipeline that prepared a cursor has no results for the client. */
export const withoutResults = (answer: StreamAnswer): Exclude<StreamAnswer, { kind: 'results' }> =>
  answer.kind === 'results' ? refuse(STREAM_LOST) : answer

export const isUnused = (state: StreamState): boolean => isParked(state) && state.turn === 0

/** Whether there is a stream upstream, or may be. */
export const isHolding = (state: StreamState | null): boolean =>
  state !== null && !isEnded(state) && !isParked(state)

export const isSame = (state: StreamState, sent: StreamInFlight): boolean =>
  state.kind === 'in_flight' && state.fence === sent.fence

export function withUsage(
  record: StreamRecord,
  { requests }: StreamCall,
  { bytes, rows }: Exchanged,
): StreamRecord {
  const { usage } = record
  return {
    ...record,
    usage: {
      requests: usage.requests + 1,
      rows: usage.rows + rows,
      bytes: usage.bytes + requests.length + bytes,
    },
  }
}
