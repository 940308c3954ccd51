/**
 * What a statement is, read from its words. SQLite has a closed set of leading keywords, so this is exact, and unlike
 * a flag of a prepared statement it is known before the statement is compiled: some pragmas take effect by that alone.
 */
import { splitStatements } from './sql-script.ts'
import { SqlFailure } from '../errors.ts'
import { tokenize, type SqlToken } from './sql-tokens.ts'

export type StatementKind = 'select' | 'write' | 'begin' | 'end' | 'savepoint' | 'pragma' | 'explain'

/** One SQL statement and what must be known to run it. */
export interface Statement {
  /** Without surrounding comments and without the semicolon. */
  readonly sql: string
  readonly kind: StatementKind
  /** It cannot run while another connection writes: a write, or the begin of a write transaction. */
  readonly takesWriteLock: boolean
  /** A read-only token must not run it. As in sqld, transactions may be read-only and most pragmas are not. */
  readonly needsWriteRight: boolean
  /** Whether SQLite calls it read-only. */
  readonly isReadonly: boolean
  /** INSERT, REPLACE, UPDATE or DELETE: only these have an affected row count. */
  readonly changesRows: boolean
  /** INSERT or REPLACE: only these have a last inserted rowid. */
  readonly inserts: boolean
  /** It changes a setting of its connection, which must not be handed to another stream afterwards. */
  readonly changesConnection: boolean
  /** The names of its parameters by position, `null` for `?` and for gaps. */
  readonly parameters: readonly (string | null)[]
}

/**
 * Reads exactly one statement.
 * Throws `SqlFailure` with sqld's codes when there is none, more than one, or one that sqld refuses to run.
 */
export function parseStatement(sql: string): Statement {
  const [statement, ...others] = parseScript(sql)
  if (statement === undefined) {
    throw new SqlFailure('SQL_NO_STATEMENT', 'SQL string does not contain any statement')
  }
  if (others.length > 0) {
    throw new SqlFailure('SQL_MANY_STATEMENTS', 'SQL string contains more than one statement')
  }
  return statement
}

/** Reads all statements of a script. Throws `SqlFailure` for one that sqld refuses to run. */
export function parseScript(script: string): Statement[] {
  return splitStatements(withoutNul(script)).map(({ sql }) => analyse(sql, tokenize(sql)))
}

/** The binding would cut the text at a NUL and run what is before it. */
function withoutNul(sql: string): string {
  if (sql.includes('\0')) throw parseFailure('unrecognized token: "\\0"')
  return sql
}

/**
 * Reads a statement that is described and not run. As in sqld it may be one that it would not run, and only the first
 * of several counts. Throws `SqlFailure` when there is none, and for a pragma that is refused: compiling it might run it.
 */
export function parseDescribed(sql: string): Statement {
  const [first] = splitStatements(withoutNul(sql))
  if (first === undefined) {
    throw new SqlFailure('SQL_NO_STATEMENT', 'SQL string does not contain any statement')
  }
  const tokens = tokenize(first.sql)
  const isRunnable = traitsOf(tokens) !== undefined || tokens.some(({ text }) => /^pragma$/i.test(text))
  return isRunnable
    ? analyse(first.sql, tokens)
    : { sql: first.sql, parameters: parametersOf(tokens), ...WRITE, isReadonly: ATTACHES.test(first.sql) }
}

/** `pragma user_version = 1`: of the pragmas it alone writes. */
export function setsUserVersion({ kind, takesWriteLock }: Statement): boolean {
  return kind === 'pragma' && takesWriteLock
}

/** They change the connection and no file. */
const ATTACHES = /^(?:attach|detach)\b/i

/** The error of a statement that is not SQL, or not the SQL that sqld accepts. */
export function parseFailure(reason: string): SqlFailure {
  return new SqlFailure('SQL_PARSE_ERROR', `SQL string could not be parsed: ${reason}`)
}

/** The error of a statement that the server does not run. */
export function unsupported(sql: string): SqlFailure {
  return parseFailure(`unsupported statement: ${sql}`)
}

/** sqld has none of it: what is temporary is bound to a connection. */
function makesTemporary(words: string[]): boolean {
  if (words[1] === 'TEMP' || words[1] === 'TEMPORARY') return true
  const named = words[1] === 'UNIQUE' || words[1] === 'VIRTUAL' ? 3 : 2
  const name = words.slice(named, named + 3).join(' ') === 'IF NOT EXISTS' ? named + 3 : named
  return words[name + 1] === '.' && TEMP_SCHEMA.test(words[name] ?? '')
}

