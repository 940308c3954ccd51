/**
 * Where in a statement an error is. SQLite knows (sqlite3_error_offset), but the binding does not pass it on, so it is
 * read from the message: when the name in it occurs once in the statement, there is only one place it can mean.
 * Source of the messages that have a place: libsql-sqlite3/src/resolve.c, expr.c, build.c.
 */
import { tokenize, type SqlToken } from './sql-tokens.ts'

/** Bytes of UTF-8 from the start of the statement; or that it has a place which cannot be told; or that it has none. */
export type ErrorPlace = number | 'somewhere' | 'nowhere'

/** Finds the place of the error that SQLite reports with this message for this statement. */
export function locateError(message: string, sql: string): ErrorPlace {
  const name = MESSAGES.map((pattern) => pattern.exec(message)?.[1]).find((match) => match !== undefined)
  if (name === undefined) return 'nowhere'
  const tokens = tokenize(sql)
  const places = tokens.filter((_, index) => isNameAt(tokens, index, name))
  const [place, ...others] = places
  if (place === undefined || others.length > 0) return 'somewhere'
  // update.c reports the column to be set without its place.
  if (message.startsWith('no such column') && isAssigned(tokens, tokens.indexOf(place))) return 'nowhere'
  return Buffer.byteLength(sql.slice(0, place.index))
}

const MESSAGES = [
  /^no such column: (.+)$/,
  /^ambiguous column name: (.+)$/,
  /^no such function: (.+)$/,
  /^wrong number of arguments to function (.+)\(\)$/,
  /^misuse of aggregate(?: function)?:? (.+)\(\)$/,
  /^misuse of window function (.+)\(\)$/,
  /^(?:table|view) (.+) already exists$/,
]

/** Whether a name, of one part or of several with dots between, is written from this token on. */
function isNameAt(tokens: SqlToken[], start: number, name: string): boolean {
  let written = ''
  for (let index = start; index < tokens.length && written.length < name.length; index++) {
    written += unquote(tokens[index]!.text)
  }
  return written === name && tokens[start - 1]?.text !== '.'
}

function unquote(text: string): string {
  const inside = text.slice(1, -1)
  switch (text[0]) {
    case '"':
    case '`':
      return inside.replaceAll(text[0] + text[0], text[0])
    case '[':
      return inside
    default:
      return text
  }
}

function isAssigned(tokens: SqlToken[], index: number): boolean {
  const before = tokens[index - 1]?.text.toUpperCase()
  return (before === 'SET' || before === ',') && tokens[index + 1]?.text === '='
}
