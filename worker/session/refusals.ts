/** What the client of a stream is told when its request was not sent, or its answer cannot be given. */
import type { HranaError } from '../hrana/error.ts'
import type { StreamLimit, StreamRefusal } from './state.ts'

const REUSED: HranaError = {
  status: 400,
  code: 'BATON_REUSED',
  message: 'Received a baton that has already been used',
}

export const STREAM_LOST: HranaError = {
  status: 400,
  code: 'STREAM_LOST',
  message: 'The stream is gone. Whether what was last sent on it took effect is unknown.',
  outcome: 'unknown',
}

export const NOT_PREPARED: HranaError = {
  status: 502,
  code: 'NO_ANSWER',
  message:
    "No whole answer came from the tenant's database when the stored texts were given to another stream. This request did not run.",
}

const WHY: Record<StreamLimit, string> = {
  idle: 'The stream has expired: it was without a request for too long.',
  total: 'The stream has expired: its transaction took too long.',
  upstream: 'The stream has expired: the database has given it up.',
  drained: 'The session was closed for maintenance.',
  history:
    'The stream has expired: what the request asks of statements before it, a stream of the database knew that is closed.',
}

const NOTHING_REMAINS =
  'This request did not run. A transaction that was open on the stream is rolled back, and its settings are gone.'
const UNKNOWN = 'Whether what was last sent on it took effect is unknown.'

export function describeRefusal(refusal: StreamRefusal): HranaError {
  if (refusal.kind === 'reused') return REUSED
  if (refusal.kind === 'lost') return STREAM_LOST
  const { kind, limit, isDoubtful } = refusal
  const why = limit === null ? 'The session was closed by an operator.' : WHY[limit]
  return {
    status: 400,
    code: kind === 'killed' ? 'SESSION_KILLED' : 'STREAM_EXPIRED',
    message: `${why} ${isDoubtful ? UNKNOWN : NOTHING_REMAINS}`,
    outcome: isDoubtful ? 'unknown' : 'rolled_back',
  }
}

export const QUEUE_FULL: HranaError = {
  status: 503,
  code: 'QUEUE_FULL',
  message: 'Too many requests wait for this stream. This one did not run.',
}

export const QUEUE_TIMEOUT: HranaError = {
  status: 503,
  code: 'QUEUE_TIMEOUT',
  message: 'The requests before this one on its stream took too long. This one did not run.',
}
