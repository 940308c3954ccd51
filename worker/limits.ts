/** Every number of the Worker, with its unit in its name and its reason. */

/** A signup is a few short strings and the SaaS's metadata. */
export const MAX_REQUEST_BYTES = 64 * 1024

/** For how long a body may be on its way. Who sends it by drops holds a request, and memory for what has come. */
export const BODY_TIMEOUT_MS = 30_000

/** Nesting of a request's JSON: code that walks it recursively must not overflow the stack. */
export const MAX_JSON_DEPTH = 32

/** A pipeline is held in memory as it came until it is sent. */
export const MAX_PIPELINE_BYTES = 8 * 1024 * 1024

/** Likewise an answer that a session holds. sqld stops a single result at 10 MB; a message between objects has 32 MiB. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** Of a call that manages a database: a page of 500 of them is a tenth of this. */
export const MAX_TURSO_ANSWER_BYTES = 4 * 1024 * 1024

/** A body of this size or less is held wherever it comes; for a larger one there must be room. */
export const SMALL_BODY_BYTES = 64 * 1024

/**
 * For what is larger, all of an isolate together: it has 128 MB for the Worker, its objects and what of each is made in
 * passing, such as the text of a body. Two of the largest at once.
 */
export const ROOM_FOR_BODIES_BYTES = 16 * 1024 * 1024
export const ROOM_FOR_SESSION_REQUESTS_BYTES = 16 * 1024 * 1024
export const ROOM_FOR_ANSWERS_BYTES = 32 * 1024 * 1024

/** For how long whoever finds no room waits for it. */
export const ROOM_WAIT_MS = 15_000

/** For how long a large answer of a session may be on its way to its client, who else holds the room of others. */
export const LARGE_ANSWER_MS = 120_000

/** After which a place is another's, whatever has become of its holder: longer than a body, a request or an answer takes. */
export const PLACE_LASTS_MS = 180_000

/** One call to the Platform API. */
export const PLATFORM_TIMEOUT_MS = 10_000

/** For how long a call to it waits for its turn at most, once Turso has refused others; who would wait longer comes again. */
export const MAX_PACE_WAIT_MS = 5_000

/** One pipeline sent upstream, headers and body. */
export const PIPELINE_TIMEOUT_MS = 30_000

/** Applying the schema to a new database: all of it in one request. */
export const MIGRATION_TIMEOUT_MS = 15_000

/** For how long a signup's request waits at most; then it is answered with 202, and the rest is for alarms. */
export const SIGNUP_BUDGET_MS = 20_000

/** For how long an alarm waits between attempts, instead of setting the next one. */
export const ALARM_BUDGET_MS = 10_000

/**
 * The alarm that is set before each call, in case nobody is there to see its end. Longer than any call, or it would go
 * off beside it.
 */
export const WATCHDOG_MS = 60_000

/** For how long a failed signup that has left nothing behind can be read, and retried: a week. */
export const FAILED_MEMORY_MS = 604_800_000

export const DAY_MS = 86_400_000

/** For how long a deleted tenant keeps its database and can be restored, unless `DELETION_GRACE_DAYS` says otherwise: a week. */
export const DELETION_GRACE_MS = 7 * DAY_MS

/** One delivery to the directory, or one look into it. D1 takes milliseconds, or it is out of order. */
export const DIRECTORY_TIMEOUT_MS = 5_000

/** Ending a tenant's sessions: a message to each of their objects. A suspension or a deletion goes on without it. */
export const END_SESSIONS_TIMEOUT_MS = 3_000

/** How many rows of the audit go with one delivery. */
export const MAX_AUDIT_ROWS_AT_ONCE = 50

/**
 * How many rows of the audit a tenant keeps while D1 is down; what is done again then is counted in the row that has it. At
 * some 250 bytes each, and a token every second for ten minutes.
 */
export const MAX_OWED_AUDIT_ROWS = 500

/** For how long a row of the audit is kept: a year and a month, so that a yearly review finds its whole year. */
export const AUDIT_RETENTION_MS = 395 * 86_400_000

/** Rows on a page of a list, unless the request says otherwise, and the most that it can ask for. */
export const DEFAULT_PAGE = 50
export const MAX_PAGE = 200

/** After which a database that no tenant is known to have counts as an orphan: the directory is never so far behind. */
export const STRAY_GRACE_MS = 86_400_000

/** For how long the directory remembers tenants that are gone. No delivery is as late. */
export const FORGOTTEN_MEMORY_MS = 30 * 86_400_000

/** For how long the cron waits for one of its parts, which may hang in D1; the longest asks Turso for some pages. */
export const SWEEP_PART_MS = 60_000

