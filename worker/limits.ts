/** Every number of the Worker, with its unit in its name and its reason. */

/** A signup is a few short strings and the SaaS's metadata. */
export const MAX_REQUEST_BYTES = 64 * 1024

/** Nesting of a request's JSON: code that walks it recursively must not overflow the stack. */
export const MAX_JSON_DEPTH = 32

/**
 * A pipeline is held in memory as bytes and as text, here and in the session, and an isolate has 128 MB for all its
 * requests.
 */
export const MAX_PIPELINE_BYTES = 8 * 1024 * 1024

/** Likewise an answer that a session holds. sqld stops a single result at 10 MB; a message between objects has 32 MiB. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** One call to the Platform API. */
export const PLATFORM_TIMEOUT_MS = 10_000

/** One pipeline sent upstream, headers and body. */
export const PIPELINE_TIMEOUT_MS = 30_000

/** A new database answers 404 for seconds (libsql-client-ts#346); longer than this and the caller is sent away. */
export const READY_BUDGET_MS = 15_000

/** First pause of the wait for a new database; each next one is twice as long. */
export const READY_FIRST_PAUSE_MS = 100
export const READY_LONGEST_PAUSE_MS = 2_000

/** The last attempt within that budget still gets this long, or it could never succeed. */
export const MIN_ATTEMPT_MS = 2_000

/** How many keys an unfinished signup remembers; a caller that draws a new one each time must not fill storage. */
export const MAX_IDEMPOTENCY_KEYS = 10

/** What a caller is told to wait when Turso is unreachable and gives no time of its own. */
export const DEFAULT_RETRY_AFTER_MS = 5_000

/** Default life of a tenant's token: long enough for a working day, short enough to leak without lasting harm. */
export const DEFAULT_TOKEN_EXPIRATION = '1d'

/** Life of the token that applies the schema, when the caller's own may only read. */
export const MIGRATION_TOKEN_EXPIRATION = '10m'

/**
 * A session without requests is closed after this long: one second before sqld and Turso Cloud expire the stream on
 * their own (10 s), so that the write lock is given back in an orderly way.
 */
export const SESSION_IDLE_MS = 9_000

/** For how long a session that has expired or was lost remembers what became of it, to tell its client. */
export const ENDED_SESSION_MEMORY_MS = 600_000

/** A DNS label, and so `<database>-<organization>`, has at most this many characters. */
export const MAX_DNS_LABEL = 63

/** Ours have 93 characters with their quotes; somebody else's is refused for what it is, not for its length. */
export const MAX_BATON_CHARACTERS = 1_000
