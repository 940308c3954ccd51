/**
 * What the requests of a client mean for its stream, read off their JSON text without decoding it. What is not certain is
 * taken for the worse. Pure.
 */
import { elementsOf, readShortString, sliceMembers, sqlTextsOf } from '../envelope.ts'
import { MAX_STORED_SQL_CHARACTERS } from '../limits.ts'
import { ALL_HISTORY, asksFor, NO_HISTORY, type HistoryKind } from './history.ts'
import { BEGINS, ESCAPED_LETTER, KEEPS_STATE, word } from './sql-words.ts'
import { isUndoable } from './undoable.ts'

export type HranaVersion = '2' | '3'

export interface RequestFacts {
  /** `close` is among them. */
  isClosing: boolean
  /** They may open a transaction. */
  mayBegin: boolean
  /** As the first of their stream: if that is in a transaction afterwards, a rollback takes back all of them. */
  isUndoable: boolean
  /** They may leave something on their stream that another stream would not have. */
  leavesState: boolean
  /** What they may ask of statements before, such as `last_insert_rowid()`. */
  asks: readonly HistoryKind[]
  /** They may change rows, so that what is asked afterwards is about that. */
  mayWrite: boolean
  /** They have what their version, 2, has not: they go to the database as that, for it to say so. */
  isBeyondVersion: boolean
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

/** Not the function `replace()`. */
const CHANGES_ROWS = word(String.raw`(?:insert|update|delete)\b|replace\b(?!(?:\s|\\[nrt])*\()`)
const WRITES = word(
  String.raw`(?:insert|replace|update|delete|create|drop|alter|reindex|analyze|vacuum|pragma|immediate|exclusive)\b`,
)
const IN_VERSION_3 = /"type"\s*:\s*"(?:get|is)_autocommit"/
const STORES = /_sql"/
const STORED = /"sql_id"/
const STORED_TEXT = /"sql_id"\s*:\s*(-?\d+)/g

/** Of a pipeline without requests. */
export const NO_FACTS: RequestFacts = {
  isClosing: false,
  mayBegin: false,
  isUndoable: false,
  leavesState: false,
  asks: NO_HISTORY,
  mayWrite: false,
  isBeyondVersion: false,
  storing: [],
}

/**
 * @param stored the texts that they may name
 * @param version of Hrana that their client speaks
 * @throws {SyntaxError} when a request that stores a text is not what the protocol says
 */
export function readRequests(requests: string, stored: StoredSql, version: HranaVersion = '3'): RequestFacts {
  if (!requests.startsWith('[') || !requests.endsWith(']')) throw new SyntaxError('not an array')
  const isObscure = ESCAPED_LETTER.test(requests)
  return {
    ...readSql(requests, stored),
    isUndoable: isUndoable(requests),
    // An argument may be the same text.
    isClosing: (isObscure || requests.includes('"close"')) && hasClose(requests),
    isBeyondVersion: version === '2' && IN_VERSION_3.test(requests),
    storing: isObscure || STORES.test(requests) ? readStoring(requests) : [],
  }
}

/** Of the batch of a cursor. */
export const readBatch = (batch: string, stored: StoredSql): RequestFacts => ({
  ...NO_FACTS,
  ...readSql(batch, stored),
})

/**
 * With the stored texts where they are first named: only to be looked at, and what is true of the first is true of all.
 * So the text cannot become many times as long.
 */
function fillIn(text: string, stored: StoredSql): { text: string; namesUnknown: boolean } {
  if (!STORED.test(text)) return { text, namesUnknown: false }
  const seen = new Set<string>()
  let namesUnknown = false
  const filled = text.replaceAll(STORED_TEXT, (named, id: string) => {
    const key = String(Number(id))
    const sql = stored[key]
    namesUnknown ||= sql === undefined
    if (sql === undefined || seen.has(key)) return named
    seen.add(key)
    return `"sql":${sql}`
  })
  return { text: filled, namesUnknown }
}

/** Whether a batch leaves nothing behind that could be asked for, and needs nothing: then its stream can go with it. */
export function isSelfContained(batch: string): boolean {
  const { mayBegin, leavesState, mayWrite } = readSql(batch, {})
  return !mayBegin && !leavesState && !mayWrite
}

/** Whether they may wait for the database's write lock, and have it from then on. */
export const mayTakeWriteLock = (requests: string): boolean =>
  ESCAPED_LETTER.test(requests) || WRITES.test(requests)

type SqlFacts = Pick<RequestFacts, 'mayBegin' | 'leavesState' | 'asks' | 'mayWrite'>

/** Arguments do not count, whatever they say. */
function readSql(requests: string, stored: StoredSql): SqlFacts {
  const { text, namesUnknown } = fillIn(requests, stored)
  if (ESCAPED_LETTER.test(text)) return OBSCURE
  const facts = { mayBegin: namesUnknown, leavesState: false, asks: asksFor(text), mayWrite: namesUnknown }
  for (const sql of sqlTextsOf(text)) {
    facts.mayBegin ||= BEGINS.test(sql)
    facts.leavesState ||= KEEPS_STATE.test(sql)
    facts.mayWrite ||= CHANGES_ROWS.test(sql)
  }
  return facts
}

const OBSCURE: SqlFacts = { mayBegin: true, leavesState: true, asks: ALL_HISTORY, mayWrite: true }

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
