/** What a connection remembers beyond the instance that has it. */
import type { StoredSqls } from './stored-sql.ts'

/**
 * Whether anything was sent on it. One that was `turned_away` takes nothing until it is closed. Not even with another token:
 * who has said hello again may not have heard yet of what was refused.
 */
export type StreamStatus = 'fresh' | 'used' | 'turned_away'

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
