/** The limits of every stream, over HTTP and over sockets. */
import {
  ENDED_SESSION_MEMORY_MS,
  MAX_BASE_URL_CHANGES,
  MAX_WAITING_REQUESTS,
  MAX_WAIT_MS,
  SESSION_IDLE_MS,
  SESSION_REQUEST_MS,
  TRANSACTION_TOTAL_MS,
} from '../limits.ts'
import type { QueueLimits } from './queue.ts'
import type { StreamLimits } from './state.ts'

export const STREAM_LIMITS: Omit<StreamLimits, 'parkedMs'> & QueueLimits = {
  idleMs: SESSION_IDLE_MS,
  transactionIdleMs: SESSION_IDLE_MS,
  transactionTotalMs: TRANSACTION_TOTAL_MS,
  inFlightMs: SESSION_REQUEST_MS,
  memoryMs: ENDED_SESSION_MEMORY_MS,
  maxMoves: MAX_BASE_URL_CHANGES,
  maxWaiting: MAX_WAITING_REQUESTS,
  maxWaitMs: MAX_WAIT_MS,
}
