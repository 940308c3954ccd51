/** The rooms of this isolate, in the order in which a request needs them. */
import {
  PLACE_LASTS_MS,
  ROOM_FOR_ANSWERS_BYTES,
  ROOM_FOR_BODIES_BYTES,
  ROOM_FOR_SESSION_REQUESTS_BYTES,
  ROOM_WAIT_MS,
} from '../limits.ts'
import { createRoom } from './room.ts'

const TIMES = { waitMs: ROOM_WAIT_MS, lastsMs: PLACE_LASTS_MS }

/** Of requests, in the Worker. */
export const bodies = createRoom({ bytes: ROOM_FOR_BODIES_BYTES, ...TIMES })

/** Those of them that are for a session, in its object. */
export const sessionRequests = createRoom({ bytes: ROOM_FOR_SESSION_REQUESTS_BYTES, ...TIMES })

/** Of databases, as far as they do not just pass. */
export const answers = createRoom({ bytes: ROOM_FOR_ANSWERS_BYTES, ...TIMES })
