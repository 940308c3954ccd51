/** For an answer, or a start or an end of a process: tells what hangs from what is slow, also on a busy machine. */
export const PATIENCE_MS = 60_000

/** Whoever ends a stream within this has not waited for the database, or the gateway, to find that nobody uses it. */
export const BEFORE_IDLE_MS = 8_000
