/** What a connection remembers beyond the instance that has it. */
import type { StoredSqls } from './stored-sql.ts'

/**
 * Whether anything was sent on it, or it could not even be opened. One that was `turned_away` takes nothing until it is closed,
 * or another token is there.
 */
export type StreamStatus = 'fresh' | 'used' | 'refused' | 'turned_away'

/** What outlives this instance when the socket hibernates. */
export interface ConnectionMemory {
  /** Whether the database has accepted a token. */
  isGreeted: boolean
  /** Those that the client has opened and not closed. */
  streams: Map<number, StreamStatus>
  /** The streams of the cursors that have not been closed. */
  cursors: Map<number, number>
  texts: StoredSqls
}
