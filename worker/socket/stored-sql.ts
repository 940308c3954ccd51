/**
 * The SQL texts that a client has stored, for its whole connection. They never go upstream as such: there a text belongs
 * to one stream, may have 5 kB, and is gone with it. Each request carries the texts that it names. Pure.
 */
import type { HranaError } from '../hrana/error.ts'
import {
  MAX_SOCKET_MESSAGE_CHARACTERS,
  MAX_SOCKET_SQL_CHARACTERS,
  MAX_SOCKET_SQLS,
  MAX_SOCKET_SQLS_CHARACTERS,
} from '../limits.ts'
import type { Template } from './statement.ts'

/** By id, each as JSON with its quotes. */
export type StoredSqls = Map<number, string>

/** @returns why a text cannot be stored, `undefined` when it can */
export function refuseSql(texts: StoredSqls, sql: string): HranaError | undefined {
  if (sql.length > MAX_SOCKET_SQL_CHARACTERS)
    return tooLarge(`A stored SQL text has at most ${MAX_SOCKET_SQL_CHARACTERS} characters`)
  if (texts.size >= MAX_SOCKET_SQLS)
    return {
      status: 400,
      code: 'SQL_STORE_TOO_MANY',
      message: `A connection stores at most ${MAX_SOCKET_SQLS} SQL texts: close_sql those that are not needed`,
    }
  let characters = sql.length
  for (const text of texts.values()) characters += text.length
  return characters > MAX_SOCKET_SQLS_CHARACTERS
    ? tooLarge(`The stored SQL texts of a connection have at most ${MAX_SOCKET_SQLS_CHARACTERS} characters`)
    : undefined
}

/** The JSON of a request, with the stored texts where it names them. */
export function fillIn(template: Template, texts: StoredSqls): { json: string } | { error: HranaError } {
  let characters = 0
  const pieces: string[] = []
  for (const piece of template) {
    const text = typeof piece === 'string' ? piece : texts.get(piece)
    if (text === undefined)
      return { error: { status: 400, code: 'SQL_NOT_STORED', message: `SQL text ${piece} is not stored` } }
    characters += text.length
    if (characters > MAX_SOCKET_MESSAGE_CHARACTERS)
      return {
        error: tooLarge(
          `A request has more than ${MAX_SOCKET_MESSAGE_CHARACTERS} characters with its SQL texts`,
        ),
      }
    pieces.push(text)
  }
  return { json: pieces.join('') }
}

const tooLarge = (message: string): HranaError => ({ status: 400, code: 'SQL_STORE_TOO_LARGE', message })