const TEMP_SCHEMA = /^(["'`[]?)temp["'`\]]?$/i

/** The one table of a pragma that writes. A SELECT that names it would, and so would what is made of it. */
const OPTIMIZES = /^["'`[]?pragma_optimize["'`\]]?$/i

type Traits = Omit<Statement, 'sql' | 'parameters'>

function analyse(sql: string, tokens: SqlToken[]): Statement {
  const traits = tokens.some(({ text }) => OPTIMIZES.test(text)) ? undefined : traitsOf(tokens)
  if (traits === undefined) throw unsupported(sql)
  return { sql, parameters: parametersOf(tokens), ...traits }
}

/** `undefined` for statements that sqld does not support. */
function traitsOf(tokens: SqlToken[]): Traits | undefined {
  return traitsOfWords(tokens.map(({ kind, text }) => (kind === 'word' ? text.toUpperCase() : text)))
}

function traitsOfWords(words: string[]): Traits | undefined {
  switch (words[0]) {
    case 'SELECT':
    case 'VALUES':
      return READ
    case 'WITH':
      return traitsOfVerb(verbAfterWith(words))
    case 'BEGIN':
      return words[1] === 'IMMEDIATE' || words[1] === 'EXCLUSIVE'
        ? { ...TRANSACTION, kind: 'begin', takesWriteLock: true, isReadonly: false }
        : { ...TRANSACTION, kind: 'begin' }
    case 'COMMIT':
    case 'END':
      return { ...TRANSACTION, kind: 'end' }
    case 'ROLLBACK':
      return words.includes('TO') ? { ...TRANSACTION, kind: 'savepoint' } : { ...TRANSACTION, kind: 'end' }
    case 'SAVEPOINT':
    case 'RELEASE':
      return { ...TRANSACTION, kind: 'savepoint' }
    case 'EXPLAIN':
      return traitsOfExplain(words.slice(words[1] === 'QUERY' ? 3 : 1))
    case 'PRAGMA':
      return traitsOfPragma(words)
    case 'CREATE':
      return makesTemporary(words) ? undefined : WRITE
    case 'VACUUM':
    case 'ANALYZE':
    case 'ATTACH':
    case 'DETACH':
      return undefined
    default:
      return traitsOfVerb(words[0])
  }
}

const READ: Traits = {
  kind: 'select',
  takesWriteLock: false,
  needsWriteRight: false,
  isReadonly: true,
  changesRows: false,
  inserts: false,
  changesConnection: false,
}

/** SQLite calls it read-only when the statement that it explains is. */
function traitsOfExplain(explained: string[]): Traits | undefined {
  // Compiling an explained pragma runs it.
  if (explained[0] === 'PRAGMA') return undefined
  return { ...READ, kind: 'explain', isReadonly: traitsOfWords(explained)?.isReadonly ?? false }
}

const TRANSACTION: Traits = { ...READ, kind: 'savepoint' }

const WRITE: Traits = {
  ...READ,
  kind: 'write',
  takesWriteLock: true,
  needsWriteRight: true,
  isReadonly: false,
}

/** What is no keyword at all is left to SQLite, whose error is better than ours. */
function traitsOfVerb(verb: string | undefined): Traits {
  switch (verb) {
    case 'SELECT':
    case 'VALUES':
      return READ
    case 'INSERT':
    case 'REPLACE':
      return { ...WRITE, changesRows: true, inserts: true }
    case 'UPDATE':
    case 'DELETE':
      return { ...WRITE, changesRows: true }
    default:
      return WRITE
  }
}

/** The word after the parenthesis that closes the last common table expression. */
function verbAfterWith(words: string[]): string | undefined {
  let depth = 0
  for (const [index, word] of words.entries()) {
    if (word === '(') depth++
    else if (word === ')') depth--
    else if (depth === 0 && words[index - 1] === ')' && word !== 'AS' && word !== ',') return word
  }
  return undefined
}

// The lists of sqld (libsql-server/src/query_analysis.rs). What is in none of them is refused.
const READING_PRAGMAS =
  words(`table_list index_list table_info table_xinfo index_xinfo pragma_list compile_options
  database_list function_list module_list encoding index_info`)
const PRAGMAS =
  words(`defer_foreign_keys foreign_keys foreign_key_list foreign_key_check collation_list data_version
  freelist_count integrity_check legacy_file_format page_count quick_check stats user_version`)
const PRAGMAS_WITHOUT_ARGUMENT = words(`analysis_limit application_id auto_vacuum automatic_index busy_timeout
  cache_size cache_spill cell_size_check checkpoint_fullfsync fullfsync hard_heap_limit journal_mode
  journal_size_limit legacy_alter_table locking_mode max_page_count mmap_size page_size query_only read_uncommitted
  recursive_triggers reverse_unordered_selects secure_delete soft_heap_limit synchronous temp_store
  threads trusted_schema wal_autocheckpoint`)

function words(text: string): Set<string> {
  return new Set(text.toUpperCase().split(/\s+/))
}

function traitsOfPragma(tokens: string[]): Traits | undefined {
  const at = tokens[2] === '.' ? 3 : 1
  const name = tokens[at] ?? ''
  const hasArgument = tokens.length > at + 1
  if (READING_PRAGMAS.has(name) || (name === 'SCHEMA_VERSION' && !hasArgument))
    return { ...READ, kind: 'pragma' }
  const allowed = PRAGMAS.has(name) || (PRAGMAS_WITHOUT_ARGUMENT.has(name) && !hasArgument)
  if (!allowed) return undefined
  const writes = name === 'USER_VERSION' && hasArgument
  // It might change the mode, so SQLite never calls it read-only.
  const isReadonly = !writes && name !== 'JOURNAL_MODE'
  const changesConnection = hasArgument && (name === 'FOREIGN_KEYS' || name === 'DEFER_FOREIGN_KEYS')
  return {
    ...READ,
    kind: 'pragma',
    needsWriteRight: true,
    takesWriteLock: writes,
    isReadonly,
    changesConnection,
  }
}

/** SQLITE_LIMIT_VARIABLE_NUMBER */
const MAX_PARAMETERS = 32_766

/** Numbers the parameters as https://www.sqlite.org/lang_expr.html#varparam says. */
function parametersOf(tokens: SqlToken[]): (string | null)[] {
  const names: (string | null)[] = []
  const known = new Set<string>()
  for (const { kind, text } of tokens) {
    if (kind !== 'parameter') continue
    if (text === '?') names.push(null)
    else if (text.startsWith('?')) {
      const position = Number(text.slice(1))
      // SQLite refuses larger numbers when it compiles the statement.
      if (position < 1 || position > MAX_PARAMETERS) continue
      while (names.length < position) names.push(null)
      names[position - 1] = text
    } else if (!known.has(text)) {
      known.add(text)
      names.push(text)
    }
    if (names.length > MAX_PARAMETERS) throw parseFailure('too many SQL variables')
  }
  return names
}
