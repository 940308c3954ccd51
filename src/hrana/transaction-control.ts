/** Statements that begin or end a transaction, which only its owner may. */

/** What SQL keywords cannot be in: literals, quoted names, comments, of which the last may have no end; Tcl's `$name(…)`. */
const OPAQUE =
  /'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*(?:\]|$)|[$@#:][\w$:\x80-\uffff]+\([^\s)]*\)|--[^\n]*|\/\*[^*]*(?:\*(?!\/)[^*]*)*(?:\*\/)?/g

/** Its END is the only one behind a semicolon. */
const TRIGGER = /\bcreate\s+(?:temp\w*\s+)?trigger\b[^]*?(?:;\s*end\b|$)/gi

/** Not ROLLBACK TO, which stays within. */
const CONTROL = /(?:^|;)\s*(?:begin|commit|end|rollback(?!\s+(?:transaction\s+)?to\b))\b/i

/**
 * Refused before they are sent: what follows them would run outside, and "rolled back" would not be true.
 *
 * @throws {TypeError} for a statement or script with BEGIN, COMMIT, END or ROLLBACK
 */
export function refuseTransactionControl(sql: string): void {
  // Almost no statement has one of the words at all.
  if (
    /\b(?:begin|commit|end|rollback)\b/i.test(sql) &&
    CONTROL.test(sql.replace(OPAQUE, ' ').replace(TRIGGER, ''))
  )
    throw new TypeError('A transaction is ended by its commit and rollback, not by a statement')
}
