/**
 * SQLite's tokenizer, as far as the local Turso needs it: words, parameters and parentheses outside of quotes and
 * comments. Source: https://www.sqlite.org/src/file/src/tokenize.c
 */

/** One token of a statement. White space and comments are no tokens. */
export interface SqlToken {
  readonly kind: 'word' | 'parameter' | 'other'
  readonly text: string
  /** Where it starts, in UTF-16 code units. */
  readonly index: number
}

/** The tokens of one SQL statement, in order. */
export function tokenize(sql: string): SqlToken[] {
  const tokens: SqlToken[] = []
  for (const { 0: text, groups, index } of sql.matchAll(TOKEN)) {
    if (groups?.['space'] !== undefined) continue
    const kind =
      groups?.['word'] !== undefined ? 'word' : groups?.['parameter'] !== undefined ? 'parameter' : 'other'
    tokens.push({ kind, text, index })
  }
  return tokens
}

const TOKEN = new RegExp(
  [
    /(?<space>[ \t\r\n\f\uFEFF]+|--[^\n]*|\/\*[^]*?(?:\*\/|$))/,
    // `$name` may carry the suffix of a Tcl variable. One without an end is no token, and as long in SQLite.
    /(?<parameter>\?[0-9]*|[:@$](?:[A-Za-z0-9_$\u0080-\uFFFF]|::)+(?:\([^) \t\n\v\f\r]*\)?)?)/,
    /(?<word>[A-Za-z_\u0080-\uFFFF][A-Za-z0-9_$\u0080-\uFFFF]*)/,
    /[0-9][A-Za-z0-9_.$\u0080-\uFFFF]*/,
    /'[^']*'?|"[^"]*"?|`[^`]*`?|\[[^\]]*\]?/,
    /[^]/,
  ]
    .map((part) => part.source)
    .join('|'),
  'g',
)
