/** Words of SQL, found in its JSON text without decoding it. Whatever has one anywhere counts as having it. Pure. */

/** A letter as `\u0041`, by which a word of SQL would be overlooked. No encoder writes one. */
export const ESCAPED_LETTER = /\\u00[4-7]/
/** Where a word begins: also behind an escape such as `\n`, whose letter is none of the word's. */
const START = String.raw`(?:\b|\\[bfnrt]|\\u[0-9a-fA-F]{4})`
export const word = (pattern: string): RegExp => new RegExp(`${START}(?:${pattern})`, 'i')

export const ENDS = word(String.raw`(?:commit|end|release)\b`)
export const BEGINS = word(String.raw`(?:begin|savepoint)\b`)
/** A `pragma` that only reads the schema, or that writes to the file, leaves nothing on the stream. */
const HARMLESS_PRAGMA =
  '(?:table_x?info|table_list|index_list|index_x?info|foreign_key_list|database_list|function_list|user_version|application_id)'
export const KEEPS_STATE = word(
  String.raw`(?:temp|temporary|attach|detach)\b|pragma\b(?!\s+(?:main\s*\.\s*)?${HARMLESS_PRAGMA}\b)`,
)
