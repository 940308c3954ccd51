/**
 * What the requests of a client mean for its stream, read off their JSON text without decoding it. What is not certain is
 * taken for the worse. Pure.
 */
import { elementsOf, sqlTextsOf } from '../hrana/envelope.ts'
import { bytesOf } from '../memory/bytes.ts'
import { ALL_HISTORY, asksFor, NO_HISTORY, type HistoryKind } from './history.ts'
import { BEGINS, ENDS, ESCAPED_LETTER, KEEPS_STATE, word } from './sql-words.ts'
import { fillIn, readStoring, typeOf, type StoredSql, type StoringRequest } from './stored-sql.ts'
import { isUndoable } from './undoable.ts'

export type HranaVersion = '2' | '3'

export interface RequestFacts {
  /** `close` is among them. */
  isClosing: boolean
  /** They may open a transaction. */
  mayBegin: boolean
  /** They may commit the one that is open. */
  mayCommit: boolean
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

/** Not the function `replace()`. */
const CHANGES_ROWS = word(String.raw`(?:insert|update|delete)\b|replace\b(?!(?:\s|\\[nrt])*\()`)
const WRITES = word(
  String.raw`(?:insert|replace|update|delete|create|drop|alter|reindex|analyze|vacuum|pragma|immediate|exclusive)\b`,
)
const IN_VERSION_3 = /"type"\s*:\s*"(?:get|is)_autocommit"/
const STORES = /_sql"/
/** Of a pipeline without requests. */
export const NO_REQUESTS = bytesOf('[]')
export const NO_FACTS: RequestFacts = {
  isClosing: false,
  mayBegin: false,
  mayCommit: false,
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

/** Whether a batch leaves nothing behind that could be asked for, and needs nothing: then its stream can go with it. */
export function isSelfContained(batch: string): boolean {
  const { mayBegin, leavesState, mayWrite } = readSql(batch, {})
  return !mayBegin && !leavesState && !mayWrite
}

/** Whether they may wait for the database's write lock, and have it from then on. */
export const mayTakeWriteLock = (requests: string): boolean =>
  ESCAPED_LETTER.test(requests) || WRITES.test(requests)

type SqlFacts = Pick<RequestFacts, 'mayBegin' | 'mayCommit' | 'leavesState' | 'asks' | 'mayWrite'>

/** Arguments do not count, whatever they say. */
function readSql(requests: string, stored: StoredSql): SqlFacts {
  const { text, namesUnknown } = fillIn(requests, stored)
  if (ESCAPED_LETTER.test(text)) return OBSCURE
  const facts = {
    mayBegin: namesUnknown,
    mayCommit: namesUnknown,
    leavesState: false,
    asks: asksFor(text),
    mayWrite: namesUnknown,
  }
  for (const sql of sqlTextsOf(text)) {
    facts.mayBegin ||= BEGINS.test(sql)
    facts.mayCommit ||= ENDS.test(sql)
    facts.leavesState ||= KEEPS_STATE.test(sql)
    facts.mayWrite ||= CHANGES_ROWS.test(sql)
  }
  return facts
}

const OBSCURE: SqlFacts = {
  mayBegin: true,
  mayCommit: true,
  leavesState: true,
  asks: ALL_HISTORY,
  mayWrite: true,
}

function hasClose(requests: string): boolean {
  for (const request of elementsOf(requests)) if (typeOf(request) === 'close') return true
  return false
}
