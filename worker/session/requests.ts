/**
 * What the requests of a client mean for its stream, read off their JSON text without decoding it. What is not certain is
 * taken for the worse. Pure.
 */
import { elementsOf, readShortString, sliceMembers } from '../envelope.ts'
import { MAX_STORED_SQL_CHARACTERS } from '../limits.ts'

export interface RequestFacts {
  /** `close` is among them. */
  isClosing: boolean
  /** They may open a transaction. */
  mayBegin: boolean
  /** They begin with a transaction, and end none: as long as that is open afterwards, all of them can be taken back. */
  isUndoable: boolean
  /** They may leave something on their stream that another stream would not have. */
  leavesState: boolean
  /** They may ask for what an earlier statement left there, such as `last_insert_rowid()`. */
  needsHistory: boolean
  /** They insert, so that what is asked afterwards is about that. */
  makesHistory: boolean
  /** The texts that they store and forget, in order. */
  storing: StoringRequest[]
}

export interface StoringRequest {
  /** Which of the requests it is. */
  index: number
  sqlId: number
  /** The text as JSON; `null` of a `close_sql`. */
  sql: string | null
}

/** A letter as `\u0041`, by which a word of SQL would be overlooked. No encoder writes one. */
const ESCAPED_LETTER = /\\u00[4-7]/
/** Where a word begins: also behind an escape such as `\n`, whose letter is none of the word's. */
const START = String.raw`(?:\b|\\[bfnrt]|\\u[0-9a-fA-F]{4})`
const word = (pattern: string): RegExp => new RegExp(`${START}(?:${pattern})`, 'i')

const BEGINS = word(String.raw`(?:begin|savepoint)\b`)
/** A `pragma` that only reads the schema, or that writes to the file, leaves nothing on the stream. */
const HARMLESS_PRAGMA =
  '(?:table_x?info|table_list|index_list|index_x?info|foreign_key_list|database_list|function_list|user_version|application_id)'
