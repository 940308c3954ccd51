/**
 * Rows without loss. The binding reads a text up to its first NUL, and a text that is not UTF-8 ends the process. So
 * statements are rewritten to deliver a text as a blob after the letter `t`, and then every blob after `b`. A text of
 * up to 255 ASCII characters needs none of that, and comes twice as fast without it.
 */
import { HttpFailure } from '../errors.ts'
import { MAX_VALUE_BYTES } from '../limits.ts'
import { tooBig } from './sqlite-errors.ts'
import type { EngineValue } from './values.ts'

/**
 * The same rows in the same order, to be read by {@link decodeExactRow}. The offset keeps SQLite from merging the
 * queries, which would compute a column more than once.
 */
export function exactQuery(sql: string, width: number): string {
  const names = Array.from({ length: width }, (_, index) => `c${index}`)
  return (
    `with "turso-edge rows" (${names.join()}) as (${sql}) ` +
    `select ${names.map(exactValue).join()} from (select * from "turso-edge rows" limit -1 offset 0)`
  )
}

/**
 * The same result column of a RETURNING clause, as an expression. A column of the row makes the query depend on the row:
 * SQLite would run it once for all rows otherwise, and `random()` with it.
 */
export function exactReturned(resultColumn: string, columnOfRow: string): string {
  return (
    `(with "turso-edge value" (c) as (select ${resultColumn} where ${columnOfRow} is ${columnOfRow}) ` +
    `select ${exactValue('c')} from (select * from "turso-edge value" limit -1 offset 0))`
  )
}

// length() ends at a NUL and counts characters, octet_length() counts bytes: they are equal for ASCII without NUL, and
// for stray bytes that are no character at all, which GLOB finds.
const exactValue = (name: string) =>
  `case typeof(${name}) when 'text' then iif(octet_length(${name}) < 256 and length(${name}) = octet_length(${name})` +
  ` and ${name} not glob '*[^\x01-\x7F]*', ${name}, cast('t' || ${name} as blob))` +
  ` when 'blob' then cast('b' || ${name} as blob) else ${name} end`

/**
 * The values of a row of a rewritten statement. Throws `SqlFailure` SQLITE_TOOBIG for a value above sqld's limit, and
 * `HttpFailure` 500 for a text that is not UTF-8: sqld gives up on the whole request as well.
 */
export function decodeExactRow(row: EngineValue[]): EngineValue[] {
  return row.map((value) => {
    if (!Buffer.isBuffer(value)) return value
    if (value.length > MAX_VALUE_BYTES + 1) throw tooBig()
    return value[0] === LETTER_T ? decodeText(value.subarray(1)) : value.subarray(1)
  })
}

function decodeText(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    throw new HttpFailure(500, 'Internal Error: `a text is not valid UTF-8`')
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const LETTER_T = 't'.charCodeAt(0)
