/** What faults do to the open streams. */
import type { Streams } from '../hrana/streams.ts'
import type { FaultyServer } from './kinds.ts'

/** Expires and closes streams as the server itself would. */
export function createFaultyServer(streams: Streams): FaultyServer {
  return {
    expireStreams(database) {
      for (const stream of streams.list()) {
        if (database === undefined || stream.database.name === database) stream.expiresAtMs = -Infinity
      }
      streams.expire()
    },
    restart: () => streams.restart(),
  }
}
