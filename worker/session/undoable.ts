/** Whether a rollback takes back all that some requests do: read off their JSON text without decoding it. Pure. */
import { elementsOf, readShortString, sliceMembers } from '../hrana/envelope.ts'
import { BEGINS, ESCAPED_LETTER, KEEPS_STATE } from './sql-words.ts'

/** Alone in its text, as JSON; longer ones are not looked at. */
const isBegin = (sql: string): boolean =>
  sql.length <= MAX_CHARACTERS && /^"(?:\s|\\[nrt])*begin(?:\s+[a-z]+)*\s*;?\s*"$/i.test(sql)
const isSavepoint = (sql: string): boolean =>
  sql.length <= MAX_CHARACTERS && /^"\s*savepoint\s+\w+\s*;?\s*"$/i.test(sql)
const MAX_CHARACTERS = 100

/**
 * The first that runs is a BEGIN, and none of the others can begin a transaction. So a stream that is in one afterwards is
 * in that one, and all that ran is in it: it may have ended in between, but then there is none. What is not certain is not.
 *
 * @param requests of a stream's first pipeline
 */
export function isUndoable(requests: string): boolean {
  if (ESCAPED_LETTER.test(requests) || !BEGINS.test(requests)) return false
  try {
    let hasBegun = false
    for (const { sql, condition } of statementsOf(requests)) {
      if (sql === undefined) return false
      if (!hasBegun) {
        if (!isBegin(sql)) return false
        hasBegun = true
      } else if (KEEPS_STATE.test(sql)) return false
      // Within a transaction a savepoint begins none.
      else if (BEGINS.test(sql) && !(isSavepoint(sql) && isWithinTransaction(condition))) return false
    }
    return hasBegun
  } catch {
    return false
  }
}

interface FoundStatement {
  /** As JSON, with its quotes; perhaps a script. `undefined` of what is not understood. */
  sql: string | undefined
  /** Of a step, as JSON. */
  condition?: string | undefined
}

const TEXT = ['sql', 'sql_id'] as const

/** What may run, in order; with what was stored before it. */
function* statementsOf(requests: string): Generator<FoundStatement, undefined> {
  const texts = new Map<number, string>()
  const find = ({ sql = 'null', sql_id }: { sql?: string; sql_id?: string }): string | undefined => {
    const text = sql === 'null' ? texts.get(Number(sql_id)) : sql
    return text?.startsWith('"') === true ? text : undefined
  }
  for (const request of elementsOf(requests)) {
    const members = sliceMembers(request, ['type', 'stmt', 'batch', ...TEXT])
    const { type, stmt, batch, sql, sql_id } = members
    switch (readShortString(type, MAX_TYPE_CHARACTERS)) {
      case 'store_sql':
        // One that is there already stays; both are refused if they are not the same.
        if (sql === undefined || texts.has(Number(sql_id))) yield { sql: undefined }
        else texts.set(Number(sql_id), sql)
        break
      case 'get_autocommit':
        break
      case 'execute':
        yield { sql: find(sliceMembers(stmt ?? '', TEXT)) }
        break
      case 'sequence':
        yield { sql: find(members) }
        break
      case 'batch':
        for (const step of elementsOf(sliceMembers(batch ?? '', ['steps']).steps ?? '')) {
          const { stmt: own, condition } = sliceMembers(step, ['stmt', 'condition'])
          yield { sql: find(sliceMembers(own ?? '', TEXT)), condition }
        }
        break
      default:
        yield { sql: undefined }
    }
  }
}

/** Longer than any that is known. */
const MAX_TYPE_CHARACTERS = 20

type Condition = { type?: unknown; cond?: Condition; conds?: Condition[] } | null | undefined

function isWithinTransaction(json: string | undefined): boolean {
  const isMet = (condition: Condition): boolean =>
    condition?.type === 'and'
      ? condition.conds?.some(isMet) === true
      : condition?.type === 'not' && condition.cond?.type === 'is_autocommit'
  return isMet(JSON.parse(json ?? 'null') as Condition)
}
