/** One statement of an SQL script. */
export interface ScriptStatement {
  /** From its first token to its last: no surrounding white space or comments, no `;`. */
  readonly sql: string
  /** The 1-based line of its first token. */
  readonly line: number
}

/**
 * Splits an SQL script into its statements, as SQLite itself would read it: quotes, comments and the bodies of
 * triggers are kept whole, empty statements are dropped. What is unterminated at the end belongs to the last one.
 */
export function splitStatements(script: string): ScriptStatement[] {
  const statements: ScriptStatement[] = []
  let state: State = 'start'
  let line = 1
  let first: { index: number; line: number } | undefined
  let end = 0

  const finish = () => {
    if (first) statements.push({ sql: script.slice(first.index, end), line: first.line })
    first = undefined
  }

  for (const match of script.matchAll(TOKEN)) {
    const token = match[0]
    const kind = kindOf(match)
    state = TRANSITIONS[state][kind] ?? state
    if (kind === 'semicolon' && state === 'start') finish()
    else if (kind !== 'space') {
      first ??= { index: match.index, line }
      end = match.index + token.length
    }
    line += countNewlines(token)
  }
  finish()
  return statements
}

// A byte order mark counts as white space, except inside a name, as in SQLite's tokenizer.
const TOKEN = new RegExp(
  [
    /(?<space>[ \t\r\n\f\uFEFF]+|--[^\n]*|\/\*[^]*?(?:\*\/|$))/,
    /(?<word>[A-Za-z0-9_$\u0080-\uFFFF]+)/,
    /'[^']*'?|"[^"]*"?|`[^`]*`?|\[[^\]]*\]?/,
    /[^]/,
  ]
    .map((part) => part.source)
    .join('|'),
  'g',
)

type Kind = 'semicolon' | 'space' | 'other' | 'explain' | 'create' | 'temp' | 'trigger' | 'end'

const KEYWORDS = new Map<string, Kind>([
  ['explain', 'explain'],
  ['create', 'create'],
  ['temp', 'temp'],
  ['temporary', 'temp'],
  ['trigger', 'trigger'],
  ['end', 'end'],
])

function kindOf(match: RegExpExecArray): Kind {
  if (match.groups?.['space']) return 'space'
  if (match[0] === ';') return 'semicolon'
  const word = match.groups?.['word']
  return (word && KEYWORDS.get(word.toLowerCase())) || 'other'
}

type State = 'start' | 'normal' | 'explain' | 'create' | 'trigger' | 'triggerSemicolon' | 'triggerEnd'

/**
 * The state machine of sqlite3_complete() (https://www.sqlite.org/src/file/src/complete.c): inside a trigger only
 * `; END ;` ends the statement, so that neither its own semicolons nor `CASE … END` do.
 * A kind that is not listed leaves the state as it is.
 */
const TRANSITIONS: Record<State, Partial<Record<Kind, State>>> = {
  start: {
    other: 'normal',
    explain: 'explain',
    create: 'create',
    temp: 'normal',
    trigger: 'normal',
    end: 'normal',
  },
  normal: { semicolon: 'start' },
  explain: {
    semicolon: 'start',
    explain: 'normal',
    create: 'create',
    temp: 'normal',
    trigger: 'normal',
    end: 'normal',
  },
  create: {
    semicolon: 'start',
    other: 'normal',
    explain: 'normal',
    create: 'normal',
    trigger: 'trigger',
    end: 'normal',
  },
  trigger: { semicolon: 'triggerSemicolon' },
  triggerSemicolon: {
    other: 'trigger',
    explain: 'trigger',
    create: 'trigger',
    temp: 'trigger',
    trigger: 'trigger',
    end: 'triggerEnd',
  },
  triggerEnd: {
    semicolon: 'start',
    other: 'trigger',
    explain: 'trigger',
    create: 'trigger',
    temp: 'trigger',
    trigger: 'trigger',
    end: 'trigger',
  },
}

function countNewlines(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++
  return count
}