/** What one run of the cron does at most; with 1,000 subrequests to Turso, D1 and objects it has room. */
export const MAX_TENANTS_WOKEN = 40
/** Objects that one request has published again. */
export const MAX_REBUILT = 50
export const MAX_ROWS_SWEPT = 1_000
/** Pages of databases, and databases on each: with a run every ten minutes 100,000 take nine hours. */
export const MAX_LIST_PAGES = 4
export const STRAYS_PAGE = 500
/** Databases that a walk has not come across, and that are asked for by name at its end. */
export const MAX_STRAYS_SOUGHT = 100

/** What a list with filters that no index helps with looks at for one page: some ten milliseconds' worth. */
export const MAX_ROWS_SCANNED = 2_000

/** How long after the time at which it should have changed a tenant counts as stuck. Longer than any retry waits. */
export const STUCK_AFTER_MS = 900_000

/** How many calls of a signup are remembered: the first half, and the latest. */
export const MAX_TIMELINE_ENTRIES = 40

/** What is remembered of an error's message: with the above, far below the 2 MB that a stored value may have. */
export const MAX_DETAIL_CHARACTERS = 500

/** How many keys an unfinished signup remembers; a caller that draws a new one each time must not fill storage. */
export const MAX_IDEMPOTENCY_KEYS = 10

/** What a caller is told to wait when Turso is unreachable and gives no time of its own. */
export const DEFAULT_RETRY_AFTER_MS = 5_000

/** Default life of a tenant's token: long enough for a working day, short enough to leak without lasting harm. */
export const DEFAULT_TOKEN_EXPIRATION = '1d'

/** Life of the token of a service binding's session, which asks for another when it needs one. */
export const SESSION_TOKEN_EXPIRATION = '1h'

/** Life of the token that applies the schema, when the caller's own may only read. */
export const MIGRATION_TOKEN_EXPIRATION = '10m'

/**
 * A stream without requests gives its upstream stream back after this long: one second before sqld and Turso Cloud expire
 * that on their own (10 s), so that the write lock is given back in an orderly way.
 */
export const SESSION_IDLE_MS = 9_000

/** How long a session without a transaction is kept for a client that says nothing: it costs a stored row. */
export const SESSION_PARKED_MS = 3_600_000

/** How long the database may take to answer a client that has hung up, ms: less than it lets others wait for a lock. */
export const ABANDONED_CALL_MS = 2_000

/**
 * For how long a transaction may be open. Nothing that is interactive takes longer, and as long as it lasts the database
 * cannot take its log back into its file.
 */
export const TRANSACTION_TOTAL_MS = 60_000

/** A request of a session, reopening and all: a second one may be sent, and each has its own timeout. */
export const SESSION_REQUEST_MS = 2 * PIPELINE_TIMEOUT_MS + 15_000

/** For how long a session that has expired or was lost remembers what became of it, to tell its client. */
export const ENDED_SESSION_MEMORY_MS = 600_000

/** The longer of the two windows that a rate-limit binding can have. */
export const LONGEST_RATE_LIMIT_WINDOW_MS = 60_000

/** How many networks an isolate remembers for their wrong keys: whoever has more must not fill its memory. */
export const MAX_SHUT_OUT_NETWORKS = 1_000

/** The memory by which a cursor passes through a session. */
export const CURSOR_PIECE_BYTES = 64 * 1024

/** A cursor that stands still for so long is cut off, at the latest after twice this: for its client or for the database. */
export const STALLED_CURSOR_MS = 30_000

/** How often a database may send one stream elsewhere: more than any failover needs, less than a chase. */
export const MAX_BASE_URL_CHANGES = 8

/** How often an upstream stream is asked for when the database has no connection free, and how long in between. */
export const MAX_OPENING_ATTEMPTS = 3
export const OPENING_RETRY_MS = 200

/** Requests that wait for one stream, as many as sqld lets wait for a connection, and for how long. */
export const MAX_WAITING_REQUESTS = 128
export const MAX_WAIT_MS = 30_000

/**
 * Of a session: only behind a cursor, whose baton comes before its end, has anybody to wait. Each may hold a body of 8 MiB.
 */
export const MAX_SESSION_WAITING = 2

/** SQL texts that are stored again on another upstream stream; sqld takes 50 of 5,000 bytes, and a stored value has 2 MB. */
export const MAX_STORED_SQL_CHARACTERS = 500_000

/** Sessions of one tenant that hold a stream at once: sqld has 128 connections for all of its databases. */
export const DEFAULT_SESSION_LIMIT = 100

/** A session that says nothing for so long counts no more. Longer than a transaction may take, reopening and all. */
export const SESSION_LEASE_MS = 180_000

/** For how long an object is waited for that others can do without: to count a session, or to end it. */
export const OBJECT_CALL_MS = 5_000

/** How many tenants' objects a page of all sessions asks at most: each is a call of its own. */
export const MAX_TENANTS_PER_PAGE = 20

/** Default and maximum of a drain: for how long transactions may go on, and for how long nothing begins. */
export const DRAIN_WITHIN_SECONDS = 30
export const DRAIN_FOR_SECONDS = 300
export const MAX_DRAIN_SECONDS = 86_400

