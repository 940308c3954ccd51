/** Rewrites a RETURNING clause so that nothing of what it returns is lost on its way through the binding. */
import { exactReturned } from './exact-rows.ts'
import { tokenize, type SqlToken } from './sql-tokens.ts'

/** A statement with RETURNING, cut in two. */
export interface ReturningStatement {
  /** What is before the clause. */
  readonly head: string
  /** The result columns of the clause, as they are written. */
  readonly resultColumns: readonly string[]
}

/** Finds the clause; `undefined` when there is none. */
export function splitReturning(sql: string): ReturningStatement | undefined {
  const tokens = topLevel(tokenize(sql))
  const start = tokens.findLastIndex(({ kind, text }) => kind === 'word' && /^returning$/i.test(text))
  const clause = tokens[start]
  if (clause === undefined) return undefined
  const commas = tokens.filter(({ text }, index) => index > start && text === ',').map(({ index }) => index)
  const bounds = [clause.index + clause.text.length - 1, ...commas, sql.length]
  return {
    head: sql.slice(0, clause.index),
    resultColumns: bounds.slice(1).map((end, position) => sql.slice(bounds[position]! + 1, end)),
  }
}

/** The same statement, whose rows are to be read by `decodeExactRow`. `columns` are those of the table it changes. */
export function exactReturning(
  { head, resultColumns }: ReturningStatement,
  columns: readonly string[],
): string {
  const names = columns.map((name) => `"${name.replaceAll('"', '""')}"`)
  const exact = resultColumns
    .flatMap((column) => (tokenize(column).every(({ text }) => text === '*') ? names : [column]))
    // A comment at its end would swallow what follows.
    .map((column) => exactReturned(`${column}\n`, names[0]!))
  return `${head} returning ${exact.join()}`
}

/** The tokens outside of parentheses. */
function topLevel(tokens: SqlToken[]): SqlToken[] {
  let depth = 0
  return tokens.filter(({ text }) => {
    if (text === ')') depth--
    const isOutside = depth === 0
    if (text === '(') depth++
    return isOutside
  })
}
