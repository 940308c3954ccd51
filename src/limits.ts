/** Every default number of the library, with its unit in its name and its reason. */

/**
 * A call is given up after this long, headers and body included. Turso Cloud has been seen to stall for 60 s under
 * sustained load, and a Worker that waits that long has lost its own caller.
 */
export const DEFAULT_TIMEOUT_MS = 30_000

/** An error quotes at most this much of what a server said: enough for its message, too little to flood a log. */
export const MAX_QUOTED_CHARACTERS = 4_096

/** `Retry-After` beyond this is not worth passing on as a number that somebody may sleep for. */
export const MAX_RETRY_AFTER_MS = 3_600_000

/** Between two looks whether a new database answers; it doubles up to the second. They are usually there in a second or two. */
export const FIRST_READY_DELAY_MS = 50
export const MAX_READY_DELAY_MS = 1_000

/** What is waited for a stream to be given back, whose result is known already. Its idle limit ends it otherwise. */
export const CLOSE_TIMEOUT_MS = 1_000