/** Open transactions of one session of the binding: one request of a Worker needs a few, and a leak must not take all places. */
export const MAX_SESSION_TRANSACTIONS = 16

/** For how long an isolate serves a tenant without asking its object, and so for how long after its suspension at most. */
export const LOCATION_MEMORY_MS = 60_000

/** How many tenants an isolate remembers: some 300 bytes each. */
export const MAX_REMEMBERED_LOCATIONS = 10_000

/** How many tokens an isolate remembers as accepted: a hash of 64 characters each. */
export const MAX_REMEMBERED_TOKENS = 10_000

/** A DNS label, and so `<database>-<organization>`, has at most this many characters. */
export const MAX_DNS_LABEL = 63

/** Ours have 93 characters with their quotes; somebody else's is refused for what it is, not for its length. */
export const MAX_BATON_CHARACTERS = 1_000

/** A database token is some 300 characters; one with permissions for many tables has a few thousand. */
export const MAX_TOKEN_CHARACTERS = 8_192

/** What a stranger can have read of a first message: a hello with a token, and room for what else may be in it. */
export const MAX_HELLO_CHARACTERS = 4 * MAX_TOKEN_CHARACTERS

/** One message of a socket carries one request, with the arguments of its statements; as much as a pipeline may have. */
export const MAX_SOCKET_MESSAGE_CHARACTERS = MAX_PIPELINE_BYTES

/** Nesting of a message: that of conditions of a batch in each other, which sqld bounds likewise. */
export const MAX_SOCKET_JSON_DEPTH = 128

/** SQL texts that a connection stores: as sqld has it. `@libsql/client` keeps 100. */
export const MAX_SOCKET_SQLS = 150

/** One of them. Clients store what they repeat; sqld takes 5 kB of one. */
export const MAX_SOCKET_SQL_CHARACTERS = 64 * 1024

/** All of them: they are in memory as long as the socket is awake. */
export const MAX_SOCKET_SQLS_CHARACTERS = 1024 * 1024

/**
 * Streams of one socket, and cursors. Those that hold nothing cost the database nothing; but an attachment, of at most
 * 16 KiB, lists them all.
 */
export const MAX_SOCKET_STREAMS = 512
export const MAX_SOCKET_CURSORS = 128

/** Requests of a socket that wait for an answer: there is no way to stop reading from it, so whoever sends more is cut off. */
export const MAX_SOCKET_PENDING = 4_096

/** Messages of this size or less find room wherever they come: a socket may hold as much of them beside all others. */
export const SMALL_SOCKET_MESSAGES_BYTES = 64 * 1024

/**
 * For all else that waits or runs on the sockets of an isolate. A message takes a byte of memory for each character, or two,
 * and while it is sent twice as much.
 */
export const ROOM_FOR_SOCKET_MESSAGES_BYTES = 16 * 1024 * 1024

/** For what comes behind a hello that the database has not answered: whoever sends it may be anybody. */
export const ROOM_FOR_STRANGERS_MESSAGES_BYTES = 8 * 1024 * 1024

/** After which what a socket held is forgotten, if it has neither received nor answered anything since: no request takes as long. */
export const SOCKET_MESSAGES_LAST_MS = 180_000

/** Requests of a socket on their way at once: an object has six connections that wait for an answer. */
export const SOCKET_SLOTS = { total: 6, reserved: 1 }

/** Entries in one message of a cursor: as many as `@libsql/hrana-client` asks for, ten times. */
export const MAX_CURSOR_ENTRIES = 10_000

/** A message of a cursor ends with the entry that reaches this. */
export const MAX_CURSOR_MESSAGE_CHARACTERS = 512 * 1024

/**
 * Fetches of one cursor that wait for an answer: a client that does not read has as many messages held for it by the runtime,
 * which does not tell how many they are. `@libsql/hrana-client` asks for ten ahead.
 */
export const MAX_CURSOR_FETCHES = 64

/** One line of a cursor: a row, whose values sqld bounds to 5 MB. */
export const MAX_CURSOR_LINE_BYTES = MAX_ANSWER_BYTES

/** Of a cursor that its client closes before its end, so much is read for nothing, and for so long: the stream waits for it. */
export const MAX_SKIPPED_CURSOR_BYTES = 4 * 1024 * 1024
export const SKIPPED_CURSOR_MS = 2_000

/**
 * A cursor keeps its object in memory and a snapshot of the database; whoever fetches nothing for so long has gone. Before
 * the body that it reads is cut off for standing still, so that the client can be told why.
 */
export const CURSOR_IDLE_MS = 25_000

/** How often an object looks whether its socket is still there, to forget what it has stored for it. */
export const SOCKET_CHECK_MS = 3_600_000

/** By then a socket must have said a hello that the database accepts. */
export const HELLO_MS = 5_000

/** What of a database's refusal is looked at and passed on: a sentence or two. */
export const MAX_REFUSAL_CHARACTERS = 2_000
