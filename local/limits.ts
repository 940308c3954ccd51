/** Every number of the local Turso that is not an option, with its unit in the name. */

/** sqld: connections over all databases; every stream holds one from its first request to its close. */
export const MAX_STREAMS = 128

/** sqld: how long a new stream waits for one of them. */
export const STREAM_WAIT_MS = 1_000

/** sqld: new streams that wait at once, and the next is refused. */
export const MAX_WAITING_STREAMS = 127

/** sqld: how long an expired stream is remembered, so that its baton is told apart from an invalid one. */
export const TOMBSTONE_MS = 300_000

/** How often expired streams are looked for; sqld rounds the idle time up to a whole second. */
export const EXPIRY_CHECK_MS = 250

/** sqld: SQL texts that one stream may store, and the UTF-8 bytes of each. */
export const MAX_STORED_SQL = 50
export const MAX_STORED_SQL_BYTES = 5_000

/** Connections kept open for the next stream, over all databases: three file descriptors each. */
export const MAX_IDLE_CONNECTIONS = 512

/** Closed connections that wait for the garbage collector: two file descriptors each. Collecting takes tens of ms. */
export const MAX_UNFINALISED_CONNECTIONS = 256

/** The JSON decoder of sqld stops here, and so does a batch condition. */
export const MAX_CONDITION_DEPTH = 128

/** sqld (crate `jsonwebtoken`): clocks may differ by this much before a token counts as expired. */
export const TOKEN_LEEWAY_SECONDS = 60

/** Tokens whose signature need not be checked again. */
export const MAX_VERIFIED_TOKENS = 1_000

/** How long a key set of another issuer is used before it is fetched again; sooner for a key that it does not have. */
export const KEY_SET_LIFETIME_MS = 60_000

export const MAX_PLATFORM_BODY_BYTES = 1024 * 1024
export const MAX_SQL_BODY_BYTES = 64 * 1024 * 1024

/** How much of a body is searched for the text that a fault is for. */
export const MAX_SEARCHED_BODY_BYTES = 64 * 1024 * 1024

/** sqld: its `max_total_response_size`, which all responses share there; here every pipeline has as much. */
export const MAX_PIPELINE_RESPONSE_BYTES = 32 * 1024 * 1024

/** RFC 1035: one label of a host name. */
export const MAX_DNS_LABEL_LENGTH = 63
export const MAX_NAME_LENGTH = 64

/** sqld: SQLITE_LIMIT_LENGTH, its `max_row_size`. */
export const MAX_VALUE_BYTES = 5_000_000

/** A cursor is read in pieces of about this many characters. */
export const CURSOR_CHUNK_BYTES = 64 * 1024

/** Statements that the statistics of a database show. */
export const MAX_TOP_QUERIES = 100

/** How often counts of rows are written down. */
export const USAGE_FLUSH_MS = 1_000

/** How long what was deleted can be restored: five days. */
export const RECOVERY_WINDOW_MS = 5 * 86_400_000

/** Databases on one page where nothing else is asked for, and at most. */
export const MAX_PAGE_SIZE = 1_000

/** Deleted databases and groups on one page where nothing else is asked for. */
export const DELETED_PAGE_SIZE = 100

export const AUDIT_LOG_PAGE_SIZE = 10
export const MAX_AUDIT_LOG_PAGE_SIZE = 100

/** The file of an uploaded database, and the pieces in which it may come. */
export const MAX_UPLOAD_BYTES = 1024 * 1024 * 1024
export const UPLOAD_CHUNK_BYTES = 8 * 1024 * 1024

/** On a port: how long a request may take to come in, and its headers alone. The defaults of Node, said here. */
export const REQUEST_TIMEOUT_MS = 300_000
export const HEADERS_TIMEOUT_MS = 60_000
