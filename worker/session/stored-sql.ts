/** The SQL texts that a stream has stored: read off its requests, kept, and stored again on another upstream stream. Pure. */
import { elementsOf, readShortString, sliceMembers } from '../hrana/envelope.ts'
import { MAX_STORED_SQL_CHARACTERS } from '../limits.ts'
import { bytesOf, detached, joinBytes } from '../memory/bytes.ts'

/** The texts that a stream has stored, by their number; JSON strings. */
export type StoredSql = Readonly<Record<string, string>>

export interface StoringRequest {
  /** Which of the requests it is. */
  index: number
  sqlId: number
  /** The text as JSON; `null` of a `close_sql`. */
  sql: string | null
}

const STORED = /"sql_id"/
const STORED_TEXT = /"sql_id"\s*:\s*(-?\d+)/g

/**
 * With the stored texts where they are first named: only to be looked at, and what is true of the first is true of all.
 * So the text cannot become many times as long.
 */
export function fillIn(text: string, stored: StoredSql): { text: string; namesUnknown: boolean } {
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

/** @throws {SyntaxError} when a request that stores a text is not what the protocol says */
export function readStoring(requests: string): StoringRequest[] {
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
      storing.push({ index, sqlId, sql: type === 'store_sql' ? detached(sql!) : null })
    }
    index += 1
  }
  return storing
}

/** Of a request; `undefined` for one that has none. */
export function typeOf(request: string): string | null | undefined {
  return readShortString(sliceMembers(request, ['type']).type, MAX_TYPE_CHARACTERS)
}

/** The longest type of a request that the protocol knows, with every character escaped, is well within this. */
const MAX_TYPE_CHARACTERS = 100

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

/**
 * The body of a pipeline as it is sent: on a new upstream stream its requests are behind those that store its texts again,
 * and before a last one.
 *
 * @param requests a JSON array with nothing around it
 */
export function composePipeline(
  baton: string | null,
  requests: Uint8Array,
  { replay, asksAutocommit }: { replay: StoredSql; asksAutocommit: boolean },
): Uint8Array<ArrayBuffer> {
  const first = Object.entries(replay).map(
    ([sqlId, sql]) => `{"type":"store_sql","sql_id":${sqlId},"sql":${sql}}`,
  )
  const own = requests.subarray(1, -1)
  const last = asksAutocommit ? ['{"type":"get_autocommit"}'] : []
  const all = [...first, ...(own.every(isSpace) ? [] : [own]), ...last]
  return joinBytes([
    `{"baton":${JSON.stringify(baton)},"requests":[`,
    ...all.flatMap((part, index) => (index === 0 ? [part] : [',', part])),
    ']}',
  ])
}

const SPACES = bytesOf(' \t\n\r')
const isSpace = (byte: number): boolean => SPACES.includes(byte)