const KEEPS_STATE = word(
  String.raw`(?:temp|temporary|attach|detach)\b|pragma\b(?!\s+(?:main\s*\.\s*)?${HARMLESS_PRAGMA}\b)`,
)
const ASKS_FOR_HISTORY = new RegExp(
  String.raw`${START}(?:(last_insert_rowid|total_changes)\b|changes(?:\s|\\[nrt"])*(?:\(|/\*|--))`,
  'gi',
)
const INSERTS = word(String.raw`(?:insert|replace)\b[^;]*?(?<!\w)into\b`)
const CHANGES_ROWS = /"sql"\s*:\s*"\s*(?:insert|replace|update|delete)\b/i
const BEGINS_WITH_BEGIN = /^\[\s*\{\s*"type"\s*:\s*"execute"\s*,\s*"stmt"\s*:\s*\{\s*"sql"\s*:\s*"\s*begin\b/i
/** What may end a transaction, or begin another after the first has failed. */
const MORE_THAN_BEGIN = word(
  String.raw`(?:commit|end|rollback|release|savepoint)\b|begin\b[^]*(?<!\w)begin\b`,
)
const WRITES = word(
  String.raw`(?:insert|replace|update|delete|create|drop|alter|reindex|analyze|vacuum|pragma|immediate|exclusive)\b`,
)
const STORES = /_sql"/
const STORED = /"sql_id"/
const STORED_TEXT = /"sql_id"\s*:\s*(-?\d+)/g

/** Of a pipeline without requests. */
export const NO_FACTS: RequestFacts = {
  isClosing: false,
  mayBegin: false,
  isUndoable: false,
  leavesState: false,
  needsHistory: false,
  makesHistory: false,
  storing: [],
}

/**
 * @param stored the texts that they may name
 * @throws {SyntaxError} when a request that stores a text is not what the protocol says
 */
export function readRequests(requests: string, stored: StoredSql): RequestFacts {
  if (!requests.startsWith('[') || !requests.endsWith(']')) throw new SyntaxError('not an array')
  const isObscure = ESCAPED_LETTER.test(requests)
  return {
    ...readSql(fillIn(requests, stored)),
    isUndoable:
      !isObscure &&
      BEGINS_WITH_BEGIN.test(requests) &&
      !MORE_THAN_BEGIN.test(requests) &&
      !KEEPS_STATE.test(requests),
    // An argument may be the same text.
    isClosing: (isObscure || requests.includes('"close"')) && hasClose(requests),
    storing: isObscure || STORES.test(requests) ? readStoring(requests) : [],
  }
}

/** Of the batch of a cursor. */
export const readBatch = (batch: string, stored: StoredSql): RequestFacts => ({
  ...NO_FACTS,
  ...readSql(fillIn(batch, stored)),
})

/** With the stored texts where they are named, as far as they are known: only to be looked at. */
function fillIn(text: string, stored: StoredSql): string {
  if (!STORED.test(text)) return text
  return text.replaceAll(STORED_TEXT, (named, id: string) => {
    const sql = stored[String(Number(id))]
    return sql === undefined ? named : `"sql":${sql}`
  })
}

/** Whether a batch leaves nothing behind, and needs nothing: then its stream can go with it. */
export function isSelfContained(batch: string): boolean {
  const { mayBegin, leavesState } = readSql(batch)
  return !mayBegin && !leavesState && !STORED.test(batch)
}

/** Whether they may wait for the database's write lock, and have it from then on. */
export const mayTakeWriteLock = (requests: string): boolean =>
  ESCAPED_LETTER.test(requests) || WRITES.test(requests)

function readSql(
  text: string,
): Pick<RequestFacts, 'mayBegin' | 'leavesState' | 'needsHistory' | 'makesHistory'> {
  const isObscure = ESCAPED_LETTER.test(text)
  return {
    mayBegin: isObscure || BEGINS.test(text),
    leavesState: isObscure || KEEPS_STATE.test(text),
    needsHistory: isObscure || needsHistory(text),
    makesHistory: INSERTS.test(text),
  }
}

/** Whether it asks for what was there before it: not if a statement before, in the same pipeline, decides the answer. */
function needsHistory(requests: string): boolean {
  for (const { index, 1: name } of requests.matchAll(ASKS_FOR_HISTORY)) {
    // A count of all is never about one request alone.
    if (name?.toLowerCase() === 'total_changes') return true
    const ownStart = Math.max(requests.lastIndexOf('"sql"', index), requests.lastIndexOf(';', index))
    const before = requests.slice(0, Math.max(0, ownStart))
    if (!(name === undefined ? CHANGES_ROWS : INSERTS).test(before)) return true
  }
  return false
}

function hasClose(requests: string): boolean {
  for (const request of elementsOf(requests)) if (typeOf(request) === 'close') return true
  return false
}

function readStoring(requests: string): StoringRequest[] {
  const storing: StoringRequest[] = []
  let index = 0
  for (const request of elementsOf(requests)) {
    const type = typeOf(request)
    if (type === 'store_sql' || type === 'close_sql') {
      const { sql_id, sql } = sliceMembers(request, ['sql_id', 'sql'])
      const sqlId = Number(sql_id)
      if (!Number.isSafeInteger(sqlId)) throw new SyntaxError('"sql_id" must be an integer')
      if (type === 'store_sql' && (sql === undefined || !sql.startsWith('"')))
        throw new SyntaxError('"sql" must be a string')
      storing.push({ index, sqlId, sql: type === 'store_sql' ? sql! : null })
    }
    index += 1
  }
  return storing
}

function typeOf(request: string): string | null | undefined {
  return readShortString(sliceMembers(request, ['type']).type, MAX_TYPE_CHARACTERS)
}

/** The longest type of a request that the protocol knows, with every character escaped, is well within this. */
const MAX_TYPE_CHARACTERS = 100

/** The texts that a stream has stored, by their number; JSON strings. */
export type StoredSql = Readonly<Record<string, string>>

/**
 * The texts after these requests.
 *
 * @param isDone whether the request of this index succeeded
 * @returns `null` when they are more than is kept: then the stream cannot be opened again with them
 */
export function storedAfter(
  stored: StoredSql,
  storing: readonly StoringRequest[],
  isDone: (index: number) => boolean,
): StoredSql | null {
  const texts = new Map(Object.entries(stored))
  for (const { index, sqlId, sql } of storing) {
    if (!isDone(index)) continue
    if (sql === null) texts.delete(String(sqlId))
    else texts.set(String(sqlId), sql)
  }
  let characters = 0
  for (const sql of texts.values()) characters += sql.length
  return characters > MAX_STORED_SQL_CHARACTERS ? null : Object.fromEntries(texts)
}

/** The requests as they are sent: on a new upstream stream behind those that store its texts again, and with a last one. */
export function composeRequests(
  requests: string,
  { replay, asksAutocommit }: { replay: StoredSql; asksAutocommit: boolean },
): string {
  const first = Object.entries(replay).map(
    ([sqlId, sql]) => `{"type":"store_sql","sql_id":${sqlId},"sql":${sql}}`,
  )
  const own = requests.slice(1, -1).trim()
  const last = asksAutocommit ? ['{"type":"get_autocommit"}'] : []
  return `[${[...first, ...(own === '' ? [] : [own]), ...last].join(',')}]`
}
