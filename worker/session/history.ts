/**
 * What SQL can ask of the statements before it on the same stream, and what says that it does: read off the JSON text of
 * requests and results. Pure.
 */
import { sqlTextsOf } from '../hrana/envelope.ts'

/** The functions by which SQL asks. */
export type HistoryKind = 'last_insert_rowid' | 'changes' | 'total_changes'

export const NO_HISTORY: readonly HistoryKind[] = []
export const ALL_HISTORY: readonly HistoryKind[] = ['last_insert_rowid', 'changes', 'total_changes']

const NAMES = 'last_insert_rowid|total_changes|changes'
const NAMED = new RegExp(NAMES, 'i')
/**
 * What no call is in: literals, names in quotes, variables such as Tcl's `$name(…)`, comments. Each of them may have no end,
 * so that no place is looked at twice.
 */
const OPAQUE =
  /'[^']*'?|"[^"]*"?|`[^`]*`?|\[[^\]]*\]?|[$@#:][\w$:\x80-\uffff]*(?:\([^\s)]*\)?)?|--[^\n]*|\/\*[^]*?(?:\*\/|$)/g
/** A function may be named in quotes, too. */
const NAMED_IN_QUOTES = new RegExp(`^["\`[](${NAMES})["\`\\]]$`, 'i')
/** They have no arguments, so whatever has a list of columns behind it is a table. */
const CALL = new RegExp(
  String.raw`(?<![\w$\x80-\uffff])(${NAMES})\s*\(\s*(?:[)*]|(?:distinct|all|order)\b)`,
  'gi',
)

/**
 * What the SQL of some requests asks for, also where the same requests have a statement that would decide the answer: it
 * may fail or change nothing. What a view or a trigger asks for is not seen.
 */
export function asksFor(requests: string): readonly HistoryKind[] {
  if (!NAMED.test(requests)) return NO_HISTORY
  const asked = new Set<HistoryKind>()
  for (const json of sqlTextsOf(requests)) {
    if (!NAMED.test(json)) continue
    const sql = decode(json)
    if (sql === null) return ALL_HISTORY
    const plain = sql.replace(OPAQUE, (piece) => NAMED_IN_QUOTES.exec(piece)?.[1] ?? ' ')
    for (const [, name] of plain.matchAll(CALL)) asked.add(name!.toLowerCase() as HistoryKind)
  }
  return asked.size === 0 ? NO_HISTORY : [...asked]
}

function decode(json: string): string | null {
  try {
    return JSON.parse(json) as string
  } catch {
    return null
  }
}

/**
 * What the stream that gave these results, which was a new one, tells now as the client's would. It begins with zeros,
 * and what is none was made by a statement on it; of a zero that cannot be said.
 *
 * @param results of a pipeline, or an entry of a cursor
 */
export function toldBy(results: string): readonly HistoryKind[] {
  const told: HistoryKind[] = []
  if (/"last_insert_rowid":"?-?[1-9]/.test(results)) told.push('last_insert_rowid')
  if (/"affected_row_count":[1-9]/.test(results)) told.push('changes')
  return told.length === 0 ? NO_HISTORY : told
}
